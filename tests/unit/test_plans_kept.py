"""A Plan that was kept is the Plan that compile() makes, whatever the command; and only what may be kept is."""

from pathlib import PurePosixPath

import pytest

from isolib.launch import kept
from isolib.launch.compile import Identity, compile as compiled_anew
from isolib.launch.kept import compiled
from isolib.launch.wire import encode
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts
from isolib.spec.mounts import Bind, Inject
from isolib.spec.process import ProcessOptions

HOST = HostFacts(uid=0, gid=0, kernel=(6, 8), privileged=True)
COMMANDS = [
    (("true",), {}),
    (("sh", "-c", "x" * 10_000), {"A": "1"}),
    (("é", "\udcff"), {"HOME": "/nowhere", "PATH": ""}),
    (tuple("word" for _ in range(3000)), {str(i): "y" * i for i in range(100)}),
]


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    kept._kept.clear()


@pytest.mark.parametrize("terminal", [False, True])
def test_another_command_is_compiled_as_anew(terminal: bool) -> None:
    for argv, env in COMMANDS:
        spec = ContainerSpec(argv=argv, env=env, terminal=terminal, cwd="/")
        plan = compiled(spec, HOST, Identity(), False)
        anew = compiled_anew(spec, HOST, Identity())
        assert plan == anew
        assert plan.encoded == anew.encoded == encode(anew.steps)
    assert len(kept._kept) == 1


def test_a_plan_once_given_out_never_changes() -> None:
    spec = ContainerSpec(argv=("first",), cwd="/")
    first = compiled(spec, HOST, Identity(), False)
    before = first.encoded
    compiled(ContainerSpec(argv=("second",), cwd="/"), HOST, Identity(), False)
    assert first.encoded == before
    assert compiled(spec, HOST, Identity(), False) == first


@pytest.mark.parametrize(
    "other",
    [
        ContainerSpec(argv=("x",), cwd="/tmp"),
        ContainerSpec(argv=("x",), cwd="/", hostname="other"),
        ContainerSpec(argv=("x",), cwd="/", namespaces={"net": "host"}),
        ContainerSpec(argv=("x",), cwd="/", process=ProcessOptions(umask=0o077)),
        ContainerSpec(argv=("x",), cwd="/", mounts=(Inject("/etc/x", b"1"),)),
    ],
)
def test_anything_else_is_a_plan_of_its_own(other: ContainerSpec) -> None:
    compiled(ContainerSpec(argv=("x",), cwd="/"), HOST, Identity(), False)
    assert compiled(other, HOST, Identity(), False) == compiled_anew(other, HOST, Identity())
    assert len(kept._kept) == 2


def test_equal_numbers_of_other_types_are_told_apart() -> None:
    one, true = (ContainerSpec(argv=("x",), cwd="/", namespaces={"net": value}) for value in (1, True))
    assert kept._words(one) != kept._words(true)


def test_a_path_that_need_not_say_what_it_is_is_not_kept() -> None:
    spec = ContainerSpec(argv=("x",), cwd="/", mounts=(Bind(PurePosixPath("/etc"), "/x"),))
    assert compiled(spec, HOST, Identity(), False) == compiled_anew(spec, HOST, Identity())
    large = ContainerSpec(argv=("x",), cwd="/", mounts=(Inject("/x", bytes(1 << 20)),))
    compiled(large, HOST, Identity(), False)
    assert not kept._kept


def test_no_more_are_kept_than_that() -> None:
    for number in range(kept.MOST + 10):
        compiled(ContainerSpec(argv=("x",), cwd="/", hostname=f"h{number}"), HOST, Identity(), False)
    assert 0 < len(kept._kept) <= kept.MOST

"""Bad input at the face: one typed error, before anything was started or touched, whatever verb gets it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import isolib
from isolib import Bind, IdMap, IdMaps, Ids, Image, Limits, ProcessOptions, Scratch, Security, Tmpfs
from isolib.linux import spawn as linux

WISHES: dict[str, dict[str, Any]] = {
    "cwd": {"cwd": "relative"},
    "env['A=B']": {"env": {"A=B": ""}},
    "env": {"env": 7},
    "user": {"user": "-1"},
    "hostname": {"hostname": "a b"},
    "network": {"network": "bridge2"},
    "image": {"image": "debian"},
    "mounts": {"mounts": 7},
    "mounts[0]": {"mounts": ["/a:/b"]},
    "mounts[0].source": {"mounts": [Bind("/no/such/place", "/x")]},
    "mounts[1].target": {"mounts": [Tmpfs("/a"), Tmpfs("//a/")]},
    "mounts[0].target": {"mounts": [Tmpfs("/proc/self")]},
    "limits.memory": {"limits": Limits(memory="lots")},
    "limits.pids": {"limits": Limits(pids=0)},
    "limits.cpus": {"limits": Limits(cpus=float("nan"))},
    "limits": {"limits": "512M"},
    "security.seccomp": {"security": Security(seccomp="off")},  # type: ignore[arg-type]
    "security.masked[0]": {"security": Security(masked=("x",))},
    "process.rlimits['files']": {"process": ProcessOptions(rlimits={"files": 1})},
    "process.fds[3]": {"process": ProcessOptions(fds={3: 9999})},
    "namespaces['pid']": {"namespaces": {"pid": "container:x"}},
    "namespaces['net']": {"namespaces": {"net": 9999}},
    "namespaces": {"namespaces": "host"},
    "ids": {"ids": "everything"},
    "ids.uids[1].container": {"ids": Ids("maps", maps=IdMaps((IdMap(0, 5, 9), IdMap(8, 50)), (IdMap(0, 5),)))},
    "ids.gids[0].size": {"ids": Ids("maps", maps=IdMaps((IdMap(0, 5),), (IdMap(0, 5, 0),)))},
    "offsets['realtime']": {"offsets": {"realtime": 1}},
    "sysctls['kernel.core_pattern']": {"sysctls": {"kernel.core_pattern": "|x"}},
    "shm_size": {"shm_size": "lots"},
    "scratch.directory": {"scratch": Scratch(directory="/no/such/place")},
    "terminal": {"terminal": "yes"},
    "root.layers[0]": {"image": Image.directory("/no/such/place")},
}
VERBS: dict[str, Callable[..., object]] = {
    "run": isolib.run,
    "spawn": isolib.spawn,
    "plan": isolib.plan,
    "prepared": isolib.prepared,
    "Container": lambda argv, image=None, **wishes: isolib.Container(image, argv, **wishes).start(),
}


@pytest.fixture
def nothing_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(*_: object) -> None:
        raise AssertionError("something was started")

    isolib.plan(["true"])  # the facts of this host are found by starting something, once
    monkeypatch.setattr(linux, "spawn", start)


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("place", WISHES)
def test_a_bad_wish(verb: str, place: str) -> None:
    with pytest.raises(isolib.SpecError) as caught:
        VERBS[verb](["true"], **WISHES[place])
    assert place in {problem.where for problem in caught.value.problems}, caught.value


@pytest.mark.usefixtures("nothing_starts")
@pytest.mark.parametrize(
    "argv", [[], "ls -l", None, 7, [7], [None], [""], ["a\0"], [b"true"], {"true": 1}, [["true"]], b"true"], ids=repr
)
@pytest.mark.parametrize("verb", VERBS)
def test_a_bad_command(verb: str, argv: Any) -> None:
    with pytest.raises(isolib.SpecError) as caught:
        VERBS[verb](argv)
    assert caught.value.where.startswith("argv")


@pytest.mark.parametrize("timeout", [-1, "5", True, float("nan"), [1]])
def test_a_bad_timeout(timeout: Any) -> None:
    with pytest.raises(isolib.SpecError, match="timeout"):
        isolib.run(["true"], timeout=timeout)


def test_commands_of_every_sort(tmp_path: Path) -> None:
    assert isolib.run(("echo", "tuple")).text() == "tuple\n"
    assert isolib.run(word for word in ("echo", "generator")).text() == "generator\n"  # type: ignore[arg-type]
    assert isolib.run([Path("/bin/echo"), tmp_path]).text() == f"{tmp_path}\n"


@pytest.mark.usefixtures("nothing_starts")
def test_all_that_is_wrong_at_once() -> None:
    wishes: dict[str, Any] = {}
    for place in (
        "cwd",
        "env['A=B']",
        "user",
        "hostname",
        "limits.pids",
        "offsets['realtime']",
        "terminal",
        "shm_size",
    ):
        wishes |= WISHES[place]
    with pytest.raises(isolib.SpecError) as caught:
        isolib.run([], **wishes)
    assert len(caught.value.problems) == 9
    assert str(caught.value).count("\n") == 8


@pytest.mark.usefixtures("nothing_starts")
def test_a_word_that_is_none() -> None:
    with pytest.raises(TypeError, match="netwrok"):
        isolib.run(["true"], netwrok="host")  # type: ignore[call-arg]


@pytest.mark.usefixtures("nothing_starts")
def test_a_spec_says_it_all() -> None:
    with pytest.raises(TypeError, match="cwd"):
        isolib.run(isolib.container_spec(["true"]), cwd="/")

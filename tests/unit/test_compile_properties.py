"""What holds for every Plan, whatever spec and host it was made of."""

import contextlib
import os
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from isolib.errors import SpecError, Unavailable
from isolib.launch import steps
from isolib.launch.compile import Identity, compile, first_registers
from isolib.launch.plan import Plan
from isolib.launch.steps import HOST, OPS
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts
from tests.unit import plans as made

HARMLESS = {"prctl", "landlock", "seccomp", "exec"}
MOUNTING = {"mount_new", "mount", "attach", "mask", "read_only", "set_attributes", "open_tree"}
FIELDS = ContainerSpec.__struct_fields__


@settings(max_examples=150)
@given(made.specs, made.hosts(), made.identities)
def test_a_spec_gives_a_plan_or_a_typed_error(spec: ContainerSpec, host: HostFacts, identity: Identity) -> None:
    """And the Plan is one that keeps every rule below, and the same again."""
    try:
        plan = compile(spec, host, identity)
    except SpecError as error:
        check(error.problems and all(problem.where and problem.what for problem in error.problems))
        return
    except Unavailable as error:
        check(error.feature)
        return
    assert plan.encoded == compile(spec, host, identity).encoded
    assert plan.describe().count("\n") == len(plan) + 1
    assert plan.describe().replace("\n", "").isprintable()
    first, _ = first_registers(spec)
    assert len(made.open_at_the_end(plan, first)) < steps.EXEC_PIPE
    for rule in RULES:
        rule(plan)


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from(FIELDS), made.junk(), max_size=3), made.hosts())
def test_values_of_any_type(fields: dict[str, Any], host: HostFacts) -> None:
    with contextlib.suppress(SpecError, Unavailable):
        compile(ContainerSpec(**{"argv": ("true",), **fields}), host)


@pytest.mark.parametrize("field", FIELDS)
@settings(max_examples=15)
@given(value=made.junk(), inner=st.integers(0, 30))
def test_values_of_any_type_further_in(field: str, value: Any, inner: int) -> None:
    """The same in each field of the values that a spec is made of."""
    spec = ContainerSpec(argv=("true",))
    part = getattr(spec, field)
    if isinstance(part, msgspec.Struct):
        name = part.__struct_fields__[inner % len(part.__struct_fields__)]
        value = msgspec.structs.replace(part, **{name: value})
    with contextlib.suppress(SpecError, Unavailable):
        compile(msgspec.structs.replace(spec, **{field: value}), HostFacts(uid=0, gid=0, kernel=(6, 18)))


def check(truth: object) -> None:
    assert truth


def one_exec_and_it_is_last(plan: Plan) -> None:
    words = made.words(plan)
    assert words.count("exec") == 1
    assert words[-1] == "exec"
    assert words.count("fork") == 1


def nothing_after_the_capabilities_needs_a_right(plan: Plan) -> None:
    words = made.words(plan)
    assert words.count("capabilities") == 1
    assert set(words[words.index("capabilities") + 1 :]) <= HARMLESS


def the_order_is_the_kernels_demand(plan: Plan) -> None:
    words = made.words(plan)
    order = ("propagate", "fork", "setsid", "fds", "gid", "uid", "capabilities", "exec")
    last = [len(words) - 1 - words[::-1].index(word) for word in order]
    assert last == sorted(last)
    assert words.index("sync") < words.index("propagate")
    root = words.index("pivot") if "pivot" in words else words.index("chroot")
    assert root < words.index("fork")
    assert not MOUNTING & set(words[root:])


def every_path_names_a_root(plan: Plan) -> None:
    """Relative to a register, or the host's own by an absolute path, and that only before the root changes."""
    changed = False
    for step in plan.steps:
        op = OPS[step.word]
        if op.root is not None and step.n[op.root] == HOST:
            assert step.s[0].startswith(b"/"), step
            assert step.word in {"open", "open_tree", "attach", "write"}, step  # nothing is made on the host
            assert not changed or step.word == "open", step  # Landlock's paths, by then inside
            assert step.word != "attach" or step.s[0] == b"/", step  # the scratch over the caller's root
        changed = changed or step.word in ("pivot", "chroot")


RULES = (
    one_exec_and_it_is_last,
    nothing_after_the_capabilities_needs_a_right,
    the_order_is_the_kernels_demand,
    every_path_names_a_root,
)


@settings(max_examples=40)
@given(made.specs, made.hosts())
def test_compile_touches_nothing(spec: ContainerSpec, host: HostFacts) -> None:
    """No system call on files while it runs: each of these would be one."""
    named = (
        "stat",
        "lstat",
        "getcwd",
        "open",
        "listdir",
        "scandir",
        "readlink",
        "access",
        "getpid",
        "geteuid",
        "getegid",
    )
    before = {name: getattr(os, name) for name in named}

    def touched(*_: object, **__: object) -> None:
        raise AssertionError("compile() looked at the host")

    compile_warm(spec, host)
    try:
        for name in named:
            setattr(os, name, touched)
        compile_warm(spec, host)
    finally:
        for name, function in before.items():
            setattr(os, name, function)


def compile_warm(spec: ContainerSpec, host: HostFacts) -> None:
    with contextlib.suppress(SpecError, Unavailable):
        compile(spec, host)

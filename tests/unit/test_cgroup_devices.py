"""Rules for devices: the program that keeps them on v2, run here by a small interpreter, and what v1 cannot keep."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given, strategies as st

from isolib.handles.cgroup.devices import program, unlike_v1
from isolib.spec.device_rules import STANDARD_DEVICES, DeviceRule

KINDS = {"b": 1, "c": 2}
READ, WRITE, MKNOD = 2, 4, 1
LETTERS = {"m": MKNOD, "r": READ, "w": WRITE}
MASK = 2**64 - 1


def run(code: bytes, kind: str, major: int, minor: int, access: int) -> int:
    """What the program answers, by the kernel's instruction set; it fails on what the verifier would refuse."""
    context = struct.pack("=III", access << 16 | KINDS[kind], major, minor)
    registers = [0, 0, 0, 0, 0, 0]
    instructions = list(struct.iter_unpack("=BBhi", code))
    at = 0
    for _ in instructions:  # a jump goes forward only, so none runs twice
        operation, both, offset, value = instructions[at]
        target, source = both & 15, both >> 4
        at += 1
        if operation == 0x95:
            return registers[0]
        if operation in JUMPS:
            at += offset if JUMPS[operation](registers[target], value & MASK) else 0
        elif operation == 0x61:
            registers[target] = struct.unpack_from("=I", context, offset)[0]
        else:
            registers[target] = ARITHMETIC[operation](registers[target], registers[source], value & MASK)
    raise AssertionError("the program has no end")


JUMPS: dict[int, Callable[[int, int], bool]] = {
    0x05: lambda register, value: True,
    0x55: lambda register, value: register != value,
    0x45: lambda register, value: bool(register & value),
}
ARITHMETIC: dict[int, Callable[[int, int, int], int]] = {
    0xB7: lambda old, other, value: value,
    0xBF: lambda old, other, value: other,
    0x57: lambda old, other, value: old & value,
    0x77: lambda old, other, value: old >> value,
}


def allowed(rules: tuple[DeviceRule, ...], kind: str, major: int, minor: int, access: int) -> bool:
    """The meaning in words: for each access asked for, the last rule about it allows it."""
    for letter, bit in LETTERS.items():
        about = [
            rule
            for rule in rules
            if letter in rule.access
            and rule.kind in ("a", kind)
            and rule.major in (None, major)
            and rule.minor in (None, minor)
        ]
        if access & bit and not (about and about[-1].allow):
            return False
    return True


NUMBERS = st.one_of(st.none(), st.integers(0, 3))
RULES = st.builds(
    DeviceRule,
    st.sampled_from("bc"),
    NUMBERS,
    NUMBERS,
    st.sampled_from(["r", "w", "m", "rw", "rm", "wm", "rwm"]),
    st.booleans(),
)
EVERY = st.builds(DeviceRule, st.just("a"), st.none(), st.none(), st.sampled_from(["rwm", "r"]), st.booleans())


@given(
    st.lists(st.one_of(RULES, EVERY), max_size=8).map(tuple),
    st.sampled_from("bc"),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(1, 7),
)
def test_the_program_means_what_the_rules_mean(
    rules: tuple[DeviceRule, ...], kind: str, major: int, minor: int, access: int
) -> None:
    assert run(program(rules), kind, major, minor, access) == allowed(rules, kind, major, minor, access)


def test_nothing_is_allowed_by_no_rule() -> None:
    assert run(program(()), "c", 1, 3, READ) == 0


@pytest.mark.parametrize(
    ("kind", "major", "minor", "access", "answer"),
    [
        ("c", 1, 3, READ | WRITE, 1),  # null
        ("c", 1, 9, READ, 1),  # urandom
        ("c", 136, 7, READ | WRITE, 1),  # a terminal
        ("c", 1, 1, READ, 0),  # mem
        ("b", 8, 0, READ, 0),  # the host's disk
        ("b", 8, 0, MKNOD, 1),
        ("c", 10, 229, READ | WRITE, 0),  # fuse
        ("c", 10, 229, READ | MKNOD, 0),
    ],
)
def test_the_devices_of_every_container(kind: str, major: int, minor: int, access: int, answer: int) -> None:
    assert run(program(STANDARD_DEVICES), kind, major, minor, access) == answer


def test_two_rules_for_two_accesses_add_up() -> None:
    rules = tuple(map(DeviceRule.of, ("c 1:3 r", "c 1:3 w")))
    assert run(program(rules), "c", 1, 3, READ | WRITE) == 1


def test_a_program_is_whole_instructions() -> None:
    assert len(program(STANDARD_DEVICES)) % 8 == 0


@pytest.mark.parametrize(
    ("rules", "index"),
    [
        ((DeviceRule("c", None, None), DeviceRule("c", 1, 3, allow=False)), 1),
        ((DeviceRule(), DeviceRule("c", 1, 3, allow=False)), 1),
        ((DeviceRule("a", access="r"),), 0),
    ],
)
def test_what_v1_would_bend_is_found(rules: tuple[DeviceRule, ...], index: int) -> None:
    assert unlike_v1(rules) is rules[index]


@pytest.mark.parametrize(
    "rules",
    [
        (),
        STANDARD_DEVICES,
        (DeviceRule(),),
        (DeviceRule("c", 1, 3), DeviceRule("c", 1, 3, "w", allow=False)),
        (DeviceRule("c", 1, 3), DeviceRule("b", 1, 3, allow=False), DeviceRule("c", 1, 5, allow=False)),
        (DeviceRule("c", 1, 3), DeviceRule(allow=False)),
    ],
)
def test_what_v1_keeps_is_not(rules: tuple[DeviceRule, ...]) -> None:
    assert unlike_v1(rules) is None

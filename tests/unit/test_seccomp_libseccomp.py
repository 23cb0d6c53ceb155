"""The assembled filter against libseccomp's, which runc, crun and systemd use: the same rules, the same answers.

Only where several rules on one call mean one thing to both: of one action, each with one condition on one argument.
(libseccomp 2.5.4 loses one of two rules that share a condition and differ in others; what it does with names that a
machine lacks is its own affair, so NAMES are on all of them.)
"""

import ctypes
import os
from ctypes import POINTER, Structure, c_int, c_uint32, c_uint64, c_void_p
from functools import cache
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings, strategies as st

from isolib.launch.seccomp import assemble
from isolib.spec import syscalls
from isolib.spec.seccomp import Action, Arg, Op, Rule, SeccompProfile
from tests.unit.seccomp_oracle import ACTIONS, AUDIT, Call, run

# seccomp.h of libseccomp
OPS = {"ne": 1, "lt": 2, "le": 3, "eq": 4, "ge": 5, "gt": 6, "masked_eq": 7}
BAD_ARCH = 2  # SCMP_FLTATR_ACT_BADARCH
NAMES = (
    "read",
    "write",
    "openat",
    "ioctl",
    "mount",
    "mmap",
    "clone",
    "personality",
    "prctl",
    "keyctl",
    "futex",
    "lseek",
)
RULES: tuple[Action, ...] = ("errno", "trap", "allow", "log", "kill_thread", "trace")
NUMBERS = st.sampled_from([0, 1, 2, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF])
WIDE = NUMBERS | st.sampled_from([1 << 32, (1 << 32) + 1, 1 << 63, (1 << 64) - 1])


class Compare(Structure):
    _fields_ = (("arg", ctypes.c_uint), ("op", c_int), ("datum_a", c_uint64), ("datum_b", c_uint64))


@cache
def library() -> ctypes.CDLL | None:
    try:
        lib = ctypes.CDLL("libseccomp.so.2")
    except OSError:
        return None
    lib.seccomp_init.restype = c_void_p
    for name, types in {
        "seccomp_init": (c_uint32,),
        "seccomp_release": (c_void_p,),
        "seccomp_arch_exist": (c_void_p, c_uint32),
        "seccomp_arch_add": (c_void_p, c_uint32),
        "seccomp_arch_native": (),
        "seccomp_arch_remove": (c_void_p, c_uint32),
        "seccomp_attr_set": (c_void_p, c_int, c_uint32),
        "seccomp_rule_add_array": (c_void_p, c_uint32, c_int, ctypes.c_uint, POINTER(Compare)),
        "seccomp_export_bpf": (c_void_p, c_int),
    }.items():
        getattr(lib, name).argtypes = types
    lib.seccomp_arch_native.restype = c_uint32
    return lib


def theirs(lib: ctypes.CDLL, profile: SeccompProfile, machines: tuple[str, ...]) -> bytes:
    """The program that libseccomp makes of a profile."""
    context = lib.seccomp_init(value(profile.default_action, profile.default_errno))
    try:
        assert lib.seccomp_attr_set(context, BAD_ARCH, ACTIONS["kill_process"]) == 0
        for machine in machines:
            if lib.seccomp_arch_exist(context, AUDIT[machine]):
                assert lib.seccomp_arch_add(context, AUDIT[machine]) == 0
        if lib.seccomp_arch_native() not in [AUDIT[machine] for machine in machines]:
            lib.seccomp_arch_remove(context, lib.seccomp_arch_native())
        for rule in profile.rules:
            add(lib, context, rule)
        return exported(lib, context)
    finally:
        lib.seccomp_release(context)


def add(lib: ctypes.CDLL, context: int, rule: Rule) -> None:
    args = (Compare * len(rule.args))(*map(comparison, rule.args))
    for name in rule.names:
        number = lib.seccomp_syscall_resolve_name(name.encode())
        assert lib.seccomp_rule_add_array(context, value(rule.action, rule.errno), number, len(args), args) == 0


def comparison(arg: Arg) -> Compare:
    masked = arg.op == "masked_eq"
    return Compare(arg.index, OPS[arg.op], arg.mask if masked else arg.value, arg.value if masked else 0)


def value(action: str, number: int | None) -> int:
    return ACTIONS[action] | (number or 0)


def exported(lib: ctypes.CDLL, context: int) -> bytes:
    fd = os.memfd_create("filter")
    try:
        assert lib.seccomp_export_bpf(context, fd) == 0
        return os.pread(fd, 1 << 20, 0)
    finally:
        os.close(fd)


@st.composite
def conditions(draw: st.DrawFn, words: st.SearchStrategy[int]) -> tuple[Arg, ...]:
    found = []
    for index in draw(st.lists(st.integers(0, 5), min_size=1, max_size=3, unique=True)):
        op = draw(st.sampled_from(get_args(Op)))
        number, mask = draw(words), draw(words.filter(bool))
        found.append(Arg(index, op, number & mask, mask) if op == "masked_eq" else Arg(index, op, number))
    return tuple(found)


@st.composite
def equalities(draw: st.DrawFn, words: st.SearchStrategy[int]) -> list[tuple[Arg, ...]]:
    index = draw(st.integers(0, 5))
    return [(Arg(index, "eq", number),) for number in draw(st.lists(words, min_size=1, max_size=4, unique=True))]


@st.composite
def profiles(draw: st.DrawFn, words: st.SearchStrategy[int]) -> SeccompProfile:
    default: Action = draw(st.sampled_from(["errno", "kill_process", "allow", "log"]))
    rules = []
    for name in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True)):
        action: Action = draw(st.sampled_from([action for action in RULES if action != default]))
        number = draw(st.integers(0, 4000)) if action in ("errno", "trace") else None
        one = st.lists(conditions(words), min_size=1, max_size=1)
        alternatives = draw(st.just([()]) | one | equalities(words))
        rules += [Rule((name,), action, number, args) for args in alternatives]
    return SeccompProfile(default_action=default, default_errno=1 if default == "errno" else None, rules=tuple(rules))


def agree(machines: tuple[str, ...], profile: SeccompProfile, args: list[tuple[int, ...]]) -> None:
    lib = library()
    if lib is None:
        pytest.skip("HostFact: no libseccomp.so.2")
    host = machines[0]
    profile = SeccompProfile.from_json(profile.to_json())
    ours = assemble(profile_for(profile, machines), arch=host, capabilities=frozenset(), kernel=(6, 1)).code
    other = theirs(lib, profile, machines)
    for machine in machines:
        numbers = syscalls.numbers(machine)
        newest = max(numbers.get(name, 0) for rule in profile.rules for name in rule.names)
        for number in {numbers[name] for name in NAMES if name in numbers} | {0, newest}:
            for some in args if number <= newest else ():
                call = Call(machine, number, some)
                assert run(ours, call)[0] == run(other, call)[0], call


def profile_for(profile: SeccompProfile, machines: tuple[str, ...]) -> SeccompProfile:
    return msgspec.structs.replace(profile, architectures=machines[1:])


@settings(max_examples=60)
@given(profiles(WIDE), st.lists(st.lists(WIDE, min_size=6, max_size=6).map(tuple), min_size=1, max_size=8))
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_same_on_64_bits(machine: str, profile: SeccompProfile, args: list[tuple[int, ...]]) -> None:
    agree((machine,), profile, args)


@settings(max_examples=60)
@given(profiles(NUMBERS), st.lists(st.lists(NUMBERS, min_size=6, max_size=6).map(tuple), min_size=1, max_size=8))
def test_the_same_on_two_machines(profile: SeccompProfile, args: list[tuple[int, ...]]) -> None:
    agree(("x86_64", "i386"), profile, args)

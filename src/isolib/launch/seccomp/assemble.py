"""A seccomp profile becomes the program that the kernel runs at each call: the same bytes for the same facts."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from msgspec import Struct

from isolib.errors import Problem, SpecError, Unavailable
from isolib.launch.seccomp import bpf
from isolib.launch.seccomp.bpf import Code, Label
from isolib.launch.seccomp.machines import MACHINES, machine
from isolib.launch.seccomp.table import RETURNS, Facts, Outcome, Range, machines_of, ranges
from isolib.spec.seccomp import ALL_BITS, Arg, SeccompProfile

# SECCOMP_FILTER_FLAG_* of linux/seccomp.h
FLAGS = {"tsync": 1 << 0, "log": 1 << 1, "spec_allow": 1 << 2, "wait_killable_recv": 1 << 5}
NEW_LISTENER, TSYNC_ESRCH = 1 << 3, 1 << 4
WAIT_KILLABLE_SINCE = (5, 19)
_HALF = 0xFFFF_FFFF


class Program(Struct, frozen=True):
    """What seccomp(SECCOMP_SET_MODE_FILTER) takes.

    code: an array of struct sock_filter. flags: the call's second argument. notify: the call returns a descriptor, the
    listener for the calls that are notified.
    """

    code: bytes
    flags: int
    notify: bool

    @property
    def count(self) -> int:
        """Of instructions."""
        return len(self.code) // 8


@lru_cache(maxsize=64)
def assemble(profile: SeccompProfile, *, arch: str, capabilities: frozenset[str], kernel: tuple[int, int]) -> Program:
    """The program of a profile for a host of `arch` (as uname(2) names it) and a container with these capabilities.

    Raises SpecError for a profile with problems, or one that comes to more than 4096 instructions; Unavailable for a
    machine that isolib has no numbers for, or a flag that the kernel lacks.
    """
    if problems := tuple(profile.problems("seccomp")):
        raise SpecError(problems)
    facts = Facts(machine(arch), capabilities, kernel)
    # x32 has no blocks of its own: its calls are numbers of x86_64.
    names = [name for name in machines_of(profile, facts.machine) if name in MACHINES]
    blocks = {name: ranges(profile, facts, name) for name in names}
    code = _program(blocks)
    if len(code) > bpf.MOST:
        what = f"comes to {len(code):,} instructions, and the kernel takes {bpf.MOST:,}: merge rules, or drop some"
        raise SpecError(Problem("seccomp", what))
    notify = any(choice.value == RETURNS["notify"] for block in blocks.values() for _, o in block for choice in o)
    return Program(code.bytes(), _flags(profile, notify, kernel), notify)


def _flags(profile: SeccompProfile, notify: bool, kernel: tuple[int, int]) -> int:
    flags = set(profile.flags)
    if not notify:
        flags.discard("wait_killable_recv")  # EINVAL without a listener, and nothing to wait for
    elif "wait_killable_recv" in flags and kernel < WAIT_KILLABLE_SINCE:
        raise Unavailable("seccomp's flag wait_killable_recv", "it needs Linux 5.19; leave it out of the profile")
    bits = sum(FLAGS[flag] for flag in flags)
    # A listener's descriptor and the id of a thread that tsync failed for would be one return value (Linux 5.7).
    return bits | (NEW_LISTENER if notify else 0) | (TSYNC_ESRCH if notify and "tsync" in flags else 0)


def _program(blocks: Mapping[str, Sequence[Range]]) -> Code:
    """One block a machine, and the end of the process for calls of a machine that has none."""
    code = Code()
    label = code.ends(RETURNS["kill_process"])
    shared: dict[Outcome, Label] = {}
    for name in reversed([*blocks]):
        block = code.load(bpf.NUMBER, _search(code, blocks[name], shared))
        label = code.branch(bpf.EQUAL, MACHINES[name].audit, block, label)
    code.load(bpf.MACHINE, label)
    return code


def _search(code: Code, block: Sequence[Range], shared: dict[Outcome, Label]) -> Label:
    """A binary search for the range of the number that is loaded."""
    if len(block) == 1:
        return _outcome(code, block[0][1], shared)
    half = len(block) // 2
    above = _search(code, block[half:], shared)
    below = _search(code, block[:half], shared)
    return code.branch(bpf.AT_LEAST, block[half][0], above, below)


def _outcome(code: Code, outcome: Outcome, shared: dict[Outcome, Label]) -> Label:
    """The choices one after another, until one holds; the same ones stand in the program once."""
    if len(outcome) == 1:
        return code.ends(outcome[0].value)
    if outcome not in shared:
        label = code.ends(outcome[-1].value)
        for choice in reversed(outcome[:-1]):
            holds = code.ends(choice.value)
            for arg in reversed(choice.args):
                holds = _condition(code, arg, holds, label)
            label = holds
        shared[outcome] = label
    return shared[outcome]


def _condition(code: Code, arg: Arg, yes: Label, no: Label) -> Label:
    """A comparison of 64 bits in halves, for the machine of classic BPF has 32 (seccomp(2), Notes)."""
    match arg.op:
        case "eq":
            return _equal(code, arg, ALL_BITS, yes, no)
        case "ne":
            return _equal(code, arg, ALL_BITS, no, yes)
        case "masked_eq":
            return _equal(code, arg, arg.mask, yes, no)
        case "gt":
            return _above(code, arg, bpf.GREATER, yes, no)
        case "ge":
            return _above(code, arg, bpf.AT_LEAST, yes, no)
        case "le":
            return _above(code, arg, bpf.GREATER, no, yes)
        case "lt":
            return _above(code, arg, bpf.AT_LEAST, no, yes)


def _equal(code: Code, arg: Arg, mask: int, yes: Label, no: Label) -> Label:
    label = yes
    for offset, shift in ((bpf.low(arg.index), 0), (bpf.high(arg.index), 32)):
        if bits := mask >> shift & _HALF:
            label = code.branch(bpf.EQUAL, arg.value >> shift & _HALF, label, no)
            label = label if bits == _HALF else code.mask(bits, label)
            label = code.load(offset, label)
    return label


def _above(code: Code, arg: Arg, test: int, yes: Label, no: Label) -> Label:
    upper, lower = arg.value >> 32, arg.value & _HALF
    label = code.load(bpf.low(arg.index), code.branch(test, lower, yes, no))
    label = code.branch(bpf.GREATER, upper, yes, code.branch(bpf.EQUAL, upper, label, no))
    return code.load(bpf.high(arg.index), label)

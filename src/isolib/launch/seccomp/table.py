"""What each number of a machine's calls gets: a profile and the facts of a host, brought down to ranges of numbers."""

import errno
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from isolib.launch.seccomp.machines import X32_BIT, Machine
from isolib.spec import syscalls
from isolib.spec.capabilities import canonical
from isolib.spec.seccomp import DENIALS, SEVERITY, Arg, Rule, SeccompProfile, When, architecture

# linux/seccomp.h: what a filter returns; the lower 16 bits carry an errno or a tracer's number.
RETURNS = {
    "kill_process": 0x8000_0000,
    "kill_thread": 0x0000_0000,
    "trap": 0x0003_0000,
    "errno": 0x0005_0000,
    "notify": 0x7FC0_0000,
    "trace": 0x7FF0_0000,
    "log": 0x7FFC_0000,
    "allow": 0x7FFF_0000,
}
ALLOWED = RETURNS["allow"]
NO_SUCH_CALL = RETURNS["errno"] | errno.ENOSYS
# A tracer skips a call by this number (ptrace(2)); the filter sees it then, and it is no call on any machine.
SKIPPED = 0xFFFF_FFFF

# The calls of i386 that come as others: by the first argument of socketcall(2), and the lower half of that of ipc(2).
_SOCKETS = """
socket bind connect listen accept getsockname getpeername socketpair send recv sendto recvfrom shutdown setsockopt
getsockopt sendmsg recvmsg accept4 recvmmsg sendmmsg
"""
_IPC = {1: "semop semget semctl semtimedop", 11: "msgsnd msgrcv msgget msgctl", 21: "shmat shmdt shmget shmctl"}
SUB_CALLS = {
    "socketcall": (0xFFFF_FFFF, {name: number for number, name in enumerate(_SOCKETS.split(), 1)}),
    "ipc": (0xFFFF, {n: number for first, group in _IPC.items() for number, n in enumerate(group.split(), first)}),
}


class Choice(NamedTuple):
    """A return value, and the conditions that must all hold for it."""

    value: int
    args: tuple[Arg, ...] = ()


Outcome = tuple[Choice, ...]  # the first choice that holds; the last has no conditions
Range = tuple[int, Outcome]  # from this number up to the next range's


class Facts(NamedTuple):
    """What the conditions of rules look at: the host's machine, the container's capabilities, the kernel's version."""

    machine: Machine
    capabilities: frozenset[str]
    kernel: tuple[int, int]


def machines_of(profile: SeccompProfile, host: Machine) -> tuple[str, ...]:
    """The machines whose calls are looked at: the host's own, and those guests of it that the profile names."""
    named = {architecture(name) for name in profile.architectures}
    for entry in profile.arch_map:
        if architecture(entry.architecture) == host.name:
            named.update(map(architecture, entry.sub_architectures))
    return (host.name, *(guest for guest in host.guests if guest in named))


def ranges(profile: SeccompProfile, facts: Facts, name: str) -> list[Range]:
    """The outcome of every number of 32 bits that a call of the machine `name` may have, from 0 up."""
    rules = [rule for rule in profile.rules if _counts(rule, facts)]
    found = list(_numbers(profile, rules, name))
    if name == "x86_64":
        # What an x32 call gets where nobody listed x32: the answer of a kernel that was built without it.
        none: list[Range] = [(0, (Choice(NO_SUCH_CALL),))]
        x32 = list(_numbers(profile, rules, "x32")) if "x32" in machines_of(profile, facts.machine) else none
        found += [*((X32_BIT + number, outcome) for number, outcome in x32), (2 * X32_BIT, none[0][1])]
    found.append((SKIPPED, (Choice(ALLOWED),)))
    return [this for last, this in zip([None, *found], found, strict=False) if not last or last[1] != this[1]]


def _numbers(profile: SeccompProfile, rules: Sequence[Rule], name: str) -> Iterator[Range]:
    """The same for one table of numbers, all that it has and all up to infinity."""
    exact = _exact(profile, rules, name)
    default = (Choice(_value(profile.default_action, profile.default_errno)),)
    newest = horizon(profile, name)
    beyond = default if newest is None else (Choice(NO_SUCH_CALL),)
    last = -1 if newest is None else newest
    for number in sorted({0, last + 1, *exact, *(number + 1 for number in exact)}):
        yield number, exact.get(number) or (beyond if number > last else default)


def horizon(profile: SeccompProfile, name: str) -> int | None:
    """The newest call that the profile names, whatever it says of it: what is newer its author did not know.

    Those get ENOSYS, as from a kernel that lacks them, for libc then falls back and from EPERM it does not. None where
    the default permits, or nothing is named: then the default holds for all. 32-bit ARM's own calls are of no age.
    """
    if profile.default_action not in DENIALS:
        return None
    known = syscalls.numbers(name)
    named = (known.get(call, -1) for rule in profile.rules for call in rule.names)
    newest = max((number for number in named if number < syscalls.ARM_PRIVATE), default=-1)
    return None if newest < 0 else newest


def _exact(profile: SeccompProfile, rules: Sequence[Rule], name: str) -> dict[int, Outcome]:
    """The outcome of each call that a rule is about."""
    known = syscalls.numbers(name)
    about: dict[int, list[Rule]] = {}  # by number, for a call may have two names
    for rule in (*rules, *(_derived(rules, profile.default_action) if name == "i386" else ())):
        for call in rule.names:
            if (number := known.get(call)) is not None:
                about.setdefault(number, []).append(rule)
    return {number: _outcome(profile, some) for number, some in about.items()}


def _derived(rules: Sequence[Rule], default: str) -> Iterator[Rule]:
    """The rules for socketcall and ipc that follow from those for the calls they stand for.

    The arguments lie in memory, where no filter sees them: a rule with conditions holds here without them if it denies,
    and not at all if it permits. A profile that names socketcall itself is taken to know that: of the others' rules
    only those without conditions hold for it then.
    """
    named = {name for rule in rules for name in rule.names}
    for call, (mask, numbers) in SUB_CALLS.items():
        for rule in rules:
            stricter = rule.action in DENIALS or SEVERITY[rule.action] < SEVERITY[default]
            if not rule.args or (stricter and call not in named):
                for number in sorted({numbers[name] for name in rule.names if name in numbers}):
                    yield Rule((call,), rule.action, rule.errno, (Arg(0, "masked_eq", number, mask),))


def _outcome(profile: SeccompProfile, rules: Sequence[Rule]) -> Outcome:
    """The rules about one call, the least permissive first; the default where all have conditions."""
    choices: list[Choice] = []
    for rule in sorted(rules, key=lambda rule: SEVERITY[rule.action]):
        choices.append(Choice(_value(rule.action, rule.errno), rule.args))
        if not rule.args:
            break
    else:
        choices.append(Choice(_value(profile.default_action, profile.default_errno)))
    while len(choices) > 1 and choices[-2].value == choices[-1].value:
        del choices[-2]
    return tuple(choices)


def _value(action: str, number: int | None) -> int:
    """What the filter returns; without a number EPERM, as OCI has it."""
    data = (errno.EPERM if number is None else number) if action in ("errno", "trace") else 0
    return RETURNS[action] | data


def _counts(rule: Rule, facts: Facts) -> bool:
    return _all_of(rule.includes, facts) and not _any_of(rule.excludes, facts)


def _all_of(when: When, facts: Facts) -> bool:
    caps = {canonical(cap) for cap in when.caps}
    arches = {architecture(arch) for arch in when.arches}
    return (
        caps <= facts.capabilities
        and (not arches or facts.machine.name in arches)
        and (when.min_kernel is None or facts.kernel >= when.min_kernel)
    )


def _any_of(when: When, facts: Facts) -> bool:
    return (
        any(canonical(cap) in facts.capabilities for cap in when.caps)
        or any(architecture(arch) == facts.machine.name for arch in when.arches)
        or (when.min_kernel is not None and facts.kernel >= when.min_kernel)
    )

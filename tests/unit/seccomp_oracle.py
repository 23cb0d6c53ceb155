"""The kernel's side of seccomp in plain Python: a machine for classic BPF, and a profile read rule by rule, slowly."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from isolib.spec import syscalls
from isolib.spec.seccomp import Arg, Rule, SeccompProfile, When

AUDIT = {"x86_64": 0xC000003E, "x32": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028}
GUESTS = {"x86_64": ("i386", "x32"), "i386": (), "aarch64": ("arm",), "arm": ()}
ALIASES = {"x86_64": ("amd64",), "i386": ("x86", "386"), "aarch64": ("arm64",), "arm": ()}  # Docker's names, and Go's
WORD, X32, SKIPPED = (1 << 32) - 1, 1 << 30, (1 << 32) - 1
KILL, ENOSYS, ALLOW = 0x80000000, 0x50026, 0x7FFF0000
ACTIONS = {
    "kill_process": KILL,
    "kill_thread": 0,
    "trap": 0x30000,
    "errno": 0x50000,
    "notify": 0x7FC00000,
    "trace": 0x7FF00000,
    "log": 0x7FFC0000,
    "allow": ALLOW,
}
# include/uapi/linux/net.h and ipc.h
SOCKETS = """
1 socket 2 bind 3 connect 4 listen 5 accept 6 getsockname 7 getpeername 8 socketpair 9 send 10 recv 11 sendto
12 recvfrom 13 shutdown 14 setsockopt 15 getsockopt 16 sendmsg 17 recvmsg 18 accept4 19 recvmmsg 20 sendmmsg
"""
IPC = """
1 semop 2 semget 3 semctl 4 semtimedop 11 msgsnd 12 msgrcv 13 msgget 14 msgctl 21 shmat 22 shmdt 23 shmget 24 shmctl
"""
SUB_CALLS = {
    outer: dict(zip(map(int, text.split()[::2]), text.split()[1::2], strict=True))
    for outer, text in (("socketcall", SOCKETS), ("ipc", IPC))
}


class Call(NamedTuple):
    """What the kernel shows a filter (struct seccomp_data)."""

    machine: str
    number: int
    args: tuple[int, ...] = ()

    def data(self) -> bytes:
        args = (*self.args, 0, 0, 0, 0, 0, 0)[:6]
        return struct.pack("<IIQ6Q", self.number, AUDIT.get(self.machine, 0x14), 0, *args)


class Host(NamedTuple):
    """The facts that conditions look at."""

    machine: str = "x86_64"
    capabilities: frozenset[str] = frozenset()
    kernel: tuple[int, int] = (6, 1)


def run(code: bytes, call: Call) -> tuple[int, int]:
    """What a filter returns for a call, and in how many steps. Fails on what the kernel's own checker would refuse."""
    program = list(struct.iter_unpack("=HBBI", code))
    data, accumulator, at, steps = call.data(), 0, 0, 0
    while True:
        op, yes, no, k = program[at]
        at, steps = at + 1, steps + 1
        if op == 0x06:
            return k, steps
        if op == 0x20:
            assert k % 4 == 0
            assert k < len(data)
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif op == 0x54:
            accumulator &= k
        elif op == 0x05:
            at += k
        else:
            at += yes if {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k}[op] else no


def expected(profile: SeccompProfile, host: Host, call: Call) -> int:
    """What the profile's own words say a call gets."""
    default = _value(profile.default_action, profile.default_errno)
    table, number = "x86_64" if call.machine == "x32" else call.machine, call.number
    if table not in (host.machine, *(_guests(profile, host) - {"x32"})):
        return KILL
    if number == SKIPPED:
        return ALLOW
    if table == "x86_64" and number >= X32:
        if number >= 2 * X32 or "x32" not in _guests(profile, host):
            return ENOSYS
        table, number = "x32", number - X32
    rules = [rule for rule in profile.rules if _counts(rule, host)]
    values = [
        (list(ACTIONS).index(rule.action), _value(rule.action, rule.errno))
        for rule in _about(rules, table, number, call.args, profile)
    ]
    if values:
        return min(values, key=lambda value: value[0])[1]
    return ENOSYS if _is_newer(profile, table, number) else default


def _about(
    rules: list[Rule], table: str, number: int, args: tuple[int, ...], profile: SeccompProfile
) -> Iterator[Rule]:
    """The rules that hold for one call."""
    names = {name for name, n in syscalls.numbers(table).items() if n == number}
    for rule in rules:
        if names & set(rule.names) and all(_holds(arg, args) for arg in rule.args):
            yield rule
    for outer in names & set(SUB_CALLS) if table == "i386" else ():
        first = (*args, 0)[0] & (WORD if outer == "socketcall" else 0xFFFF)
        inner = SUB_CALLS[outer].get(first)
        explicit = any(outer in rule.names for rule in rules)
        order = list(ACTIONS)
        for rule in rules:
            strict = order.index(rule.action) <= 3 or order.index(rule.action) < order.index(profile.default_action)
            if inner in rule.names and (not rule.args or (strict and not explicit)):
                yield rule


def _holds(arg: Arg, args: tuple[int, ...]) -> bool:
    value = (*args, 0, 0, 0, 0, 0, 0)[arg.index]
    return {
        "eq": value == arg.value,
        "ne": value != arg.value,
        "lt": value < arg.value,
        "le": value <= arg.value,
        "gt": value > arg.value,
        "ge": value >= arg.value,
        "masked_eq": value & arg.mask == arg.value,
    }[arg.op]


def _is_newer(profile: SeccompProfile, table: str, number: int) -> bool:
    if profile.default_action not in ("kill_process", "kill_thread", "trap", "errno"):
        return False
    known = syscalls.numbers(table)
    named = [known[name] for rule in profile.rules for name in rule.names if name in known]
    named = [n for n in named if n < 0xF0000]
    return bool(named) and number > max(named)


def _guests(profile: SeccompProfile, host: Host) -> set[str]:
    named = set(profile.architectures)
    for entry in profile.arch_map:
        if entry.architecture == host.machine:
            named |= set(entry.sub_architectures)
    return named & set(GUESTS[host.machine])


def _counts(rule: Rule, host: Host) -> bool:
    return all(_facts(rule.includes, host)) and not any(_facts(rule.excludes, host))


def _facts(when: When, host: Host) -> Iterator[bool]:
    yield from (cap in host.capabilities for cap in when.caps)
    if when.arches:
        yield bool({host.machine, *ALIASES[host.machine]} & set(when.arches))
    if when.min_kernel is not None:
        yield host.kernel >= when.min_kernel


def _value(action: str, number: int | None) -> int:
    return ACTIONS[action] + ((1 if number is None else number) if action in ("errno", "trace") else 0)

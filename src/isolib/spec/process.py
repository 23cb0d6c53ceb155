"""How the payload's process is set up apart from its root: user, limits of its own, scheduling."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from isolib.errors import Problem
from isolib.spec.checks import each, each_pair, mode_problems, number_problems, part_problems, word_problems
from isolib.spec.paths import NAME_MAX

# getrlimit(2); the numbers are the same on x86_64 and aarch64 (asm-generic/resource.h).
_IN_ORDER = """
    cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime
"""
RLIMITS = {name: number for number, name in enumerate(_IN_ORDER.split())}
UNLIMITED = 2**64 - 1
POLICIES = {"other": 0, "fifo": 1, "rr": 2, "batch": 3, "idle": 5, "deadline": 6}
IO_CLASSES = {"none": 0, "realtime": 1, "best-effort": 2, "idle": 3}
PERSONALITIES = {"linux": 0, "linux32": 8}
ID_MAX = 2**32 - 2
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)
FDS_MAX = 48  # one message of the channel carries 64, and those that isolib needs itself are among them

Rlimit = int | Literal["unlimited"] | tuple[int | Literal["unlimited"], int | Literal["unlimited"]]


def rlimit_pair(value: Rlimit) -> tuple[int, int]:
    """(soft, hard) as prlimit(2) takes them."""
    soft, hard = value if isinstance(value, tuple) else (value, value)
    return tuple(UNLIMITED if part == "unlimited" else int(part) for part in (soft, hard))  # type: ignore[return-value]


def _rlimit_problems(where: str, name: object, value: object) -> Iterator[Problem]:
    yield from word_problems(where, name, RLIMITS)
    parts = value if isinstance(value, tuple) else (value, value)
    if len(parts) != 2:
        yield Problem(where, "a limit, or a pair (soft, hard)")
        return
    for part in parts:
        if part != "unlimited" and (isinstance(part, bool) or not isinstance(part, int) or not 0 <= part <= UNLIMITED):
            yield Problem(where, f"{part!r} is no limit: a number of 0 or more, or 'unlimited'")
            return
    soft, hard = rlimit_pair(value)  # type: ignore[arg-type]
    if soft > hard:
        yield Problem(where, f"the soft limit {soft} is above the hard one {hard}")


class Scheduling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """sched(7), ioprio_set(2). ``policy`` other, batch, idle, fifo, rr or deadline; ``priority`` 1 to 99 for fifo and
    rr; ``nice`` -20 to 19; ``io`` an I/O class with ``io_level`` 0 to 7; ``cpus`` that it may run on; deadline's times
    in ns.
    """

    policy: str = "other"
    priority: int = 0
    nice: int | None = None
    runtime: int = 0
    deadline: int = 0
    period: int = 0
    io: str | None = None
    io_level: int = 4
    cpus: tuple[int, ...] = ()

    def problems(self, where: str) -> Iterator[Problem]:
        yield from word_problems(f"{where}.policy", self.policy, POLICIES)
        low, high = (1, 99) if self.policy in ("fifo", "rr") else (0, 0)
        yield from number_problems(f"{where}.priority", self.priority, low, high)
        if self.nice is not None:
            yield from number_problems(f"{where}.nice", self.nice, -20, 19)
        if self.io is not None:
            yield from word_problems(f"{where}.io", self.io, IO_CLASSES)
        yield from number_problems(f"{where}.io_level", self.io_level, 0, 7)
        yield from each(f"{where}.cpus", self.cpus, lambda place, cpu: number_problems(place, cpu, 0, 8191))
        yield from self._deadline_problems(where)

    def _deadline_problems(self, where: str) -> Iterator[Problem]:
        times = {"runtime": self.runtime, "deadline": self.deadline, "period": self.period}
        found = [p for name, ns in times.items() for p in number_problems(f"{where}.{name}", ns, 0, 2**63 - 1)]
        yield from found
        if found:
            return
        if self.policy != "deadline" and any(times.values()):
            yield Problem(f"{where}.policy", "runtime, deadline and period are for policy='deadline'")
        # sched_setattr(2): at least 1,024 ns, and below 2^63.
        if self.policy == "deadline" and not 1024 <= self.runtime <= self.deadline <= (self.period or self.deadline):
            yield Problem(f"{where}.runtime", "deadline wants 1024 <= runtime <= deadline <= period, in ns")


class ProcessOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a process is given beside its command: ``rlimits`` by name (number, "unlimited", or a pair soft, hard),
    ``groups`` supplementary, ``umask``, ``oom_score_adj`` -1000 to 1000, ``personality`` ("linux", "linux32"),
    ``domainname``, ``fds``: descriptors of the caller by the number that the payload sees."""

    rlimits: Mapping[str, Rlimit] = {}
    groups: tuple[int | str, ...] = ()
    umask: int | None = None
    oom_score_adj: int | None = None
    scheduling: Scheduling | None = None
    personality: Literal["linux", "linux32"] | None = None
    domainname: str | None = None
    fds: Mapping[int, int] = {}

    def problems(self, where: str) -> Iterator[Problem]:
        yield from each_pair(f"{where}.rlimits", self.rlimits, _rlimit_problems)
        yield from each(f"{where}.groups", self.groups, user_name_problems)
        if isinstance(self.groups, tuple | list) and len(self.groups) > 65536:
            yield Problem(f"{where}.groups", "at most 65,536 groups (NGROUPS_MAX)")
        if self.umask is not None:
            yield from mode_problems(f"{where}.umask", self.umask, 0o777)
        if self.oom_score_adj is not None:
            yield from number_problems(f"{where}.oom_score_adj", self.oom_score_adj, -1000, 1000)
        if self.scheduling is not None:
            yield from part_problems(f"{where}.scheduling", self.scheduling, Scheduling)
        if self.personality is not None:
            yield from word_problems(f"{where}.personality", self.personality, PERSONALITIES)
        if self.domainname is not None:
            yield from hostname_problems(f"{where}.domainname", self.domainname)
        yield from each_pair(f"{where}.fds", self.fds, _fd_problems)
        if isinstance(self.fds, Mapping) and len(self.fds) > FDS_MAX:
            yield Problem(f"{where}.fds", f"at most {FDS_MAX} descriptors")


def _fd_problems(where: str, number: object, fd: object) -> Iterator[Problem]:
    yield from number_problems(where, number, 3, 1023)
    yield from number_problems(where, fd, 0, 2**31 - 1)


def hostname_problems(where: str, name: object) -> Iterator[Problem]:
    """At most 64 of letters, digits, dot, hyphen and underscore (sethostname(2), hostname(7))."""
    if not isinstance(name, str) or not _HOSTNAME.fullmatch(name):
        yield Problem(where, f"{name!r} is no host name: 1 to 64 of A-Z a-z 0-9 . - _, a letter or digit at both ends")


def user_name_problems(where: str, name: object) -> Iterator[Problem]:
    """A user or group as a number of 0 to 4294967294, or as a name that passwd(5) could hold; "+1", "0x1", " 1" are
    neither.
    """
    if isinstance(name, int) and not isinstance(name, bool):
        yield from number_problems(where, name, 0, ID_MAX)
    elif not isinstance(name, str) or not name:
        yield Problem(where, f"a user or group is a number, or a name, not {name!r}")
    elif name.isascii() and name.isdigit():
        if len(name) > 10 or int(name) > ID_MAX:
            yield Problem(where, f"{name[:40]} is outside 0 to {ID_MAX}")
    elif len(name) > NAME_MAX or name[0] in "+-~.0123456789" or any(not _in_a_name(c) for c in name):
        yield Problem(where, f"{name[:40]!r} is neither a number nor a name that passwd(5) can hold")


def _in_a_name(character: str) -> bool:
    return character.isprintable() and not character.isspace() and character not in ":/,"


def user_problems(where: str, user: object) -> Iterator[Problem]:
    """``uid``, ``name``, ``uid:gid``, ``name:group``."""
    if isinstance(user, int):
        yield from user_name_problems(where, user)
    elif not isinstance(user, str) or user.count(":") > 1:
        yield Problem(where, f"{user!r} is no user: write 1000, name, 1000:1000 or name:group")
    else:
        for part in user.split(":"):
            yield from user_name_problems(where, part)

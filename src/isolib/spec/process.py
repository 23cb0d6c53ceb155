"""How the payload's process is set up apart from its root: user, limits of its own, scheduling."""

from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from isolib.errors import Problem

# getrlimit(2); the numbers are the same on x86_64 and aarch64 (asm-generic/resource.h).
_IN_ORDER = """
    cpu fsize data stack core rss nproc nofile memlock as locks sigpending msgqueue nice rtprio rttime
"""
RLIMITS = {name: number for number, name in enumerate(_IN_ORDER.split())}
UNLIMITED = 2**64 - 1
POLICIES = {"other": 0, "fifo": 1, "rr": 2, "batch": 3, "idle": 5, "deadline": 6}
IO_CLASSES = {"none": 0, "realtime": 1, "best-effort": 2, "idle": 3}
ID_MAX = 2**32 - 2

Rlimit = int | Literal["unlimited"] | tuple[int | Literal["unlimited"], int | Literal["unlimited"]]


def rlimit_pair(value: Rlimit) -> tuple[int, int]:
    """(soft, hard) as prlimit(2) takes them."""
    soft, hard = value if isinstance(value, tuple) else (value, value)
    return tuple(UNLIMITED if part == "unlimited" else int(part) for part in (soft, hard))  # type: ignore[return-value]


def _rlimit_problems(where: str, name: object, value: object) -> Iterator[Problem]:
    if name not in RLIMITS:
        yield Problem(where, f"no resource limit {name!r}: there are {', '.join(RLIMITS)}")
    parts = value if isinstance(value, tuple) else (value,)
    if len(parts) not in (1, 2):
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
        if self.policy not in POLICIES:
            yield Problem(f"{where}.policy", f"no policy {self.policy!r}: there are {', '.join(POLICIES)}")
        real_time = self.policy in ("fifo", "rr")
        if real_time != (1 <= self.priority <= 99):
            yield Problem(f"{where}.priority", "1 to 99 with fifo and rr, 0 with the others")
        if self.nice is not None and not -20 <= self.nice <= 19:
            yield Problem(f"{where}.nice", f"{self.nice} is outside -20 to 19")
        if self.io is not None and self.io not in IO_CLASSES:
            yield Problem(f"{where}.io", f"no class {self.io!r}: there are {', '.join(IO_CLASSES)}")
        if not 0 <= self.io_level <= 7:
            yield Problem(f"{where}.io_level", f"{self.io_level} is outside 0 to 7")
        if any(isinstance(cpu, bool) or not isinstance(cpu, int) or not 0 <= cpu < 8192 for cpu in self.cpus):
            yield Problem(f"{where}.cpus", "numbers of processors, from 0")
        if self.policy == "deadline" and not 0 < self.runtime <= self.deadline <= (self.period or self.deadline):
            yield Problem(f"{where}.runtime", "deadline wants 0 < runtime <= deadline <= period, in ns")


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
        for name, value in self.rlimits.items():
            yield from _rlimit_problems(f"{where}.rlimits[{name!r}]", name, value)
        if self.umask is not None and not 0 <= self.umask <= 0o777:
            yield Problem(f"{where}.umask", f"{self.umask:#o} is outside 0 to 0o777")
        if self.oom_score_adj is not None and not -1000 <= self.oom_score_adj <= 1000:
            yield Problem(f"{where}.oom_score_adj", f"{self.oom_score_adj} is outside -1000 to 1000")
        if self.scheduling is not None:
            yield from self.scheduling.problems(f"{where}.scheduling")
        if self.personality not in (None, "linux", "linux32"):
            yield Problem(f"{where}.personality", "one of linux, linux32")
        for number, fd in self.fds.items():
            if not 3 <= number < 1024 or not 0 <= fd < 2**31:
                yield Problem(f"{where}.fds[{number}]", "numbers from 3 to 1023, each an open descriptor of the caller")
        for i, group in enumerate(self.groups):
            yield from user_name_problems(f"{where}.groups[{i}]", group)


def user_name_problems(where: str, name: object) -> Iterator[Problem]:
    """A user or group as a number of 0 to 4294967294, or as a name that passwd(5) could hold; "+1", "0x1", " 1" are
    neither.
    """
    if isinstance(name, int) and not isinstance(name, bool):
        if not 0 <= name <= ID_MAX:
            yield Problem(where, f"{name} is outside 0 to {ID_MAX}")
        return
    if not isinstance(name, str) or not name:
        yield Problem(where, "a user is a number, or a name")
    elif name.isascii() and name.isdigit():
        if int(name[:12]) > ID_MAX or len(name) > 10:
            yield Problem(where, f"{name} is outside 0 to {ID_MAX}")
    elif (
        any(c.isspace() or c in ":/,\0" or not c.isprintable() for c in name)
        or name[0] in "+-~.0123456789"
        or len(name) > 255
    ):
        yield Problem(where, f"{name!r} is neither a number nor a name that passwd(5) can hold")


def user_problems(where: str, user: object) -> Iterator[Problem]:
    """``uid``, ``name``, ``uid:gid``, ``name:group``."""
    if isinstance(user, int):
        yield from user_name_problems(where, user)
        return
    if not isinstance(user, str) or user.count(":") > 1:
        yield Problem(where, f"{user!r} is no user: write 1000, name, 1000:1000 or name:group")
        return
    for part in user.split(":"):
        yield from user_name_problems(where, part)

"""Kernel settings of a container's own namespaces, by the names of sysctl(8)."""

import re
from collections.abc import Callable, Iterator, Mapping

from isolib.errors import Problem
from isolib.spec.checks import each_pair, text_problems

# Which namespace keeps a setting: by its full name, or by the head of it that ends with a dot.
KEPT_BY = {
    "net.": "net",
    "fs.mqueue.": "ipc",
    "user.max_": "user",
    **{f"kernel.{name}": "ipc" for name in ("msgmax", "msgmnb", "msgmni", "sem", "shmall", "shmmax", "shmmni")},
    **{
        f"kernel.{name}": "ipc"
        for name in ("shm_rmid_forced", "msg_next_id", "sem_next_id", "shm_next_id", "auto_msgmni")
    },
}
_NAME = re.compile(r"[A-Za-z0-9_-]+([./][A-Za-z0-9_:@+.-]+)*", re.ASCII)
VALUE_MAX = 4095


def kept_by(name: str) -> str | None:
    """The kind of namespace that a setting belongs to; None: to the whole host."""
    dotted = dotted_name(name)
    known = next(
        (known for known in KEPT_BY if dotted == known or (known[-1] in "._" and dotted.startswith(known))), ""
    )
    return KEPT_BY.get(known)


def dotted_name(name: str) -> str:
    """``net/ipv4/conf/eth0.1/x`` is ``net.ipv4.conf.eth0/1.x``: the first mark says which is meant (sysctl(8))."""
    first = next((c for c in name if c in "./"), ".")
    return name if first == "." else name.translate({ord("."): "/", ord("/"): "."})


def path_of(name: str) -> str:
    """Its file below /proc/sys."""
    return dotted_name(name).translate({ord("."): "/", ord("/"): "."})


def sysctl_problems(where: str, wanted: object, new: Callable[[str], bool]) -> Iterator[Problem]:
    """Names that are none, or whose namespace is not ``new``: such a setting would be the host's."""

    def one(place: str, name: object, value: object) -> Iterator[Problem]:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or ".." in name or "//" in name:
            yield Problem(place, f"{name!r} is no name of a setting: write net.ipv4.ip_forward")
        elif (kind := kept_by(name)) is None:
            yield Problem(
                place, f"{name} is the whole host's: only net.*, fs.mqueue.*, System V's and user.max_* can be set"
            )
        elif not new(kind):
            yield Problem(place, f"{name} would be changed for the host: it needs a new {kind} namespace")
        yield from text_problems(place, value, "a value", VALUE_MAX)

    yield from each_pair(where, wanted, one)


def sysctl_files(wanted: Mapping[str, str]) -> list[tuple[str, str]]:
    """(path below /proc/sys, value), in order."""
    return [(path_of(name), value) for name, value in sorted(wanted.items())]

"""What lies around the caller: mounts, the entries of /, home, working directory, resolver; looked up as it changes."""

import os
import select
from collections.abc import Iterator

import msgspec

from isolib.linux.spawn import high
from isolib.spec.host import Entry, HostFacts, HostMount
from isolib.spec.paths import under

MOST_ENTRIES = 200  # of a home with mounts below it; each costs a mount of its own


class _Table:
    """The mounts of this process, read again when the kernel says that they changed (proc_pid_mountinfo(5): poll)."""

    def __init__(self) -> None:
        self._fd = high(os.open("/proc/self/mountinfo", os.O_RDONLY | os.O_CLOEXEC))
        self._mounts: tuple[HostMount, ...] | None = None
        self._root: tuple[int, tuple[Entry, ...]] = (0, ())

    def mounts(self) -> tuple[HostMount, ...]:
        poll = select.poll()  # one that is kept takes one thread at a time
        poll.register(self._fd, select.POLLPRI)
        changed = bool(poll.poll(0))
        if self._mounts is None or changed:
            with open("/proc/self/mountinfo", "rb") as file:
                self._mounts = _read_mounts(file.read())
        return self._mounts

    def root(self) -> tuple[Entry, ...]:
        """The entries of /, read again when one came or went."""
        now = os.stat("/").st_mtime_ns
        if self._root[0] != now:
            self._root = now, tuple(_entries("/"))
        return self._root[1]

    def close(self) -> None:
        os.close(self._fd)


_tables: dict[int, _Table] = {}  # of this process; a fork makes one of its own


def _own_table() -> _Table:
    pid = os.getpid()
    if pid not in _tables:
        _tables.clear()  # a former process's descriptor is left open: its number may be somebody else's by now
        made = _Table()
        if _tables.setdefault(pid, made) is not made:  # another thread was quicker
            made.close()
    return _tables[pid]


def with_surroundings(facts: HostFacts) -> HostFacts:
    """The facts as they are at this moment."""
    table = _own_table()
    mounts, home, cwd = table.mounts(), _home(), _cwd()
    entries = table.root()
    for path in dict.fromkeys((home, cwd)):
        if path != "/" and any(under(mount.path, path) for mount in mounts):
            entries += tuple(_entries(path, MOST_ENTRIES))
    found = {"mounts": mounts, "entries": entries, "home": home, "cwd": cwd, "resolver": _resolver()}
    return msgspec.structs.replace(facts, cwd_is_open=_is_open(cwd, {"/": True}), **found)


def _read_mounts(table: bytes) -> tuple[HostMount, ...]:
    found = []
    open_: dict[str, bool] = {"/": True}
    for line in table.splitlines():
        left, _, right = line.partition(b" - ")
        path = os.fsdecode(_unescaped(left.split(b" ")[4]))
        found.append(HostMount(path, os.fsdecode(right.split(b" ")[0]), _is_open(os.path.dirname(path), open_)))
    return tuple(found)


def _unescaped(path: bytes) -> bytes:
    """Blank, tab, newline, backslash and # are octal in mountinfo (seq_path in the kernel)."""
    head, *parts = path.split(b"\\")
    return head + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in parts)


def _is_open(path: str, known: dict[str, bool]) -> bool:
    """Whether everybody may go into a directory: it, and each on the way to it, is x for others."""
    if path not in known:
        known[path] = _is_open(os.path.dirname(path), known) and _others_may_pass(path)
    return known[path]


def first_closed(path: str) -> str:
    """The first directory above a path that others may not enter, or nothing."""
    parts = path.split("/")[1:-1]
    tops = ["/" + "/".join(parts[: i + 1]) for i in range(len(parts))]
    return next((top for top in tops if os.path.isdir(top) and not _others_may_pass(top)), "")


def _others_may_pass(path: str) -> bool:
    try:
        return bool(os.stat(path).st_mode & 0o001)
    except OSError:
        return False


def _entries(top: str, most: int | None = None) -> Iterator[Entry]:
    """What a directory holds, without what the caller cannot go into; nothing where it is more than ``most``."""
    try:
        found = sorted(os.scandir(top), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in found if most is None or len(found) <= most else ():
        if entry.is_symlink():
            yield Entry(entry.path, "link", os.readlink(entry.path))
        elif entry.is_dir():
            if os.access(entry.path, os.X_OK):
                yield Entry(entry.path, "dir")
        elif entry.is_file():
            yield Entry(entry.path, "file")


def _home() -> str:
    """The caller's home where it is a directory that he may enter, as a daemon's often is not; else /."""
    home = os.environ.get("HOME", "")
    return os.path.normpath(home) if home.startswith("/") and os.access(f"{home}/", os.X_OK) else "/"


def _cwd() -> str:
    """The working directory where the caller can come to it from /; a former user's, or a removed one, is none."""
    try:
        cwd = os.getcwd()
    except OSError:
        return "/"
    return cwd if os.access(cwd, os.R_OK | os.X_OK) else "/"


def _resolver() -> str:
    path = os.path.realpath("/etc/resolv.conf")
    return path if os.path.isfile(path) else ""

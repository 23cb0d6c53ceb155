"""A container that somebody else runs, found by the pid of a process in it or of one that started it."""

import os
import select
from collections.abc import Iterator

from isolib.errors import Conflict, Denied, NotFound
from isolib.handles.cgroup import CGroup
from isolib.handles.cgroup.home import FOLDER
from isolib.launch.enter import Target
from isolib.spec.capabilities import CAPABILITIES, Capabilities
from isolib.spec.container import KINDS
from isolib.spec.idrows import Rows, read_rows
from isolib.spec.security import Security

_DEEPEST = 8  # generations between a pid that is given and the container: a shell, a wrapper or two, isolib, init
_OF_THE_MOMENT = ("HOME", "OLDPWD", "PWD", "SHLVL", "_")


class Running:
    """A process of the container, and what a command beside it starts with: its namespaces, group, ids, environment,
    directory, capabilities. Owns a pidfd and the namespaces' descriptors; a context manager.

    ``user`` is "uid:gid" as seen inside. Raises NotFound, Denied, Conflict (it is in no container).
    """

    def __init__(self, pid: int) -> None:
        self._fds: list[int] = []
        try:
            self.pid = _member(pid)
            self._pidfd = self._held(os.pidfd_open(self.pid))
            namespaces = {kind: self._held(fd) for kind, fd in _namespaces(self.pid)}
            status = _status(self.pid)
            maps = {kind: read_rows(_read(f"/proc/{self.pid}/{kind}_map")) for kind in ("uid", "gid")}
            self.user = ":".join(str(_inside(maps[kind], status[f"{kind.title()}"])) for kind in ("uid", "gid"))
            self.env = _environment(self.pid)
            self.cwd = _directory(self.pid)
            self._status = status
            self.target = Target(namespaces, sum(row.size for row in maps["gid"]) > 1, _group(self.pid))
            # Its number may be another process's by now: without this, that of one on the host.
            if not namespaces or select.select([self._pidfd], [], [], 0)[0]:
                raise NotFound(f"process {self.pid} has just ended")
        except BaseException as error:
            self.close()
            if isinstance(error, FileNotFoundError | ProcessLookupError):
                raise NotFound(f"there is no process {pid}, or it has just ended") from None
            if isinstance(error, PermissionError):
                raise Denied(f"process {pid}: this user may not look at its namespaces") from None
            raise

    def security_of(self, user: int | str | None = None) -> Security:
        """The bounding set is the container's. Nobody can read which filter a process has: a new one is the default."""
        mask = int(self._status.get("CapBnd", "0"), 16)
        names = tuple(name for number, name in enumerate(CAPABILITIES) if mask >> number & 1)
        is_root = str(self.user if user is None else user).split(":")[0] in ("0", "root")
        return Security(
            capabilities=Capabilities.of(*names) if is_root else Capabilities(bounding=names, permitted=()),
            no_new_privs=self._status.get("NoNewPrivs") != "0",
            seccomp="unconfined" if self._status.get("Seccomp") == "0" else "default",
        )

    def _held(self, fd: int) -> int:
        self._fds.append(fd)
        return fd

    def close(self) -> None:
        """Lets go of it; it runs on."""
        while self._fds:
            os.close(self._fds.pop())

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Running {self.pid}>"


def _member(pid: int) -> int:
    """The pid itself, where it is in another namespace than we are; else the one container that it started."""
    found = list(_members(pid, _DEEPEST))
    if not found:
        os.kill(pid, 0)
        raise Conflict(f"process {pid} is in no container, and has started none: it is in our own namespaces")
    if len(found) > 1:
        raise Conflict(
            f"process {pid} has started several containers: name one by its pid, of {', '.join(map(str, found))}"
        )
    return found[0]


def _members(pid: int, depth: int) -> Iterator[int]:
    """init stands for the command that it started first."""
    if _read(f"/proc/{pid}/cmdline").split("\0")[0] == "isolib-init":
        yield from _children(pid)[:1]
    elif _is_elsewhere(pid):
        yield pid
    elif depth:
        for child in _children(pid):
            yield from _members(child, depth - 1)


def _children(pid: int) -> list[int]:
    """Of all its threads, the oldest first (proc_pid_task_children(5))."""
    threads = os.listdir(f"/proc/{pid}/task")
    return sorted(int(word) for tid in threads for word in _read(f"/proc/{pid}/task/{tid}/children").split())


def _is_elsewhere(pid: int) -> bool:
    return any(_differs(pid, kind) for kind in ("mnt", "pid", "user"))


def _differs(pid: int, kind: str) -> bool:
    return os.stat(f"/proc/{pid}/ns/{kind}") != os.stat(f"/proc/self/ns/{kind}")


def _namespaces(pid: int) -> Iterator[tuple[str, int]]:
    for kind in KINDS:
        if _differs(pid, kind):
            yield kind, os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


def _status(pid: int) -> dict[str, str]:
    lines = (line.partition(":") for line in _read(f"/proc/{pid}/status").splitlines())
    return {name: value.split()[0] for name, _, value in lines if value.split()}


def _inside(rows: Rows, outside: str) -> int:
    """An id as the container sees it; 0 where it has none."""
    number = int(outside)
    return next((row.container + number - row.host for row in rows if row.host <= number < row.host + row.size), 0)


def _environment(pid: int) -> dict[str, str]:
    """What it was started with, without what is true of one process at one moment only.

    Nothing where it runs as a sub-id of the caller's: its file then is that id's to read (proc_pid_environ(5)).
    """
    try:
        words = [word.partition("=") for word in _read(f"/proc/{pid}/environ").split("\0")]
    except PermissionError:
        return {}
    return {name: value for name, equals, value in words if name and equals and name not in _OF_THE_MOMENT}


def _directory(pid: int) -> str:
    path = os.readlink(f"/proc/{pid}/cwd")
    return path if path.startswith("/") and not path.endswith(" (deleted)") and ".." not in path.split("/") else "/"


def _group(pid: int) -> CGroup | None:
    """The group that isolib has made for the container. Those of others are left alone, and not entered."""
    try:
        paths = CGroup.of(pid).paths.values()
        made = next((path for path in paths if FOLDER in path.split("/")), None)
        return CGroup.open(made) if made else None
    except NotFound:
        return None

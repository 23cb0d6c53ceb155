"""One namespace, held by a descriptor of its nsfs file: it lives as long as this does, also with no process in it."""

import errno
import os
import warnings
from collections.abc import Callable
from typing import NamedTuple, Self, TypeVar, TypeVarTuple

from isolib.errors import Denied, KernelError, NotFound, Problem, SpecError
from isolib.handles import nsfs
from isolib.handles.entered import Entered, call_inside
from isolib.handles.pins import pin, unpin
from isolib.linux import ns

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class NamespaceId(NamedTuple):
    """What two names of one namespace have in common, as stat(2) shows it; unique while the namespace lives."""

    device: int
    inode: int


class Namespace:
    """A namespace of any kind: ``cgroup ipc mnt net pid time user uts``, named as in /proc/PID/ns.

    Close it, or use it in a ``with`` block: an unclosed one warns, as files do. Two of them are equal where they are
    the same namespace. See namespaces(7).
    """

    _fd = -1

    def __init__(self, fd: int) -> None:
        """Takes the descriptor over. Raises SpecError, and leaves it alone, where it is no namespace's."""
        self.kind = nsfs.kind_of(fd)
        if not self.kind:
            raise SpecError(Problem("fd", f"descriptor {fd} is not that of a namespace"))
        found = os.fstat(fd)
        self.id = NamespaceId(found.st_dev, found.st_ino)
        os.set_inheritable(fd, False)
        self._fd = fd

    @classmethod
    def of(cls, pid: int, kind: str) -> Self:
        """The namespace that a process is in. Raises NotFound, Denied (ptrace(2) access is needed), Unavailable."""
        return cls._owning(nsfs.open_of(f"/proc/{pid:d}", kind, f"process {pid}"))

    @classmethod
    def current(cls, kind: str) -> Self:
        """The namespace that this very thread is in."""
        return cls._owning(nsfs.open_of("/proc/thread-self", kind, "this thread"))

    @classmethod
    def of_pidfd(cls, pidfd: int, kind: str) -> Self:
        """The same by a pidfd, so never that of a later process with the same number. Raises NotFound: it has ended."""
        space = cls.of(nsfs.pid_of(pidfd), kind)
        if nsfs.has_ended(pidfd):
            space.close()
            raise NotFound(f"the process of pidfd {pidfd} has ended")
        return space

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """A namespace by a path: /proc/PID/ns/KIND, or where `pin` (or ``ip netns add``) has left it."""
        return cls._owning(nsfs.open_path(os.fspath(path)))

    @classmethod
    def from_fd(cls, fd: int) -> Self:
        """A namespace by an open descriptor, which is taken over."""
        return cls(fd)

    @property
    def closed(self) -> bool:
        return self._fd < 0

    def fileno(self) -> int:
        """The descriptor. Raises ValueError once closed."""
        if self._fd < 0:
            raise ValueError(f"{self!r}")
        return self._fd

    def owner(self) -> Self:
        """The user namespace that owns it; of a user namespace, its parent. Raises Denied: it is out of sight."""
        try:
            return self._owning(ns.owner(self.fileno()))
        except KernelError as error:
            if error.errno == errno.EPERM:
                raise Denied(f"the owner of {self!r} lies outside the caller's user namespace") from None
            raise

    def owner_uid(self) -> int:
        """The uid, as the caller sees it, of who made the user namespace that owns it (or that it is)."""
        if self.kind == "user":
            return ns.owner_uid(self.fileno())
        with self.owner() as owner:
            return owner.owner_uid()

    def parent(self) -> Self | None:
        """The parent of a pid or user namespace; None: it is the first of all, or its parent is out of sight."""
        if self.kind not in ("pid", "user"):
            raise SpecError(Problem("kind", f"{self.kind} namespaces have no parent: only pid and user have"))
        try:
            return self._owning(ns.parent(self.fileno()))
        except KernelError as error:
            if error.errno == errno.EPERM:
                return None
            raise

    def pin(self, path: str | os.PathLike[str]) -> None:
        """Keeps it alive under a path, for other programs and after this one: a bind mount on a new file (root only).

        A pid namespace is of no use once its first process is gone, pinned or not. Raises AlreadyExists, KernelError.
        """
        pin(self.fileno(), os.fspath(path))

    @staticmethod
    def unpin(path: str | os.PathLike[str]) -> None:
        """Takes a pin, and its file, away. Raises NotFound; Conflict where something else lies there."""
        unpin(os.fspath(path))

    def entered(self) -> Entered:
        """``with ns.entered():`` this thread is inside (net, uts, ipc, cgroup), and back in its former one afterwards.

        Needs CAP_SYS_ADMIN. Other threads stay where they are; so do sockets and files that are open already. Raises
        SpecError for the kinds that a thread cannot join, with what to use instead.
        """
        return Entered(self.fileno(), self.kind)

    def run_in_thread(self, function: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
        """Calls ``function(*args)`` on a new thread inside (net, uts, ipc, cgroup, mnt), and returns what it returns.

        In a mount namespace the function sees its files, so import first what it needs. Needs CAP_SYS_ADMIN.
        """
        return call_inside(self.fileno(), self.kind, function, args)

    def close(self) -> None:
        """Lets go; the namespace ends when nobody else holds it either. Any number of times."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._fd >= 0:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self.close()

    def __eq__(self, other: object) -> bool:
        return self.id == other.id if isinstance(other, Namespace) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"<{'closed ' if self.closed else ''}Namespace {self.kind}:[{self.id.inode}]>"

    @classmethod
    def _owning(cls, fd: int) -> Self:
        try:
            return cls(fd)
        except BaseException:
            os.close(fd)
            raise

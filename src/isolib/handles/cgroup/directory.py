"""One directory of a cgroup hierarchy: its files, its processes, its children, reached from the hierarchy's fd."""

import os
from collections.abc import Iterator
from errno import EINTR, ENODEV, ENOENT, ENOTSUP

from isolib.errors import KernelError
from isolib.handles.cgroup.hierarchy import Hierarchy
from isolib.handles.cgroup.hints import hint
from isolib.linux.cgroup import write_file


class Directory:
    """A group in one hierarchy. The group itself may be gone; then its methods say so."""

    __slots__ = ("hierarchy", "path")

    def __init__(self, hierarchy: Hierarchy, path: str) -> None:
        self.hierarchy, self.path = hierarchy, path  # relative to the hierarchy's mount; "" is the mount itself

    def __repr__(self) -> str:
        return f"<{self.absolute}>"

    @property
    def absolute(self) -> str:
        return f"{self.hierarchy.point}/{self.path}".rstrip("/")

    def below(self, name: str) -> "Directory":
        return Directory(self.hierarchy, f"{self.path}/{name}" if self.path else name)

    @property
    def parent(self) -> "Directory":
        return Directory(self.hierarchy, self.path.rpartition("/")[0])

    def open(self, file: str, flags: int) -> int:
        """An fd of one file, close-on-exec. Raises OSError."""
        path = f"{self.path}/{file}" if self.path else file
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=self.hierarchy.fd)

    def write(self, file: str, text: str) -> None:
        """One write, as these files want it. Raises KernelError."""
        path = f"{self.path}/{file}" if self.path else file
        while (number := write_file(self.hierarchy.fd, path, text)) == EINTR:
            pass  # the signal's handler has run
        if number:
            raise self.error(OSError(number, ""), "write", file, text)

    def read(self, file: str) -> str | None:
        """The text without its last newline; None where there is no such file. Raises KernelError."""
        try:
            fd = self.open(file, os.O_RDONLY)
        except OSError as error:
            if error.errno == ENOENT:
                return None
            raise self.error(error, "read", file) from None
        try:
            return _read_all(fd).decode(errors="replace").strip("\n")
        except OSError as error:
            if error.errno in (ENODEV, ENOTSUP):  # the group has just gone; a file for domains, in a threaded group
                return None
            raise self.error(error, "read", file) from None
        finally:
            os.close(fd)

    def has(self, file: str) -> bool:
        path = f"{self.path}/{file}" if self.path else file
        try:
            os.stat(path, dir_fd=self.hierarchy.fd, follow_symlinks=False)
        except OSError:
            return False
        return True

    def make(self) -> None:
        """Make the group. Raises OSError, FileExistsError among them."""
        os.mkdir(self.path, 0o755, dir_fd=self.hierarchy.fd)
        if self.hierarchy.needs_filling(self.path):
            self.fill_cpuset()

    def fill_cpuset(self) -> None:
        """A new cpuset of v1 is empty, and lets nobody in before both are set (cpuset(7)). Raises KernelError."""
        for file in ("cpuset.cpus", "cpuset.mems"):
            self.write(file, self.parent.read(file) or "")

    def remove(self) -> None:
        """Remove the empty group. Raises OSError, EBUSY where processes or groups are in it."""
        os.rmdir(self.path, dir_fd=self.hierarchy.fd)

    def pids(self) -> list[int]:
        """The processes in this group alone; 0 for one that the caller's PID namespace does not show."""
        return [int(line) for line in (self.read("cgroup.procs") or "").split()]

    def open_directory(self) -> int:
        """An fd of the directory itself, close-on-exec. Raises OSError."""
        return os.open(self.path or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.hierarchy.fd)

    def children(self) -> list[str]:
        """The names of the groups directly below; none where this one is gone."""
        return self._names(directories=True)

    def files(self) -> list[str]:
        """The names of the group's files."""
        return self._names(directories=False)

    def _names(self, directories: bool) -> list[str]:
        try:
            fd = self.open_directory()
        except FileNotFoundError:
            return []
        try:
            with os.scandir(fd) as entries:
                return [e.name for e in entries if e.is_dir(follow_symlinks=False) == directories]
        finally:
            os.close(fd)

    def walk(self) -> Iterator["Directory"]:
        """The groups below, deepest first, and then this one."""
        for name in self.children():
            yield from self.below(name).walk()
        yield self

    def error(self, error: OSError, call: str, file: str = "", text: str = "") -> KernelError:
        """The same error with what was done, where, and a hint."""
        number = error.errno or 0
        subject = f"{self.absolute}/{file}" if file else self.absolute
        return KernelError(number, call, f"{subject}, {text!r}" if text else subject, hint(call, file, number))


def _read_all(fd: int) -> bytes:
    parts = []
    while part := os.read(fd, 65536):
        parts.append(part)
    return b"".join(parts)

"""Ranges of ids as locked bytes of a file: the byte at offset N stands for user N, so overlap is the kernel's to see.

The locks are of the open file description (fcntl(2), F_OFD_SETLK, Linux 3.15): they end with the last descriptor of it,
so with a process that is killed, and a descriptor that is handed to another process keeps them.
"""

import errno
import fcntl
import os
import struct

from isolib.errors import KernelError
from isolib.linux.spawn import high

# Groups have offsets of their own, behind those of all users.
GIDS_AT = 1 << 33

_FLOCK = struct.Struct("hhqqi0q")
_open: set[int] = set()


def opened(path: str) -> int:
    """A new description of the file, which is made where it is missing. `closed` closes it, and ends its locks."""
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        try:
            fd = os.open(path, flags, 0o600)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
            fd = os.open(path, flags, 0o600)
    except OSError as error:
        raise KernelError(error.errno or 0, "open", path, "ISOLIB_ROOT can name another folder") from None
    fd = high(fd)
    _open.add(fd)
    return fd


def closed(fd: int) -> None:
    """Ends the locks, unless a description was handed on. In a fork, where `fd` is closed already, nothing happens."""
    if fd in _open:
        _open.discard(fd)
        os.close(fd)


def take(fd: int, start: int, count: int) -> bool:
    """Locks a range, or says that another description has some of it."""
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, start, count, 0))
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise KernelError(error.errno or 0, "fcntl", "F_OFD_SETLK", "locks need a local file system") from None
    return True


def drop(fd: int, start: int, count: int) -> None:
    """Unlocks a range again."""
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, start, count, 0))


def _forked() -> None:
    """A fork of the holder shares the description: it lets go at once, or its life would prolong the leases."""
    while _open:
        os.close(_open.pop())


os.register_at_fork(after_in_child=_forked)

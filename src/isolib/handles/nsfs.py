"""Opening namespaces: by process, by pidfd, by path; and telling what is none before it does harm."""

import errno
import os
import stat

from isolib.errors import Denied, KernelError, NotFound, Problem, SpecError, Unavailable
from isolib.linux import ns


def open_of(process: str, kind: str, who: str) -> int:
    """A descriptor of the namespace of /proc/PID. Raises NotFound, Denied, Unavailable, or SpecError for the kind."""
    if kind not in ns.FLAGS:
        raise SpecError(Problem("kind", f"{kind!r} is none of {', '.join(ns.KINDS)}"))
    try:
        return os.open(f"{process}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        raise Denied(f"the {kind} namespace of {who} is not the caller's to open (ptrace(2) access modes)") from None
    except (FileNotFoundError, ProcessLookupError):
        if os.path.exists("/proc/thread-self/ns") and not os.path.exists(f"/proc/thread-self/ns/{kind}"):
            raise Unavailable(f"{kind} namespaces", "this kernel has none") from None
        raise NotFound(f"{who} does not exist, or has ended") from None


def open_path(path: str) -> int:
    """A descriptor of the namespace at path. Looks before it opens: opening a fifo blocks, and some devices act."""
    try:
        seen = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{path} does not exist") from None
    except PermissionError:
        raise Denied(f"{path} is out of the caller's reach") from None
    try:
        fd = reopened(seen)
    finally:
        os.close(seen)
    if fd < 0:
        raise SpecError(Problem("path", f"{path} is not that of a namespace"))
    return fd


def reopened(seen: int) -> int:
    """A descriptor that answers ioctls, for an O_PATH one of a namespace; -1 where it is none."""
    if not stat.S_ISREG(os.fstat(seen).st_mode):
        return -1
    try:
        fd = os.open(f"/proc/self/fd/{seen}", os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return -1
    if kind_of(fd):
        return fd
    os.close(fd)
    return -1


def kind_of(fd: int) -> str:
    """The kind of a namespace; empty where fd is none. Only what looks like nsfs, a regular file, is asked."""
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        return ""
    try:
        return ns.kind(fd)
    except KernelError as error:
        if error.errno in (errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP):
            return ""
        raise


def pid_of(pidfd: int) -> int:
    """The number of a pidfd's process, which is only certain while `has_ended` says no afterwards."""
    with open(f"/proc/self/fdinfo/{pidfd:d}") as file:
        numbers = [int(line.split()[1]) for line in file if line.startswith("Pid:")]
    if not numbers:
        raise SpecError(Problem("pidfd", f"descriptor {pidfd} is not a pidfd"))
    if numbers[0] <= 0:
        raise NotFound(f"the process of pidfd {pidfd} has ended")
    return numbers[0]


def has_ended(pidfd: int) -> bool:
    import select

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(0))

"""Run inside a container by its root, with every capability: reaches for each process that appears, and says what it
got.

Argument: seconds. Prints a line for each thing that should not have been had; "attempts N" at the end.
"""

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000
PIDFD_GETFD = 438
INITS_OWN = ("anon_inode:", "socket:", "pipe:", "/memfd:", "/proc")


class Part(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def comm(pid: int) -> str:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as file:
        return file.read().strip()
    return ""


# Where init's program is mapped: it is not position-independent.
PROGRAM = 0x400000


def read_memory(pid: int) -> bool:
    buffer = ctypes.create_string_buffer(16)
    mine = Part(ctypes.addressof(buffer), 16)
    theirs = Part(PROGRAM, 16)
    return bool(libc.process_vm_readv(pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0) > 0)


def write_memory(pid: int) -> bool:
    buffer = ctypes.create_string_buffer(b"x" * 8)
    mine = Part(ctypes.addressof(buffer), 8)
    theirs = Part(PROGRAM, 8)
    libc.process_vm_writev(pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
    return ctypes.get_errno() == 14  # EFAULT: it was let in, and met read-only memory


def open_memory(pid: int) -> bool:
    with contextlib.suppress(OSError):
        os.close(os.open(f"/proc/{pid}/mem", os.O_RDWR))
        return True
    return False


def trace(pid: int) -> bool:
    if libc.ptrace(PTRACE_SEIZE, pid, None, None):
        return False
    libc.ptrace(PTRACE_INTERRUPT, pid, None, None)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, WALL)  # a dead tracee is its parent's only once its tracer has reaped it
    libc.ptrace(PTRACE_DETACH, pid, None, None)
    return True


def get_descriptors(pid: int) -> str:
    """What could be copied and is init's: 0 to 2 are the payload's own, and so are the libraries that it loads."""
    with contextlib.suppress(OSError):
        pidfd = os.pidfd_open(pid)
        try:
            for number in range(32):
                got = libc.syscall(PIDFD_GETFD, pidfd, number, 0)
                if got < 0:
                    continue
                target = os.readlink(f"/proc/self/fd/{got}")
                os.close(got)
                if number > 2 and target.startswith(INITS_OWN):
                    return target
        finally:
            os.close(pidfd)
    return ""


def list_descriptors(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return any(os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd"))
    return False


TRIES: tuple[Callable[[int], object], ...] = (
    read_memory,
    write_memory,
    open_memory,
    trace,
    get_descriptors,
    list_descriptors,
)


def main() -> None:
    own, attempts = os.getpid(), 0
    end = time.monotonic() + float(sys.argv[1])
    print("ready", flush=True)
    while time.monotonic() < end:
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == own:
                continue
            pid = int(name)
            for attempt in TRIES:
                before = comm(pid)
                ctypes.set_errno(0)
                got = attempt(pid)
                attempts += 1
                # What has exec'd is the container's own; init, before and after the attempt, is not.
                if got and before == comm(pid) == "isolib-init":
                    print(f"{attempt.__name__} of {pid}: {got}", flush=True)
                elif attempt is get_descriptors and got:
                    print(f"descriptor of {pid} ({before}): {got}", flush=True)
    print(f"attempts {attempts}", flush=True)


main()

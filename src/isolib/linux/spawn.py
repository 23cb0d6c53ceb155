"""From the caller to init: the sealed program, the clone, and the channel between the two."""

import errno
import fcntl
import os
from typing import NamedTuple

from isolib.errors import KernelError
from isolib.linux.door import check, ffi, lib

CLONE_NEWTIME, CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS = 0x80, 0x20000, 0x2000000, 0x4000000
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x8000000, 0x10000000, 0x20000000, 0x40000000

SYNC, FD, FAILED, STARTED, EXITED = 1, 2, 3, 4, 5
MESSAGE_FDS = 64

_SEALS = fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_MFD_EXEC = 0x10  # Linux 6.3; older kernels answer EINVAL and make every memfd executable

FORBIDDEN = "isolib cannot do without: Linux 5.10 has it, unless a seccomp profile around this process forbids it"

_init_fd = -1
_caller: tuple[int, int] = (0, -1)


class Event(NamedTuple):
    """What init said: kind, the step it stands at, value and detail, usage (see wire.h), descriptors that came
    along.
    """

    kind: int
    step: int
    value: int
    detail: int
    usage: tuple[int, ...]
    fds: list[int]


def sealed(name: str, content: bytes, *, executable: bool = False) -> int:
    """A memfd that nobody can change any more (memfd_create(2)); the caller owns it."""
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        fd = os.memfd_create(name, flags | (_MFD_EXEC if executable else 0))
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise KernelError(error.errno or 0, "memfd_create", name, FORBIDDEN) from None
        fd = os.memfd_create(name, flags)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    if executable:
        # Not readable: the kernel then forbids tracing init from the user namespaces it enters, for good (exec's
        # "would_dump": a program that may not be read belongs to the namespace its file's owner is known in).
        os.fchmod(fd, 0o111)
    fcntl.fcntl(fd, *_SEALS)
    return fd


def high(fd: int) -> int:
    """A descriptor to keep, at a number above those of standard streams: where they are closed it would become one."""
    if fd > 2:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return moved


def init_program() -> int:
    """The descriptor of init, read from the package once in a process."""
    global _init_fd
    if _init_fd < 0:
        with open(os.path.join(os.path.dirname(__file__), "init"), "rb") as file:
            _init_fd = high(sealed("isolib-init", file.read(), executable=True))
    return _init_fd


def caller_pidfd() -> int:
    """A pidfd of this very process, opened once in it (and anew in a fork of it)."""
    global _caller
    if _caller[0] != os.getpid():
        if _caller[1] >= 0:
            os.close(_caller[1])
        try:
            _caller = os.getpid(), high(os.pidfd_open(os.getpid()))
        except OSError as error:
            raise KernelError(error.errno or 0, "pidfd_open", "", FORBIDDEN) from None
    return _caller[1]


def spawn(flags: int, plan: bytes, fds: list[int]) -> tuple[int, int, int]:
    """Starts init with new namespaces (CLONE_NEW… flags), on a Plan. Its registers: channel, caller, then fds.

    Returns (pid, pidfd, channel); the caller owns the two descriptors. Blocks this thread until init's exec.
    """
    ends = ffi.new("int[2]")
    check(lib.iso_channel(ends), "socketpair")
    plan_fd = -1
    try:
        plan_fd = sealed("isolib-plan", plan)
        pidfd = ffi.new("int *")
        passed = [ends[1], caller_pidfd(), *fds]
        pid = check(lib.iso_spawn(flags, init_program(), plan_fd, passed, len(passed), pidfd), "clone3", hex(flags))
    except BaseException:
        os.close(ends[0])
        raise
    finally:
        os.close(ends[1])
        if plan_fd >= 0:
            os.close(plan_fd)
    return pid, int(pidfd[0]), int(ends[0])


def next_event(channel: int, pidfd: int, timeout: float | None = None) -> Event | None:
    """The next thing init says; None where it is gone. TimeoutError after timeout seconds."""
    event = ffi.new("struct iso_event *")
    fds = ffi.new("int[]", MESSAGE_FDS)
    nfds = ffi.new("int *")
    milliseconds = -1 if timeout is None else max(0, min(int(timeout * 1000 + 0.999), 2**31 - 1))
    got = -errno.EINTR
    while got in (-errno.EINTR, -errno.EAGAIN):
        got = lib.iso_next_event(channel, pidfd, event, fds, MESSAGE_FDS, nfds, milliseconds)
    if got == -errno.ETIMEDOUT:
        raise TimeoutError
    if check(got, "recvmsg") == 0:
        return None
    usage: tuple[int, ...] = (event.utime, event.stime, event.maxrss, event.minflt, event.majflt)
    usage += (event.inblock, event.oublock, event.nvcsw, event.nivcsw)
    return Event(event.kind, event.step, event.value, event.detail, usage, list(fds[0 : nfds[0]]))


def answer(channel: int, value: int = 0, fds: list[int] | None = None) -> None:
    """Lets init go on from a Sync (value 0), with descriptors, or stop with an errno (value -errno)."""
    check(lib.iso_send(channel, value.to_bytes(4, "little", signed=True), 4, fds or [], len(fds or [])), "sendmsg")


def command(channel: int, kind: int, value: int = 0) -> None:
    """COMMAND_SIGNAL (1) or COMMAND_PIDFD (2) to an init whose payload runs. EPIPE: it is gone."""
    data = kind.to_bytes(4, "little") + value.to_bytes(4, "little", signed=True)
    check(lib.iso_send(channel, data, 8, [], 0), "sendmsg")

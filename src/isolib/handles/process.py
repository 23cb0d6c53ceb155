"""A Process: init's pidfd and the channel to it, pollable by any loop; and the Exit it ends with."""

import contextlib
import os
import signal
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import msgspec

from isolib.errors import KernelError
from isolib.handles import nsfs
from isolib.linux import spawn as linux

if TYPE_CHECKING:  # fifteen modules, which a run without limits does not need
    from isolib.handles.cgroup import CGroup

WALL = 0x40000000  # wait(2): also where init never came to its exec, and is a "clone child"
COMMAND_SIGNAL, COMMAND_PIDFD, COMMAND_KILL = 1, 2, 3


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What the payload and all its descendants used: getrusage(2) as init saw it, and the group's peak where there is
    one.

    ``memory_peak`` in bytes: of the group with limits, else of the largest single process.
    """

    user_seconds: float = 0.0
    system_seconds: float = 0.0
    memory_peak: int = 0
    minor_faults: int = 0
    major_faults: int = 0
    blocks_read: int = 0
    blocks_written: int = 0
    voluntary_switches: int = 0
    involuntary_switches: int = 0

    @property
    def cpu_seconds(self) -> float:
        return self.user_seconds + self.system_seconds

    @classmethod
    def of(cls, raw: tuple[int, ...]) -> "Usage":
        """From the nine numbers of an event (wire.h)."""
        user, system, resident, minor, major, read, written, voluntary, involuntary = raw
        return cls(
            user_seconds=user / 1e6,
            system_seconds=system / 1e6,
            memory_peak=resident * 1024,
            minor_faults=minor,
            major_faults=major,
            blocks_read=read,
            blocks_written=written,
            voluntary_switches=voluntary,
            involuntary_switches=involuntary,
        )


class Exit(msgspec.Struct, frozen=True, kw_only=True):
    """How it ended: ``code`` 0 to 255, or ``signal`` (0: none). ``oom_killed``: its group ran out of memory.

    ``killed``: the whole tree was killed by the caller. ``degraded``: what `Security.best_effort` left out.
    """

    code: int = 0
    signal: int = 0
    usage: Usage = Usage()
    oom_killed: bool = False
    killed: bool = False
    degraded: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """As a shell has it: 128 + the signal's number for a death by signal."""
        return 128 + self.signal if self.signal else self.code


class Closing(Protocol):
    """Something that ends with the process: a group, a range of ids, a scratch directory."""

    def close(self) -> None: ...


class Process:
    """A started command. ``pid`` is init's, outside. The object owns it: closed, collected or its caller dead, the tree
    ends.

    ``fileno()`` polls readable when there is news; ``stdin``, ``stdout``, ``stderr`` are descriptors of pipes, or None.
    """

    def __init__(self, pid: int, pidfd: int, channel: int) -> None:
        self.pid = pid
        self.stdin: int | None = None
        self.stdout: int | None = None
        self.stderr: int | None = None
        self.received: dict[
            str, int
        ] = {}  # from init: "terminal", "seccomp" (the listener of "notify" rules), "ns/net", …
        self.ends_with: list[Closing] = []
        self.group: CGroup | None = None
        self.range_map = False  # whether more than the caller's own id exists inside
        self.kill_tree: Callable[[], None] | None = None  # of one that entered a container: by its group
        self.owns_tree = True  # a PID namespace ends with init; False: init kills what it started
        self.amend: Callable[[Exit], Exit] = lambda exit_: exit_  # what the group knows of the end
        self._pidfd, self._channel = pidfd, channel
        self._owner = os.getpid()
        self._exit: Exit | None = None
        self._killed = False

    def follow(self, pidfd: int) -> None:
        """init goes on as another process, a child of the caller's as well; the former one has ended."""
        self._reap()
        os.close(self._pidfd)
        self._pidfd, self.pid = pidfd, nsfs.pid_of(pidfd)

    def fileno(self) -> int:
        """The channel: readable at the end. Valid until `close`."""
        return self._channel

    @property
    def pidfd(self) -> int:
        """init's pidfd; this object's."""
        return self._pidfd

    @property
    def exit(self) -> Exit | None:
        """How it ended, or None while it runs (or nobody asked: see `poll`)."""
        return self._exit

    def poll(self) -> Exit | None:
        """How it ended, or None while it runs. Never blocks."""
        try:
            return self.wait(0)
        except TimeoutError:
            return None

    def wait(self, timeout: float | None = None) -> Exit:
        """Waits for the end of the payload. TimeoutError after ``timeout`` seconds; the process then runs on."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._exit is None:
            rest = None if deadline is None else max(0.0, deadline - time.monotonic())
            event = linux.next_event(self._channel, self._pidfd, rest)
            if event is None:  # init itself was killed, and the PID namespace with it
                self._finish(Exit(signal=int(signal.SIGKILL), killed=self._killed))
            elif event.kind == linux.EXITED:
                usage = Usage.of(event.usage)
                self._finish(Exit(code=event.value, signal=event.detail, usage=usage, killed=self._killed))
        return self._exit

    def _finish(self, exit_: Exit) -> None:
        amended = self.amend(exit_)  # while init ends: its namespaces take the kernel some time
        self._reap()
        self._exit = amended
        self._release()

    def _reap(self) -> None:
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | WALL)

    def _release(self) -> None:
        while self.ends_with:
            self.ends_with.pop().close()

    def send_signal(self, number: int) -> None:
        """Sends a signal to the payload, by init. An ended one is left alone."""
        if self.poll() is None:
            with contextlib.suppress(KernelError):
                linux.command(self._channel, COMMAND_SIGNAL, int(number))

    def kill(self) -> None:
        """Kills the whole tree: init, and with it all of its PID namespace.

        Without a PID namespace of its own init kills its descendants one by one. One that entered a container ends with
        its group; without a group it alone is killed, and what it started lives until the container ends.
        """
        if self._exit is not None or self._owner != os.getpid():
            return
        self._killed = True
        if self.kill_tree is not None:
            self.kill_tree()
        elif self.owns_tree:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
        else:
            with contextlib.suppress(KernelError):
                linux.command(self._channel, COMMAND_KILL)

    def payload_pidfd(self) -> int:
        """A pidfd of the payload itself; the caller owns it. ProcessLookupError where it has ended."""
        linux.command(self._channel, COMMAND_PIDFD)
        while event := linux.next_event(self._channel, self._pidfd):
            if event.kind == linux.FD and event.fds:
                return event.fds[0]
            if event.kind == linux.EXITED:
                self._finish(Exit(code=event.value, signal=event.detail, usage=Usage.of(event.usage)))
                break
        raise ProcessLookupError("the payload has ended")

    def close(self) -> None:
        """Kills what still runs, reaps it, and closes every descriptor. In a fork of the caller: only closes."""
        if self._pidfd < 0:
            return
        if self._owner == os.getpid() and self._exit is None:
            self.kill()
            self.wait()
        for fd in (self.stdin, self.stdout, self.stderr, *self.received.values(), self._channel, self._pidfd):
            if fd is not None:
                os.close(fd)
        self.stdin = self.stdout = self.stderr = None
        self.received = {}
        self._pidfd = self._channel = -1

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._pidfd >= 0:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self.close()

    def __repr__(self) -> str:
        state = "closed" if self._pidfd < 0 else f"exit {self._exit.exit_code}" if self._exit else "running"
        return f"<Process {self.pid} {state}>"

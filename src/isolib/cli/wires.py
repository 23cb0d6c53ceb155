"""What a command gets as its standard streams, and the flows that are needed for it."""

import os
from contextlib import ExitStack

from isolib.cli.flows import Flow, end_of_input, private
from isolib.engine.streams import pipe
from isolib.handles.terminal import Terminal


class Wires:
    """The descriptors for one start. ``inputs`` and ``outputs`` are moved by a loop; `close` closes what it opened."""

    def __init__(self) -> None:
        self.inputs: list[Flow] = []
        self.outputs: list[Flow] = []
        self._ours, self._theirs = ExitStack(), ExitStack()

    @property
    def flows(self) -> list[Flow]:
        """Those that are not at their end."""
        return [flow for flow in (*self.inputs, *self.outputs) if not flow.ended]

    def nothing(self) -> tuple[int, int, int]:
        """For a command that has a terminal of its own."""
        fd = self._open("/dev/null", os.O_RDWR)
        return fd, fd, fd

    def plain(self, interactive: bool) -> tuple[int, int, int]:
        """The caller's own streams, input only where asked for.

        His terminal is reached through pipes, since who holds a terminal can read what is typed on it; through one pipe
        for stdout and stderr where both are it, so that the order is kept.
        """
        stdin = self._open("/dev/null", os.O_RDONLY)
        if interactive:
            stdin = self._pipe_in() if os.isatty(0) else 0
        if os.isatty(1) and os.isatty(2) and os.fstat(1).st_rdev == os.fstat(2).st_rdev:
            both = self._pipe_out(1)
            return stdin, both, both
        stdout, stderr = (self._pipe_out(fd) if os.isatty(fd) else fd for fd in (1, 2))
        return stdin, stdout, stderr

    def through(self, terminal: Terminal, interactive: bool) -> None:
        """Flows between the caller's stdin and stdout and the command's terminal."""
        fd = terminal.fileno()
        os.set_blocking(fd, False)
        self.outputs.append(Flow(fd, self._again(1, os.O_WRONLY), terminal.close))
        if interactive and os.isatty(0):  # raw: no key ends it, only a hang-up does
            self.inputs.append(Flow(self._again(0, os.O_RDONLY), fd, terminal.close))
        elif interactive:
            self.inputs.append(Flow(self._again(0, os.O_RDONLY), fd, _leave_open, end_of_input))

    def started(self) -> None:
        """The command has its own copies now."""
        self._theirs.close()

    def close(self) -> None:
        self.started()
        self._ours.close()

    def _open(self, path: str, flags: int) -> int:
        fd = os.open(path, flags | os.O_CLOEXEC)
        self._theirs.callback(os.close, fd)
        return fd

    def _again(self, fd: int, flags: int) -> int:
        again = private(fd, flags)
        self._ours.callback(os.close, again)
        return again

    def _pipe_in(self) -> int:
        theirs, ours = pipe()
        self._theirs.callback(os.close, theirs)
        os.set_blocking(ours, False)
        self.inputs.append(Flow(self._again(0, os.O_RDONLY), ours, self._closing(ours)))
        return theirs

    def _pipe_out(self, fd: int) -> int:
        ours, theirs = pipe()
        self._theirs.callback(os.close, theirs)
        os.set_blocking(ours, False)
        self.outputs.append(Flow(ours, self._again(fd, os.O_WRONLY), self._closing(ours)))
        return theirs

    def _closing(self, fd: int) -> "Once":
        once = Once(fd)
        self._ours.callback(once)
        return once


class Once:
    """Closes a descriptor, the first time it is called."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __call__(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


def _leave_open() -> None:
    """The terminal takes output as well: it stays."""

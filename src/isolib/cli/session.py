"""A command and who called it, until its end: input, output, terminal, signals and time in one loop."""

import gc
import os
import select
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress

from isolib.cli.signals import Signals
from isolib.cli.wires import Wires
from isolib.handles.process import Exit, Process
from isolib.handles.terminal import Raw, Terminal, window

Starter = Callable[[tuple[int, int, int]], Process]


class Session:
    """One start with the caller's streams. ``run`` does it all; ``timed_out`` says whether time was up."""

    def __init__(self, *, interactive: bool, terminal: bool, timeout: float | None = None) -> None:
        self._interactive, self._wants_terminal, self._timeout = interactive, terminal, timeout
        self._wires = Wires()
        self._terminal: Terminal | None = None
        self._raw: Raw | None = None
        self.timed_out = False

    def run(self, starter: Starter) -> Exit:
        """Starts, and returns at the end. What raises in between (KeyboardInterrupt) ends the command."""
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        with ExitStack() as held:
            held.callback(self._wires.close)
            with ExitStack() as attached:
                signals = attached.enter_context(Signals())
                stdio = self._wires.nothing() if self._wants_terminal else self._wires.plain(self._interactive)
                process = held.enter_context(starter(stdio))
                signals.started()
                gc.enable()
                self._wires.started()
                if self._wants_terminal:
                    self._connect(process, held, attached)
                self._until_the_end(process, signals, deadline)
                for flow in self._wires.outputs:
                    flow.finish(wait=False)
            for flow in self._wires.outputs:  # signals are our own again, and Ctrl-C ends the wait for a slow reader
                flow.finish()
            return process.wait()

    def _connect(self, process: Process, held: ExitStack, attached: ExitStack) -> None:
        """The command's terminal behind the caller's, which goes raw where he types into it."""
        self._terminal = held.enter_context(Terminal(process.received.pop("terminal")))
        self._wires.through(self._terminal, self._interactive)
        self._resize()
        if self._interactive and os.isatty(0):
            self._raw = Raw(0)
            attached.enter_context(self._raw)

    def _resize(self) -> None:
        size = window()
        if size and self._terminal is not None:
            with suppress(OSError, ValueError):  # it was hung up
                self._terminal.resize(size)

    def _until_the_end(self, process: Process, signals: Signals, deadline: float | None) -> None:
        while process.poll() is None:
            rest = None if deadline is None else deadline - time.monotonic()
            if rest is not None and rest <= 0:
                self.timed_out = True
                process.kill()
                deadline = None
                continue
            ready = self._wait(process, signals, rest)
            if signals.fileno() in ready:
                for number in signals.take():
                    self._pass_on(number, process)
            for flow in self._wires.flows:
                if flow.watch()[0] in ready:
                    flow.move()

    def _wait(self, process: Process, signals: Signals, rest: float | None) -> set[int]:
        poll = select.poll()
        poll.register(process.fileno(), select.POLLIN)
        poll.register(signals.fileno(), select.POLLIN)
        wanted: dict[int, int] = {}
        for flow in self._wires.flows:
            fd, event = flow.watch()
            wanted[fd] = wanted.get(fd, 0) | event  # a terminal is read and written
        for fd, events in wanted.items():
            poll.register(fd, events)
        return {fd for fd, _ in poll.poll(None if rest is None else rest * 1000 + 1)}

    def _pass_on(self, number: int, process: Process) -> None:
        if number == signal.SIGWINCH and self._terminal is not None:
            self._resize()
        elif number == signal.SIGTSTP:
            self._stop(process)
        else:
            process.send_signal(number)

    def _stop(self, process: Process) -> None:
        """Both stop, and go on together. A session of its own is an orphaned process group: it ignores SIGTSTP
        (POSIX, 2.4.3), so the command gets SIGSTOP."""
        process.send_signal(signal.SIGSTOP)
        if self._raw is not None:
            self._raw.leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        if self._raw is not None:
            self._raw.enter()
        self._resize()
        process.send_signal(signal.SIGCONT)

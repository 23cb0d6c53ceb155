"""A person at a terminal: a pseudo-terminal with a program on it, typed at and read from."""

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Sequence

from tests.e2e.line import PATIENCE, environment


class Seat:
    """A terminal of 33 rows and 77 columns, and a program whose controlling terminal it is."""

    def __init__(self, argv: Sequence[str], stdin: int | None = None, stdout: int | None = None) -> None:
        self.master, self.terminal = pty.openpty()
        self.resize(33, 77)
        self.before = termios.tcgetattr(self.terminal)
        self.seen = b""
        own = self.terminal
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *argv] if stdin is None else ["setsid", *argv],
            stdin=own if stdin is None else stdin,
            stdout=own if stdout is None else stdout,
            stderr=own,
            env=environment(),
            cwd="/",
        )

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text: bytes) -> None:
        os.write(self.master, text)

    def read_until(self, text: bytes) -> bytes:
        """What was shown up to and with this text, since the last call."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.seen:
            if not select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise AssertionError(f"{text!r} was not shown: {self.seen!r}")
            self.seen += os.read(self.master, 65536)
        shown, found, self.seen = self.seen.partition(text)
        return shown + found

    def send_signal(self, number: int) -> None:
        os.kill(self.process.pid, number)

    def code(self) -> int:
        """The exit code, once it has ended; what it showed last is in ``seen``."""
        code = self.process.wait(PATIENCE)
        while select.select([self.master], [], [], 0.1)[0]:
            self.seen += os.read(self.master, 65536)
        return code

    @property
    def restored(self) -> bool:
        """Whether the terminal is as it was."""
        return termios.tcgetattr(self.terminal) == self.before

    @property
    def raw(self) -> bool:
        """Whether keys go through one by one, without echo (termios(3))."""
        return not termios.tcgetattr(self.terminal)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def __enter__(self) -> "Seat":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
        os.close(self.master)
        os.close(self.terminal)

"""Signals for the command line while a command runs: they are the command's, and the loop passes them on."""

import os
import signal
from types import FrameType

# What people and service managers send. Not those of a fault of our own, nor SIGPIPE and SIGCHLD, nor the terminal's
# stops of a background job (TTIN, TTOU). SIGTSTP stops us and the command; SIGWINCH is a size.
PASSED_ON = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGALRM,
)
REAL_TIME = range(signal.SIGRTMIN, signal.SIGRTMAX + 1)
CAUGHT = (*PASSED_ON, *REAL_TIME, signal.SIGTSTP, signal.SIGCONT, signal.SIGWINCH)


def _noted(_number: int, _frame: FrameType | None) -> None:
    """The number was written to the wake-up pipe before this ran."""


class Signals:
    """In its block signals arrive as bytes in a pipe, which a loop polls. An ignored one stays ignored."""

    def __init__(self) -> None:
        self._before: dict[int, object] = {}
        self._read = self._write = -1

    def __enter__(self) -> "Signals":
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in CAUGHT:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, _noted)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]
        signal.set_wakeup_fd(-1)
        os.close(self._read)
        os.close(self._write)

    def fileno(self) -> int:
        """Readable when a signal has come."""
        return self._read

    def take(self) -> list[int]:
        """The numbers of those that have come."""
        try:
            return list(os.read(self._read, 512))
        except BlockingIOError:
            return []

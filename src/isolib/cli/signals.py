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


class Signals:
    """In its block signals arrive as bytes in a pipe, which a loop polls. An ignored one stays ignored.

    Those of before `started` wait for the command. Should the start hang, a second one to end it is KeyboardInterrupt.
    """

    def __init__(self) -> None:
        self._before: dict[int, object] = {}
        self._read = self._write = -1
        self._asked = 0  # to end, during the start
        self._starting = True

    def started(self) -> None:
        """From here on every signal is the command's."""
        self._starting = False

    def _noted(self, number: int, _frame: FrameType | None) -> None:
        """The number was written to the wake-up pipe before this ran."""
        self._asked += number in (signal.SIGINT, signal.SIGTERM)
        if self._starting and self._asked > 1:
            raise KeyboardInterrupt

    def __enter__(self) -> "Signals":
        self._read, self._write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in CAUGHT:
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._before[number] = signal.signal(number, self._noted)
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

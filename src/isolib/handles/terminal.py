"""Terminals: the caller's side of a container's own, and the caller's, made raw and given back as it was."""

import fcntl
import os
import signal
import struct
import termios
import tty
from contextlib import suppress
from typing import Any, NamedTuple


class Size(NamedTuple):
    """Of a terminal's window, in characters."""

    rows: int
    columns: int


def size_of(fd: int) -> Size | None:
    """The size of the window of a terminal; None where fd is none, or has no size (ioctl_tty(2), TIOCGWINSZ)."""
    try:
        raw = fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8))
    except OSError:
        return None
    size = Size(*struct.unpack("HHHH", raw)[:2])
    return size if all(size) else None


def window() -> Size | None:
    """The size of the window that this process is seen in: that of the first of its standard streams that has one."""
    return next((size for fd in (0, 1, 2) if (size := size_of(fd))), None)


class Terminal:
    """The master side of a pseudo-terminal (pty(7)). Owns its descriptor; closed, the other side is hung up."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """Readable and writable, in any loop. Valid until `close`."""
        return self._fd

    def resize(self, size: Size) -> None:
        """Gives the window this size; its foreground processes get SIGWINCH where it changed."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", size.rows, size.columns, 0, 0))

    @property
    def size(self) -> Size | None:
        """The size of the window; None where nobody has set it."""
        return size_of(self._fd)

    def close(self) -> None:
        """SIGHUP to its session; done once only."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Terminal {'closed' if self._fd < 0 else self._fd}>"


class Raw:
    """One's own terminal in raw mode (cfmakeraw(3)): every key goes through as a byte, Ctrl-C too.

    Nothing waits for output that is held up (TCSANOW), and a process in the background can give its terminal back as
    well: SIGTTOU is blocked for it (tcsetattr(3)). A context manager, too.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._before: list[Any] | None = None

    def enter(self) -> None:
        """Makes it raw, and remembers what it was. OSError where it is no terminal, or has hung up."""
        if self._before is not None:
            return
        try:
            before = termios.tcgetattr(self._fd)
            tty.setraw(self._fd, termios.TCSANOW)
        except termios.error as error:  # which is no OSError
            raise OSError(*error.args) from None
        self._before = before

    def leave(self) -> None:
        """Makes it what it was."""
        before, self._before = self._before, None
        if before is None:
            return
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
        with suppress(termios.error):  # it has gone: hung up, or its other side closed
            termios.tcsetattr(self._fd, termios.TCSANOW, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def __enter__(self) -> "Raw":
        self.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

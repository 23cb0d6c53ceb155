"""Bytes on their way between the caller's descriptors and a command's, so that one poll loop carries them all."""

import contextlib
import os
import select
import stat
from collections.abc import Callable

CHUNK = 64 * 1024
END_OF_INPUT = b"\x04"  # Ctrl-D: what a terminal takes for the end (termios(3), VEOF)


def private(fd: int, flags: int) -> int:
    """The same terminal or pipe, opened anew, so that it can be made non-blocking for us alone; to be closed.

    Others share the caller's own descriptors: O_NONBLOCK there would be theirs too. A copy where that is not possible
    (a socket, somebody else's terminal), and of a file, whose place to write at is shared with others and stays so.
    """
    mode = os.fstat(fd).st_mode
    try:
        if stat.S_ISCHR(mode) or stat.S_ISFIFO(mode):
            return os.open(f"/proc/self/fd/{fd}", flags | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        pass
    return os.dup(fd)


class Flow:
    """From one descriptor to another, a chunk at a time: what was read is written before more is read.

    ``at_end``: called once, when the source has no more or the target takes no more.
    """

    def __init__(
        self, source: int, target: int, at_end: Callable[[], None], last: Callable[[bytes], bytes] | None = None
    ):
        self.source, self.target = source, target
        self._at_end, self._last = at_end, last
        self._held = b""
        self._tail = b"\n"
        self.ended = False

    def watch(self) -> tuple[int, int]:
        """(descriptor, event) that it waits for."""
        return (self.target, select.POLLOUT) if self._held else (self.source, select.POLLIN)

    def move(self) -> bool:
        """Goes on by a step; False where nothing could be moved now."""
        if self.ended:
            return False
        try:
            return self._write() if self._held else self._read()
        except BlockingIOError:
            return False
        except OSError:  # the reader went away, or the other side of a terminal: EPIPE, EIO
            self._end()
            return False

    def _read(self) -> bool:
        chunk = os.read(self.source, CHUNK)
        if chunk:
            self._held, self._tail = chunk, chunk[-1:]
        elif self._last:
            self._held, self._last = self._last(self._tail), None
        else:
            self._end()
        return bool(self._held)

    def _write(self) -> bool:
        self._held = self._held[os.write(self.target, self._held) :]
        return True

    def _end(self) -> None:
        self.ended = True
        self._at_end()

    def finish(self, *, wait: bool = True) -> None:
        """What is left once nobody writes any more: reads what is there, and waits for the target to take it."""
        while not self.ended:
            if not self.move():
                if not self._held or not wait:
                    return
                with contextlib.suppress(InterruptedError):
                    select.select([], [self.target], [])


def end_of_input(tail: bytes) -> bytes:
    """What tells a terminal that there is no more: on an open line, the first Ctrl-D only hands the line over."""
    return END_OF_INPUT if tail == b"\n" else END_OF_INPUT * 2

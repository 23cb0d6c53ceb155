"""stdin, stdout and stderr of a run: where they go, and one poll loop that carries them until the end."""

import contextlib
import errno
import os
import select
import time
from collections.abc import Callable
from typing import IO, Final

from isolib.handles.process import Process

CAPTURE_LIMIT = 64 * 1024 * 1024
CHUNK = 256 * 1024


class _Word:
    """A word of the interface that is no string, so that it cannot be mistaken for a path."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"isolib.{self._name}"


INHERIT: Final = _Word("INHERIT")
DISCARD: Final = _Word("DISCARD")
PIPE: Final = _Word("PIPE")

Sink = _Word | int | str | os.PathLike[str] | IO[bytes] | IO[str] | Callable[[bytes], object] | None
Source = _Word | bytes | int | str | os.PathLike[str] | IO[bytes] | IO[str] | None


def pipe() -> tuple[int, int]:
    """(read, write) ends. Who has one may open it anew, as ``> /dev/stdout`` does, though to the payload it is somebody
    else's: only what isolib made itself is changed so.
    """
    ends = os.pipe2(os.O_CLOEXEC)
    os.fchmod(ends[0], 0o666)
    return ends


class Capture:
    """Bytes kept up to a limit; what is beyond it is read and forgotten, so that the writer never blocks."""

    def __init__(self, limit: int = CAPTURE_LIMIT) -> None:
        self.parts: list[bytes] = []
        self.left = limit
        self.truncated = False

    def __call__(self, chunk: bytes) -> None:
        if len(chunk) > self.left:
            self.truncated = True
            chunk = chunk[: self.left]
        self.left -= len(chunk)
        self.parts.append(chunk)

    def value(self) -> bytes:
        return b"".join(self.parts)


class Streams:
    """The caller's ends of the payload's three standard streams. Closes what it opened."""

    def __init__(self) -> None:
        self.readers: dict[int, Callable[[bytes], object]] = {}
        self.writer = -1
        self.input = memoryview(b"")
        self._theirs: list[int] = []

    def stdin(self, source: Source) -> int:
        """The payload's stdin: bytes are written to it, a path is opened, None is empty."""
        if isinstance(source, bytes | bytearray | memoryview) and source:
            read, self.writer = pipe()
            os.set_blocking(self.writer, False)
            self.input = memoryview(source)
            return self.theirs(read)
        if source is INHERIT:
            return 0
        if source is None or source is DISCARD or isinstance(source, bytes):
            return self.theirs(os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC))
        if isinstance(source, str | os.PathLike):
            return self.theirs(os.open(source, os.O_RDONLY | os.O_CLOEXEC))
        return source if isinstance(source, int) else source.fileno()  # type: ignore[union-attr]

    def output(self, sink: Sink, number: int) -> int:
        """The payload's stdout (1) or stderr (2): captured by a callable, or a file, a path, a descriptor, INHERIT."""
        if sink is INHERIT:
            return number
        if sink is DISCARD:
            return self.theirs(os.open("/dev/null", os.O_WRONLY | os.O_CLOEXEC))
        if isinstance(sink, int):
            return sink
        if isinstance(sink, str | os.PathLike):
            return self.theirs(os.open(sink, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666))
        if callable(sink):
            read, write = pipe()
            os.set_blocking(read, False)
            self.readers[read] = sink
            return self.theirs(write)
        sink.flush()  # type: ignore[union-attr]
        return sink.fileno()  # type: ignore[union-attr]

    def theirs(self, fd: int) -> int:
        """A descriptor that is closed here once the payload has it."""
        self._theirs.append(fd)
        return fd

    def started(self) -> None:
        """The payload has its own copies now."""
        while self._theirs:
            os.close(self._theirs.pop())

    def close(self) -> None:
        self.started()
        for fd in (*self.readers, *((self.writer,) if self.writer >= 0 else ())):
            os.close(fd)
        self.readers, self.writer = {}, -1

    def carry(self, process: Process, deadline: float | None) -> None:
        """Moves bytes until the process has ended and its output was read. TimeoutError at the deadline (monotonic)."""
        poll = select.poll()
        poll.register(process.fileno(), select.POLLIN)
        for fd in self.readers:
            poll.register(fd, select.POLLIN)
        if self.writer >= 0:
            poll.register(self.writer, select.POLLOUT)
        while process.exit is None:
            rest = None if deadline is None else deadline - time.monotonic()
            if rest is not None and rest <= 0:
                raise TimeoutError
            for fd, _ in poll.poll(None if rest is None else rest * 1000 + 1):
                if fd == process.fileno():
                    process.poll()
                elif not (self.write() if fd == self.writer else self.read(fd)):
                    poll.unregister(fd)
        self.drain()

    def drain(self) -> None:
        """What is left in the pipes once nobody of the tree lives to write more."""
        for fd in list(self.readers):
            while self._take(fd):
                pass

    def read(self, fd: int) -> bool:
        """Takes what a readable pipe has; False at its end, when it is closed."""
        if self._take(fd):
            return True
        del self.readers[fd]
        os.close(fd)
        return False

    def _take(self, fd: int) -> bool:
        """Whether there may be more; an empty pipe with a writer somewhere counts as the end only to `drain`."""
        try:
            chunk = os.read(fd, CHUNK)
        except BlockingIOError:
            return False
        if chunk:
            self.readers[fd](chunk)
        return bool(chunk)

    def write(self) -> bool:
        """Gives the payload more of its input; False once it has all or wants no more, and its pipe is closed."""
        with contextlib.suppress(BlockingIOError):
            try:
                self.input = self.input[os.write(self.writer, self.input[:65536]) :]
            except OSError as error:
                if error.errno != errno.EPIPE:
                    raise
                self.input = memoryview(b"")
        if self.input:
            return True
        os.close(self.writer)
        self.writer = -1
        return False

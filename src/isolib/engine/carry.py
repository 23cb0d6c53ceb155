"""A start with its streams: handed over as pipes, or carried to the end and made a Result."""

import os
import signal
import time
from collections.abc import Callable

import msgspec

from isolib.engine.result import Result
from isolib.engine.streams import PIPE, Capture, Sink, Source, Streams, pipe
from isolib.handles.process import Process

Starter = Callable[[tuple[int, int, int]], Process]


def wired(stdin: Source, stdout: Sink, stderr: Sink, starter: Starter) -> Process:
    """Starts with these streams; a PIPE's other end becomes ``process.stdin``, ``.stdout`` or ``.stderr``."""
    streams = Streams()
    ends: dict[str, int] = {}
    try:
        if stdin is PIPE:
            theirs, ends["stdin"] = pipe()
            inlet = streams.theirs(theirs)
        else:
            inlet = streams.stdin(stdin)
        outlets = [_outlet(streams, ends, *sink) for sink in (("stdout", stdout, 1), ("stderr", stderr, 2))]
        process = starter((inlet, outlets[0], outlets[1]))
    except BaseException:
        for fd in ends.values():
            os.close(fd)
        raise
    finally:
        streams.close()
    process.stdin, process.stdout, process.stderr = ends.get("stdin"), ends.get("stdout"), ends.get("stderr")
    return process


def _outlet(streams: Streams, ends: dict[str, int], name: str, sink: Sink, number: int) -> int:
    if sink is PIPE:
        ends[name], theirs = pipe()
        return streams.theirs(theirs)
    if callable(sink):
        raise TypeError(f"{name}: a callable is called by run() and exec(); here, read process.{name}")
    return streams.output(sink, number)


def carried(
    argv: tuple[str, ...], starter: Starter, sinks: tuple[Source, Sink, Sink], deadline: float | None
) -> Result:
    """Starts, carries the streams to the end, and says everything about it. A sink of None is captured."""
    with Carried(starter, sinks) as run:
        try:
            run.streams.carry(run.process, deadline)
        except TimeoutError:
            return run.killed(argv)
        return run.result(argv)


class Carried:
    """A start whose streams somebody carries to the end: `carried`, or a loop of asyncio's (isolib.aio)."""

    def __init__(self, starter: Starter, sinks: tuple[Source, Sink, Sink]) -> None:
        self._began = time.monotonic()
        stdin, stdout, stderr = sinks
        self.streams, self._captured = Streams(), (Capture(), Capture())
        try:
            inlet = self.streams.stdin(stdin)
            out = self.streams.output(self._captured[0] if stdout is None else stdout, 1)
            err = self.streams.output(self._captured[1] if stderr is None else stderr, 2)
            self.process = starter((inlet, out, err))
        except BaseException:
            self.streams.close()
            raise
        self.streams.started()

    def killed(self, argv: tuple[str, ...]) -> Result:
        """The end at the deadline: everything is killed, and what it has said is kept."""
        self.process.kill()
        self.process.wait()
        self.streams.drain()
        return msgspec.structs.replace(self.result(argv), exit_code=128 + signal.SIGKILL, timed_out=True)

    def result(self, argv: tuple[str, ...]) -> Result:
        """Everything about it, once it has ended and its output was read."""
        ended = self.process.wait()
        stdout, stderr = self._captured
        return Result(
            argv=argv,
            exit_code=ended.exit_code,
            signal=ended.signal,
            stdout=stdout.value(),
            stderr=stderr.value(),
            duration=time.monotonic() - self._began,
            usage=ended.usage,
            oom_killed=ended.oom_killed,
            truncated=stdout.truncated or stderr.truncated,
            degraded=ended.degraded,
        )

    def close(self) -> None:
        """Kills what still runs."""
        try:
            self.process.close()
        finally:
            self.streams.close()

    def __enter__(self) -> "Carried":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

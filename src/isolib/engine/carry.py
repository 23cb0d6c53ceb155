"""A start with its streams: handed over as pipes, or carried to the end and made a Result."""

import os
import signal
import time
from collections.abc import Callable, Mapping

from isolib.engine.result import Result
from isolib.engine.streams import PIPE, Capture, Sink, Source, Streams
from isolib.handles.process import Exit, Process

Starter = Callable[[tuple[int, int, int]], Process]


def wired(stdin: Source, stdout: Sink, stderr: Sink, starter: Starter) -> Process:
    """Starts with these streams; a PIPE's other end becomes ``process.stdin``, ``.stdout`` or ``.stderr``."""
    streams = Streams()
    ends: dict[str, int] = {}
    try:
        if stdin is PIPE:
            theirs, ends["stdin"] = os.pipe2(os.O_CLOEXEC)
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
        ends[name], theirs = os.pipe2(os.O_CLOEXEC)
        return streams.theirs(theirs)
    if callable(sink):
        raise TypeError(f"{name}: a callable is called by run() and exec(); here, read process.{name}")
    return streams.output(sink, number)


def carried(
    argv: tuple[str, ...], starter: Starter, sinks: tuple[Source, Sink, Sink], deadline: float | None
) -> Result:
    """Starts, carries the streams to the end, and says everything about it. A sink of None is captured."""
    began = time.monotonic()
    stdin, stdout, stderr = sinks
    streams, captured = Streams(), {1: Capture(), 2: Capture()}
    try:
        inlet = streams.stdin(stdin)
        out = streams.output(captured[1] if stdout is None else stdout, 1)
        err = streams.output(captured[2] if stderr is None else stderr, 2)
        with starter((inlet, out, err)) as process:
            streams.started()
            timed_out = _to_the_end(streams, process, deadline)
            ended = process.wait()
    finally:
        streams.close()
    return _result(argv, ended, captured, time.monotonic() - began, timed_out)


def _to_the_end(streams: Streams, process: Process, deadline: float | None) -> bool:
    """Whether it had to be killed at the deadline (monotonic)."""
    try:
        streams.carry(process, deadline)
    except TimeoutError:
        process.kill()
        process.wait()
        streams.drain()
        return True
    return False


def _result(
    argv: tuple[str, ...], ended: Exit, captured: Mapping[int, Capture], duration: float, timed_out: bool
) -> Result:
    return Result(
        argv=argv,
        exit_code=ended.exit_code if not timed_out else 128 + signal.SIGKILL,
        signal=ended.signal,
        stdout=captured[1].value(),
        stderr=captured[2].value(),
        duration=duration,
        usage=ended.usage,
        oom_killed=ended.oom_killed,
        timed_out=timed_out,
        truncated=any(capture.truncated for capture in captured.values()),
        degraded=ended.degraded,
    )

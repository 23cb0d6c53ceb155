"""isolib for asyncio: the same verbs as coroutines. To cancel one is to kill its container.

A thin face: a start takes some milliseconds and happens at once, in the loop's own thread; what is awaited is the
descriptors of the synchronous core (`Process.fileno`, pipes), by the loop's ``add_reader``.
"""

import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Self, Unpack

from isolib.engine.carry import Carried, wired
from isolib.engine.result import Result
from isolib.engine.run import Command, Wishes, prepared
from isolib.engine.streams import DISCARD, INHERIT, PIPE, Sink, Source, Streams
from isolib.errors import ExitError
from isolib.handles import process as sync
from isolib.handles.cgroup import CGroup
from isolib.handles.process import Exit
from isolib.launch.start import start

__all__ = ["DISCARD", "INHERIT", "PIPE", "Process", "run", "spawn"]


async def run(
    command: Command,
    *,
    group: CGroup | None = None,
    stdin: Source = None,
    stdout: Sink = None,
    stderr: Sink = None,
    timeout: float | None = None,
    check: bool = False,
    **wishes: Unpack[Wishes],
) -> Result:
    """As `isolib.run`, without blocking the loop while the command runs. Cancelled, it kills the whole tree first.

    A callable that is given for output is called in the loop's thread.
    """
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    ready = prepared(command, **wishes)
    with Carried(partial(start, ready, group=group), (stdin, stdout, stderr)) as carried:
        try:
            async with asyncio.timeout_at(deadline):
                await _Carrying(carried.streams, carried.process).to_the_end()
            result = carried.result(ready.spec.argv)
        except TimeoutError:
            if deadline is None or loop.time() < deadline:
                raise  # a callable's own
            result = carried.killed(ready.spec.argv)
    if check and not result.ok:
        raise ExitError(result)
    return result


class _Carrying:
    """`Streams.carry`, with the loop in place of poll(2)."""

    def __init__(self, streams: Streams, process: sync.Process) -> None:
        self._streams, self._process = streams, process
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()

    async def to_the_end(self) -> None:
        """Returns when the process has ended and its output was read."""
        loop, streams, process = self._loop, self._streams, self._process
        loop.add_reader(process.fileno(), self._guarded, self._news)
        for fd in streams.readers:
            loop.add_reader(fd, self._guarded, partial(self._read, fd))
        if streams.writer >= 0:
            loop.add_writer(streams.writer, self._guarded, partial(self._write, streams.writer))
        try:
            await self._ended
        finally:
            for fd in (process.fileno(), *streams.readers):  # of those at their end, the numbers are others' by now
                loop.remove_reader(fd)
            if streams.writer >= 0:
                loop.remove_writer(streams.writer)
        streams.drain()

    def _guarded(self, step: Callable[[], object]) -> None:
        """What a callable of the caller's raises is raised where he awaits."""
        try:
            step()
        except BaseException as error:
            if not self._ended.done():
                self._ended.set_exception(error)

    def _news(self) -> None:
        if self._process.poll() is not None and not self._ended.done():
            self._ended.set_result(None)

    def _read(self, fd: int) -> None:
        if fd in self._streams.readers and not self._streams.read(fd):
            self._loop.remove_reader(fd)

    def _write(self, fd: int) -> None:
        if not self._streams.write():
            self._loop.remove_writer(fd)


async def spawn(
    command: Command,
    *,
    group: CGroup | None = None,
    stdin: Source = None,
    stdout: Sink = PIPE,
    stderr: Sink = PIPE,
    **wishes: Unpack[Wishes],
) -> "Process":
    """As `isolib.spawn`: a live Process, whose pipes are asyncio's streams."""
    process = wired(stdin, stdout, stderr, partial(start, prepared(command, **wishes), group=group))
    found = Process(process)
    try:
        await found._connect()
    except BaseException:
        found._drop()
        raise
    return found


class Process:
    """A started command on a loop. Killed on leaving its ``async with`` block, so also where the task is cancelled.

    ``stdin``, ``stdout`` and ``stderr`` are streams where `PIPE` was asked for, else None.
    """

    def __init__(self, process: sync.Process) -> None:
        self.process = process
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._transports: list[asyncio.BaseTransport] = []
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[Exit] = self._loop.create_future()
        self._loop.add_reader(process.fileno(), self._news)

    @property
    def pid(self) -> int:
        """init's, as seen by the caller."""
        return self.process.pid

    @property
    def exit(self) -> Exit | None:
        """How it ended; None while it runs."""
        return self.process.exit

    async def wait(self) -> Exit:
        """Waits for the end. Cancelled (`asyncio.wait_for`), it waits no more, and the process runs on."""
        return await asyncio.shield(self._ended)

    def send_signal(self, number: int) -> None:
        """Sends a signal to the command. One that has ended is left alone."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kills the whole tree."""
        self.process.kill()

    async def close(self) -> None:
        """Kills what still runs, reaps it, and closes every descriptor."""
        self._drop()
        await asyncio.sleep(0)  # transports close their files at the loop's next turn

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<aio {self.process!r}>"

    def _news(self) -> None:
        if (ended := self.process.poll()) is not None:
            self._loop.remove_reader(self.process.fileno())
            if not self._ended.done():
                self._ended.set_result(ended)

    async def _connect(self) -> None:
        """The pipes become the loop's; from then on their transports close them."""
        process = self.process
        if process.stdin is not None:
            fd, process.stdin = process.stdin, None
            transport, protocol = await self._loop.connect_write_pipe(self._protocol, os.fdopen(fd, "wb", 0))
            self._transports.append(transport)
            self.stdin = asyncio.StreamWriter(transport, protocol, None, self._loop)
        if process.stdout is not None:
            fd, process.stdout = process.stdout, None
            self.stdout = await self._reader(fd)
        if process.stderr is not None:
            fd, process.stderr = process.stderr, None
            self.stderr = await self._reader(fd)

    async def _reader(self, fd: int) -> asyncio.StreamReader:
        reader = asyncio.StreamReader(loop=self._loop)
        transport, _ = await self._loop.connect_read_pipe(lambda: self._protocol(reader), os.fdopen(fd, "rb", 0))
        self._transports.append(transport)
        return reader

    def _protocol(self, reader: asyncio.StreamReader | None = None) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(reader or asyncio.StreamReader(loop=self._loop), loop=self._loop)

    def _drop(self) -> None:
        if not self._loop.is_closed():
            self._loop.remove_reader(self.process.fileno())
        for transport in self._transports:
            transport.close()
        self.process.close()
        if not self._ended.done() and self.process.exit is not None:
            self._ended.set_result(self.process.exit)

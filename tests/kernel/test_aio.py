"""isolib.aio: runs side by side on one loop; a cancelled one is dead before the cancellation is through."""

import asyncio
import os
import signal
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from isolib import ExitError, SpecError, aio

pytestmark = pytest.mark.needs_user_namespace


def on_a_loop(main: Coroutine[Any, Any, object]) -> Any:
    return asyncio.run(asyncio.wait_for(main, 60))


def started() -> list[int]:
    """The inits that this process has started and that still run."""
    found = []
    for thread in Path("/proc/self/task").iterdir():
        found += [int(pid) for pid in (thread / "children").read_text().split()]
    return [pid for pid in found if b"isolib-init" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_a_result() -> None:
    result = on_a_loop(aio.run(["sh", "-c", "cat; echo err >&2; exit 3"], stdin=b"in"))
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"in", b"err\n")
    assert result.duration > 0


def test_wishes_are_those_of_run() -> None:
    result = on_a_loop(aio.run(["sh", "-c", "echo $A; pwd"], env={"A": "1"}, cwd="/usr"))
    assert result.stdout == b"1\n/usr\n"


def test_side_by_side() -> None:
    async def main() -> list[bytes]:
        began = time.monotonic()
        results = await asyncio.gather(*(aio.run(["sh", "-c", f"sleep 2; echo {i}"]) for i in range(8)))
        assert time.monotonic() - began < 14
        return [result.stdout for result in results]

    assert on_a_loop(main()) == [b"%d\n" % i for i in range(8)]


def test_the_loop_goes_on() -> None:
    async def main() -> int:
        ticks = 0
        run = asyncio.ensure_future(aio.run(["sleep", "0.5"]))
        while not run.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return ticks

    assert on_a_loop(main()) > 5


def test_more_than_a_pipe_holds() -> None:
    big = os.urandom(3_000_000)
    assert on_a_loop(aio.run(["cat"], stdin=big)).stdout == big


def test_input_that_nobody_reads() -> None:
    result = on_a_loop(aio.run(["sh", "-c", "exec 0<&-; echo done"], stdin=b"x" * 3_000_000))
    assert result.stdout == b"done\n"


def test_a_time_limit() -> None:
    result = on_a_loop(aio.run(["sh", "-c", "echo said; setsid sleep 60 & sleep 60"], timeout=2.5))
    assert (result.timed_out, result.exit_code, result.stdout) == (True, 137, b"said\n")


def test_check() -> None:
    with pytest.raises(ExitError) as caught:
        on_a_loop(aio.run(["sh", "-c", "exit 4"], check=True))
    assert caught.value.result.exit_code == 4


def test_mistakes_are_raised_at_once() -> None:
    with pytest.raises(SpecError):
        on_a_loop(aio.run([]))


def test_to_cancel_is_to_kill() -> None:
    async def main() -> None:
        run = asyncio.ensure_future(aio.run(["sh", "-c", "sleep 60 & setsid sleep 60"]))
        await asyncio.sleep(0.2)
        assert len(started()) == 1
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert started() == []

    on_a_loop(main())


def test_a_timeout_of_asyncios_kills_as_well() -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await aio.run(["sleep", "60"])
        assert started() == []

    on_a_loop(main())


def test_one_that_fails_takes_the_others_along() -> None:
    async def main() -> None:
        async def together() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(aio.run(["sleep", "60"]))
                group.create_task(aio.run(["sh", "-c", "exit 1"], check=True))

        with pytest.raises(BaseExceptionGroup) as caught:
            await together()
        assert [type(error) for error in caught.value.exceptions] == [ExitError]
        assert started() == []

    on_a_loop(main())


def test_a_callable_gets_the_output() -> None:
    chunks: list[bytes] = []
    on_a_loop(aio.run(["echo", "hi"], stdout=chunks.append))
    assert b"".join(chunks) == b"hi\n"


def test_what_a_callable_raises() -> None:
    def refuse(chunk: bytes) -> None:
        raise ValueError(chunk)

    async def main() -> None:
        with pytest.raises(ValueError, match="hi"):
            await aio.run(["sh", "-c", "echo hi; sleep 60"], stdout=refuse)
        assert started() == []

    on_a_loop(main())


def test_a_live_process() -> None:
    async def main() -> None:
        command = ["sh", "-c", "while read a; do echo got $a; done; echo err >&2; exit 5"]
        async with await aio.spawn(command, stdin=aio.PIPE) as process:
            assert process.stdin
            assert process.stdout
            assert process.stderr
            assert process.exit is None
            for word in (b"one", b"two"):
                process.stdin.write(word + b"\n")
                await process.stdin.drain()
                assert await process.stdout.readline() == b"got " + word + b"\n"
            process.stdin.close()
            assert await process.stdout.read() == b""
            assert await process.stderr.read() == b"err\n"
            assert (await process.wait()).exit_code == 5
            assert (await process.wait()) is process.exit

    on_a_loop(main())


def test_signals_and_kill() -> None:
    async def main() -> None:
        async with await aio.spawn(["sleep", "60"], stdout=aio.DISCARD, stderr=aio.DISCARD) as process:
            assert (process.stdin, process.stdout, process.stderr) == (None, None, None)
            process.send_signal(signal.SIGTERM)
            assert (await process.wait()).signal == signal.SIGTERM
        async with await aio.spawn(["sleep", "60"]) as process:
            process.kill()
            assert (await process.wait()).killed

    on_a_loop(main())


def test_to_stop_waiting_is_not_to_kill() -> None:
    async def main() -> None:
        async with await aio.spawn(["sh", "-c", "sleep 0.5; exit 6"]) as process:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.05)
            both = await asyncio.gather(process.wait(), process.wait())
            assert [ended.exit_code for ended in both] == [6, 6]

    on_a_loop(main())


def test_the_block_ends_it() -> None:
    async def main() -> None:
        async def inside() -> None:
            async with await aio.spawn(["sleep", "60"]):
                await asyncio.sleep(60)

        task = asyncio.ensure_future(inside())
        await asyncio.sleep(0.3)
        assert len(started()) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert started() == []

    on_a_loop(main())


def test_a_loop_in_a_thread() -> None:
    import threading

    results: list[bytes] = []
    thread = threading.Thread(target=lambda: results.append(on_a_loop(aio.run(["echo", "hi"])).stdout))
    thread.start()
    thread.join(60)
    assert results == [b"hi\n"]

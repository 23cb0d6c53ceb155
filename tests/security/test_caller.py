"""A start changes nothing in the caller, and nothing that the caller does breaks a start."""

import asyncio
import ctypes
import gc
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import isolib
from isolib import Limits
from isolib.engine.container import Container

PR_GET_DUMPABLE, PR_GET_PDEATHSIG, PR_GET_NO_NEW_PRIVS, PR_GET_CHILD_SUBREAPER = 3, 2, 39, 37
# Lines of /proc/self/status that change by themselves.
RESTLESS = ("Vm", "Rss", "voluntary", "nonvoluntary", "SigQ", "FDSize")  # SigQ counts for all of the user
libc = ctypes.CDLL(None, use_errno=True)


def prctl(option: int) -> int:
    value = ctypes.c_int(-1)
    got = libc.prctl(option, ctypes.byref(value), 0, 0, 0)
    return value.value if option in (PR_GET_PDEATHSIG, PR_GET_CHILD_SUBREAPER) else got


def portrait() -> dict[str, object]:
    """All that the kernel tells about this process and thread, apart from how much it used."""
    lines = Path("/proc/thread-self/status").read_text().splitlines()
    kinds = os.listdir("/proc/thread-self/ns")
    return {
        "status": [line for line in lines if not line.startswith(RESTLESS)],
        "limits": Path("/proc/self/limits").read_text(),
        "oom_score_adj": Path("/proc/self/oom_score_adj").read_text(),
        "namespaces": {kind: os.readlink(f"/proc/thread-self/ns/{kind}") for kind in kinds},
        "cgroup": Path("/proc/self/cgroup").read_text(),
        "mounts": Path("/proc/self/mountinfo").read_text(),
        "cwd": os.getcwd(),
        "root": os.readlink("/proc/self/root"),
        "session": (os.getsid(0), os.getpgrp(), os.getppid()),
        "affinity": os.sched_getaffinity(0),
        "nice": os.getpriority(os.PRIO_PROCESS, 0),
        "dumpable": prctl(PR_GET_DUMPABLE),
        "death signal": prctl(PR_GET_PDEATHSIG),
        "no_new_privs": prctl(PR_GET_NO_NEW_PRIVS),
        "sub-reaper": prctl(PR_GET_CHILD_SUBREAPER),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "mask": signal.pthread_sigmask(signal.SIG_BLOCK, ()),
        "descriptors": {fd: os.readlink(f"/proc/self/fd/{fd}") for fd in open_descriptors()},
        "environment": dict(os.environ),
    }


def open_descriptors() -> list[str]:
    found = os.listdir("/proc/self/fd")
    return [fd for fd in found if os.path.lexists(f"/proc/self/fd/{fd}")]


def failing_start() -> None:
    with pytest.raises(isolib.StepError):
        isolib.run(["no-such-program-anywhere"])


def entering() -> None:
    with Container(None, ["sleep", "100"]) as container:
        assert container.exec(["true"]).ok


STARTS: dict[str, Callable[[], object]] = {
    "run": lambda: isolib.run(["true"], check=True),
    "failing": failing_start,
    "entering": entering,
    "timeout": lambda: isolib.run(["sleep", "100"], timeout=0.05),
    "terminal": lambda: isolib.spawn(isolib.container_spec(["true"], terminal=True)).close(),
}


@pytest.mark.parametrize("name", STARTS)
def test_nothing_in_the_caller_changes(name: str) -> None:
    STARTS[name]()
    before = portrait()
    STARTS[name]()
    after = portrait()
    assert before == after


@contextmanager
def handled(number: int, action: signal.Handlers | Callable[..., object]) -> Iterator[None]:
    before = signal.signal(number, action)
    try:
        yield
    finally:
        signal.signal(number, before)


@pytest.mark.parametrize("action", [signal.SIG_IGN, signal.SIG_DFL, lambda *_: None])
def test_whatever_the_caller_does_with_sigchld(action: signal.Handlers) -> None:
    with handled(signal.SIGCHLD, action):
        result = isolib.run(["sh", "-c", "sh -c 'exit 3'; exit $(($? + 4))"])
    assert result.exit_code == 7
    assert result.usage.cpu_seconds > 0


def test_somebody_elses_wait_takes_init_and_loses_nothing() -> None:
    """The end is told on the channel, before init can be reaped at all."""
    with isolib.spawn(["sh", "-c", "exit 5"]) as process:
        end, taken = time.monotonic() + 20, 0
        while time.monotonic() < end and taken != process.pid:
            with suppress(ChildProcessError):
                taken, _ = os.waitpid(-1, 0)
        assert taken == process.pid
        assert process.wait(20).code == 5


@pytest.mark.slow
def test_threads_that_allocate() -> None:
    """A lock of the allocator held by another thread during the clone hangs nothing."""
    stop = threading.Event()

    def allocate() -> None:
        while not stop.is_set():
            blocks = [bytearray(size) for size in range(1, 200_000, 20_000)]
            del blocks

    threads = [threading.Thread(target=allocate) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        ready = isolib.prepared(["true"])
        assert all(isolib.run(ready, timeout=60).ok for _ in range(40))
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_starts_from_many_threads() -> None:
    results: list[isolib.Result] = []

    def work(number: int) -> None:
        for _ in range(12):
            results.append(isolib.run(["sh", "-c", f"echo {number}"], timeout=60))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.stdout for result in results) == sorted(f"{n}\n".encode() for n in range(8) for _ in range(12))


def test_a_storm_of_signals() -> None:
    """Every call that can be interrupted is, all the time (EINTR)."""
    with handled(signal.SIGALRM, lambda *_: None):
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        try:
            results = [isolib.run(["sh", "-c", "echo out; echo err >&2; exit 3"]) for _ in range(20)]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    assert {(r.exit_code, r.stdout, r.stderr) for r in results} == {(3, b"out\n", b"err\n")}


def test_in_a_fork_of_the_caller() -> None:
    """What a process opens once and keeps is not its fork's."""
    isolib.run(["true"])
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if isolib.run(["sh", "-c", "exit 9"]).exit_code == 9 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_under_asyncio() -> None:
    async def many() -> list[isolib.Result]:
        return await asyncio.gather(*(asyncio.to_thread(isolib.run, ["sh", "-c", f"exit {n}"]) for n in range(8)))

    assert [result.exit_code for result in asyncio.run(many())] == list(range(8))


def test_keyboard_interrupt_kills_the_tree() -> None:
    with handled(signal.SIGALRM, signal.default_int_handler):
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(KeyboardInterrupt):
            isolib.run(["sh", "-c", "sleep 1000 & sleep 1000"])


@pytest.mark.needs_groups
def test_out_of_memory_in_a_group_spares_the_caller() -> None:
    """Starts and enters that run in a group while it is out of memory (the kernel kills all who share the memory)."""
    hungry = ["python3", "-c", "x = []\nwhile True: x.append(bytearray(1 << 20))"]
    for _ in range(5):
        result = isolib.run(hungry, limits=Limits(memory="24M", swap=0), timeout=60)
        assert result.oom_killed
        assert result.exit_code == 128 + signal.SIGKILL
    with Container(None, ["sleep", "100"], limits=Limits(memory="24M", swap=0)) as container:
        for _ in range(5):
            assert container.exec(hungry, timeout=60).exit_code == 128 + signal.SIGKILL
    gc.collect()
    assert Path("/proc/self/oom_score_adj").exists()


def test_a_large_caller() -> None:
    """The clone copies no page tables: what is measured in benchmarks/ is only shown to work here."""
    ballast = bytearray(256 << 20)
    for at in range(0, len(ballast), 4096):
        ballast[at] = 1
    assert isolib.run(["true"]).ok

"""A caller that dies with SIGKILL at a chosen step of a start, and what is left of it."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec

from isolib.launch import steps
from isolib.launch.spawn import Answer
from isolib.launch.start import Prepared
from isolib.launch.steps import Step

PATIENCE = 20.0  # seconds; software emulation is slow


@contextmanager
def fork_of_the_caller(act: Callable[[int], None]) -> Iterator[tuple[int, int]]:
    """Runs act(the write end of a pipe) in a fork that never returns; yields its pid and the read end, and reaps it."""
    read, write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            act(write)
        except BaseException as error:
            os.write(2, f"in the fork: {error!r}\n".encode())
        finally:
            os._exit(70)
    os.close(write)
    try:
        yield pid, read
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(read)


def with_failpoint(prepared: Prepared, index: int) -> Prepared:
    """The same start with a Sync before step ``index``, at which the caller does what his answer says."""
    return msgspec.structs.replace(prepared, plan=prepared.plan.insert(index, steps.sync("failpoint")))


def dying(tell: int) -> dict[str, Answer]:
    """At the failpoint the caller tells init's pid and kills himself."""

    def die(pid: int, _step: Step) -> list[int]:
        os.write(tell, f"{pid}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
        return []

    return {"failpoint": die}


def read_line(fd: int) -> str:
    ready, _, _ = select.select([fd], [], [], PATIENCE)
    return os.read(fd, 64).decode().strip() if ready else ""


def is_gone(pid: int) -> bool:
    """Whether a process that is nobody's child here has ended, or does within PATIENCE."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if state(pid) in ("", "Z"):
            return True
        time.sleep(0.002)
    return False


def state(pid: int) -> str:
    """The letter of proc(5); nothing where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""

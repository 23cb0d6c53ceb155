"""kill -9 of the caller at every step of a start: no process, mount or network namespace of it stays."""

import os
import signal
from pathlib import Path

import pytest

import isolib
from isolib import Limits
from isolib.engine.container import Container
from isolib.handles.cgroup import CGroup
from isolib.launch.start import Prepared, prepare, start
from tests.security.killing import dying, fork_of_the_caller, is_gone, read_line, with_failpoint

STDIO = (0, 1, 2)


def die_at(prepared: Prepared, index: int) -> int:
    """Starts and dies before step ``index``; init's pid, once it is gone."""
    with fork_of_the_caller(
        lambda tell: start(with_failpoint(prepared, index), STDIO, answers=dying(tell)).close()
    ) as (
        pid,
        tell,
    ):
        init = int(read_line(tell) or 0)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        assert init, f"the failpoint before step {index} was not reached"
        assert is_gone(init), f"init outlived its caller, killed before step {index}: {prepared.plan.steps[index]}"
        return init


@pytest.mark.slow
def test_at_every_step() -> None:
    prepared = prepare(isolib.container_spec(["sleep", "1000"]), enterable=True)
    for index in range(len(prepared.plan)):
        die_at(prepared, index)


@pytest.mark.slow
@pytest.mark.needs_groups
def test_at_every_third_step_with_a_group_and_the_next_call_sweeps() -> None:
    prepared = prepare(isolib.container_spec(["sleep", "1000"], limits=Limits(memory="64M", pids=20)))
    for index in range(0, len(prepared.plan), 3):
        die_at(prepared, index)
    CGroup.sweep()


def test_while_the_payload_runs(tmp_path: Path) -> None:
    """The tree below the payload goes too, whatever it does with sessions and parents."""
    command = ["sh", "-c", "setsid sleep 1000 & (sleep 1000 &) ; exec sleep 1000"]

    def live(tell: int) -> None:
        process = isolib.spawn(command, stdout=isolib.DISCARD, stderr=isolib.DISCARD)
        os.write(tell, f"{process.pid}\n".encode())
        signal.pause()

    with fork_of_the_caller(live) as (pid, tell):
        init = int(read_line(tell))
        inside = [int(n) for n in Path(f"/proc/{init}/task/{init}/children").read_text().split()]
        assert inside
        os.kill(pid, signal.SIGKILL)
        assert is_gone(init)
        assert all(is_gone(n) for n in inside)


def test_while_forks_of_the_caller_live_on() -> None:
    """They hold copies of every descriptor, so no end of file ever comes."""

    def live(tell: int) -> None:
        process = isolib.spawn(["sleep", "1000"], stdout=isolib.DISCARD, stderr=isolib.DISCARD)
        grandchild = os.fork()
        if grandchild == 0:
            signal.pause()
        os.write(tell, f"{process.pid} {grandchild}\n".encode())
        signal.pause()

    with fork_of_the_caller(live) as (pid, tell):
        init, grandchild = map(int, read_line(tell).split())
        os.kill(pid, signal.SIGKILL)
        try:
            assert is_gone(init)
        finally:
            os.kill(grandchild, signal.SIGKILL)


def test_a_fork_tears_nothing_down() -> None:
    """A copy of the handle in a fork closes its descriptors, and the container runs on."""
    with isolib.spawn(["sleep", "1000"]) as process:
        pid = os.fork()
        if pid == 0:
            process.kill()
            process.close()
            os._exit(0)
        os.waitpid(pid, 0)
        assert process.poll() is None


def test_of_an_enterer() -> None:
    """What was started inside ends with the caller that entered, and the container with its own."""

    def live(tell: int) -> None:
        with Container(None, ["sleep", "1000"]) as container:
            inside = container.spawn(["sleep", "1000"], stdout=isolib.DISCARD, stderr=isolib.DISCARD)
            os.write(tell, f"{container.process.pid} {inside.pid}\n".encode())
            signal.pause()

    with fork_of_the_caller(live) as (pid, tell):
        pids = [int(word) for word in read_line(tell).split()]
        os.kill(pid, signal.SIGKILL)
        assert len(pids) == 2
        assert all(is_gone(n) for n in pids)


def test_init_killed_is_an_end_and_no_hang() -> None:
    with isolib.spawn(["sleep", "1000"]) as process:
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait(20).signal == signal.SIGKILL


def test_without_a_pid_namespace_init_kills_its_descendants() -> None:
    spec = isolib.container_spec(
        ["sh", "-c", "setsid sleep 1000 & (sleep 1000 &) ; exec sleep 1000"], namespaces={"pid": "host"}
    )

    def live(tell: int) -> None:
        process = isolib.spawn(spec, stdout=isolib.DISCARD, stderr=isolib.DISCARD)
        os.write(tell, f"{process.pid}\n".encode())
        signal.pause()

    with fork_of_the_caller(live) as (pid, tell):
        init = int(read_line(tell))
        inside = [int(n) for n in Path(f"/proc/{init}/task/{init}/children").read_text().split()]
        os.kill(pid, signal.SIGKILL)
        assert inside
        assert is_gone(init)
        assert all(is_gone(n) for n in inside)

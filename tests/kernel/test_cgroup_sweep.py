"""Groups of processes that were killed: the next process that makes a group ends and removes them."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from isolib.handles.cgroup import CGroup
from isolib.spec.limits import Limits

pytestmark = pytest.mark.needs_groups

# Makes a group with a process in it, says where and which, and waits to be killed.
OWNER = """
import os, subprocess, sys
how, parent = sys.argv[1:3]
sys.path[:0] = sys.argv[3:]
from isolib.handles.cgroup import CGroup
group = CGroup.create("orphan/inner", parent=parent or None, kept=how == "kept")
sleep = subprocess.Popen(["sleep", "1000"], start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
group.add(sleep.pid)
if how == "fork" and os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print(sleep.pid, *group.paths.values(), sep="\\n", end="\\n\\n", flush=True)
sys.stdin.read()
"""
NEXT = "import sys; parent = sys.argv[1]; sys.path[:0] = sys.argv[2:]\nfrom isolib.handles.cgroup import CGroup\n"


class Owner(NamedTuple):
    """The process, the number of the one in its group, and the directories of the group."""

    process: subprocess.Popen[str]
    pid: int
    paths: list[Path]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def swept(self) -> bool:
        return not any(path.parent.exists() for path in self.paths) and gone(self.pid)

    @property
    def stands(self) -> bool:
        return all(path.is_dir() for path in self.paths) and not gone(self.pid, tries=1)


@contextmanager
def owner(how: str = "", parent: str = "") -> Iterator[Owner]:
    argv = [sys.executable, "-c", OWNER, how, parent, *sys.path]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [line.strip() for line in iter(process.stdout.readline, "\n")]
        try:
            yield Owner(process, int(lines[0]), [Path(line) for line in lines[1:]])
        finally:
            process.kill()
    CGroup.sweep()


def gone(pid: int, tries: int = 2000) -> bool:
    """Whether a process has ended; who is its parent now may still have to reap it."""
    for _ in range(tries):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.005)
    return False


def test_what_a_killed_process_left_is_swept() -> None:
    with owner() as dead:
        dead.kill()
        assert dead.stands
        swept = CGroup.sweep()
        assert {str(path.parent) for path in dead.paths} <= set(swept)
        assert dead.swept


def test_the_first_group_of_another_process_sweeps() -> None:
    with owner() as dead:
        dead.kill()
        code = f"{NEXT}CGroup.create('x').remove()"
        subprocess.run([sys.executable, "-c", code, "", *sys.path], check=True, timeout=60)
        assert dead.swept


def test_a_fork_that_lives_on_does_not_own_it() -> None:
    with owner("fork") as dead:
        dead.kill()
        CGroup.sweep()
        assert dead.swept


def test_what_belongs_to_a_living_process_stays() -> None:
    with owner() as alive:
        CGroup.sweep()
        assert alive.stands


def test_what_is_kept_stays() -> None:
    with owner("kept") as dead:
        dead.kill()
        CGroup.sweep()
        assert dead.stands
        CGroup.open(str(dead.paths[0].parent)).remove()
        assert dead.swept


def test_below_a_parent_of_its_own_the_next_one_there_sweeps() -> None:
    with CGroup.create("services", Limits(pids=20)) as parent:
        path = f"/{parent._places[0].path}"
        with owner(parent=path) as dead:
            assert dead.paths[0].parents[1] == Path(parent.path)
            dead.kill()
            code = f"{NEXT}CGroup.create('x', parent=parent).remove()"
            subprocess.run([sys.executable, "-c", code, path, *sys.path], check=True, timeout=60)
            assert dead.swept


def test_sweeping_twice_at_once() -> None:
    with owner() as first, owner() as second:
        for dead in (first, second):
            dead.kill()
        argv = [sys.executable, "-c", f"{NEXT}CGroup.sweep()", "", *sys.path]
        sweepers = [subprocess.Popen(argv) for _ in range(3)]
        assert [sweeper.wait(60) for sweeper in sweepers] == [0, 0, 0]
        assert first.swept
        assert second.swept


def test_an_interrupted_block_leaves_nothing() -> None:
    code = """
import signal, sys, time
sys.path[:0] = sys.argv[1:]
from isolib.handles.cgroup import CGroup
signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
with CGroup.create("interrupted") as group:
    print(group.path, flush=True)
    time.sleep(100)
"""
    argv = [sys.executable, "-c", code, *sys.path]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        path = Path(process.stdout.readline().strip())
        assert path.is_dir()
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert not path.exists()

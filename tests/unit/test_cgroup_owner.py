"""Whose a group is: the mark in its name says it, and only a process known to be gone has left an orphan."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from isolib.handles.cgroup.owner import is_orphan, own_mark


def start_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def realm() -> str:
    return own_mark().removeprefix("@").partition(".")[0]


def test_our_own_group_is_no_orphan() -> None:
    assert re.fullmatch(rf"@[0-9a-f]+(t[0-9a-f]+)?\.{os.getpid()}\.{start_of(os.getpid())}", own_mark())
    assert not is_orphan(f"web{own_mark()}")


def test_a_fork_has_a_mark_of_its_own() -> None:
    code = (
        "import os, sys; sys.path[:0] = sys.argv[1:]\n"
        "from isolib.handles.cgroup.owner import own_mark\n"
        "mark = own_mark(); pid = os.fork()\n"
        "if pid == 0: os._exit(mark == own_mark())\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))"
    )
    subprocess.run([sys.executable, "-c", code, *sys.path], check=True, timeout=60)


def test_a_process_with_the_number_but_another_start_is_another() -> None:
    assert is_orphan(f"web@{realm()}.{os.getpid()}.{start_of(os.getpid()) + 1}")


def test_a_killed_process_leaves_orphans_reaped_or_not() -> None:
    with subprocess.Popen(["sleep", "100"]) as process:
        name = f"a@b@{realm()}.{process.pid}.{start_of(process.pid)}"
        assert not is_orphan(name)
        process.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 10
        while not is_orphan(name) and time.monotonic() < deadline:
            time.sleep(0.001)
        assert is_orphan(name), "a zombie"
    assert is_orphan(name), "nothing at all"


@pytest.mark.parametrize(
    "name",
    [
        "web",
        "",
        "web@",
        "web@1.2",
        "web@x.1.2",
        "web@1.0.5",
        "web@1.1.5x",
        "web@effffffc.1.5/a",
        "@1.-1.5",
        "web@1.99999999999999999999.5",
        f"web@1.{2**22 + 1}.5",
    ],
)
def test_what_is_not_known_to_be_an_orphan_is_none(name: str) -> None:
    assert not is_orphan(name)


def test_a_number_that_no_process_has_is_gone() -> None:
    assert is_orphan(f"web@{realm()}.{2**30}.5")


def test_another_namespace_is_not_judged() -> None:
    assert not is_orphan(f"web@abc.{2**30}.5")
    assert not is_orphan(f"web@{realm()}t12.{2**30}.5")

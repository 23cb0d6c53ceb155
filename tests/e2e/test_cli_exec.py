"""`isolib exec`: a command beside a process that is named by a pid, in all that the process is in."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from isolib import CGroup
from tests.e2e.line import (
    PATIENCE,
    PROGRAM,
    children,
    complaint,
    environment,
    eventually,
    line,
    payload,
    ready,
    running,
)

pytestmark = pytest.mark.needs_user_namespace

SLEEP = ("--", "sh", "-c", "echo ready; exec sleep 60")
Popen = subprocess.Popen[bytes]


@pytest.fixture(scope="module")
def container() -> Iterator[Popen]:
    """One that runs in the background, with an environment, a directory and a name of its own."""
    with running("run", "-e", "A=of the container", "-w", "/usr", "-h", "box", *SLEEP) as process:
        ready(process)
        yield process


def the_run(container: Popen) -> int:
    return container.pid


def the_init(container: Popen) -> int:
    return children(container.pid)[0]


@pytest.mark.parametrize("which", [the_run, the_init, payload])
def test_it_is_beside_the_process(container: Popen, which: object) -> None:
    pid = str(which(container))  # type: ignore[operator]
    script = 'echo "$A"; pwd; cat /proc/sys/kernel/hostname; cat /proc/2/comm; id -u; echo $HOME'
    assert line("exec", pid, "sh", "-c", script) == (0, "of the container\n/usr\nbox\nsleep\n0\n/root\n", "")


@pytest.mark.parametrize("kind", ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"])
def test_the_same_namespace(container: Popen, kind: str) -> None:
    done = line("exec", str(container.pid), "readlink", f"/proc/self/ns/{kind}")
    assert done == (0, os.readlink(f"/proc/{payload(container)}/ns/{kind}") + "\n", "")


def test_the_same_rights(container: Popen) -> None:
    names = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
    there = Path(f"/proc/{payload(container)}/status").read_text().splitlines()
    rights = [row for row in there if row.split(":")[0] in names]
    pattern = "|".join(f"{name}:" for name in names)
    done = line("exec", str(container.pid), "grep", "-E", pattern, "/proc/self/status")
    assert done.out.splitlines() == rights


@pytest.mark.parametrize(
    ("options", "script", "out"),
    [
        (("-e", "A=own"), "echo $A", "own\n"),
        (("-w", "/var"), "pwd", "/var\n"),
        (("-i",), "cat", "typed"),
        ((), "cat", ""),
    ],
)
def test_options(container: Popen, options: tuple[str, ...], script: str, out: str) -> None:
    assert line("exec", *options, str(container.pid), "sh", "-c", script, stdin=b"typed") == (0, out, "")


@pytest.mark.needs_sub_ids
def test_another_user() -> None:
    with running("run", "--userns", "auto", "-u", "7:8", *SLEEP) as process:
        ready(process)
        assert line("exec", str(process.pid), "id", "-u") == (0, "7\n", "")
        assert line("exec", "-u", "0", str(process.pid), "id", "-u") == (0, "0\n", "")
        done = line("exec", "-u", "nobody", str(process.pid), "sh", "-c", "id -u; grep CapEff /proc/self/status")
        assert done == (0, "65534\nCapEff:\t0000000000000000\n", "")


def test_exit_codes(container: Popen) -> None:
    pid = str(container.pid)
    assert line("exec", pid, "sh", "-c", "exit 9").code == 9
    assert line("exec", pid, "sh", "-c", "kill -9 $$").code == 137
    assert complaint(line("exec", pid, "no-such-program")).startswith("no-such-program: ")
    assert line("exec", pid, "no-such-program").code == 127
    assert line("exec", pid, "/etc/passwd").code == 126
    assert line("exec", pid, "--", "true") == (0, "", "")


def test_signals_are_the_commands(container: Popen) -> None:
    script = "trap 'echo got; exit 9' TERM; echo ready; while :; do sleep 0.02; done"
    with running("exec", str(container.pid), "sh", "-c", script) as process:
        ready(process)
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=PATIENCE)[0] == b"got\n"
        assert process.returncode == 9


def test_it_ends_with_the_container() -> None:
    with running("run", *SLEEP) as run:
        ready(run)
        with running("exec", str(run.pid), "sh", "-c", "echo ready; sleep 60") as beside:
            ready(beside)
            run.terminate()
            assert run.wait(PATIENCE) == 143
            assert beside.wait(PATIENCE) == 137


def test_a_killed_exec_leaves_nothing_in_the_container(container: Popen) -> None:
    with running("exec", str(container.pid), "sh", "-c", "echo ready; exec sleep 77") as beside:
        ready(beside)
        (inside,) = children(children(beside.pid)[0])
        beside.kill()
        beside.wait()
        eventually(lambda: not os.path.exists(f"/proc/{inside}"))
    assert line("exec", str(container.pid), "true").code == 0


def test_no_time_limit_without_a_group(container: Popen) -> None:
    assert "give the container limits" in complaint(line("exec", "--timeout", "1", str(container.pid), "true"))


@pytest.mark.needs_groups
def test_the_group_and_the_time_limit_of_a_container_with_limits() -> None:
    with running("run", "--pids-limit", "50", *SLEEP) as run:
        ready(run)
        with running("exec", str(run.pid), "sh", "-c", "echo ready; sleep 60") as beside:
            ready(beside)
            group = CGroup.of(payload(run)).path
            assert CGroup.of(payload(beside)).path.startswith(f"{group}/")
            beside.terminate()
            assert beside.wait(PATIENCE) == 143
        done = line("exec", "--timeout", "2.5", str(run.pid), "sh", "-c", "setsid sleep 60 & sleep 60")
        assert done == (137, "", "isolib: killed after 2.5 s (--timeout)\n")
        assert line("exec", str(run.pid), "sh", "-c", "ps -e | grep -c '[s]leep'").out == "1\n"
        assert CGroup.open(group).children() == []


def test_one_of_several_has_to_be_named() -> None:
    program = ['"$@" & "$@" & wait', "sh", *PROGRAM, "run", *SLEEP]
    command = ["setsid", "sh", "-c", *program]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as shell:
        try:
            ready(shell)
            ready(shell)
            told = complaint(line("exec", str(shell.pid), "true"))
            assert "has started several containers" in told
            pid = told.split(", ")[-1]
            assert line("exec", pid, "echo", "hi") == (0, "hi\n", "")
        finally:
            inits = [init for run in children(shell.pid) for init in children(run)]
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
            eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in inits))


def test_what_has_ended() -> None:
    with running("run", "--", "true") as process:
        process.wait()
    assert f"there is no process {process.pid}" in complaint(line("exec", str(process.pid), "true"))


@pytest.mark.needs_ordinary_user
def test_somebody_elses_process() -> None:
    assert "may not look at its namespaces" in complaint(line("exec", "1", "true"))


@pytest.mark.needs_root
def test_a_container_without_namespaces_of_users() -> None:
    with running("run", "--userns", "host", *SLEEP) as run:
        ready(run)
        assert line("exec", str(run.pid), "sh", "-c", "id -u; cat /proc/1/comm | wc -c").code == 0

"""describe() against what happens: each system call that it names is made, in that order, as strace sees the start."""

import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

import isolib
from isolib import Bind, Inject, Limits, ProcessOptions, Scheduling, Security, Tmpfs
from isolib.launch.steps import Step
from tests.harness.facts import PATH, works
from tests.kernel.inside import TOP, started

# The same call by other names: as a machine has it, or for a path of the host's.
NAMES = {"clone": {"clone", "clone3"}, "openat2": {"openat2", "openat"}, "prlimit": {"prlimit64", "prlimit"}}
# Steps that only look where there is nothing for them.
PERHAPS = {"mask": "openat2", "read_only": "openat2"}
PROGRAM = (
    "import sys, isolib; from tests.kernel.test_describe import SPECS; isolib.run(SPECS[sys.argv[1]](), check=True)"
)


@cache
def strace() -> str | None:
    """strace, where it may trace what init is: a program that may not be read, so a privileged tracer's alone."""
    path = shutil.which("strace", path=PATH)
    return path if path and os.geteuid() == 0 and works(path, "-f", "true") else None


def traced(name: str, tmp_path: Path) -> list[tuple[str, str]]:
    """(call, arguments) of init and of the payload until its exec, in order."""
    log = tmp_path / "trace"
    argv = [str(strace()), "-f", "-qq", "-s", "200", "-o", str(log), sys.executable, "-c", PROGRAM, name]
    environment = {"PATH": PATH, "HOME": "/", "ISOLIB_ROOT": os.environ["ISOLIB_ROOT"], "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(argv, cwd=TOP, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return calls(log.read_text(errors="replace"))


def calls(log: str) -> list[tuple[str, str]]:
    """Those of the last init that the log has, and of its payload: facts are found by others, before."""
    lines = [line.split(None, 1) for line in log.splitlines()]
    walks = [pid for pid, rest in lines if rest.startswith("execveat(") and "isolib-init" in rest]
    init = walks[-1]
    begin = max(i for i, (pid, rest) in enumerate(lines) if pid == init and rest.startswith("execveat("))
    others = {pid for pid, _ in lines[:begin]} - {init}  # a child has another number in its namespace than here
    found: list[tuple[str, str]] = []
    begun: dict[str, str] = {}
    for pid, rest in lines[begin:]:
        if pid in others:
            continue
        if unfinished := re.match(r"(\w+)\((.*) <unfinished \.\.\.>", rest):
            begun[pid] = unfinished[2]
            if unfinished[1] in ("clone", "clone3", "execve"):
                found.append((unfinished[1], unfinished[2]))
            continue
        if resumed := re.match(r"<\.\.\. (\w+) resumed>(.*)", rest):
            call, text = resumed[1], begun.pop(pid, "") + resumed[2]
            known = call in ("clone", "clone3", "execve")
        elif whole := re.match(r"(\w+)\((.*)", rest):
            call, text, known = whole[1], whole[2], False
        else:
            continue
        if not known:
            found.append((call, text))
        if pid != init and call == "execve" and text.endswith("= 0"):
            break
    return found


def plain() -> isolib.ContainerSpec:
    return started("/bin/true")


def full() -> isolib.ContainerSpec:
    """One of everything that a plan can have."""
    spec = started(
        "/bin/true",
        mounts=[Tmpfs("/mnt", size="1M"), Bind("/etc", "/mnt/etc", readonly=True), Inject("/mnt/file", "x")],
        limits=Limits(pids=100) if os.path.exists("/sys/fs/cgroup") else None,
        user=1000,
        hostname="here",
        security=Security(landlock=None),
        process=ProcessOptions(
            rlimits={"nofile": 64}, groups=(5,), umask=0o77, oom_score_adj=100, personality="linux", domainname="d",
            scheduling=Scheduling(nice=1, cpus=(0,), io="idle", policy="batch"),
        ),
        offsets={"monotonic": 7},
    )  # fmt: skip
    return msgspec.structs.replace(spec, sysctls={"net.core.somaxconn": "9"}, terminal=True, limits=None)


def loose() -> isolib.ContainerSpec:
    """Nothing apart that need not be."""
    spaces = dict.fromkeys(("net", "ipc", "uts", "cgroup", "pid", "user"), "host")
    return started(
        "/bin/true", namespaces=spaces, security=Security(no_new_privs=False, seccomp="unconfined", masked=())
    )


SPECS: dict[str, Any] = {"plain": plain, "full": full, "loose": loose}


@pytest.mark.parametrize("name", SPECS)
def test_each_call_is_made_in_its_order(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if strace() is None:
        pytest.skip("HostFact: no strace that may trace init")
    monkeypatch.chdir(TOP)
    monkeypatch.setenv("HOME", "/")
    made = traced(name, tmp_path)
    at = 0
    for index, step in enumerate(isolib.plan(SPECS[name]()).steps):
        found = next((i for i in range(at, len(made)) if is_of(step, *made[i])), None)
        assert found is not None, (index, step.describe(), made[at : at + 10])
        at = found + 1


def is_of(step: Step, call: str, arguments: str) -> bool:
    """Whether a call is the one that a step is named after, by its name and, where it has one, by what it acts on."""
    name = step.subject.split(", ")[0].rsplit("/", 1)[-1]
    if call == PERHAPS.get(step.word):
        return f'{name}"' in arguments and "ENOENT" in arguments
    if call not in NAMES.get(step.call, {step.call}):
        return False
    named = step.word in ("open", "hostname", "domainname", "chdir", "mkdir")
    return not named or name in arguments


@pytest.mark.parametrize("name", SPECS)
def test_a_line_a_step(name: str) -> None:
    if name == "loose" and os.geteuid() != 0:
        pytest.skip("HostFact: not root")
    if name == "full" and os.geteuid() != 0:
        pytest.skip("HostFact: an ordinary user's self map has one user")
    plan = isolib.plan(SPECS[name]())
    lines = plan.describe().splitlines()
    assert len(lines) == len(plan) + 2
    assert "clone3(" in lines[0]
    assert "execveat(" in lines[1]
    for number, (line, step) in enumerate(zip(lines[2:], plan.steps, strict=True)):
        assert line.split()[0] == str(number)
        assert f"{step.call}(" in line
    assert lines[-1].split(None, 1)[1].startswith("execve(/bin/true)")


def test_nothing_is_started_by_looking() -> None:
    before = set(os.listdir("/proc"))
    isolib.plan(["/bin/true"], mounts=[Tmpfs("/mnt")]).describe()
    assert {pid for pid in set(os.listdir("/proc")) - before if pid.isdecimal() and parent(pid) == os.getpid()} == set()


def parent(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, ValueError):
        return 0

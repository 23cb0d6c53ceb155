"""describe() tells the truth: strace of the same start shows each call of the Plan, in its order."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import isolib
from isolib import Bind, Image, Inject, Limits, ProcessOptions, Security, Tmpfs
from isolib.launch.plan import Plan

CALL = re.compile(r"^(\d+) +(?:<\.\.\. )?(\w+)(?:\(| resumed>)(.*)$")
# Where a step's name in errors stands for several calls, the one that strace shows for it.
SHOWN = {"prlimit": "prlimit64"}
STARTS = {
    "default": "isolib.run(['/bin/true'], cwd='/')",
    "mounts": "isolib.run(['/bin/true'], cwd='/', mounts=[isolib.Tmpfs('/a'), isolib.Inject('/b', b'x'), "
    "isolib.Bind('/usr', '/c', readonly=True)])",
    "shared": "isolib.run(['/bin/true'], cwd='/', namespaces={'pid': 'host', 'net': 'host'})",
    "process": "isolib.run(['/bin/true'], cwd='/', process=isolib.ProcessOptions(umask=0o77, rlimits={'core': 0}, "
    "oom_score_adj=500))",
}
PLANS = {
    "default": lambda: isolib.plan(["/bin/true"], cwd="/"),
    "mounts": lambda: isolib.plan(
        ["/bin/true"], cwd="/", mounts=[Tmpfs("/a"), Inject("/b", b"x"), Bind("/usr", "/c", readonly=True)]
    ),
    "shared": lambda: isolib.plan(["/bin/true"], cwd="/", namespaces={"pid": "host", "net": "host"}),
    "process": lambda: isolib.plan(
        ["/bin/true"], cwd="/", process=ProcessOptions(umask=0o77, rlimits={"core": 0}, oom_score_adj=500)
    ),
}


def traced(expression: str, tmp_path: Path) -> list[str]:
    """The calls of init and what it starts, in their order, from its exec on."""
    log = tmp_path / "trace"
    program = f"import isolib; isolib.run(['/bin/true'], cwd='/'); print('now', flush=True); {expression}"
    command = ["strace", "-f", "-o", str(log), "-s", "0", sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if "ptrace" in done.stderr and "not permitted" in done.stderr:
        pytest.skip("HostFact: processes cannot be traced here")
    assert done.returncode == 0, done.stderr
    lines = [match.groups() for line in log.read_text().splitlines() if (match := CALL.match(line))]
    begin = max(i for i, (_, call, rest) in enumerate(lines) if call == "execveat")
    caller = lines[begin - 1][0] if lines[begin - 1][0] != lines[begin][0] else ""
    first = lines[0][0]
    return [call for pid, call, _ in lines[begin:] if pid not in (first, caller) or call == "execveat"]


def expected(plan: Plan) -> list[str]:
    """A mask, and a read-only path, is a call only where there is such a path in this kernel's /proc and /sys."""
    calls = [SHOWN.get(step.call, step.call) for step in plan.steps if step.word not in ("mask", "read_only")]
    return ["execveat", *calls]


def missing(wanted: list[str], seen: list[str]) -> str:
    """The first wanted call that does not come after those before it."""
    at = 0
    for index, call in enumerate(wanted):
        try:
            at = seen.index(call, at) + 1
        except ValueError:
            return f"{index - 1}: {call}"
    return ""


@pytest.mark.needs_root
@pytest.mark.skipif(not shutil.which("strace"), reason="HostFact: no strace")
@pytest.mark.parametrize("name", STARTS)
def test_the_plan_is_what_happens(name: str, tmp_path: Path) -> None:
    plan, seen = PLANS[name](), traced(STARTS[name], tmp_path)
    assert missing(expected(plan), seen) == ""
    # And one that does not happen would be missed.
    assert missing([*expected(plan), "mount"], seen) != ""


def test_a_line_a_call_with_its_reason() -> None:
    plan = isolib.plan(["/bin/true"], limits=None)
    lines = plan.describe().splitlines()
    assert len(lines) == len(plan) + 2
    assert lines[0].split()[1].startswith("clone3(")
    assert [line.split()[1].split("(")[0] for line in lines[2:]] == [step.call for step in plan.steps]
    assert lines[-1].endswith("execve(/bin/true)")


def test_paths_are_told_as_they_are_seen_inside() -> None:
    text = isolib.plan(["/bin/true"], mounts=[Tmpfs("/data/cache")]).describe()
    assert "move_mount(/data/cache)" in text
    assert "move_mount(/dev/null)" in text
    assert "mount_setattr(/proc/sys)" in text


def test_a_plan_is_a_value(busybox_root: Path) -> None:
    def of(argv: list[str]) -> Plan:
        return isolib.plan(argv, image=Image.directory(busybox_root), security=Security())

    assert of(["true"]) == of(["true"])
    assert hash(of(["true"])) == hash(of(["true"]))
    assert of(["true"]) != of(["false"])
    assert "steps" in repr(of(["true"]))


@pytest.mark.needs_groups
def test_limits_are_the_callers_half() -> None:
    """A group is no step of init's: the Sync in which he is moved is."""
    plan = isolib.plan(["/bin/true"], limits=Limits(pids=10))
    assert any(step.word == "sync" and step.subject == "identity" for step in plan)

"""A hostile root in the container, with every capability and no filter, races the processes that start and enter it."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import isolib
from isolib import Bind, Capabilities, Inject, Security
from isolib.engine.container import Container
from isolib.launch import steps
from isolib.launch.enter import Target, enter, prepare_enter
from isolib.launch.start import Prepared

HOSTILE = Path(__file__).parent / "hostile.py"
EVERYTHING = Security(capabilities=Capabilities.of("ALL"), seccomp="unconfined", masked=(), read_only=())
SECONDS = 12
PR_SET_DUMPABLE = 4


@contextmanager
def besieged(seconds: float) -> Iterator[tuple[Container, Path]]:
    """A container whose root attacks whatever appears; its report is written to the file."""
    report = Path(os.environ["TMPDIR"], f"report-{time.monotonic_ns()}")
    script = Inject("/hostile.py", HOSTILE.read_bytes())
    command = ["/usr/bin/python3", "-S", "/hostile.py", str(seconds)]
    try:
        with Container(None, command, mounts=[script], security=EVERYTHING, cwd="/", stdout=report, stderr=report) as c:
            while "ready" not in report.read_text():
                assert c.process.poll() is None, report.read_text()
                time.sleep(0.01)
            yield c, report
    finally:
        report.unlink(missing_ok=True)


def findings(container: Container, report: Path) -> list[str]:
    container.wait(60)
    lines = report.read_text().splitlines()
    assert lines[-1].startswith("attempts"), lines[-5:]
    assert int(lines[-1].split()[1]) > 100
    return lines[1:-1]


def test_nothing_is_had_of_init() -> None:
    with besieged(1) as (container, report):
        assert findings(container, report) == []


@pytest.mark.slow
def test_nothing_is_had_of_those_who_enter() -> None:
    with besieged(SECONDS) as (container, report):
        enters = 0
        while container.process.poll() is None and enters < 3000:
            try:
                container.exec(["/bin/true"])
            except (isolib.Conflict, isolib.KernelError):
                break  # the container's time is over
            enters += 1
        assert findings(container, report) == []
        assert enters > 20


@pytest.mark.slow
def test_the_attacker_would_notice() -> None:
    """The same attack on an enterer that can be traced (a step inserted after it joined) does find something."""
    with besieged(SECONDS / 3) as (container, report):
        end = time.monotonic() + SECONDS / 3 - 1
        while time.monotonic() < end and len(report.read_text().splitlines()) < 2:
            with weakened(container):
                time.sleep(0.05)
        assert findings(container, report)


@contextmanager
def weakened(container: Container) -> Iterator[None]:
    """An enterer that waits inside, dumpable, in its payload's process."""
    own = container.process
    namespaces = {name[3:]: fd for name, fd in own.received.items()}
    spec = isolib.container_spec(["/bin/sleep", "1000"], security=EVERYTHING, cwd="/")
    prepared = prepare_enter(spec, Target(namespaces, own.range_map))
    fork = next(i for i, step in enumerate(prepared.plan.steps) if step.word == "fork")
    plan = prepared.plan.insert(fork + 1, steps.prctl("PR_SET_DUMPABLE, 1", PR_SET_DUMPABLE, 1))
    plan = plan.insert(fork + 2, steps.sync("pause"))

    def pause(_pid: int, _step: steps.Step) -> list[int]:
        time.sleep(0.3)
        return []

    import msgspec

    weak: Prepared = msgspec.structs.replace(prepared, plan=plan)
    with enter(weak, (0, 1, 2), None, {"pause": pause}):
        yield


@pytest.mark.needs_root
def test_binds_give_no_way_to_the_callers_memory() -> None:
    """The caller is not in the container's PID namespace, even where all of the host's files are."""
    command = ["/usr/bin/python3", "-c", f"import os; os.pidfd_open({os.getpid()})"]
    result = isolib.run(command, security=EVERYTHING, mounts=[Bind("/", "/host")])
    assert result.exit_code != 0
    assert b"ProcessLookupError" in result.stderr or b"No such process" in result.stderr

"""What happens to a group, told by descriptors that a loop can wait for."""

import os
import selectors
import signal
import subprocess
import time

import pytest

from isolib.errors import NotFound, SpecError, Unavailable
from isolib.handles.cgroup import CGroup
from isolib.handles.cgroup.pressure import pressure_of
from isolib.spec.limits import Limits
from tests.kernel.cgroup_child import go, waiting
from tests.kernel.test_cgroup_limits import EAT

pytestmark = pytest.mark.needs_groups
PRESSURES = ("cpu", "memory", "io")


def has_state(group: CGroup) -> bool:
    return "cgroup.events" in group.files()


def needs_state(group: CGroup) -> None:
    if not has_state(group):
        pytest.skip("HostFact: no cgroup v2 mount, so nobody tells when a group is empty")


def needs_pressure(group: CGroup) -> None:
    try:
        group["memory.pressure"]
    except NotFound:
        pytest.skip("HostFact: no PSI for groups")


def test_running_out_of_memory_wakes() -> None:
    with CGroup.create("eats", Limits(memory="16M")) as group, group.events() as events:
        assert not events.wait(0)
        with waiting(group, EAT) as process:
            go(process)
            seen = []
            while group.oom_kills == 0 or process.poll() is None:
                assert events.wait(60)
                seen.append(events.read())
                time.sleep(0.01)
            assert process.wait() == -signal.SIGKILL
        assert events.read().oom_kill == group.state.oom_kill == 1
        assert seen


def test_becoming_empty_wakes() -> None:
    with CGroup.create("empties") as group, group.events() as events:
        needs_state(group)
        assert events.read().populated is False
        with waiting(group, "") as process:
            assert events.wait(20)
            assert events.read().populated is True
            assert not events.wait(0), "what was read wakes nobody again"
            go(process)
            process.wait()
            assert events.wait(20)
            assert events.read().populated is False


def test_being_frozen_wakes() -> None:
    with CGroup.create("freezes") as group, group.events() as events:
        needs_state(group)
        with waiting(group, ""):
            events.read()
            group.freeze()
            assert events.wait(20)
            assert events.read().frozen is True
            group.thaw()
            assert events.wait(20)
            assert events.read().frozen is False


def test_any_loop_may_wait() -> None:
    with CGroup.create("loop") as group, group.events() as events, selectors.DefaultSelector() as selector:
        needs_state(group)
        selector.register(events, selectors.EVENT_READ)
        assert selector.select(0) == []
        with waiting(group, ""):
            assert len(selector.select(20)) == 1
            events.read()
            assert selector.select(0) == []


def test_a_group_that_is_removed_wakes_and_says_nothing() -> None:
    group = CGroup.create("goes", Limits(memory="64M"))
    with group.events() as events:
        group.remove()
        assert events.wait(20)
        state = events.read()
        assert (state.populated, state.oom_kill) == (None, None)


def test_events_are_closed_like_files() -> None:
    with CGroup.create("closes") as group:
        events = group.events()
        assert not os.get_inheritable(events.fileno())
        events.close()
        events.close()
        for act in (events.fileno, events.read, events.wait):
            with pytest.raises(ValueError, match="closed"):
                act()
        with pytest.warns(ResourceWarning, match="Events"):
            group.events()


def test_a_group_of_somebody_else_has_events() -> None:
    with CGroup.create("other") as group, CGroup.open(group.path).events() as events:
        assert not events.wait(0)


def test_pressure_is_counted() -> None:
    with CGroup.create("pressed", Limits(cpus=0.1)) as group:
        needs_pressure(group)
        before = group.pressure()
        assert before.memory is not None
        assert before.memory.some is not None
        assert before.memory.some.total == 0
        assert before.io is not None
        assert before.cpu is not None


@pytest.mark.needs_v2
def test_a_quota_is_pressure_and_wakes() -> None:
    with CGroup.create("waits", Limits(cpus=0.05)) as group:
        needs_pressure(group)
        try:
            trigger = group.pressure_trigger("cpu", 0.1, 2)
        except OSError as error:
            pytest.skip(f"HostFact: {error}")
        with trigger, waiting(group, "import time\nwhile time.process_time() < 1: pass") as process:
            assert not trigger.wait(0)
            go(process)
            assert trigger.wait(60)
            pressure = group.pressure().cpu
            assert pressure is not None
            assert pressure.some is not None
            assert pressure.some.total > 0.1


@pytest.mark.needs_v2
def test_memory_pressure_wakes() -> None:
    """Above memory.high a process is slowed down, and that is waiting for memory."""
    with CGroup.create("short", Limits(memory_high="12M")) as group:
        needs_pressure(group)
        try:
            trigger = group.pressure_trigger("memory", 0.01, 2)
        except OSError as error:
            pytest.skip(f"HostFact: {error}")
        with trigger, waiting(group, EAT) as process:
            go(process)
            assert trigger.wait(60)


def test_a_trigger_is_made_and_closed() -> None:
    with CGroup.create("trigger") as group:
        needs_pressure(group)
        for resource in PRESSURES:
            try:
                trigger = group.pressure_trigger(resource, 0.5, 2, full=resource != "cpu")
            except OSError as error:
                pytest.skip(f"HostFact: {error}")
            with trigger:
                assert not trigger.wait(0)
                assert not os.get_inheritable(trigger.fileno())


@pytest.mark.parametrize(
    ("resource", "stall", "window", "places"),
    [
        ("disk", 0.1, 2.0, ["resource"]),
        ("../cpu", 0.1, 2.0, ["resource"]),
        ("cpu", 0, 2.0, ["stall"]),
        ("cpu", -1, 2.0, ["stall"]),
        ("cpu", 3, 2.0, ["stall"]),
        ("cpu", 0.1, 0.1, ["window"]),
        ("cpu", 0.1, 11, ["window"]),
        ("cpu", float("nan"), 2.0, ["stall"]),
        ("x", 0, 0, ["resource", "window", "stall"]),
    ],
)
def test_no_trigger(resource: str, stall: float, window: float, places: list[str]) -> None:
    with CGroup.create("trigger") as group:
        with pytest.raises(SpecError) as caught:
            group.pressure_trigger(resource, stall, window)
        assert [problem.where for problem in caught.value.problems] == places


def test_without_v2_there_is_no_pressure() -> None:
    with pytest.raises(Unavailable, match=r"memory\.pressure"):
        pressure_of([])


def test_a_wait_that_is_interrupted_goes_on() -> None:
    """EINTR: a signal handler runs, the wait ends with its event (PEP 475)."""
    rang = []
    before = signal.signal(signal.SIGUSR1, lambda *_: rang.append(1))
    try:
        with CGroup.create("signals") as group, group.events() as events:
            bell = ["sh", "-c", f"for i in 1 2 3 4 5; do kill -USR1 {os.getpid()}; sleep 0.01; done"]
            with subprocess.Popen(bell):
                assert events.wait(0.5) is False
        assert rang
    finally:
        signal.signal(signal.SIGUSR1, before)

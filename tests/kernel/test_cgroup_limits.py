"""Limits that real processes meet, on whichever version of cgroups this host has."""

import errno
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from isolib.errors import KernelError, SpecError, Unavailable
from isolib.handles.cgroup import CGroup
from isolib.handles.cgroup.facts import CGroupFacts, cgroup_facts
from isolib.spec.device_rules import STANDARD_DEVICES
from isolib.spec.limits import IoLimit, Limits
from tests.kernel.cgroup_child import run

EAT = "x = []\nwhile True: x.append(bytearray(1 << 20))"


@pytest.fixture(scope="session")
def facts() -> CGroupFacts:
    return cgroup_facts()


def skip_unless(facts: CGroupFacts, limits: Limits) -> None:
    if lacks := facts.lacks(limits):
        pytest.skip(f"HostFact: {lacks[0]}")


def disk() -> str:
    """A whole disk of this host; without one no test of input and output says anything."""
    for path in sorted(Path("/sys/block").glob("*")):
        if not path.name.startswith(("loop", "ram", "sr", "fd", "zram")):
            return (path / "dev").read_text().strip()
    pytest.skip("HostFact: no disk")


ASKED: list[tuple[str, dict[str, Any]]] = [
    ("memory", {"memory": "64M"}),
    ("memory high", {"memory_high": "32M"}),
    ("memory low", {"memory_low": "8M"}),
    ("memory min", {"memory_min": "4M"}),
    ("swap", {"memory": "64M", "swap": "16M"}),
    ("no swap", {"memory": "64M", "swap": 0}),
    ("oom group", {"oom_group": True}),
    ("cpus", {"cpus": 0.5}),
    ("cpus in a period", {"cpus": 1.5, "cpu_period": 50_000}),
    ("burst", {"cpus": 1, "cpu_burst": 0.5}),
    ("weight", {"cpu_weight": 300}),
    ("idle", {"cpu_idle": True}),
    ("cpuset", {"cpuset": "0", "mems": "0"}),
    ("pids", {"pids": 100}),
    ("io weight", {"io_weight": 210}),
    ("hugetlb", {"hugetlb": {"2MB": "4M"}}),
    ("all at once", {"memory": "64M", "cpus": 0.5, "pids": 100}),
]


@pytest.mark.needs_groups
@pytest.mark.parametrize("fields", [fields for _, fields in ASKED], ids=[name for name, _ in ASKED])
def test_what_is_asked_is_in_force(fields: dict[str, Any], facts: CGroupFacts) -> None:
    limits = Limits(**fields)
    skip_unless(facts, limits)
    with CGroup.create("asked", limits) as group:
        found = group.limits
        for name, value in fields.items():
            assert same(getattr(found, name), value), f"{name}: {getattr(found, name)} is not {value}"


def same(found: object, asked: object) -> bool:
    from isolib.spec.units import parse_size

    if isinstance(asked, dict) and isinstance(found, dict):
        return all(same(found[name], value) for name, value in asked.items())
    return found == (parse_size(asked) if isinstance(asked, str) and asked[-1] in "KMG" else asked)


@pytest.mark.needs_groups
@pytest.mark.parametrize("fields", [fields for _, fields in ASKED], ids=[name for name, _ in ASKED])
def test_what_the_host_lacks_is_known_before_and_at_the_making(fields: dict[str, Any], facts: CGroupFacts) -> None:
    limits = Limits(**fields)
    lacks = facts.lacks(limits)
    if not lacks:
        CGroup.create("possible", limits).remove()
        return
    with pytest.raises(Unavailable) as caught:
        CGroup.create("impossible", limits)
    assert str(caught.value) in map(str, lacks)
    CGroup.create("impossible").remove()  # nothing was left of it


@pytest.mark.needs_groups
def test_too_much_memory_kills_and_is_counted(facts: CGroupFacts) -> None:
    no_swap = {} if facts.lacks(Limits(memory="16M", swap=0)) else {"swap": 0}
    with CGroup.create("eats", Limits(memory="16M", **no_swap)) as group:  # type: ignore[arg-type]
        assert group.oom_kills == 0
        status, _ = run(group, EAT)
        assert (status, group.oom_kills) == (-signal.SIGKILL, 1)
        stats = group.stats().memory
        assert stats is not None
        assert stats.oom_kill == 1
        assert stats.peak is None or stats.peak >= 15 << 20


@pytest.mark.needs_groups
@pytest.mark.needs_v2
def test_oom_group_kills_all(facts: CGroupFacts) -> None:
    limits = Limits(memory="24M", oom_group=True)
    skip_unless(facts, limits)
    code = f"import os\nif os.fork():\n os.wait(); raise SystemExit(0)\n{EAT}"
    with CGroup.create("all", limits) as group:
        status, _ = run(group, code)
        assert status == -signal.SIGKILL, "the parent, which ate nothing"
        assert (group.oom_kills or 0) >= 2, "the kernel counts the first one twice"


@pytest.mark.needs_groups
def test_no_more_processes_than_allowed() -> None:
    code = """
import os, signal
made = []
try:
    while True:
        pid = os.fork()
        if not pid:
            signal.pause()
        made.append(pid)
except OSError as error:
    print(len(made), error.errno)
for pid in made:
    os.kill(pid, signal.SIGKILL)
"""
    with CGroup.create("few", Limits(pids=5)) as group:
        assert run(group, code) == (0, f"4 {errno.EAGAIN}")
        stats = group.stats().pids
        assert stats is not None
        assert stats.refused in (None, 1)


@pytest.mark.needs_groups
def test_a_quota_throttles(facts: CGroupFacts) -> None:
    limits = Limits(cpus=0.1, cpu_period=20_000)
    skip_unless(facts, limits)
    with CGroup.create("slow", limits) as group:
        run(group, "import time\nwhile time.process_time() < 0.1: pass")
        stats = group.stats().cpu
        assert stats is not None
        assert stats.throttled is not None
        assert stats.throttled >= 10
        assert stats.throttled_seconds is not None
        assert stats.throttled_seconds > 0.1


@pytest.mark.needs_groups
def test_only_the_cpus_that_are_given(facts: CGroupFacts) -> None:
    one = max(os.sched_getaffinity(0))
    limits = Limits(cpuset=str(one))
    skip_unless(facts, limits)
    with CGroup.create("one", limits) as group:
        assert run(group, "import os; print(os.sched_getaffinity(0))") == (0, f"{{{one}}}")


@pytest.mark.needs_groups
def test_a_cpu_that_is_not_there(facts: CGroupFacts) -> None:
    limits = Limits(cpuset="8000")
    skip_unless(facts, limits)
    with pytest.raises(KernelError, match=r"cpuset\.cpus"):
        CGroup.create("none", limits)
    CGroup.create("none").remove()


@pytest.mark.needs_groups
def test_a_disk_is_limited(facts: CGroupFacts) -> None:
    limits = Limits(io=(IoLimit(disk(), rbps="10M", wiops=500),))
    skip_unless(facts, limits)
    with CGroup.create("disk", limits) as group:
        (found,) = group.limits.io
        assert (found.device, found.rbps, found.wiops) == (disk(), 10 << 20, 500)
        group.update(Limits(io=(IoLimit(disk(), rbps="max", wiops="max"),)))
        assert [d for d in group.limits.io if d.rbps not in (None, "max")] == []


@pytest.mark.needs_groups
def test_no_such_disk(facts: CGroupFacts) -> None:
    skip_unless(facts, Limits(io=(IoLimit("8:0", rbps=1),)))
    with pytest.raises(KernelError, match="whole disk"):
        CGroup.create("nodisk", Limits(io=(IoLimit("4000:1", rbps=1),)))
    with pytest.raises(SpecError, match=r"limits\.io\[0\]\.device"):
        CGroup.create("nodisk", Limits(io=(IoLimit("/dev/null", rbps=1),)))


DEVICES = """
import os
for path in "/dev/null", "/dev/zero":
    try:
        os.close(os.open(path, os.O_RDONLY))
        print("yes")
    except PermissionError:
        print("no")
"""


@pytest.mark.needs_groups
@pytest.mark.needs_root
def test_only_the_devices_that_are_given() -> None:
    with CGroup.create("devices", Limits(devices=("c 1:3 rw",))) as group:
        assert run(group, DEVICES) == (0, "yes\nno")
        group.update(Limits(devices=("c 1:5 r",)))
        assert run(group, DEVICES) == (0, "no\nyes")
        group.update(Limits(devices=STANDARD_DEVICES))
        assert run(group, DEVICES) == (0, "yes\nyes")
        group.update(Limits(devices=()))
        assert run(group, DEVICES) == (0, "no\nno")


@pytest.mark.needs_groups
@pytest.mark.needs_root
def test_the_program_for_devices_decides_on_a_hybrid_host_too() -> None:
    """The kernel takes it for any v2 group, so the code of v2 is tested where the controller is v1's."""
    from isolib.handles.cgroup import devices
    from isolib.spec.device_rules import DeviceRule

    with CGroup.create("program", controllers=()) as group:
        place = next((p for p in group._places if p.hierarchy.version == 2), None)
        if place is None:
            pytest.skip("HostFact: no cgroup v2 mount")
        devices.attach(place, [DeviceRule.of("c 1:3 r")])
        assert run(group, DEVICES) == (0, "yes\nno")
        devices.attach(place, [DeviceRule.of("a"), DeviceRule("c", 1, 3, allow=False)])
        assert run(group, DEVICES) == (0, "no\nyes")


@pytest.mark.needs_groups
@pytest.mark.needs_ordinary_user
def test_an_ordinary_user_has_no_rules_for_devices() -> None:
    with pytest.raises(Unavailable, match="binds"):
        CGroup.create("devices", Limits(devices=("c 1:3 rw",)))


@pytest.mark.needs_groups
@pytest.mark.needs_v1
def test_rules_that_v1_would_bend_are_refused() -> None:
    with pytest.raises(Unavailable, match="same numbers"):
        CGroup.create("bent", Limits(devices=("c *:* rwm", STANDARD_DEVICES[2], *_denied())))


def _denied() -> tuple[Any, ...]:
    from isolib.spec.device_rules import DeviceRule

    return (DeviceRule("c", 1, 5, allow=False),)


@pytest.mark.needs_groups
def test_limits_change(facts: CGroupFacts) -> None:
    with CGroup.create("change", Limits(memory="64M", pids=5)) as group:
        group.update(Limits(memory="128M"))
        assert (group.limits.memory, group.limits.pids) == (128 << 20, 5)
        group.update(Limits(memory="32M", pids="max"))
        assert (group.limits.memory, group.limits.pids) == (32 << 20, "max")
        group.update(Limits(memory="max"))
        assert group.limits.memory == "max"
        with pytest.raises(SpecError):
            group.update(Limits(memory=0))


@pytest.mark.needs_groups
def test_memory_with_swap_changes_both_ways(facts: CGroupFacts) -> None:
    limits = Limits(memory="64M", swap="16M")
    skip_unless(facts, limits)
    with CGroup.create("both", limits) as group:
        for memory, swap in ((256, 0), (32, 64), (128, 128), (16, 1)):
            group.update(Limits(memory=memory << 20, swap=swap << 20))
            assert (group.limits.memory, group.limits.swap) == (memory << 20, swap << 20)
        group.update(Limits(memory="64M"))
        assert (group.limits.memory, group.limits.swap) == (64 << 20, 1 << 20)
        group.update(Limits(swap="8M"))
        assert (group.limits.memory, group.limits.swap) == (64 << 20, 8 << 20)


@pytest.mark.needs_groups
def test_the_period_is_the_usual_one_again(facts: CGroupFacts) -> None:
    skip_unless(facts, Limits(cpus=1))
    with CGroup.create("period", Limits(cpus=0.5, cpu_period=20_000)) as group:
        group.update(Limits(cpus=2))
        assert (group.limits.cpus, group.limits.cpu_period) == (2, None)


@pytest.mark.needs_groups
def test_a_raw_file() -> None:
    with CGroup.create("raw", Limits(pids=5, unified={"pids.max": 7})) as group:
        assert group["pids.max"] == "7"
    with pytest.raises(Unavailable, match=r"unified: pids\.nothing"):
        CGroup.create("raw", Limits(unified={"pids.nothing": 7}))
    with pytest.raises(Unavailable, match="no controller nothing"):
        CGroup.create("raw", Limits(unified={"nothing.max": 7}))


@pytest.mark.needs_groups
@pytest.mark.needs_v1
def test_what_v1_has_not_is_named_with_the_way_to_get_it() -> None:
    for field, file in (("memory_high", "memory.high"), ("memory_min", "memory.min")):
        with pytest.raises(Unavailable, match=rf"limits\.{field}: {file}.*systemd\.unified_cgroup_hierarchy=1"):
            CGroup.create("v2", Limits(**{field: "32M"}))  # type: ignore[arg-type]


def test_who_may_make_no_group_is_told_so_beforehand(facts: CGroupFacts) -> None:
    if facts.places:
        pytest.skip("HostFact: this user may make groups")
    assert facts.reason
    (lack,) = facts.lacks(Limits(pids=5))
    assert lack.feature == "limits.pids: pids.max"
    for name, limits in (("no", Limits(pids=5)), ("limits", None)):
        with pytest.raises(Unavailable, match=r"root|delegat|boot"):
            CGroup.create(name, limits)


def test_facts_are_a_value(facts: CGroupFacts) -> None:
    assert facts.version in ("v2", "v1", "hybrid", "none")
    assert facts is cgroup_facts()
    assert facts.lacks(Limits()) == []
    for controller in facts.controllers.values():
        assert controller.usable == bool(controller.files)

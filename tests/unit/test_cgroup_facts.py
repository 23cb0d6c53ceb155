"""What a host lacks for some limits, from facts that are values: hosts of every kind, here by hand."""

import pytest

from isolib.handles.cgroup.facts import CGroupFacts, Controller
from isolib.spec.limits import Limits

FULL = frozenset({"memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.max", "cpuset.cpus", "io.max"})
V2 = CGroupFacts("v2", {name: Controller(2, FULL) for name in ("memory", "pids", "cpu", "cpuset", "io", "devices")})
V1_FILES = frozenset({"memory.limit_in_bytes", "memory.memsw.limit_in_bytes", "pids.max", "cpu.cfs_quota_us"})
V1 = CGroupFacts("v1", {name: Controller(1, V1_FILES) for name in ("memory", "pids", "cpu", "devices")})
USER = CGroupFacts(
    "v2",
    {
        "memory": Controller(2, FULL),
        "pids": Controller(2, FULL),
        "cpuset": Controller(2, reason="cpuset is not delegated"),
        "devices": Controller(2, reason="root only"),
    },
)
NOTHING = CGroupFacts("none", {"devices": Controller(2, reason="nothing is mounted")}, reason="nothing is mounted")


@pytest.mark.parametrize(
    ("facts", "limits", "features"),
    [
        (V2, Limits(memory="1G", memory_high="1G", swap=0, pids=5, cpus=1.5, cpuset="0"), []),
        (V2, Limits(cpus=1, cpu_burst=0.5), ["limits.cpu_burst: cpu.max.burst"]),
        (V2, Limits(hugetlb={"2MB": 0}), ["limits.hugetlb: hugetlb.2MB.max"]),
        (V2, Limits(devices=("c 1:3 r",)), []),
        (V1, Limits(memory="1G", swap="1G", pids=5, cpus=1.5), []),
        (V1, Limits(swap="1G"), ["limits.swap: memory.swap.max"]),
        (V1, Limits(memory_high="1G"), ["limits.memory_high: memory.high"]),
        (V1, Limits(oom_group=True), ["limits.oom_group: memory.oom.group"]),
        (USER, Limits(memory="1G", pids=5), []),
        (USER, Limits(cpuset="0", mems="0"), ["limits.cpuset: cpuset.cpus", "limits.mems: cpuset.mems"]),
        (USER, Limits(devices=()), ["limits.devices: BPF_PROG_TYPE_CGROUP_DEVICE"]),
        (USER, Limits(cpus=1), ["limits.cpus: cpu.max"]),
        (NOTHING, Limits(memory="1G"), ["limits.memory: memory.max"]),
        (NOTHING, Limits(), []),
    ],
)  # fmt: skip
def test_what_is_lacking(facts: CGroupFacts, limits: Limits, features: list[str]) -> None:
    found = facts.lacks(limits)
    assert [lack.feature for lack in found] == features
    assert all(lack.remedy for lack in found)


def test_the_reason_is_the_remedy() -> None:
    assert [lack.remedy for lack in USER.lacks(Limits(cpuset="0"))] == ["cpuset is not delegated"]
    assert [lack.remedy for lack in NOTHING.lacks(Limits(pids=5))] == ["nothing is mounted"]


def test_v1_keeps_rules_for_devices_in_files() -> None:
    facts = CGroupFacts("v1", {"devices": Controller(1, frozenset({"devices.allow", "devices.deny"}))})
    assert facts.lacks(Limits(devices=("c 1:3 r",))) == []

"""Limits and the files that say them, on v2 and on v1: what is written, what is read back, what is counted.

A temporary directory with the files of a group stands for the group, as both kinds of kernel name them.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from isolib.errors import SpecError
from isolib.handles.cgroup import cpu, cpuset, devices, hugetlb, io, layout, memory, pids
from isolib.handles.cgroup.cpu import CpuStats
from isolib.handles.cgroup.events import GroupEvents
from isolib.handles.cgroup.frame import Read, Version
from isolib.handles.cgroup.io import DiskStats, IoStats
from isolib.handles.cgroup.memory import MemoryStats
from isolib.handles.cgroup.pids import PidsStats
from isolib.handles.cgroup.pressure import Stall, Waiting, parse
from isolib.handles.cgroup.stats import read_stats
from isolib.spec.limits import IoLimit, Limits

# A limit, what v2 is written, what v1 is written. A file that v1 has no counterpart of keeps v2's name, and is missed.
WRITES: list[tuple[dict[str, Any], list[tuple[str, str]], list[tuple[str, str]]]] = [
    ({"memory": "512M"}, [("memory.max", "536870912")], [("memory.limit_in_bytes", "536870912")]),
    ({"memory": "max"}, [("memory.max", "max")], [("memory.limit_in_bytes", "-1")]),
    ({"memory_high": "1M"}, [("memory.high", "1048576")], [("memory.high", "1048576")]),
    ({"memory_low": "1M"}, [("memory.low", "1048576")], [("memory.soft_limit_in_bytes", "1048576")]),
    ({"memory_min": 4096}, [("memory.min", "4096")], [("memory.min", "4096")]),
    (
        {"memory": 8192, "swap": 4096},
        [("memory.max", "8192"), ("memory.swap.max", "4096")],
        [("memory.limit_in_bytes", "8192"), ("memory.memsw.limit_in_bytes", "12288")],
    ),
    (
        {"memory": 8192, "swap": 0},
        [("memory.max", "8192"), ("memory.swap.max", "0")],
        [("memory.limit_in_bytes", "8192"), ("memory.memsw.limit_in_bytes", "8192")],
    ),
    ({"swap": "max"}, [("memory.swap.max", "max")], [("memory.memsw.limit_in_bytes", "-1")]),
    ({"swap": 4096}, [("memory.swap.max", "4096")], [("memory.swap.max", "4096")]),
    ({"oom_group": True}, [("memory.oom.group", "1")], [("memory.oom.group", "1")]),
    ({"oom_group": False}, [("memory.oom.group", "0")], []),
    ({"cpus": 1.5}, [("cpu.max", "150000 100000")], [("cpu.cfs_quota_us", "150000")]),
    (
        {"cpus": 0.5, "cpu_period": 50_000},
        [("cpu.max", "25000 50000")],
        [("cpu.cfs_period_us", "50000"), ("cpu.cfs_quota_us", "25000")],
    ),
    ({"cpus": "max"}, [("cpu.max", "max 100000")], [("cpu.cfs_quota_us", "-1")]),
    (
        {"cpus": 1, "cpu_burst": 0.25},
        [("cpu.max", "100000 100000"), ("cpu.max.burst", "25000")],
        [("cpu.cfs_quota_us", "100000"), ("cpu.cfs_burst_us", "25000")],
    ),
    ({"cpu_weight": 100}, [("cpu.weight", "100")], [("cpu.shares", "1024")]),
    ({"cpu_weight": 1}, [("cpu.weight", "1")], [("cpu.shares", "10")]),
    ({"cpu_weight": 10_000}, [("cpu.weight", "10000")], [("cpu.shares", "102400")]),
    ({"cpu_idle": True}, [("cpu.idle", "1")], [("cpu.idle", "1")]),
    ({"cpuset": "0-3,7"}, [("cpuset.cpus", "0-3,7")], [("cpuset.cpus", "0-3,7")]),
    ({"mems": "0"}, [("cpuset.mems", "0")], [("cpuset.mems", "0")]),
    ({"pids": 100}, [("pids.max", "100")], [("pids.max", "100")]),
    ({"pids": "max"}, [("pids.max", "max")], [("pids.max", "max")]),
    (
        {"io": (IoLimit("8:0", rbps="1M", wiops=120),)},
        [("io.max", "8:0 rbps=1048576 wiops=120")],
        [("blkio.throttle.read_bps_device", "8:0 1048576"), ("blkio.throttle.write_iops_device", "8:0 120")],
    ),
    (
        {"io": (IoLimit("8:0", wbps="max", riops="max"),)},
        [("io.max", "8:0 wbps=max riops=max")],
        [("blkio.throttle.write_bps_device", "8:0 0"), ("blkio.throttle.read_iops_device", "8:0 0")],
    ),
    (
        {"io": (IoLimit("8:0", weight=200),)},
        [("io.weight", "8:0 200")],
        [("blkio.bfq.weight_device", "8:0 109")],
    ),
    ({"io_weight": 50}, [("io.weight", "default 50")], [("blkio.bfq.weight", "50")]),
    ({"io_weight": 10_000}, [("io.weight", "default 10000")], [("blkio.bfq.weight", "1000")]),
    ({"hugetlb": {"2MB": "4M"}}, [("hugetlb.2MB.max", "4194304")], [("hugetlb.2MB.limit_in_bytes", "4194304")]),
    ({"hugetlb": {"1GB": "max"}}, [("hugetlb.1GB.max", "max")], [("hugetlb.1GB.limit_in_bytes", "-1")]),
    (
        {"devices": ("c 1:3 rwm", "b *:* m")},
        [],
        [("devices.deny", "a"), ("devices.allow", "c 1:3 rwm"), ("devices.allow", "b *:* m")],
    ),
    ({"devices": ()}, [], [("devices.deny", "a")]),
    ({"devices": ("a",)}, [], [("devices.deny", "a"), ("devices.allow", "a")]),
    ({"unified": {"memory.zswap.max": 0}}, [("memory.zswap.max", "0")], [("memory.zswap.max", "0")]),
    ({}, [], []),
]


def written(
    limits: Limits, version: Version, has: Callable[[str, str], bool] = lambda c, f: True
) -> list[tuple[str, str]]:
    return [(write.file, write.text) for write in layout.writes_of(limits, lambda _: version, has)]


@pytest.mark.parametrize(("fields", "v2", "v1"), WRITES, ids=repr)
def test_what_is_written(fields: dict[str, Any], v2: list[tuple[str, str]], v1: list[tuple[str, str]]) -> None:
    limits = Limits(**fields)
    assert list(limits.problems()) == []
    assert written(limits, 2) == v2
    assert written(limits, 1) == v1


@pytest.mark.parametrize(("fields", "v2", "v1"), WRITES, ids=repr)
def test_what_asks_for_each_file_is_one_of_the_fields(fields: dict[str, Any], v2: object, v1: object) -> None:
    for version in (1, 2):
        for write in layout.writes_of(Limits(**fields), lambda _, v=version: v, lambda c, f: True):  # type: ignore[misc]
            assert write.field in fields
            assert layout.controller_of_file(write.file) == write.controller


def test_every_field_is_written_by_somebody() -> None:
    fields = {name for fields, _, _ in WRITES for name in fields}
    assert fields == set(Limits.__struct_fields__)


@pytest.mark.parametrize(
    ("files", "version", "file"),
    [
        ({"io.weight", "io.bfq.weight"}, 2, "io.weight"),
        ({"io.bfq.weight"}, 2, "io.bfq.weight"),
        (set(), 2, "io.weight"),
        ({"blkio.bfq.weight"}, 1, "blkio.bfq.weight"),
        ({"blkio.weight"}, 1, "blkio.weight"),
        (set(), 1, "blkio.weight"),
    ],
)
def test_the_file_of_a_weight_is_the_one_that_is_there(files: set[str], version: Version, file: str) -> None:
    found = written(Limits(io_weight=50), version, lambda controller, name: name in files)
    assert [name for name, _ in found] == [file]


def test_unified_files_come_last() -> None:
    limits = Limits(unified={"memory.max": "5G"}, memory="1G", pids=5, io_weight=5)
    assert written(limits, 2)[-1] == ("memory.max", "5G")


@pytest.mark.parametrize(
    ("file", "controller"),
    [
        ("memory.high", "memory"),
        ("blkio.weight", "io"),
        ("cgroup.freeze", ""),
        ("tasks", ""),
        ("foo.bar", "foo"),
        ("hugetlb.2MB.max", "hugetlb"),
    ],
)
def test_the_controller_of_a_file(file: str, controller: str) -> None:
    assert layout.controller_of_file(file) == controller


# Reading back. The files of a group, in the kernel's own words.

FILES_V2 = {
    "memory.max": "536870912", "memory.high": "max", "memory.low": "0", "memory.min": "0", "memory.swap.max": "0",
    "memory.oom.group": "1", "memory.current": "1000000", "memory.peak": "2000000", "memory.swap.current": "30",
    "memory.stat": "anon 400\nfile 500\nkernel 60\nslab 7",
    "memory.events": "low 0\nhigh 4\nmax 3\noom 2\noom_kill 1",
    "cpu.max": "150000 100000", "cpu.max.burst": "50000", "cpu.weight": "200", "cpu.idle": "0",
    "cpu.stat": "usage_usec 3500000\nuser_usec 2000000\nsystem_usec 1500000\n"
    "nr_periods 10\nnr_throttled 4\nthrottled_usec 250000",
    "cpuset.cpus": "", "cpuset.mems": "0",
    "pids.max": "max", "pids.current": "3", "pids.peak": "9", "pids.events": "max 2",
    "io.max": "8:0 rbps=1048576 wbps=max riops=max wiops=120", "io.weight": "default 50\n8:0 200",
    "io.stat": "8:0 rbytes=1000 wbytes=200 rios=3 wios=4 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2 rios=3 wios=4\n7:0",
    "hugetlb.2MB.max": "4194304", "hugetlb.2MB.current": "2097152",
    "hugetlb.1GB.max": "max", "hugetlb.1GB.current": "0",
    "cgroup.events": "populated 1\nfrozen 0",
}  # fmt: skip
FILES_V1 = {
    "memory.limit_in_bytes": "536870912", "memory.memsw.limit_in_bytes": "536870912",
    "memory.soft_limit_in_bytes": str(2**63 - 4096), "memory.usage_in_bytes": "1000000",
    "memory.max_usage_in_bytes": "2000000", "memory.memsw.usage_in_bytes": "1000030",
    "memory.kmem.usage_in_bytes": "60", "memory.failcnt": "3",
    "memory.stat": "cache 1\ntotal_cache 500\ntotal_rss 400",
    "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1",
    "cpu.cfs_quota_us": "150000", "cpu.cfs_period_us": "100000", "cpu.cfs_burst_us": "50000",
    "cpu.shares": "2048", "cpu.idle": "0", "cpu.stat": "nr_periods 10\nnr_throttled 4\nthrottled_time 250000000",
    "cpuacct.usage": "3500000000", "cpuacct.usage_user": "2000000000", "cpuacct.usage_sys": "1500000000",
    "cpuset.cpus": "", "cpuset.mems": "0",
    "pids.max": "max", "pids.current": "3", "pids.peak": "9", "pids.events": "max 2",
    "blkio.throttle.read_bps_device": "8:0 1048576", "blkio.throttle.write_iops_device": "8:0 120",
    "blkio.bfq.weight": "50",
    "blkio.throttle.io_service_bytes_recursive": "8:0 Read 1000\n8:0 Write 200\n8:0 Total 1200\n"
    "8:16 Read 1\n8:16 Write 2\nTotal 1203",
    "blkio.throttle.io_serviced_recursive": "8:0 Read 3\n8:0 Write 4\n8:16 Read 3\n8:16 Write 4\nTotal 14",
    "hugetlb.2MB.limit_in_bytes": "4194304", "hugetlb.2MB.usage_in_bytes": "2097152",
    "hugetlb.1GB.limit_in_bytes": "9223372035781033984", "hugetlb.1GB.usage_in_bytes": "0",
}  # fmt: skip


@pytest.fixture(params=[2, 1])
def version(request: pytest.FixtureRequest) -> Version:
    return 2 if request.param == 2 else 1


@pytest.fixture
def group(tmp_path: Path, version: Version) -> Path:
    for name, text in (FILES_V2 if version == 2 else FILES_V1).items():
        (tmp_path / name).write_text(text)
    return tmp_path


def reader(group: Path) -> Read:
    return lambda file: (group / file).read_text() if (group / file).exists() else None


def test_limits_are_read_back(group: Path, version: Version) -> None:
    limits = layout.read_back(lambda _: reader(group), lambda _: version)
    assert (limits.memory, limits.swap, limits.cpus, limits.cpu_burst, limits.cpu_weight) == (
        512 << 20,
        0,
        1.5,
        0.5,
        200,
    )
    assert (limits.cpu_idle, limits.cpuset, limits.mems, limits.pids, limits.io_weight) == (False, None, "0", "max", 50)
    assert limits.hugetlb == {"2MB": 4 << 20, "1GB": "max"}
    (disk,) = limits.io
    assert (disk.device, disk.rbps, disk.wiops) == ("8:0", 1 << 20, 120)
    assert (limits.memory_high, limits.oom_group) == (("max", True) if version == 2 else (None, None))
    assert limits.memory_low == (0 if version == 2 else "max")


def test_what_is_counted(group: Path, version: Version) -> None:
    stats = read_stats(lambda _: reader(group), lambda _: version)
    assert stats.cpu == CpuStats(3.5, 2.0, 1.5, 10, 4, 0.25)
    assert stats.pids == PidsStats(3, 9, 2)
    assert stats.io == IoStats(1001, 202, 6, 8, {"8:0": DiskStats(1000, 200, 3, 4), "8:16": DiskStats(1, 2, 3, 4)})
    assert stats.hugetlb == {"2MB": 2 << 20, "1GB": 0}
    counts = {"high": 4, "oom": 2} if version == 2 else {}
    assert stats.memory == MemoryStats(1000000, 2000000, 30, anon=400, file=500, kernel=60, max=3, oom_kill=1, **counts)


def test_what_is_not_there_is_none(tmp_path: Path, version: Version) -> None:
    stats = read_stats(lambda _: reader(tmp_path), lambda _: version)
    assert (stats.memory, stats.cpu, stats.pids, stats.io, stats.hugetlb) == (None, None, None, None, None)
    assert layout.read_back(lambda _: reader(tmp_path), lambda _: version) == Limits()


def test_the_two_files_of_a_hybrid_host_make_one_account() -> None:
    text = "nr_periods 10\nnr_throttled 4\nthrottled_time 250000000\nusage_usec 3500000\nuser_usec 2000000"
    text += "\nsystem_usec 1500000"
    assert cpu.stats({"cpu.stat": text}.get) == CpuStats(3.5, 2.0, 1.5, 10, 4, 0.25)


def test_oom_kills_are_counted(group: Path, version: Version) -> None:
    assert memory.oom_kills(reader(group), version) == 1


def test_a_group_without_limits_shows_none() -> None:
    files = {"memory.limit_in_bytes": "9223372036854771712", "memory.memsw.limit_in_bytes": "9223372036854771712"}
    assert memory.limits_of(files.get, 1)["memory"] == "max"
    assert cpu.limits_of({"cpu.max": "max 100000", "cpu.weight": "100"}.get, 2)["cpus"] == "max"
    assert cpu.limits_of({"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}.get, 1)["cpus"] == "max"


SIZES = st.one_of(st.just("max"), st.integers(4096, 2**40))
ROUND = st.builds(
    Limits,
    memory=SIZES,
    memory_high=SIZES,
    cpus=st.one_of(st.just("max"), st.integers(1, 800).map(lambda n: n / 100)),
    cpu_weight=st.integers(1, 10_000),
    pids=st.one_of(st.just("max"), st.integers(1, 2**22)),
    cpuset=st.sampled_from(["0", "0-3", "1,3"]),
    hugetlb=st.dictionaries(st.sampled_from(hugetlb.SIZES), SIZES, max_size=3),
)


@given(ROUND)
def test_v2_files_say_what_was_asked(limits: Limits) -> None:
    files = dict(written(limits, 2))
    assert layout.read_back(lambda _: files.get, lambda _: 2) == limits


@given(ROUND)
def test_v1_files_say_what_was_asked(limits: Limits) -> None:
    files = {"cpu.cfs_period_us": "100000"} | dict(written(limits, 1))
    files.pop("memory.high")  # the file that is missed on v1
    again = layout.read_back(lambda _: files.get, lambda _: 1)
    assert again == Limits(memory=limits.memory, cpus=limits.cpus, cpu_weight=limits.cpu_weight, pids=limits.pids,
                           cpuset=limits.cpuset, hugetlb=limits.hugetlb)  # fmt: skip


@pytest.mark.parametrize(("shares", "weight"), [(2, 1), (1024, 39), (262_144, 10_000), (0, 1), (10**9, 10_000)])
def test_shares_become_a_weight_as_runc_has_it(shares: int, weight: int) -> None:
    assert cpu.weight_of_shares(shares) == weight


@given(st.integers(1, 10_000))
def test_a_weight_survives_v1(weight: int) -> None:
    assert cpu.weight_of_v1(cpu.shares_of_weight(weight)) == weight


@given(st.integers(1, 10_000))
def test_the_weight_of_bfq_keeps_its_range(weight: int) -> None:
    assert 1 <= io.bfq_weight(weight) <= 1000
    assert abs(io.weight_of_bfq(io.bfq_weight(weight)) - weight) <= 5


def test_a_disk_by_its_path() -> None:
    def found(path: str) -> os.stat_result:
        return os.stat_result((0o060660, 1, 1, 1, 0, 0, 0, 0, 0, 0), {"st_rdev": os.makedev(8, 16)})

    assert io.resolve(Limits(io=(IoLimit("/dev/sdb", rbps=1),)), found).io == (IoLimit("8:16", rbps=1),)


@pytest.mark.parametrize("path", ["/dev/null", "/", "/nowhere/at/all"])
def test_what_is_no_disk_is_said(path: str) -> None:
    with pytest.raises(SpecError) as caught:
        io.resolve(Limits(io=(IoLimit("8:0", rbps=1), IoLimit(path, rbps=1))))
    assert caught.value.where == "limits.io[1].device"


def test_missing_files_are_named_with_a_remedy() -> None:
    limits = Limits(memory_high="1M", oom_group=True, swap=5)
    writes = layout.writes_of(limits, lambda _: 1, lambda c, f: True)
    found = [str(error) for error in layout.lacks(writes, lambda c: "", lambda c, file: False)]
    assert [text.partition(":")[0] for text in found] == ["limits.swap", "limits.memory_high", "limits.oom_group"]
    assert all("not available on this host" in text and "boot with" in text for text in found)


def test_a_controller_that_may_not_be_used_says_why() -> None:
    writes = layout.writes_of(Limits(pids=5), lambda _: 2, lambda c, f: True)
    (error,) = layout.lacks(writes, lambda controller: f"{controller} is not delegated", lambda c, f: True)
    assert (error.feature, error.remedy) == ("limits.pids: pids.max", "pids is not delegated")


def test_events() -> None:
    assert GroupEvents.of("populated 1\nfrozen 0", "low 0\nhigh 4\nmax 3\noom 2\noom_kill 1") == GroupEvents(
        True, False, 4, 3, 2, 1
    )
    assert GroupEvents.of(None, None) == GroupEvents()


def test_pressure() -> None:
    text = "some avg10=0.25 avg60=1.00 avg300=2.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    assert parse(text) == Waiting(Stall(0.25, 1.0, 2.0, 1.5), Stall(0, 0, 0, 0))
    assert parse(text.splitlines()[0]) == Waiting(Stall(0.25, 1.0, 2.0, 1.5), None)
    assert parse(None) is None


def test_modules_are_the_controllers() -> None:
    for part in (memory, cpu, cpuset, pids, hugetlb):
        assert part.writes(Limits(), 2) == part.writes(Limits(), 1) == []
    assert devices.writes(Limits(), 1) == io.writes(Limits(), 1, lambda file: True) == []

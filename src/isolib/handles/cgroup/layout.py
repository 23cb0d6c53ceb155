"""From limits to files: which controllers they need, what is written where, and why a missing file is missing."""

from collections.abc import Callable, Iterator, Sequence

from isolib.errors import Unavailable
from isolib.handles.cgroup import cpu, cpuset, devices, hugetlb, io, memory, pids
from isolib.handles.cgroup.frame import Read, Version, Write
from isolib.handles.cgroup.hierarchy import V2_NAMES
from isolib.spec.device_rules import DeviceRule
from isolib.spec.limits import Limits

# What a group has beside what its limits need, so that it can be counted, frozen and killed.
COUNTED = ("memory", "pids", "io")
_PARTS = {"memory": memory, "cpu": cpu, "cpuset": cpuset, "pids": pids, "hugetlb": hugetlb}
_TO_V2 = "boot with cgroup v2 (systemd.unified_cgroup_hierarchy=1)"

_ABSENT = {
    "memory.high": f"cgroup v1 has no such limit; {_TO_V2}",
    "memory.min": f"cgroup v1 has no such limit; {_TO_V2}",
    "memory.oom.group": f"cgroup v1 kills one process at a time; {_TO_V2}",
    "memory.swap.max": "cgroup v1 limits swap only beside memory=; v2 needs swap accounting (boot with swapaccount=1)",
    "memory.memsw.limit_in_bytes": "boot with swapaccount=1",
    "cpu.max": "the kernel lacks CONFIG_CFS_BANDWIDTH",
    "cpu.cfs_quota_us": "the kernel lacks CONFIG_CFS_BANDWIDTH",
    "cpu.max.burst": "needs Linux 5.14",
    "cpu.cfs_burst_us": "needs Linux 5.14",
    "cpu.idle": "needs Linux 5.15",
    "io.weight": "needs iocost (CONFIG_BLK_CGROUP_IOCOST) or the BFQ scheduler in the kernel",
    "blkio.weight": "needs the BFQ scheduler in the kernel",
    "blkio.weight_device": "needs the BFQ scheduler in the kernel",
}


def controller_of_file(file: str) -> str:
    """``"memory.high"`` -> memory, ``"blkio.weight"`` -> io, ``"cgroup.freeze"`` -> "" (the group itself)."""
    prefix = file.partition(".")[0]
    return "" if prefix == "cgroup" or "." not in file else V2_NAMES.get(prefix, prefix)


def writes_of(limits: Limits, version_of: Callable[[str], Version], has: Callable[[str, str], bool]) -> list[Write]:
    """All files to write, in order; disks by number (``io.resolve``). has(controller, file): as the group has it."""
    found: list[Write] = []
    for name, part in _PARTS.items():
        found += part.writes(limits, version_of(name))
    found += io.writes(limits, version_of("io"), lambda file: has("io", file))
    found += devices.writes(limits, version_of("devices"))
    found += (Write("unified", controller_of_file(file), file, str(text)) for file, text in limits.unified.items())
    return found


def read_back(read_of: Callable[[str], Read], version_of: Callable[[str], Version]) -> Limits:
    """The limits that a group's files say; devices are not said (v2 has no file)."""
    fields: dict[str, object] = {}
    for name, part in _PARTS.items():
        fields |= part.limits_of(read_of(name), version_of(name))
    fields |= io.limits_of(read_of("io"), version_of("io"))
    return Limits(**{name: value for name, value in fields.items() if value is not None})  # type: ignore[arg-type]


def lacks(
    writes: Sequence[Write], reason_of: Callable[[str], str], has: Callable[[str, str], bool]
) -> Iterator[Unavailable]:
    """What of these writes cannot be done: the controller may not be used (the reason is the remedy), no such file."""
    for write in writes:
        if reason := reason_of(write.controller):
            yield Unavailable(feature(write), reason)
        elif not has(write.controller, write.file):
            yield absent(write)


def feature(write: Write) -> str:
    """What is missed where a file cannot be written: ``limits.memory: memory.max``."""
    return f"limits.{write.field}: {write.file}"


def absent(write: Write) -> Unavailable:
    """The error for a file that a group does not have."""
    reason = _ABSENT.get(write.file, "the kernel has no such file in a group")
    return Unavailable(feature(write), reason)


def unlike_v1(rule: DeviceRule) -> Unavailable:
    """The error for a rule for devices that v1 would keep less strictly than it says."""
    return Unavailable(
        f"limits.devices: {rule}", f"cgroup v1 takes away only what a rule of the same numbers has given; {_TO_V2}"
    )

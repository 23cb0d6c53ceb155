"""The cpuset controller: the CPUs and memory nodes that a group may use."""

from isolib.handles.cgroup.frame import Read, Version, Write
from isolib.spec.limits import Limits


def writes(limits: Limits, version: Version) -> list[Write]:
    """The same files on both versions; on v1 a new group has its parent's first, since empty ones let nobody in."""
    wanted = (("cpuset", "cpuset.cpus", limits.cpuset), ("mems", "cpuset.mems", limits.mems))
    return [Write(field, "cpuset", file, text) for field, file, text in wanted if text is not None]


def limits_of(read: Read, version: Version) -> dict[str, object]:
    """The fields of Limits that a group's files say; v2's are empty in a group that has all that its parent has."""
    return {"cpuset": read("cpuset.cpus") or None, "mems": read("cpuset.mems") or None}

"""The pids controller: how many processes and threads a group may have (Linux 4.3)."""

from msgspec import Struct

from isolib.handles.cgroup.frame import Read, Version, Write, number, size_of, table
from isolib.spec.limits import Limits


class PidsStats(Struct, frozen=True):
    """Processes and threads. peak: the most so far (Linux 6.1). refused: how often the limit has refused a fork."""

    current: int
    peak: int | None = None
    refused: int | None = None


def writes(limits: Limits, version: Version) -> list[Write]:
    return [] if limits.pids is None else [Write("pids", "pids", "pids.max", str(limits.pids))]


def limits_of(read: Read, version: Version) -> dict[str, object]:
    return {"pids": size_of(read("pids.max"))}


def stats(read: Read) -> PidsStats | None:
    current = number(read("pids.current"))
    if current is None:
        return None
    return PidsStats(current, peak=number(read("pids.peak")), refused=table(read("pids.events")).get("max"))

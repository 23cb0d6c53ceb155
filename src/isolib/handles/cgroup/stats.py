"""What a group has used, of everything that the host counts."""

from collections.abc import Callable

from msgspec import Struct

from isolib.handles.cgroup import cpu, hugetlb, io, memory, pids
from isolib.handles.cgroup.cpu import CpuStats
from isolib.handles.cgroup.frame import Read, Version
from isolib.handles.cgroup.io import IoStats
from isolib.handles.cgroup.memory import MemoryStats
from isolib.handles.cgroup.pids import PidsStats


class Stats(Struct, frozen=True):
    """One reading of a group and of all groups below it; None for what the host does not count in this group."""

    memory: MemoryStats | None
    cpu: CpuStats | None
    pids: PidsStats | None
    io: IoStats | None
    hugetlb: dict[str, int] | None


def read_stats(read_of: Callable[[str], Read], version_of: Callable[[str], Version]) -> Stats:
    return Stats(
        memory.stats(read_of("memory"), version_of("memory")),
        cpu.stats(read_of("cpu")),
        pids.stats(read_of("pids")),
        io.stats(read_of("io"), version_of("io")),
        hugetlb.stats(read_of("hugetlb"), version_of("hugetlb")),
    )

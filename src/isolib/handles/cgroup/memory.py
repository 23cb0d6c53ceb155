"""The memory controller: its limits, and what a group uses."""

from msgspec import Struct

from isolib.handles.cgroup.frame import (
    Read,
    Version,
    Write,
    number,
    size_of,
    size_of_v1,
    size_text,
    size_text_v1,
    table,
)
from isolib.spec.limits import Limits
from isolib.spec.units import parse_size


class MemoryStats(Struct, frozen=True):
    """Bytes. current: used now, page cache included; peak: the most so far (v2: Linux 5.19); swap: beside it.

    anon, file, kernel: of current, memory of the processes, of files, of the kernel. high, max, oom, oom_kill: how
    often the group was slowed down, met its limit, could not get below it, and lost a process; with all groups below.
    """

    current: int
    peak: int | None = None
    swap: int | None = None
    anon: int | None = None
    file: int | None = None
    kernel: int | None = None
    high: int | None = None
    max: int | None = None
    oom: int | None = None
    oom_kill: int | None = None


def writes(limits: Limits, version: Version) -> list[Write]:
    """The files to write. A file that v1 has no counterpart of is named as v2 does, and found missing."""
    return _v2(limits) if version == 2 else _v1(limits)


def _v2(limits: Limits) -> list[Write]:
    files = {
        "memory_min": ("memory.min", limits.memory_min),
        "memory_low": ("memory.low", limits.memory_low),
        "memory_high": ("memory.high", limits.memory_high),
        "memory": ("memory.max", limits.memory),
        "swap": ("memory.swap.max", limits.swap),
    }
    found = [Write(f, "memory", file, size_text(value)) for f, (file, value) in files.items() if value is not None]
    if limits.oom_group is not None:
        found.append(Write("oom_group", "memory", "memory.oom.group", str(int(limits.oom_group))))
    return found


def _v1(limits: Limits) -> list[Write]:
    found = []
    if limits.memory_low is not None:
        found.append(Write("memory_low", "memory", "memory.soft_limit_in_bytes", size_text_v1(limits.memory_low)))
    if limits.memory is not None:
        found.append(Write("memory", "memory", "memory.limit_in_bytes", size_text_v1(limits.memory)))
    if limits.swap is not None:
        found.append(_v1_swap(limits))
    for field, file, value in (
        ("memory_high", "memory.high", limits.memory_high),
        ("memory_min", "memory.min", limits.memory_min),
    ):
        if value is not None:
            found.append(Write(field, "memory", file, size_text(value)))
    if limits.oom_group:  # False is how v1 does it
        found.append(Write("oom_group", "memory", "memory.oom.group", "1"))
    return found


def _v1_swap(limits: Limits) -> Write:
    """v1 limits memory and swap together: without a limit of memory, one of swap alone cannot be said."""
    swap, memory = parse_size(limits.swap or 0), parse_size("max" if limits.memory is None else limits.memory)
    if swap == "max" or memory == "max":
        file = "memory.memsw.limit_in_bytes" if swap == "max" else "memory.swap.max"
        return Write("swap", "memory", file, "-1" if swap == "max" else str(swap))
    return Write("swap", "memory", "memory.memsw.limit_in_bytes", str(memory + swap))


def limits_of(read: Read, version: Version) -> dict[str, object]:
    """The fields of Limits that a group's files say."""
    if version == 2:
        fields: dict[str, object] = {
            "memory_min": size_of(read("memory.min")),
            "memory_low": size_of(read("memory.low")),
            "memory_high": size_of(read("memory.high")),
            "memory": size_of(read("memory.max")),
            "swap": size_of(read("memory.swap.max")),
        }
        group = number(read("memory.oom.group"))
        return fields | {"oom_group": None if group is None else bool(group)}
    memory, both = size_of_v1(read("memory.limit_in_bytes")), size_of_v1(read("memory.memsw.limit_in_bytes"))
    swap = both - memory if isinstance(both, int) and isinstance(memory, int) else both
    return {"memory": memory, "memory_low": size_of_v1(read("memory.soft_limit_in_bytes")), "swap": swap}


def stats(read: Read, version: Version) -> MemoryStats | None:
    """None where the group has no memory controller (v2's root has none)."""
    current = number(read("memory.current" if version == 2 else "memory.usage_in_bytes"))
    if current is None:
        return None
    parts, events = table(read("memory.stat")), table(read("memory.events"))
    if version == 2:
        return MemoryStats(
            current,
            peak=number(read("memory.peak")),
            swap=number(read("memory.swap.current")),
            anon=parts.get("anon"),
            file=parts.get("file"),
            kernel=parts.get("kernel"),
            **{name: events.get(name) for name in ("high", "max", "oom", "oom_kill")},
        )
    both = number(read("memory.memsw.usage_in_bytes"))
    return MemoryStats(
        current,
        peak=number(read("memory.max_usage_in_bytes")),
        swap=None if both is None else max(0, both - current),
        anon=parts.get("total_rss"),
        file=parts.get("total_cache"),
        kernel=number(read("memory.kmem.usage_in_bytes")),
        max=number(read("memory.failcnt")),
        oom_kill=table(read("memory.oom_control")).get("oom_kill"),  # Linux 4.13
    )


def oom_kills(read: Read, version: Version) -> int | None:
    """How many processes of the group, and of those below, were killed for want of memory."""
    return table(read("memory.events" if version == 2 else "memory.oom_control")).get("oom_kill")


def peak(read: Read, version: Version) -> int | None:
    """The most bytes that the group has used at one time (v2: Linux 5.19)."""
    return number(read("memory.peak" if version == 2 else "memory.max_usage_in_bytes"))

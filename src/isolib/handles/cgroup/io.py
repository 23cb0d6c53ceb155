"""The io controller (blkio on v1): limits and weight of a group on each disk, and what it has read and written."""

import os
import stat
from collections.abc import Callable, Iterable

from msgspec import Struct, structs

from isolib.errors import Problem, SpecError
from isolib.handles.cgroup.frame import Read, Version, Write, nested, number, size_text
from isolib.spec.limits import IoLimit, Limits

_RATES = ("rbps", "wbps", "riops", "wiops")
_V1_FILES = {
    "rbps": "blkio.throttle.read_bps_device",
    "wbps": "blkio.throttle.write_bps_device",
    "riops": "blkio.throttle.read_iops_device",
    "wiops": "blkio.throttle.write_iops_device",
}


class DiskStats(Struct, frozen=True):
    """What a group has had of one disk, ``"8:0"``, or of all: bytes and operations."""

    read_bytes: int = 0
    write_bytes: int = 0
    reads: int = 0
    writes: int = 0


class IoStats(Struct, frozen=True):
    """What a group has had of all disks together, and of each. Writes from the page cache count on v2 only."""

    read_bytes: int
    write_bytes: int
    reads: int
    writes: int
    disks: dict[str, DiskStats]

    @classmethod
    def of(cls, disks: dict[str, DiskStats]) -> "IoStats":
        total = [sum(getattr(disk, name) for disk in disks.values()) for name in DiskStats.__struct_fields__]
        return cls(total[0], total[1], total[2], total[3], disks)


def bfq_weight(weight: int) -> int:
    """v2's weight (1 to 10000, 100 is usual) in the range of BFQ and of v1 (1 to 1000, 100 is usual)."""
    return weight if weight <= 100 else 100 + round((weight - 100) / 11)


def weight_of_bfq(weight: int) -> int:
    """The inverse, to read a limit back; up to 5 off."""
    return weight if weight <= 100 else 100 + (weight - 100) * 11


def resolve(limits: Limits, stat_of: Callable[[str], os.stat_result] = os.stat) -> Limits:
    """The same limits with every disk by number. Raises SpecError for a path that is no block device."""
    if not any(limit.device.startswith("/") for limit in limits.io):
        return limits
    numbers, problems = [], []
    for i, limit in enumerate(limits.io):
        try:
            numbers.append(structs.replace(limit, device=_number(limit.device, stat_of)))
        except (OSError, ValueError) as error:
            problems.append(Problem(f"limits.io[{i}].device", f"{limit.device!r}: {getattr(error, 'strerror', error)}"))
    if problems:
        raise SpecError(problems)
    return structs.replace(limits, io=tuple(numbers))


def _number(device: str, stat_of: Callable[[str], os.stat_result]) -> str:
    if not device.startswith("/"):
        return device
    found = stat_of(device)
    if not stat.S_ISBLK(found.st_mode):
        raise ValueError("not a block device")
    return f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"


def writes(limits: Limits, version: Version, has: Callable[[str], bool]) -> list[Write]:
    """The files to write, disks being numbers. ``has`` says which file of a weight the host's scheduler gives."""
    found = []
    if limits.io_weight is not None:
        found.append(_weight("io_weight", None, limits.io_weight, version, has))
    for limit in limits.io:
        if limit.weight is not None:
            found.append(_weight("io", limit.device, limit.weight, version, has))
        found += _rates(limit, version)
    return found


def _rates(limit: IoLimit, version: Version) -> Iterable[Write]:
    rates = {name: size_text(value) for name in _RATES if (value := getattr(limit, name)) is not None}
    if version == 1:  # 0 is no limit
        return [
            Write("io", "io", _V1_FILES[name], f"{limit.device} {'0' if text == 'max' else text}")
            for name, text in rates.items()
        ]
    text = " ".join(f"{name}={value}" for name, value in rates.items())
    return [Write("io", "io", "io.max", f"{limit.device} {text}")] if text else []


def _weight(field: str, device: str | None, weight: int, version: Version, has: Callable[[str], bool]) -> Write:
    """io.weight is iocost's (v2), io.bfq.weight and blkio.bfq.weight are the BFQ scheduler's, blkio.weight CFQ's."""
    if version == 2 and (has("io.weight") or not has("io.bfq.weight")):
        return Write(field, "io", "io.weight", f"{device or 'default'} {weight}")
    suffix = "_device" if device else ""
    if version == 2:
        file = "io.bfq.weight"
    elif has(f"blkio.bfq.weight{suffix}"):
        file = f"blkio.bfq.weight{suffix}"
    else:
        file = f"blkio.weight{suffix}"
    return Write(field, "io", file, f"{device} {bfq_weight(weight)}" if device else str(bfq_weight(weight)))


def limits_of(read: Read, version: Version) -> dict[str, object]:
    """The fields of Limits that a group's files say; a disk without any limit is left out."""
    rates: dict[str, dict[str, int | str]] = {}
    if version == 2:
        rates = nested(read("io.max"))
    else:
        for name, file in _V1_FILES.items():
            for line in (read(file) or "").splitlines():
                device, _, value = line.partition(" ")
                rates.setdefault(device, {})[name] = int(value)
    limits = [IoLimit(device, **{n: v for n, v in row.items() if n in _RATES}) for device, row in rates.items()]  # type: ignore[arg-type]
    return {"io": tuple(limits), "io_weight": _weight_of(read, version)}


def _weight_of(read: Read, version: Version) -> int | None:
    own = read("io.weight") if version == 2 else None
    text = own or read("io.bfq.weight" if version == 2 else "blkio.bfq.weight") or read("blkio.weight") or ""
    value = number(text.removeprefix("default ").partition("\n")[0])
    return value if own or value is None else weight_of_bfq(value)


def stats(read: Read, version: Version) -> IoStats | None:
    """None where the group has no io controller."""
    if version == 2:
        text = read("io.stat")
        names = {"rbytes": "read_bytes", "wbytes": "write_bytes", "rios": "reads", "wios": "writes"}
        rows = {
            device: {names[n]: v for n, v in row.items() if n in names and isinstance(v, int)}
            for device, row in nested(text).items()
        }
        return None if text is None else IoStats.of({d: DiskStats(**row) for d, row in rows.items() if row})
    return _stats_v1(read)


def _stats_v1(read: Read) -> IoStats | None:
    found: dict[str, dict[str, int]] = {}
    sources = (
        ("blkio.throttle.io_service_bytes_recursive", {"Read": "read_bytes", "Write": "write_bytes"}),
        ("blkio.throttle.io_serviced_recursive", {"Read": "reads", "Write": "writes"}),
    )
    for file, names in sources:
        text = read(file)
        if text is None:
            return None
        for row in (line.split(" ") for line in text.splitlines()):
            if len(row) == 3 and row[1] in names:
                found.setdefault(row[0], {})[names[row[1]]] = int(row[2])
    return IoStats.of({device: DiskStats(**row) for device, row in found.items()})

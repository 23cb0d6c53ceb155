"""The hugetlb controller: huge pages, by their size."""

from isolib.handles.cgroup.frame import Read, Version, Write, number, size_of, size_of_v1, size_text, size_text_v1
from isolib.spec.limits import Limits

SIZES = ("64KB", "1MB", "2MB", "16MB", "32MB", "256MB", "512MB", "1GB", "2GB", "16GB")  # of all architectures


def writes(limits: Limits, version: Version) -> list[Write]:
    if version == 2:
        rows = [(f"hugetlb.{name}.max", size_text(value)) for name, value in limits.hugetlb.items()]
    else:
        rows = [(f"hugetlb.{name}.limit_in_bytes", size_text_v1(value)) for name, value in limits.hugetlb.items()]
    return [Write("hugetlb", "hugetlb", file, text) for file, text in rows]


def limits_of(read: Read, version: Version) -> dict[str, object]:
    if version == 2:
        found = {name: size_of(read(f"hugetlb.{name}.max")) for name in SIZES}
    else:
        found = {name: size_of_v1(read(f"hugetlb.{name}.limit_in_bytes")) for name in SIZES}
    return {"hugetlb": {name: value for name, value in found.items() if value is not None}}


def stats(read: Read, version: Version) -> dict[str, int] | None:
    """Bytes in use, by the size of the pages; None where no size is counted."""
    file = "hugetlb.{}.current" if version == 2 else "hugetlb.{}.usage_in_bytes"
    found = {name: used for name in SIZES if (used := number(read(file.format(name)))) is not None}
    return found or None

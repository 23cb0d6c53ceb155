"""What the file of a controller is made of: limits to writes, files to limits and to statistics, v2 and v1 alike."""

from collections.abc import Callable
from typing import NamedTuple

from isolib.handles.cgroup.hierarchy import Version as Version
from isolib.spec.units import Size, parse_size

# The text of a group's file, None where the group has no such file.
Read = Callable[[str], str | None]


class Write(NamedTuple):
    """One text for one file of a group, and the field of Limits that asks for it."""

    field: str
    controller: str
    file: str
    text: str


def size_text(value: Size) -> str:
    """As v2's files take it."""
    return str(parse_size(value))


def size_text_v1(value: Size) -> str:
    """As v1's files take it: -1 is no limit."""
    size = parse_size(value)
    return "-1" if size == "max" else str(size)


def number(text: str | None) -> int | None:
    """The number that a file consists of; None for an absent file and for "max"."""
    return int(text) if text is not None and text.lstrip("-").isdecimal() else None


def size_of(text: str | None) -> Size | None:
    """A v2 limit: its number, ``"max"``, or None where there is no such file."""
    value = number(text)
    return "max" if text == "max" or (value is not None and value >= 2**62) else value


def size_of_v1(text: str | None) -> Size | None:
    """A v1 limit: the kernel shows no limit as -1, or as the largest number of pages."""
    value = number(text)
    return "max" if value is not None and (value < 0 or value >= 2**62) else value


def table(text: str | None) -> dict[str, int]:
    """A flat keyed file, ``"usage_usec 123"`` a line."""
    rows = (line.split(" ") for line in (text or "").splitlines())
    return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].lstrip("-").isdecimal()}


def nested(text: str | None) -> dict[str, dict[str, int | str]]:
    """A nested keyed file, ``"8:0 rbytes=1 wbytes=2"`` a line."""
    rows: dict[str, dict[str, int | str]] = {}
    for line in (text or "").splitlines():
        key, *pairs = line.split(" ")
        values = rows.setdefault(key, {})
        for name, sign, value in (pair.partition("=") for pair in pairs):
            if sign:
                values[name] = int(value) if value.isdecimal() else value
    return rows

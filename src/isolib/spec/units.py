"""Sizes and lists as people and the kernel write them: ``"1.5G"``, ``"max"``, ``"0-3,7"``. Unclear ones are refused."""

import re
from typing import Literal

# The largest value that the files of the kernel take (a signed 64-bit integer).
HIGHEST = 2**63 - 1

Size = int | str
Max = Literal["max"]

_SIZE = re.compile(r"([0-9]+)(?:\.([0-9]+))?([kmgtpe]?)(i?b)?", re.ASCII | re.IGNORECASE)
_POWER = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40, "p": 50, "e": 60}
_RANGE = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?", re.ASCII)


def parse_size(value: object) -> int | Max:
    """Bytes of an int, of ``"512M"``, ``"1.5G"``, ``"1GiB"``, or the word ``"max"`` (no limit).

    K, M, G, T, P and E are powers of 1024 in either case, with or without ``B`` or ``iB``, as in ``docker run
    --memory``. Raises ValueError, whose text says what is wrong and how to write it.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{value!r} is no size: give bytes as an int, or text as '512M'")
    size = value if isinstance(value, int) else _parse_text(value)
    if size == "max":
        return "max"
    if size < 0:
        raise ValueError(f"{value!r} is negative; 'max' means no limit")
    if size > HIGHEST:
        raise ValueError(f"{value!r} is above what the kernel can count (8 EiB less a byte); 'max' means no limit")
    return size


def _parse_text(text: str) -> int | Max:
    if text == "max":
        return "max"
    if not (match := _SIZE.fullmatch(text)):
        raise ValueError(f"{text!r} is no size: write digits and one of K M G T P E, as '512M' or '1.5G', or 'max'")
    whole, fraction, unit, suffix = match.groups("")
    if not unit and suffix[:1].lower() == "i":
        raise ValueError(f"{text!r} is no size: 'iB' follows a letter, as in '1GiB'")
    if fraction and not unit:
        raise ValueError(f"{text!r} is a fraction of a byte; write '1.5G', or whole bytes")
    if len(whole) + len(fraction) > 30:
        raise ValueError(f"{text[:30]!r}… is above what the kernel can count; 'max' means no limit")
    scale: int = 10 ** len(fraction)
    return (int(whole + fraction) << _POWER[unit.lower()]) // scale


def parse_count(value: object) -> int | Max:
    """A whole number of things, 0 or more, or ``"max"``. Raises ValueError."""
    if value == "max":
        return "max"
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no count: give an int, or 'max'")
    if not 0 <= value <= HIGHEST:
        raise ValueError(f"{value!r} is out of range: 0 or more, or 'max' for no limit")
    return value


def parse_list(text: object) -> tuple[int, ...]:
    """The numbers of a list as cpuset(7) has it, ``"0-3,7"``, in order. Raises ValueError."""
    if not isinstance(text, str) or not text:
        raise ValueError(f"{text!r} is no list of numbers: write '0-3,7'")
    numbers: set[int] = set()
    for part in text.split(","):
        if not (match := _RANGE.fullmatch(part)):
            raise ValueError(f"{text!r} is no list of numbers: {part!r} is neither a number nor a range; write '0-3,7'")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise ValueError(f"{text!r}: the range {part!r} runs backwards")
        numbers.update(range(first, last + 1))
    return tuple(sorted(numbers))


def format_list(numbers: tuple[int, ...]) -> str:
    """The shortest list of these numbers: ``(0, 1, 2, 3, 7)`` -> ``"0-3,7"``."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in runs)


def format_size(size: int) -> str:
    """Bytes for people, three digits: ``536870912`` -> ``"512M"``, ``1500`` -> ``"1.46K"``."""
    power = max((p for p in _POWER.values() if size >> p), default=0)
    letter = next(letter.upper() for letter, p in _POWER.items() if p == power)
    return f"{size / (1 << power):.3g}{letter}" if power and size < 1000 << power else f"{size >> power}{letter}"

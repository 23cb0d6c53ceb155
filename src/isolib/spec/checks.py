"""What the values of spec/ check alike: types, text, numbers, words. Each yields what is wrong, and none raises."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from isolib.errors import Problem
from isolib.spec.words import did_you_mean

Check = Callable[[str, Any], Iterator[Problem]]


def encoded(text: str) -> bytes | None:
    """The bytes that the kernel gets; None for half of a surrogate pair, which stands for no byte (os.fsencode)."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return None


def text_problems(where: str, value: object, what: str = "a text", most: int | None = None) -> Iterator[Problem]:
    """No text, not encodable, a NUL byte in it, or more than ``most`` bytes."""
    if not isinstance(value, str):
        yield Problem(where, f"{what} is a str, not {type(value).__name__}")
    elif (raw := encoded(value)) is None:
        yield Problem(where, f"{what} cannot hold half of a surrogate pair: {value[:40]!a}")
    elif b"\0" in raw:
        yield Problem(where, f"{what} cannot hold a NUL byte")
    elif most is not None and len(raw) > most:
        yield Problem(where, f"{what} has at most {most:,} bytes, and this one {len(raw):,}")


def number_problems(
    where: str, value: object, low: int, high: int, show: Callable[[int], str] = str
) -> Iterator[Problem]:
    """No whole number (True is none), or outside low … high."""
    if isinstance(value, bool) or not isinstance(value, int):
        yield Problem(where, f"a whole number of {show(low)} to {show(high)}, not {value!r}")
    elif not low <= value <= high:
        yield Problem(where, f"{show(value)} is outside {show(low)} to {show(high)}")


def mode_problems(where: str, value: object, most: int = 0o7777) -> Iterator[Problem]:
    """Bits of chmod(2)."""
    yield from number_problems(where, value, 0, most, lambda number: f"{number:#o}" if number else "0")


def word_problems(where: str, value: object, words: Iterable[str]) -> Iterator[Problem]:
    """None of these words."""
    known = tuple(words)
    if not isinstance(value, str) or value not in known:
        yield Problem(where, f"{value!r} is none of {', '.join(known)}{did_you_mean(value, known)}")


def flag_problems(where: str, value: object) -> Iterator[Problem]:
    """Neither True nor False."""
    if not isinstance(value, bool):
        yield Problem(where, f"True or False, not {value!r}")


def each(where: str, values: object, check: Check) -> Iterator[Problem]:
    """No tuple, or what ``check`` says of its items by their places."""
    if not isinstance(values, tuple | list):
        yield Problem(where, f"a tuple, not {type(values).__name__}")
        return
    for i, value in enumerate(values):
        yield from check(f"{where}[{i}]", value)


def each_pair(where: str, values: object, check: Callable[[str, Any, Any], Iterator[Problem]]) -> Iterator[Problem]:
    """No mapping, or what ``check`` says of its pairs."""
    if not isinstance(values, Mapping):
        yield Problem(where, f"a mapping, not {type(values).__name__}")
        return
    for name, value in values.items():
        yield from check(f"{where}[{name!r}]", name, value)


def part_problems(where: str, value: object, kind: type | tuple[type, ...]) -> Iterator[Problem]:
    """A value of another type, or its own problems."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if not isinstance(value, kinds):
        yield Problem(where, f"a {' or '.join(one.__name__ for one in kinds)}, not {type(value).__name__}")
        return
    yield from value.problems(where)  # type: ignore[attr-defined]

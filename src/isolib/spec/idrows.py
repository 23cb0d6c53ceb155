"""One row of uid_map or gid_map, ranges of ids, and what rows say together: text, translation, overlaps."""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import msgspec

from isolib.errors import Problem, SpecError

# An id is 32 bits, and 4294967295 is "no id" (-1): the last row may end just before it (user_namespaces(7)).
ID_END = 2**32 - 1
# Linux 4.15 raised the limit from 5 to 340 rows; and one write must fit into a page, which is often reached sooner.
MAX_ROWS, MAX_TEXT = 340, 4095


class IdRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The host's ids ``start`` … ``start + count - 1``, as a line of /etc/subuid gives them."""

    start: int
    count: int

    @property
    def end(self) -> int:
        return self.start + self.count

    def covers(self, start: int, count: int = 1) -> bool:
        return self.start <= start and start + count <= self.end


class IdMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row: ``size`` ids from ``container`` on, inside, are the ids from ``host`` on, outside."""

    container: int
    host: int
    size: int = 1

    @classmethod
    def parse(cls, text: str, where: str = "") -> "IdMap":
        """``"0:100000:65536"`` or ``"0:1000"``. Raises SpecError; whether the numbers make sense, `problems` says."""
        fields = text.split(":")
        if len(fields) not in (2, 3) or not all(map(is_number, fields)):
            raise SpecError(Problem(where, f"{text!r} is no id map: write CONTAINER:HOST:SIZE, as 0:100000:65536"))
        return cls(*map(int, fields))

    def problems(self, where: str) -> Iterator[Problem]:
        """What no kernel would take, whoever asks."""
        for name in ("container", "host", "size"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                yield Problem(f"{where}.{name}", f"must be a whole number, not {value!r}")
            elif value < 0:
                yield Problem(f"{where}.{name}", f"must not be negative, and is {value}")
            elif name == "size" and value == 0:
                yield Problem(f"{where}.size", "a row maps at least one id: size is 0")
            elif value > ID_END:
                yield Problem(f"{where}.{name}", f"{value} does not fit into the 32 bits of an id")
            elif name != "size" and isinstance(self.size, int) and 0 < self.size <= ID_END < value + self.size:
                yield Problem(f"{where}.{name}", f"{value} + {self.size} goes past the last id, {ID_END - 1}")

    def __str__(self) -> str:
        return f"{self.container}:{self.host}:{self.size}"


Rows = tuple[IdMap, ...]


def is_number(text: str) -> bool:
    """Digits and nothing else: int() would also take signs, blanks, underscores and the digits of other scripts."""
    return 0 < len(text) <= 20 and text.isascii() and text.isdigit()


def to_host(rows: Iterable[IdMap], number: int) -> int | None:
    """The host's id for one of the container; None where it has none (stat shows 65534 then)."""
    return next((row.host + number - row.container for row in rows if 0 <= number - row.container < row.size), None)


def to_container(rows: Iterable[IdMap], number: int) -> int | None:
    """The container's id for one of the host; None where it has none."""
    return next((row.container + number - row.host for row in rows if 0 <= number - row.host < row.size), None)


def rows_text(rows: Iterable[IdMap]) -> str:
    """The content of /proc/PID/uid_map or gid_map."""
    return "".join(f"{row.container} {row.host} {row.size}\n" for row in rows)


def read_rows(text: str) -> Rows:
    """The rows that /proc/PID/uid_map or gid_map shows."""
    return tuple(IdMap(*map(int, line.split())) for line in text.splitlines())


def parse_rows(text: str, where: str) -> Rows:
    """Rows as a person writes them: ``0:100000:1000,1000:1000:1``. Raises SpecError."""
    return tuple(IdMap.parse(row, f"{where}[{index}]") for index, row in enumerate(text.split(",")))


def range_rows(parts: Iterable[IdRange], first: int = 0) -> Rows:
    """Rows that give the container's ids from ``first`` on, without gaps, to these host ids in their order."""
    rows = []
    for part in parts:
        rows.append(IdMap(first, part.start, part.count))
        first += part.count
    return tuple(rows)


def joined(parts: Iterable[IdRange]) -> tuple[IdRange, ...]:
    """The same ids in as few ranges as can be, in order."""
    out: list[IdRange] = []
    for part in sorted((part for part in parts if part.count > 0), key=lambda part: part.start):
        if out and part.start <= out[-1].end:
            out[-1] = IdRange(out[-1].start, max(out[-1].end, part.end) - out[-1].start)
        else:
            out.append(part)
    return tuple(out)


def without(parts: Iterable[IdRange], taken: Iterable[IdRange]) -> tuple[IdRange, ...]:
    """The ids of ``parts`` that are in none of ``taken``."""
    left = joined(parts)
    for hole in joined(taken):
        pieces = []
        for part in left:
            before, after = min(part.end, hole.start), max(part.start, hole.end)
            pieces += [IdRange(part.start, before - part.start), IdRange(after, part.end - after)]
        left = joined(pieces)
    return left


def rows_problems(rows: Rows, where: str) -> Iterator[Problem]:
    """All that the kernel would refuse in these rows together. Gaps, on either side, are allowed."""
    if not rows:
        yield Problem(where, "no row: nobody would exist in the container")
    if len(rows) > MAX_ROWS:
        yield Problem(where, f"{len(rows)} rows, and the kernel takes {MAX_ROWS} (user_namespaces(7))")
    bad = [problem for index, row in enumerate(rows) for problem in _row_problems(row, f"{where}[{index}]")]
    yield from bad
    if bad:
        return
    if len(rows) <= MAX_ROWS and len(rows_text(rows)) > MAX_TEXT:
        yield Problem(where, f"the rows are {len(rows_text(rows))} bytes of text, and the kernel reads {MAX_TEXT}")
    yield from _overlaps(rows, where, "container")
    yield from _overlaps(rows, where, "host")


def _row_problems(row: object, where: str) -> Iterator[Problem]:
    if isinstance(row, IdMap):
        yield from row.problems(where)
    else:
        yield Problem(where, f"must be an IdMap(container, host, size), not {row!r}")


def _overlaps(rows: Rows, where: str, side: str) -> Iterator[Problem]:
    order = sorted((getattr(row, side), row.size, index) for index, row in enumerate(rows))
    for (start, size, index), (after, _, other) in pairwise(order):
        if after < start + size:
            yield Problem(f"{where}[{other}].{side}", f"id {after} is in {where.rpartition('.')[2]}[{index}] already")

"""Measuring in turn: rounds in which every contender starts a few times, so that what disturbs one disturbs all."""

import statistics
from collections.abc import Callable, Sequence
from typing import NamedTuple

from benchmarks.contenders import Contender, Missing


class Row(NamedTuple):
    """What is known of one contender: milliseconds of all its starts, round by round; ``note``."""

    name: str
    rounds: tuple[tuple[float, ...], ...]
    note: str = ""

    @property
    def all(self) -> list[float]:
        return sorted(value for part in self.rounds for value in part)

    @property
    def median(self) -> float:
        return statistics.median(self.all)

    @property
    def quartiles(self) -> tuple[float, float]:
        low, _, high = statistics.quantiles(self.all, n=4)
        return low, high

    @property
    def least(self) -> float:
        return self.all[0]


def in_turn(
    contenders: Sequence[tuple[Contender, int]], rounds: int, tell: Callable[[str], None]
) -> tuple[list[Row], dict[str, str]]:
    """``contenders`` with how often each starts in a round. Returns the rows, and who dropped out, with the reason.

    The order turns with each round; one start before the first is not counted.
    """
    times: dict[str, list[tuple[float, ...]]] = {contender.name: [] for contender, _ in contenders}
    missing: dict[str, str] = {}
    for round_ in range(-1, rounds):
        shift = round_ % len(contenders)
        for contender, count in (*contenders[shift:], *contenders[:shift]):
            if contender.name in missing:
                continue
            try:
                found = contender.measure(count if round_ >= 0 else 1)
            except Missing as error:
                missing[contender.name] = str(error)
                tell(f"{contender.name}: {error}")
                continue
            if round_ >= 0:
                times[contender.name].append(tuple(found))
        tell(f"round {round_ + 1} of {rounds}")
    rows = [Row(c.name, tuple(times[c.name]), c.note) for c, _ in contenders if c.name not in missing]
    return rows, missing


class Ratio(NamedTuple):
    """How many times as long: the median over the rounds of the ratio of their medians, and the ratio of the minima."""

    median: float
    least: float
    low: float
    high: float


def ratio(row: Row, base: Row) -> Ratio:
    """Round against round, since a disturbance that lasts longer than a round is then in both."""
    each = [statistics.median(a) / statistics.median(b) for a, b in zip(row.rounds, base.rounds, strict=True)]
    low, middle, high = statistics.quantiles(each, n=4) if len(each) > 1 else each * 3
    return Ratio(middle, row.least / base.least, low, high)

"""How long one start takes: the floor, isolib in three ways, and the peers, in turn."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import isolib
from benchmarks import floor, measure
from benchmarks.contenders import BUILT, Contender, worker
from benchmarks.measure import Row
from benchmarks.peers import peers
from benchmarks.worker import LIMITS, TRUE

FLOOR, FLOOR_GROUPS = "floor in C", "floor in C, groups"
RUN, RUN_GROUPS = "isolib.run", "isolib.run, groups"
AGAIN, AGAIN_GROUPS = "prepared, again", "prepared, again, groups"
BIG = "isolib.run, caller of 2 GB"
COUNT = 10
Counted = list[tuple[Contender, int]]  # how often each starts in a round


class Target(NamedTuple):
    """``row`` takes at most ``most`` times as long as ``base``."""

    row: str
    base: str
    most: float


TARGETS = (
    Target(RUN, FLOOR, 1.4),
    Target(RUN_GROUPS, FLOOR_GROUPS, 1.3),
    Target(AGAIN, FLOOR, 1.2),
    Target(AGAIN_GROUPS, FLOOR_GROUPS, 1.2),
    Target(BIG, RUN, 1.1),
    Target(RUN, "bubblewrap", 1.0),
    Target(RUN, "crun", 1 / 1.3),
    Target(RUN_GROUPS, "crun", 1 / 1.3),
    Target(RUN, "runc", 1 / 5.5),
    Target(RUN, "docker", 1 / 35),
)


def floors() -> dict[str, Path]:
    """The floor's programs by row, compiled from isolib's own plans; all start from /, as the workers do."""
    os.chdir("/")
    return {
        FLOOR: floor.build(isolib.prepared([TRUE]), BUILT / "plain"),
        FLOOR_GROUPS: floor.build(isolib.prepared([TRUE], limits=LIMITS), BUILT / "groups"),
    }


@contextmanager
def held_group() -> Iterator[None]:
    """As long as a group lives, so does the folder that the floor makes its own in. Raises Unavailable."""
    with isolib.CGroup.create("benchmark", LIMITS):
        yield


@contextmanager
def contenders(names: list[str], tell: Callable[[str], None]) -> Iterator[tuple[Counted, dict[str, str]]]:
    """All of them, ready; and those that are missing, with the reason."""
    missing: dict[str, str] = {}
    with ExitStack() as held:
        programs = floors()
        try:
            held.enter_context(held_group())
        except isolib.Unavailable as error:
            missing |= dict.fromkeys((FLOOR_GROUPS, RUN_GROUPS, AGAIN_GROUPS), str(error))
        mine = [
            *(Contender(name, [str(program), "serve"]) for name, program in programs.items() if name not in missing),
            worker(RUN, "run"),
            worker(AGAIN, "prepared"),
            worker(BIG, "run", "--resident", "2048"),
        ]
        if RUN_GROUPS not in missing:
            mine += [worker(RUN_GROUPS, "run", "--limits"), worker(AGAIN_GROUPS, "prepared", "--limits")]
        theirs, absent = peers(names, tell)
        found = [*((contender, COUNT) for contender in mine), *theirs]
        for contender, _ in found:
            held.callback(contender.close)
        yield found, missing | absent


def run(rounds: int, names: list[str], tell: Callable[[str], None]) -> tuple[list[Row], dict[str, str]]:
    with contenders(names, tell) as (found, missing):
        rows, dropped = measure.in_turn(found, rounds, tell)
    return rows, missing | dropped

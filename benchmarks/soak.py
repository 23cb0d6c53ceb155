"""Ten thousand starts: what is left behind, and whether the caller grows."""

import os
import resource
from collections.abc import Callable
from typing import NamedTuple

import isolib
from benchmarks.worker import LIMITS, TRUE
from tests.harness.leaks import settled, snapshot

WARM = 500  # starts after which caches are full


class Soaked(NamedTuple):
    """Starts; KiB resident after the warm-up and at the end; what came or went on the machine."""

    starts: int
    resident_before: int
    resident_after: int
    left: list[str]


def resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() // 1024


def run(starts: int, tell: Callable[[str], None]) -> Soaked:
    """A run, a prepared one and one in a group, by turns."""
    os.chdir("/")
    ready = isolib.prepared([TRUE])
    ways: tuple[Callable[[int], object], ...] = (
        lambda i: isolib.run([TRUE], env={"TURN": str(i)}, check=True),
        lambda i: isolib.run(ready, check=True),
        lambda i: isolib.run([TRUE], limits=LIMITS, check=True),
    )
    for i in range(WARM):
        ways[i % 3](i)
    before, memory = snapshot(), resident()
    for i in range(starts):
        ways[i % 3](i)
        if i % 1000 == 0:
            tell(f"{i:,} starts, {resident():,} KiB")
    return Soaked(starts, memory, resident(), settled(before))

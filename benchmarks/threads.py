"""Many starts at once: 100 by eight threads against 100 in a row, and the floor by eight processes beside it."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import isolib
from benchmarks.contenders import Contender
from benchmarks.start import floors
from benchmarks.worker import TRUE

THREADS, STARTS = 8, 100
SHARE = -(-STARTS // THREADS)


class Together(NamedTuple):
    """Milliseconds for so many starts, in a row and at once; the longest single one of those at once."""

    row: float
    at_once: float
    longest: float

    @property
    def gain(self) -> float:
        return self.row / self.at_once


def isolib_together(rounds: int) -> Together:
    """The round with the median gain."""
    ready = isolib.prepared([TRUE])

    def start(_: int) -> float:
        before = time.perf_counter()
        isolib.run(ready, check=True)
        return (time.perf_counter() - before) * 1e3

    found = []
    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(start, range(THREADS)))
        for _ in range(rounds):
            begin = time.perf_counter()
            for i in range(STARTS):
                start(i)
            middle = time.perf_counter()
            longest = max(pool.map(start, range(STARTS)))
            end = time.perf_counter()
            found.append(Together((middle - begin) * 1e3, (end - middle) * 1e3, longest))
    return sorted(found, key=lambda each: each.gain)[len(found) // 2]


def floor_together(rounds: int) -> Together:
    """The kernel's own share of it: eight processes, none of which knows of the others."""
    program = next(iter(floors().values()))
    found = []
    servers = [Contender(f"floor {i}", [program, "serve"]) for i in range(THREADS)]
    try:
        with ThreadPoolExecutor(THREADS) as pool:
            for _ in range(rounds):
                row = sum(servers[0].measure(STARTS))
                begin = time.perf_counter()
                times = list(pool.map(Contender.measure, servers, [SHARE] * THREADS))
                at_once = (time.perf_counter() - begin) * 1e3 * STARTS / (SHARE * THREADS)
                found.append(Together(row, at_once, max(map(max, times))))
    finally:
        for server in servers:
            server.close()
    return sorted(found, key=lambda each: each.gain)[len(found) // 2]

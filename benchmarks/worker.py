"""A caller of isolib that serves starts: for each line "N" on stdin, N starts, and a line with their nanoseconds."""

import argparse
import os
import sys
import time
from collections.abc import Callable

import isolib
from isolib import Limits

# A real-time process may not be moved into a group of v1's cpu controller, which has no time for it (sched-rt-group).
REALTIME = os.sched_getscheduler(0) != os.SCHED_OTHER
LIMITS = Limits(memory="512M", cpus=None if REALTIME else 1.5, pids=100, cpuset="0", devices=("a *:* rwm",))
TRUE = "/bin/true"


def starts(mode: str, limited: bool) -> Callable[[], object]:
    """What one start is. A `run` gets another environment each time, so that its exec cannot have been kept."""
    limits = LIMITS if limited else None
    if mode == "run":
        turn = iter(range(sys.maxsize))
        return lambda: isolib.run([TRUE], env={"TURN": str(next(turn))}, limits=limits, check=True)
    if mode == "prepared":
        ready = isolib.prepared([TRUE], limits=limits)
        return lambda: isolib.run(ready, check=True)
    container = isolib.Container(isolib.Image.host(), ["/bin/sleep", "infinity"], limits=limits)
    container.__enter__()
    return lambda: container.exec([TRUE], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mode", choices=["run", "prepared", "exec"])
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--resident", type=int, default=0, metavar="MIB", help="memory that the caller really uses")
    options = parser.parse_args()
    os.chdir("/")
    ballast = bytearray(os.urandom(4096) * 256 * options.resident)
    start = starts(options.mode, options.limits)
    for line in sys.stdin:
        times = []
        for _ in range(int(line)):
            before = time.perf_counter_ns()
            start()
            times.append(time.perf_counter_ns() - before)
        print(*times, flush=True)
    del ballast


if __name__ == "__main__":
    main()

"""`make bench`: everything measured in one run, in turn, and written to benchmarks/results."""

import argparse
import os
import sys

from benchmarks import enter, imports, report, soak, start, threads
from benchmarks.peers import NOTES
from benchmarks.report import Figures


def tell(text: str) -> None:
    """Progress, on one line of a terminal."""
    end = "\r" if sys.stderr.isatty() else "\n"
    print(f"{text:<78}", end=end, file=sys.stderr, flush=True)


def same_calls() -> list[str]:
    """A ratio to a floor says something only where both do the same."""
    from benchmarks.same_calls import verdicts

    try:
        found = verdicts()
    except FileNotFoundError:
        return ["strace is not installed: nobody has compared the calls of the floors with isolib's"]
    lines = []
    for name, verdict in found.items():
        other = ", ".join([*verdict.unexplained, *verdict.lacking])
        lines.append(
            f"{name}: {verdict.total} system calls, " + (f"not the same: {other}" if other else "the same as isolib's")
        )
    return lines


def together(rounds: int) -> list[str]:
    lines = []
    for name, found in (("isolib", threads.isolib_together(rounds)), ("the floor", threads.floor_together(rounds))):
        how = "threads" if name == "isolib" else "processes"
        lines.append(
            f"{threads.STARTS} starts by {name}: {found.row:.0f} ms in a row, {found.at_once:.0f} ms by "
            f"{threads.THREADS} {how} ({found.gain:.2f} times as fast); the longest of these {found.longest:.0f} ms"
        )
    return lines


def soaked(starts: int) -> list[str]:
    found = soak.run(starts, tell)
    grown = found.resident_after - found.resident_before
    left = "; ".join(found.left) or "nothing"
    return [
        f"{found.starts:,} starts: resident memory {found.resident_before:,} KiB, {grown:+,} KiB; left behind: {left}"
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--peers", default=",".join(NOTES), help="a list with commas; nothing for none")
    parser.add_argument("--realtime", action="store_true", help="before all that others do on this machine (chrt -r)")
    parser.add_argument("--soak", type=int, default=0, metavar="STARTS", help="also so many starts, looking for leaks")
    options = parser.parse_args()
    if options.realtime and os.sched_getscheduler(0) == os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
        os.execv(sys.executable, [sys.executable, "-m", "benchmarks", *sys.argv[1:]])
    lines = same_calls()
    starts, missing = start.run(options.rounds, [name for name in options.peers.split(",") if name], tell)
    enters, more = enter.run(options.rounds, tell)
    imported, _ = imports.run(options.rounds, tell)
    lines += together(max(3, options.rounds // 4))
    lines += soaked(options.soak) if options.soak else []
    figures = Figures(starts, enters, imported, missing | more, lines)
    report.write(figures, "realtime" if options.realtime else "figures")
    print(report.markdown(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

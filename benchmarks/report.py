"""The figures as a table (Markdown), as data (JSON) and as a picture (SVG)."""

import json
import os
import platform
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.enter import EXEC, JOINER
from benchmarks.imports import BARE, IMPORT
from benchmarks.measure import Row, ratio
from benchmarks.picture import draw
from benchmarks.start import TARGETS, Target

RESULTS = Path(__file__).resolve().parent / "results"


class Figures(NamedTuple):
    """All that one run of the benchmarks found; ``lines`` are facts in words."""

    starts: list[Row]
    enters: list[Row]
    imports: list[Row]
    missing: dict[str, str]
    lines: list[str]


def machine() -> str:
    with open("/proc/cpuinfo") as file:
        model = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), "")
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    user = "root" if os.geteuid() == 0 else "an ordinary user"
    system = f"Linux {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} × {model}, {memory} GiB, {system}, {user}"


def table(rows: Sequence[Row]) -> Iterator[str]:
    """Each row against the first."""
    yield "| what | median, ms | quartiles | least | × the first | starts |"
    yield "|---|---:|---:|---:|---:|---:|"
    for row in rows:
        low, high = row.quartiles
        times = ratio(row, rows[0])
        yield (
            f"| {row.name} | {row.median:.2f} | {low:.2f} to {high:.2f} | {row.least:.2f} "
            f"| {times.median:.2f} | {len(row.all)} |"
        )


def targets(rows: Sequence[Row], wanted: Sequence[Target] = (*TARGETS, Target(EXEC, JOINER, 1.4))) -> Iterator[str]:
    known = {row.name: row for row in rows}
    yield "| what | against | asked for | median of the rounds | of the least | |"
    yield "|---|---|---:|---:|---:|---|"
    for target in wanted:
        if target.row not in known or target.base not in known:
            continue
        found = ratio(known[target.row], known[target.base])
        word = "met" if found.median <= target.most else "missed"
        faster = target.most < 1
        shown = [1 / value if faster else value for value in (target.most, found.median, found.least)]
        asked, *got = (f"{value:.2f}{' × faster' if faster else ' ×'}" for value in shown)
        yield f"| {target.row} | {target.base} | {asked} | {' | '.join(got)} | {word} |"
    if BARE in known and IMPORT in known:
        cost = [getattr(known[IMPORT], name) - getattr(known[BARE], name) for name in ("median", "least")]
        word = "met" if cost[0] <= 30 else "missed"
        yield f"| {IMPORT} | {BARE} | + 30 ms | {cost[0]:+.1f} ms | {cost[1]:+.1f} ms | {word} |"


def markdown(figures: Figures) -> str:
    lines = ["# Figures of one run", "", machine(), ""]
    for title, rows in (("Starts", figures.starts), ("Entering", figures.enters), ("Imports", figures.imports)):
        if rows:
            lines += [f"## {title}", "", *table(rows), ""]
    lines += ["## Targets", "", *targets([*figures.starts, *figures.enters, *figures.imports]), ""]
    notes = {row.name: row.note for row in figures.starts if row.note}
    if notes:
        lines += ["## What the peers do less, or more", "", *(f"- {name}: {note}" for name, note in notes.items()), ""]
    if figures.missing:
        lines += ["## Not measured", "", *(f"- {name}: {why}" for name, why in figures.missing.items()), ""]
    lines += ["## Also", "", *(f"- {line}" for line in figures.lines), ""]
    return "\n".join(lines)


def write(figures: Figures, name: str) -> None:
    """``name``.md, .json and .svg among the results; the picture also for the docs."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text(markdown(figures))
    parts = {"starts": figures.starts, "enters": figures.enters, "imports": figures.imports}
    data: dict[str, Any] = {"machine": machine(), "missing": figures.missing, "lines": figures.lines}
    data |= {
        name: {row.name: [list(map(_short, each)) for each in row.rounds] for row in rows}
        for name, rows in parts.items()
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(data) + "\n")
    draw([*figures.starts, *figures.enters], RESULTS / f"{name}.svg")
    shutil.copy(RESULTS / f"{name}.svg", RESULTS.parents[1] / "docs" / "_static" / f"performance-{name}.svg")


def _short(value: float) -> float:
    return round(value, 4)

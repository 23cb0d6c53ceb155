"""What importing isolib costs, over a bare interpreter: whole processes, in turn."""

import sys
from collections.abc import Callable

from benchmarks import measure
from benchmarks.contenders import Contender, compiled
from benchmarks.measure import Row

BARE, IMPORT = "python, nothing imported", "import isolib"
CODES = {
    BARE: "pass",
    IMPORT: "import isolib",
    "isolib.run, loaded": "import isolib; isolib.run",
    "every public name, loaded": "import isolib\nfor name in isolib.__all__: getattr(isolib, name)",
}
COUNT = 5


def run(rounds: int, tell: Callable[[str], None]) -> tuple[list[Row], dict[str, str]]:
    spawner = compiled("spawner.c")
    found = [Contender(name, [spawner, sys.executable, "-c", code]) for name, code in CODES.items()]
    try:
        return measure.in_turn([(contender, COUNT) for contender in found], rounds, tell)
    finally:
        for contender in found:
            contender.close()

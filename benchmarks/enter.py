"""Entering a running container: isolib's exec against a C program that joins the same namespaces, groups and filter."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import isolib
from benchmarks import floor, measure
from benchmarks.contenders import BUILT, Contender, worker
from benchmarks.measure import Row
from benchmarks.worker import LIMITS, TRUE
from isolib.engine import entering
from isolib.launch.enter import prepare_enter
from isolib.launch.start import Prepared

JOINER, EXEC = "a C program that joins", "exec in a container"
COUNT = 10


def plan_of_exec(container: isolib.Container) -> Prepared:
    """What one exec does, caught as it is done."""
    found: list[Prepared] = []

    def caught(*words: Any) -> Prepared:
        found.append(prepare_enter(*words))
        return found[-1]

    with mock.patch.object(entering, "prepare_enter", caught):
        container.exec([TRUE], check=True)
    return found[0]


@contextmanager
def joined() -> Iterator[tuple[Path, int]]:
    """The joiner's program, and the process of a container for it."""
    with isolib.Container(isolib.Image.host(), ["/bin/sleep", "infinity"], limits=LIMITS) as container:
        program = floor.build(plan_of_exec(container), BUILT / "enter", container.group)
        yield program, container.process.pid


def run(rounds: int, tell: Callable[[str], None]) -> tuple[list[Row], dict[str, str]]:
    with ExitStack() as held:
        try:
            program, pid = held.enter_context(joined())
        except isolib.Unavailable as error:
            return [], {EXEC: str(error)}
        found = [Contender(JOINER, [program, "serve", str(pid)]), worker(EXEC, "exec", "--limits")]
        for contender in found:
            held.callback(contender.close)
        return measure.in_turn([(contender, COUNT) for contender in found], rounds, tell)

"""What a block of the docs may ask of the host, by name: the facts that the other tests know, and a busybox."""

import os
from functools import cache
from pathlib import Path

from tests.harness.facts import FACTS, PATH, has
from tests.harness.roots import NotHere, printed_by


@cache
def busybox() -> Path | None:
    """The folder of a statically linked busybox; None where there is none to be had."""
    try:
        return printed_by("busybox").parent
    except NotHere:
        return None


def path(first: Path) -> str:
    """A reader's PATH: the virtual environment's folder, the system's, and nothing of who runs the tests."""
    return os.pathsep.join([str(first), PATH, *([str(busybox())] if busybox() else [])])


def missing(fact: str) -> str | None:
    """Why a block with this fact can't run here; None where it can. A name not listed is a mistake of the page."""
    if fact == "busybox":
        return None if busybox() else "no static busybox"
    return None if has(fact) else FACTS[fact].lack

"""What a block of the documentation may ask of the host by name, and how it is found out: by doing it."""

import os
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import isolib


def limits() -> bool:
    """A control group with a memory limit can be made."""
    try:
        isolib.run(["true"], limits=isolib.Limits(memory="64M", pids=20))
    except isolib.Unavailable:
        return False
    return True


FACTS: dict[str, tuple[Callable[[], bool], str]] = {
    "limits": (limits, "no control group that this user may write"),
    "root": (lambda: os.getuid() == 0, "not root"),
    "systemd": (lambda: Path("/run/systemd/system").is_dir(), "systemd does not run here"),
    "newuidmap": (lambda: shutil.which("newuidmap") is not None, "no newuidmap"),
}


@cache
def missing(fact: str) -> str | None:
    """Why a block with this fact can't run here; None where it can. A name not listed is a mistake of the page."""
    probe, reason = FACTS[fact]
    return None if probe() else reason

"""Output for people on a terminal, for people in a pipe, and for programs."""

import os
import sys

from isolib.cli.help import WIDTH
from isolib.cli.options import Given, wrong


def wants_json(given: Given) -> bool:
    """``--json``, or ``--format json``."""
    word = given.one("format")
    if word not in (None, "json"):
        raise wrong("--format", f"{word!r}: there is json")
    return given.on("json") or word == "json"


def print_json(value: object) -> None:
    """Bytes that are no text are escaped, as JSON cannot hold them otherwise: ``\\udc80`` and above."""
    import json

    print(json.dumps(value, indent=1))


def width() -> int:
    """Columns to fill: of a terminal its own, at most 100."""
    try:
        return max(60, min(os.get_terminal_size(1).columns, WIDTH))
    except OSError:
        return WIDTH


def coloured(text: str, colour: int) -> str:
    """In a colour of the terminal's (console_codes(4), SGR), unless it is none, or NO_COLOR says no."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\033[{colour}m{text}\033[0m"

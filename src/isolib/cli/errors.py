"""What a person is told of an error, a line each, and the exit code that goes with it."""

import os
from collections.abc import Iterator

from isolib.errors import IsolibError, SpecError, StepError

FAILED = 125
TRACE = "ISOLIB_TRACEBACK"


def exit_code(error: BaseException) -> int:
    """127 no such program, 126 not executable, else 125: isolib failed (docs/reference/exit-codes.md)."""
    return error.exit_code if isinstance(error, StepError) else FAILED


def lines(error: BaseException) -> Iterator[str]:
    """Each problem on a line of its own."""
    if os.environ.get(TRACE):
        import traceback

        yield from "".join(traceback.format_exception(error)).splitlines()
    if isinstance(error, SpecError):
        yield from dict.fromkeys(_one_line(str(problem)) for problem in error.problems)
    elif isinstance(error, IsolibError):
        yield _one_line(_in_words(error))
    elif isinstance(error, OSError) and error.strerror:
        name = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        yield _one_line(f"{name}{error.strerror}")
    elif isinstance(error, MemoryError):
        yield "out of memory"
    else:
        yield _one_line(f"{type(error).__name__}: {error}; a mistake of isolib's: {TRACE}=1 shows where")


def _in_words(error: IsolibError) -> str:
    from isolib.cli.request import in_words

    if isinstance(error, StepError) and error.exit_code != FAILED:
        return f"{error.subject}: {error.strerror}" + (f"; {error.hint}" if error.hint else "")
    return in_words(str(error))


def _one_line(text: str) -> str:
    """A name may hold a newline, or an escape that a terminal would obey."""
    return "".join(c if c.isprintable() or "\udc80" <= c <= "\udcff" else repr(c)[1:-1] for c in text)

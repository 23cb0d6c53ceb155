"""isolib on the command line: which verb, and what a person is told when it fails."""

import gc
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

VERBS = {
    "run": "run a command in a container of its own",
    "exec": "run another command in a container that runs",
    "plan": "show what a run would do, without doing it",
    "doctor": "say what this host can and cannot do",
}
FAILED, INTERRUPTED = 125, 130


def main(words: Sequence[str] | None = None) -> NoReturn:
    """The program. Exits with the command's code, 128 + a signal's number, 127, 126, or 125 where isolib failed."""
    gc.disable()  # a tenth of the time until the command runs; the session that follows enables it again
    _in_utf8()
    _with_streams()
    words = sys.argv[1:] if words is None else words
    try:
        code = _run(list(words))
        if sys.stdout is not None:  # closed by the caller
            sys.stdout.flush()
    except BaseException as error:
        code = _failed(error)
    _leave(code)


def _run(words: list[str]) -> int:
    if not words:
        from isolib.cli.overview import OVERVIEW

        print(OVERVIEW, file=sys.stderr)
        return FAILED
    verb = words.pop(0)
    if verb in VERBS:
        return int(import_module(f"isolib.cli.{verb}").main(words))
    from isolib.cli.overview import answer

    return answer(verb, words)


def _in_utf8() -> None:
    """Words, names of files and variables are bytes, which only a UTF-8 locale hands over and takes back as they are.

    In another locale the interpreter is started again in its UTF-8 mode (PEP 540); a plain C locale is that already.
    """
    if sys.getfilesystemencoding() != "utf-8" and sys.orig_argv[1:3] != ["-X", "utf8"]:
        os.execv(sys.executable, [sys.orig_argv[0], "-X", "utf8", *sys.orig_argv[1:]])


def _with_streams() -> None:
    """0, 1 and 2 are open, so that nothing else is taken for them; what is no text is printed as the bytes it was."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(errors="surrogateescape")  # type: ignore[union-attr]


def _failed(error: BaseException) -> int:
    """Tells a person what went wrong, and gives the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILED
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError) and not hasattr(error, "call"):
        return 128 + 13  # as if SIGPIPE had ended it: nobody reads any more
    from isolib.cli.errors import exit_code, lines

    for line in lines(error):
        _say(line)
    return exit_code(error)


def _say(line: str) -> None:
    with suppress(OSError, ValueError):  # there is nobody to tell
        print(f"isolib: {line}", file=sys.stderr, flush=True)


def _leave(code: int) -> NoReturn:
    """Without the interpreter's own attempt to write what could not be written, or a traceback of a late Ctrl-C."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


if __name__ == "__main__":
    main()

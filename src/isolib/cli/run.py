"""`isolib run`."""

import sys
from functools import partial
from typing import TYPE_CHECKING

from isolib.cli.help import Page
from isolib.cli.options import Given, parse, wrong
from isolib.cli.output import width
from isolib.cli.words import ELSEWHERE, RUN
from isolib.errors import SpecError

if TYPE_CHECKING:
    from isolib.handles.process import Exit

PAGE = Page(
    "run",
    ("isolib run [OPTIONS] -- COMMAND [WORD…]", "isolib run [OPTIONS] IMAGE COMMAND [WORD…]"),
    "run a command in a container of its own",
    """
    After --, the command runs on this machine's own files, under a layer that is thrown away. Without --, the first
    word says on what it runs: the word host for the same, host:root for it with root's rights, or a directory, with
    a slash in it: ./debian.

    It is root of a user namespace, alone in namespaces of its own, without a network. The exit code is the command's;
    128 + N when signal N ended it; 127 when there is no such program, 126 when it cannot be executed; 125 when isolib
    failed.
    """,
    RUN,
    (
        ("at most 64 MiB of memory", "isolib run --memory 64M -- python3 -c 'print(1)'"),
        ("this directory, to be written to; nothing else is kept", 'isolib run -v "$PWD:/src" -w /src -- make'),
        ("a shell on a terminal, in another root", "isolib run -it ./debian bash"),
        ("in a pipe", "sort names | isolib run -i -- uniq -c"),
    ),
)


def main(words: list[str]) -> int:
    """Runs it to its end; its exit code."""
    given = parse(words, PAGE.options, ELSEWHERE)
    if given.on("help"):
        print(PAGE.render(width()))
        return 0
    from isolib.cli.request import request
    from isolib.cli.session import Session
    from isolib.launch.start import prepare, start

    timeout = seconds(given.one("timeout"))
    asked = request(given)
    try:
        prepared = prepare(asked.spec)
        session = Session(interactive=given.on("interactive"), terminal=given.on("tty"), timeout=timeout)
        ended = session.run(partial(start, prepared))
    except SpecError as error:
        raise asked.told(error) from None
    return told(ended, given, session.timed_out)


def seconds(text: str | None) -> float | None:
    """A number of seconds above 0."""
    if text is None:
        return None
    try:
        value = float(text) if set(text) <= set("0123456789.") else -1.0
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise wrong("--timeout", f"{text!r} is no time: seconds, as 60 or 0.5")
    return value


def told(ended: "Exit", given: Given, timed_out: bool) -> int:
    """The exit code; and a word on stderr where the end was not the command's own."""
    if timed_out:
        print(f"isolib: killed after {given.one('timeout')} s (--timeout)", file=sys.stderr)
        return 128 + 9
    if ended.oom_killed and ended.exit_code:
        limit = given.one("memory")
        print(f"isolib: out of memory{f' (--memory {limit})' if limit else ''}", file=sys.stderr)
    for lack in ended.degraded:
        print(f"isolib: ran without {lack}", file=sys.stderr)
    return ended.exit_code

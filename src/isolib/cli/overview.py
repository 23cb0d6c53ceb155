"""`isolib`, `isolib --help`, `isolib --version`: all verbs on a page."""

from isolib.cli.main import VERBS
from isolib.cli.options import wrong
from isolib.spec.words import did_you_mean
from isolib.version import VERSION

OVERVIEW = "\n".join(
    [
        "usage: isolib VERB [OPTIONS] …",
        "",
        "Isolate processes: no daemon, no root needed.",
        "",
        *(f"  {verb:<8} {what}" for verb, what in VERBS.items()),
        "",
        "  isolib VERB --help   options and examples of a verb",
        "  isolib --version     the version",
        "",
        "Example:",
        "  isolib run --memory 64M -- python3 -c 'print(\"hello\")'",
    ]
)


def answer(word: str, words: list[str]) -> int:
    """What is no verb: help, the version, or a mistake."""
    if word in ("--help", "-h", "help"):
        if words and words[0] in VERBS:
            from importlib import import_module

            return int(import_module(f"isolib.cli.{words[0]}").main(["--help"]))
        print(OVERVIEW)
        return 0
    if word in ("--version", "version", "-V"):
        print(f"isolib {VERSION}")
        return 0
    what = "an option of no verb" if word.startswith("-") else "no verb"
    raise wrong("", f"{word!r} is {what}{did_you_mean(word, VERBS)}; isolib --help lists what there is")

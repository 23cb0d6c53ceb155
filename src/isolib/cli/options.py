"""Options as data: what a verb takes, and the words of a command line read by it, as Docker reads them.

An option stands before the first word that is none; what follows that word, or ``--``, is left as it is.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from isolib.errors import Problem, SpecError
from isolib.spec.words import did_you_mean

YES, NO = ("true", "1", "t", "yes"), ("false", "0", "f", "no")


class Option(NamedTuple):
    """One option. ``value``: what stands for its value in the help, "" for a switch. ``many``: each time adds one.

    ``place``: the part of the spec that it fills, by which an error finds its way back to it.
    """

    names: str
    value: str
    help: str
    place: str = ""
    many: bool = False

    @property
    def spellings(self) -> list[str]:
        """``["-m", "--memory"]``."""
        return self.names.split(", ")

    @property
    def key(self) -> str:
        """The long name without dashes, by which a verb asks for it."""
        return self.spellings[-1].lstrip("-")


class Section(NamedTuple):
    """Options under one title of the help."""

    title: str
    options: tuple[Option, ...]


class Given(NamedTuple):
    """What was given: the values of each option by its key, the words after them, and whether ``--`` led those."""

    values: Mapping[str, list[str]]
    words: list[str]
    dashes: bool

    def one(self, key: str) -> str | None:
        """The value of an option; the last one, where it was given several times."""
        return self.values[key][-1] if key in self.values else None

    def all(self, key: str) -> list[str]:
        """All values, in order."""
        return self.values.get(key, [])

    def on(self, key: str) -> bool:
        """Whether a switch is on."""
        return self.one(key) == "true"


def wrong(option: str, what: str) -> SpecError:
    """The error of an option's value."""
    return SpecError(Problem(option, what))


def number(option: str, text: str, what: str = "a whole number") -> int:
    """A decimal number; Python's own spellings (1_000, blanks, other digits) are none."""
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20):
        raise wrong(option, f"{text!r} is not {what}")
    return int(text)


def switched(option: str, text: str) -> bool:
    """``true`` or ``false``, as Docker spells them."""
    if text.lower() not in (*YES, *NO):
        raise wrong(option, f"{text!r} is neither true nor false")
    return text.lower() in YES


def parse(words: Sequence[str], options: Iterable[Option], elsewhere: Mapping[str, str]) -> Given:
    """Reads options up to the first word that is none. ``elsewhere``: why an option that people expect is not here."""
    known = {name: option for option in options for name in option.spellings}
    values: dict[str, list[str]] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and rest[0] not in ("-", "--"):
        word = rest.pop(0)
        read = _long if word.startswith("--") else _short
        for option, value in read(word, rest, known, elsewhere):
            values.setdefault(option.key, []).append(value)
    dashes = rest[:1] == ["--"]
    return Given(values, rest[1:] if dashes else rest, dashes)


Pairs = list[tuple[Option, str]]


def _long(word: str, rest: list[str], known: Mapping[str, Option], elsewhere: Mapping[str, str]) -> Pairs:
    name, equals, value = word.partition("=")
    option = _find(name, known, elsewhere)
    if not option.value:
        return [(option, str(switched(name, value) if equals else True).lower())]
    return [(option, value if equals else _next(name, option, rest))]


def _short(word: str, rest: list[str], known: Mapping[str, Option], elsewhere: Mapping[str, str]) -> Pairs:
    """``-i``, ``-it``, ``-m64M``, ``-m=64M``, ``-itm 64M``."""
    found: Pairs = []
    for at in range(1, len(word)):
        name, after = f"-{word[at]}", word[at + 1 :]
        option = _find(name, known, elsewhere)
        if option.value:
            return [*found, (option, after.removeprefix("=") if after else _next(name, option, rest))]
        if after.startswith("="):
            return [*found, (option, str(switched(name, after[1:])).lower())]
        found.append((option, "true"))
    return found


def _find(name: str, known: Mapping[str, Option], elsewhere: Mapping[str, str]) -> Option:
    if name in known:
        return known[name]
    if name in elsewhere:
        raise wrong(name, elsewhere[name])
    raise wrong(name, f"there is no such option{did_you_mean(name, known)}")


def _next(name: str, option: Option, rest: list[str]) -> str:
    if not rest or rest[0] == "--":
        raise wrong(name, f"needs a value, {option.value}" + ("; for help, say --help" if name == "-h" else ""))
    return rest.pop(0)

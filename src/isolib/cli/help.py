"""The text of --help: how a verb is called, its options under their titles, examples."""

from collections.abc import Iterable
from typing import NamedTuple

from isolib.cli.options import Option, Section

LEFT = 32  # columns before an option's help
WIDTH = 100


class Page(NamedTuple):
    """What --help says about a verb."""

    verb: str
    usage: tuple[str, ...]
    summary: str  # one line, as in the list of verbs
    text: str  # the rest of it, in paragraphs
    sections: tuple[Section, ...]
    examples: tuple[tuple[str, str], ...]  # what for, the command

    @property
    def options(self) -> list[Option]:
        """All options of the verb."""
        return [option for section in self.sections for option in section.options]

    def render(self, width: int = WIDTH) -> str:
        """The page, as it is printed."""
        usage = "\n".join(f"{'usage:' if i == 0 else '      '} {line}" for i, line in enumerate(self.usage))
        parts = [usage, _paragraphs(f"{self.summary[0].upper()}{self.summary[1:]}.\n\n{self.text}", width)]
        parts += [_section(section, width) for section in self.sections]
        return "\n\n".join(part for part in [*parts, _examples(self.examples)] if part)


def _paragraphs(text: str, width: int) -> str:
    import textwrap

    return "\n\n".join(textwrap.fill(" ".join(part.split()), width) for part in text.split("\n\n") if part.strip())


def _section(section: Section, width: int) -> str:
    lines = [f"{section.title}:"] if section.title else []
    return "\n".join([*lines, *(line for option in section.options for line in option_lines(option, width))])


def option_lines(option: Option, width: int = WIDTH) -> list[str]:
    """``  -m, --memory SIZE          memory: …``, the long names under each other."""
    import textwrap

    names = option.names if option.names.startswith("--") is False else f"    {option.names}"
    head = f"  {names} {option.value}".rstrip()
    body = textwrap.wrap(option.help, width - LEFT)
    if len(head) + 2 > LEFT:
        return [head, *(" " * LEFT + line for line in body)]
    return [head.ljust(LEFT) + body[0], *(" " * LEFT + line for line in body[1:])]


def _examples(examples: Iterable[tuple[str, str]]) -> str:
    lines = [f"  # {what}\n  {command}" for what, command in examples]
    return "\n".join([f"{'Example' if len(lines) == 1 else 'Examples'}:", *lines]) if lines else ""

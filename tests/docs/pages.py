"""The code blocks of a Markdown page, and the script that a reader would have typed from it."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from tests.arch.source import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(p for p in ROOT.glob("docs/**/*.md") if "_build" not in p.parts)])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

FENCE = re.compile(r"^(?P<ticks>`{3,})(?P<language>\{[^}]*\}|[^\s`{]*)(?: .*)?$")
FACT = re.compile(r"^(?:% |<!-- )HostFact: (?P<name>[\w-]+)(?: -->)?$")
MARK = "---- the block of line {} ends ----"


class Block(NamedTuple):
    """One fenced block. ``line`` is the place of its first line of text, counted from 1 as an editor does."""

    language: str
    line: int
    text: str
    fact: str  # what this host must be able to do for the block to run; empty where every host can
    follows: bool  # nothing but blank lines stand between it and the block before

    @property
    def end(self) -> int:
        """The line of the closing fence."""
        return self.line + self.text.count("\n")


def blocks(page: str) -> Iterator[Block]:
    """Every block of a page, in order."""
    lines, at, text_since = page.splitlines(), 0, True
    while at < len(lines):
        if fence := FENCE.match(lines[at]):
            close = lines.index(fence["ticks"], at + 1)
            fact = FACT.match(lines[at - 1]) if at else None
            text = "".join(f"{line}\n" for line in lines[at + 1 : close])
            yield Block(fence["language"], at + 2, text, fact["name"] if fact else "", not text_since)
            at, text_since = close, False
        elif lines[at].strip():
            text_since = True
        at += 1


def with_outputs(page: str) -> Iterator[tuple[Block, str | None]]:
    """Each block with what it prints: the `text` block right after it, None where the page does not say."""
    found: list[Block | None] = [*blocks(page), None]
    for block, after in pairwise(found):
        assert block
        printed = after.text if after and after.follows and after.language == "text" else None
        if not (block.language == "text" and block.follows):
            yield block, printed


def script(steps: list[Block]) -> str:
    """The blocks of a page as one program, each on the lines it has in the page; a mark is printed where one ends."""
    lines: list[str] = []
    for block in steps:
        lines += [""] * (block.line - 1 - len(lines))
        lines += block.text.splitlines()
        lines.append(f"print({MARK.format(block.line)!r}, flush=True)")
    return "\n".join([*lines, ""])


def split_output(output: str, steps: list[Block]) -> dict[int, str]:
    """What each block printed, by its line."""
    printed = {}
    for block in steps:
        printed[block.line], _, output = output.partition(MARK.format(block.line) + "\n")
    return printed


def commands(console: str) -> Iterator[tuple[str, str | None]]:
    """The commands of a console block, each with its expected output; None where nothing is shown."""
    for part in re.split(r"^\$ ", console, flags=re.M)[1:]:
        lines = part.splitlines(keepends=True)
        size = 1
        while lines[size - 1].endswith("\\\n"):
            size += 1
        yield "".join(lines[:size]), "".join(lines[size:]) or None


def matches(expected: str, printed: str) -> bool:
    """Line for line, where `...` stands for any text, over lines too."""
    pattern = ".*".join(map(re.escape, re.split(r"\.\.\.|…", expected.rstrip())))
    return re.fullmatch(pattern, printed.rstrip(), flags=re.S) is not None

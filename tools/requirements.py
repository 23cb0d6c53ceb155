"""Prints what pyproject.toml asks of PyPI for the extras named: the list stands there only, and nothing is built."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).resolve().parent.parent / "pyproject.toml").read_text())["project"]


def requirements(extra: str) -> Iterator[str]:
    """The requirements of one extra; one that names extras of isolib itself stands for theirs."""
    for requirement in PROJECT["optional-dependencies"][extra]:
        if own := re.fullmatch(r"isolib\[(.*)\]", requirement):
            for name in own[1].split(","):
                yield from requirements(name.strip())
        else:
            yield requirement


for line in [*PROJECT["dependencies"], *(r for extra in sys.argv[1:] for r in requirements(extra))]:
    print(line)

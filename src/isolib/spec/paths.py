"""Paths as users write them: what can never be meant, said before anything is opened."""

import os
import re
from collections.abc import Iterator

from isolib.errors import Problem
from isolib.spec.checks import encoded, text_problems

PATH_MAX = 4096
NAME_MAX = 255
# What most paths look like; nothing is wrong with one of these below PATH_MAX.
_USUAL = re.compile(r"(?:/[A-Za-z0-9_][A-Za-z0-9_.-]{0,250})+")


def path_problems(where: str, path: object, *, absolute: bool = True) -> Iterator[Problem]:
    """What is wrong with a path: of another type, empty, NUL, too long, relative, or with ".." in it."""
    if isinstance(path, str) and len(path) < PATH_MAX and _USUAL.fullmatch(path):
        return
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if found := list(text_problems(where, text, "a path")):
        yield from found
        return
    assert isinstance(text, str)
    raw = encoded(text) or b""
    if not raw:
        yield Problem(where, "a path cannot be empty")
    if len(raw) >= PATH_MAX:
        yield Problem(where, f"a path is shorter than {PATH_MAX} bytes")
    if any(len(name) > NAME_MAX for name in raw.split(b"/")):
        yield Problem(where, f"a file name has at most {NAME_MAX} bytes")
    if absolute and raw and not text.startswith("/"):
        yield Problem(where, f"{text!r} is relative: a path inside starts with /")
    if absolute and ".." in text.split("/"):
        yield Problem(where, f"{text!r} has '..' in it: write the path without")


def clean(path: str) -> str:
    """An absolute path without double and trailing slashes and without ".": ``//a/./b/`` is ``/a/b``."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def plain(path: str) -> str:
    """As `clean`, with ".." taken back: what a host's path is called inside."""
    parts: list[str] = []
    for part in clean(path).split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part] if part else parts
    return "/" + "/".join(parts)


def below(path: str, top: str) -> bool:
    """Whether path is top or lies below it; both clean."""
    return path == top or top == "/" or path.startswith(top + "/")


def under(path: str, top: str) -> bool:
    """Whether path lies below top and is not top itself."""
    return path != top and below(path, top)

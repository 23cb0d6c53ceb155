"""Paths as users write them: what can never be meant, said before anything is opened."""

import os
from collections.abc import Iterator

from isolib.errors import Problem

PATH_MAX = 4096
NAME_MAX = 255


def path_problems(where: str, path: object, *, absolute: bool = True) -> Iterator[Problem]:
    """What is wrong with a path: of another type, empty, NUL, too long, relative, or with ".." in it."""
    if not isinstance(path, str | os.PathLike):
        yield Problem(where, f"a path is text, not {type(path).__name__}")
        return
    text = os.fspath(path)
    if not text:
        yield Problem(where, "a path cannot be empty")
    if "\0" in text:
        yield Problem(where, "a path cannot hold a NUL byte")
    if len(os.fsencode(text)) >= PATH_MAX:
        yield Problem(where, f"a path is shorter than {PATH_MAX} bytes")
    if any(len(os.fsencode(name)) > NAME_MAX for name in text.split("/")):
        yield Problem(where, f"a file name has at most {NAME_MAX} bytes")
    if absolute and text and not text.startswith("/"):
        yield Problem(where, f"{text!r} is relative: a path inside starts with /")
    if absolute and ".." in text.split("/"):
        yield Problem(where, f"{text!r} has '..' in it: write the path without")


def clean(path: str) -> str:
    """An absolute path without double and trailing slashes and without ".": ``//a/./b/`` is ``/a/b``."""
    return "/" + "/".join(part for part in path.split("/") if part not in ("", "."))


def below(path: str, top: str) -> bool:
    """Whether path is top or lies below it; both clean."""
    return path == top or top == "/" or path.startswith(top + "/")

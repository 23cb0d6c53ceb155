"""A user by name: found in the passwd and group files of the root itself, which are data of somebody else's."""

import os
from collections.abc import Callable, Iterator, Sequence
from stat import S_ISREG

from isolib.errors import KernelError, Problem
from isolib.launch.compile import Identity
from isolib.linux import mount
from isolib.spec.container import ContainerSpec
from isolib.spec.root import DirectoryRoot

# The text of a file of the root, or None where there is none.
Read = Callable[[str], str | None]

MAX = 4 * 1024 * 1024  # of a passwd file that is read at all


def lookup(spec: ContainerSpec, problems: list[Problem]) -> Identity:
    """The numeric identity of ``spec.user``; what is wrong with it is added to problems."""
    tops = spec.root.layers if isinstance(spec.root, DirectoryRoot) else ("/",)
    return identify(lambda path: _topmost(tops, path), spec.user, spec.process.groups, problems)


def identify(read: Read, user: int | str | None, groups: Sequence[int | str], problems: list[Problem]) -> Identity:
    """As `lookup`, with the text of ``etc/passwd`` and ``etc/group`` from ``read`` (passwd(5), group(5))."""
    name, _, group = str(0 if user is None else user).partition(":")
    entry = _find(read, "etc/passwd", name, 2)
    if entry is None and not name.isdigit():
        problems.append(Problem("user", f"no user {name!r} in the container's /etc/passwd: use a number"))
        return Identity()
    uid = int(entry[2]) if entry else int(name)
    gid = int(entry[3]) if entry else 0
    if group:
        gid = _group(read, "user", group, problems)
    more = {_group(read, f"process.groups[{i}]", str(word), problems) for i, word in enumerate(groups)}
    if entry and not group:
        more |= {int(line[2]) for line in _lines(read, "etc/group", 4) if entry[0] in line[3].split(",")}
    home = entry[5] if entry and entry[5].startswith("/") else "/"
    return Identity(uid, gid, tuple(sorted(more)), home)


def _group(read: Read, where: str, word: str, problems: list[Problem]) -> int:
    if word.isdigit():
        return int(word)
    entry = _find(read, "etc/group", word, 2)
    if entry is None:
        problems.append(Problem(where, f"no group {word!r} in the container's /etc/group: use a number"))
        return 0
    return int(entry[2])


def _find(read: Read, path: str, word: str, number: int) -> list[str] | None:
    column = number if word.isdigit() else 0
    return next((line for line in _lines(read, path, 4) if line[column] == word), None)


def _lines(read: Read, path: str, columns: int) -> Iterator[list[str]]:
    """The well-formed lines; others are as if they were not there."""
    for line in (read(path) or "").splitlines():
        words = line.split(":")
        if len(words) < columns or not _is_id(words[2]):
            continue
        if path.endswith("passwd") and not (len(words) >= 6 and _is_id(words[3])):
            continue
        yield words


def _is_id(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 10 and int(word) < 2**32 - 1


def _topmost(tops: Sequence[str], path: str) -> str | None:
    return next((text for text in (_read(top, path) for top in reversed(tops)) if text is not None), None)


def _read(top: str, path: str) -> str | None:
    """A regular file of a root that nobody vouches for: no link out of it is followed, no FIFO waited for."""
    root = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = mount.open_inside(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except KernelError:
        return None
    finally:
        os.close(root)
    return read_regular(fd)


def read_regular(fd: int) -> str | None:
    """The text of an open regular file, of at most MAX bytes; closes it. None for anything else that a root may
    hold.
    """
    with os.fdopen(fd, "rb") as file:
        return file.read(MAX).decode("utf-8", "surrogateescape") if S_ISREG(os.fstat(fd).st_mode) else None

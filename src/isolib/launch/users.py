"""A user by name: found in the passwd and group files of the root itself, which are data of somebody else's."""

import os
from collections.abc import Iterator, Sequence

from isolib.errors import KernelError, Problem
from isolib.launch.compile import Identity
from isolib.linux import mount
from isolib.spec.container import ContainerSpec
from isolib.spec.root import DirectoryRoot

MAX = 4 * 1024 * 1024  # of a passwd file that is read at all


def lookup(spec: ContainerSpec, problems: list[Problem]) -> Identity:
    """The numeric identity of ``spec.user``; what is wrong with it is added to problems."""
    tops = spec.root.layers if isinstance(spec.root, DirectoryRoot) else ("/",)
    return identify(tops, spec.user, spec.process.groups, problems)


def identify(tops: Sequence[str], user: int | str | None, groups: Sequence[int | str], problems: list[Problem]) -> Identity:
    """As `lookup`, in the topmost of these directories that has the file (passwd(5), group(5))."""
    name, _, group = str(0 if user is None else user).partition(":")
    entry = _find(tops, "etc/passwd", name, 2)
    if entry is None and not name.isdigit():
        problems.append(Problem("user", f"no user {name!r} in the container's /etc/passwd: use a number"))
        return Identity()
    uid = int(entry[2]) if entry else int(name)
    gid = int(entry[3]) if entry else 0
    if group:
        gid = _group(tops, "user", group, problems)
    more = {_group(tops, f"process.groups[{i}]", str(word), problems) for i, word in enumerate(groups)}
    if entry and not group:
        more |= {int(line[2]) for line in _lines(tops, "etc/group", 4) if entry[0] in line[3].split(",")}
    home = entry[5] if entry and entry[5].startswith("/") else "/"
    return Identity(uid, gid, tuple(sorted(more)), home)


def _group(tops: Sequence[str], where: str, word: str, problems: list[Problem]) -> int:
    if word.isdigit():
        return int(word)
    entry = _find(tops, "etc/group", word, 2)
    if entry is None:
        problems.append(Problem(where, f"no group {word!r} in the container's /etc/group: use a number"))
        return 0
    return int(entry[2])


def _find(tops: Sequence[str], path: str, word: str, number: int) -> list[str] | None:
    column = number if word.isdigit() else 0
    return next((line for line in _lines(tops, path, 4) if line[column] == word), None)


def _lines(tops: Sequence[str], path: str, columns: int) -> Iterator[list[str]]:
    """The well-formed lines; others are as if they were not there."""
    for top in reversed(tops):
        text = _read(top, path)
        if text is None:
            continue
        for line in text.splitlines():
            words = line.split(":")
            if len(words) >= columns and words[2].isdigit() and words[2].isascii() and int(words[2]) < 2**32 - 1:
                if columns == 4 and path.endswith("passwd") and not (len(words) >= 6 and words[3].isdigit()):
                    continue
                yield words
        return


def _read(top: str, path: str) -> str | None:
    """A regular file of a root that nobody vouches for: no link out of it is followed, no FIFO waited for."""
    root = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fd = mount.open_inside(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except KernelError:
        return None
    finally:
        os.close(root)
    with os.fdopen(fd, "rb") as file:
        if not os.path.isfile(f"/proc/self/fd/{fd}"):
            return None
        return file.read(MAX).decode("utf-8", "surrogateescape")

"""A user by name: found in the passwd and group files of the root itself, which are data of somebody else's."""

import errno
import os
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from stat import S_ISREG

from isolib.errors import KernelError, Problem, Unavailable
from isolib.launch.compile import Identity
from isolib.linux import mount
from isolib.spec.container import ContainerSpec
from isolib.spec.idrows import is_number
from isolib.spec.process import ID_MAX
from isolib.spec.root import DirectoryRoot

# The text of a file of the root, or None where there is none.
Read = Callable[[str], str | None]
# Whether a group exists inside.
Mapped = Callable[[int], bool]

MAX = 4 * 1024 * 1024  # of a passwd file that is read at all


def lookup(spec: ContainerSpec, problems: list[Problem], mapped: Mapped) -> Identity:
    """The numeric identity of ``spec.user``; what is wrong with it is added to problems."""
    root = spec.root
    read: Read = partial(_topmost, root.layers) if isinstance(root, DirectoryRoot) else _host_text
    return identify(read, spec.user, spec.process.groups, problems, mapped)


def identify(
    read: Read,
    user: int | str | None,
    groups: Sequence[int | str],
    problems: list[Problem],
    mapped: Mapped = lambda _gid: True,
) -> Identity:
    """As `lookup`, with the text of ``etc/passwd`` and ``etc/group`` from ``read`` (passwd(5), group(5)).

    Of the groups that the root's files list for the user, those that are not ``mapped`` are left out.
    """
    name, _, group = str(0 if user is None else user).partition(":")
    entry = _find(read, "etc/passwd", name)
    if entry is None and not is_number(name):
        problems.append(Problem("user", f"no user {name!r} in the container's /etc/passwd: use a number"))
        return Identity()
    uid = int(entry[2]) if entry else int(name)
    gid = int(entry[3]) if entry else 0
    if group:
        gid = _group(read, "user", group, problems)
    more = {_group(read, f"process.groups[{i}]", str(word), problems) for i, word in enumerate(groups)}
    if entry and not group:
        more |= {number for number in _listed(read("etc/group") or "", entry[0]) if mapped(number)}
    home = entry[5] if entry and entry[5].startswith("/") else "/"
    return Identity(uid, gid, tuple(sorted(more)), home)


def _group(read: Read, where: str, word: str, problems: list[Problem]) -> int:
    if is_number(word):
        return int(word)
    entry = _find(read, "etc/group", word)
    if entry is None:
        problems.append(Problem(where, f"no group {word!r} in the container's /etc/group: use a number"))
        return 0
    return int(entry[2])


def _find(read: Read, path: str, word: str) -> list[str] | None:
    """The first line of a number or a name."""
    if is_number(word):
        return next((line for line in _lines(read, path) if int(line[2]) == int(word)), None)
    return next((line for line in _lines(read, path) if line[0] == word), None)


def _lines(read: Read, path: str) -> Sequence[list[str]]:
    """The well-formed lines; others are as if they were not there."""
    return _parsed(read(path) or "", path.endswith("passwd"))


@lru_cache(maxsize=16)
def _listed(text: str, user: str) -> frozenset[int]:
    """The groups that a group file lists a user in."""
    return frozenset(int(line[2]) for line in _parsed(text, False) if user in line[3].split(","))


@lru_cache(maxsize=4)
def _parsed(text: str, passwd: bool) -> Sequence[list[str]]:
    """Lines of either file, kept for as long as it has this text."""
    found = []
    for line in text.split("\n"):
        words = line.split(":")
        if len(words) < 4 or not _is_id(words[2]):
            continue
        if passwd and not (len(words) >= 6 and _is_id(words[3])):
            continue
        found.append(words)
    return found


def _is_id(word: str) -> bool:
    return is_number(word) and len(word) <= 10 and int(word) <= ID_MAX


def _host_text(path: str) -> str | None:
    """The text of one of the machine's own files, read once for each version of it."""
    try:
        found = os.stat(f"/{path}")
    except OSError:
        return None
    return _text_of_version(path, (found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=4)
def _text_of_version(path: str, _: object) -> str | None:
    return _topmost(("/",), path)


def _topmost(tops: Sequence[str], path: str) -> str | None:
    """The text of a file in the topmost layer that has it, or hides it (a whiteout, overlayfs.rst)."""
    for top in reversed(tops):
        fd = _found(top, path)
        if fd >= 0:
            return read_regular(fd)
    return None


def _found(top: str, path: str) -> int:
    """What a root that nobody vouches for has at path: looked at, not opened, since a device or a FIFO may be there."""
    try:
        root = os.open(top, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:  # said of the root itself
        return -1
    try:
        return mount.open_inside(root, path, os.O_PATH)
    except KernelError as error:
        if error.errno in (errno.ENOSYS, errno.EPERM):
            remedy = "needs Linux 5.6, and no seccomp profile around this process that forbids it"
            raise Unavailable("openat2", remedy) from None
        return -1
    finally:
        os.close(root)


def read_regular(fd: int) -> str | None:
    """The text of a regular file, of at most MAX bytes, by a descriptor of any kind, which is closed. None for anything
    else that a root may hold, and for what the caller may not read.
    """
    try:
        if not S_ISREG(os.fstat(fd).st_mode):
            return None
        with open(f"/proc/self/fd/{fd}", "rb", buffering=0) as file:
            return file.read(MAX).decode("utf-8", "surrogateescape")
    except PermissionError:
        return None
    finally:
        os.close(fd)

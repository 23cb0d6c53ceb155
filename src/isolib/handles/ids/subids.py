"""The sub-ids that /etc/subuid and /etc/subgid give to a user (subuid(5)), read once for each version of the files."""

import os
from functools import lru_cache
from typing import NamedTuple

from isolib.spec.idrows import IdRange, is_number, joined

SUBUID, SUBGID = "/etc/subuid", "/etc/subgid"


class SubIds(NamedTuple):
    """The host's ids that somebody may give to his containers, in as few ranges as can be."""

    uids: tuple[IdRange, ...]
    gids: tuple[IdRange, ...]


def sub_ids(uid: int, *, others: bool = False) -> SubIds:
    """The sub-ids of a user, from lines with his name or his number; or those of everybody else.

    Empty where there are none, or no such file. Names that only a directory service knows are not seen (getsubids(1)).
    """
    return _sub_ids(uid, others, version())


def version() -> tuple[object, ...]:
    """Something that changes with the files."""
    return _version(SUBUID), _version(SUBGID)


def parse(text: str) -> tuple[tuple[str, IdRange], ...]:
    """``alice:100000:65536`` a line; blank lines, comments and nonsense skipped, as shadow's tools do."""
    rows = (line.strip().split(":") for line in text.splitlines() if not line.startswith("#"))
    return tuple((row[0], IdRange(int(row[1]), int(row[2]))) for row in rows if _is_row(row))


def _is_row(row: list[str]) -> bool:
    return len(row) == 3 and bool(row[0]) and is_number(row[1]) and is_number(row[2]) and int(row[2]) > 0


def _version(path: str) -> tuple[int, ...]:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_ino, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=8)
def _sub_ids(uid: int, others: bool, _: object) -> SubIds:
    names = {str(uid), *_names_of(uid)}
    return SubIds(
        *(joined(part for who, part in _lines(path) if (who in names) != others) for path in (SUBUID, SUBGID))
    )


def _lines(path: str) -> tuple[tuple[str, IdRange], ...]:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parse(file.read())
    except OSError:
        return ()


@lru_cache(maxsize=8)
def _names_of(uid: int) -> tuple[str, ...]:
    import pwd  # asks every source of names, which can be slow: once for a user

    try:
        return (pwd.getpwuid(uid).pw_name,)
    except KeyError:
        return ()

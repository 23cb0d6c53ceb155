"""Which user and group ids of a container are which ids of its host: the wish, and the rows it comes to."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, get_args

import msgspec

from isolib.errors import Problem, SpecError
from isolib.spec.idrows import ID_END, IdMap, IdRange, Rows, is_number, joined, parse_rows, rows_problems, to_host

__all__ = ["IdMap", "IdMaps", "IdRange", "Ids", "Word"]

Word = Literal["self", "keep-id", "nomap", "auto", "maps"]


class IdMaps(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All rows of one user namespace, for users and for groups."""

    uids: Rows
    gids: Rows

    @classmethod
    def parse(cls, text: str, where: str = "") -> "IdMaps":
        """``"0:100000:1000,1000:1000:1"`` for users and groups alike; ``"…;…"`` where the groups differ."""
        users, mark, groups = text.partition(";")
        uids = parse_rows(users, f"{where}.uids" if where else "uids")
        return cls(uids, parse_rows(groups, f"{where}.gids" if where else "gids") if mark else uids)

    @classmethod
    def one(cls, uid: int, gid: int, *, inside_uid: int = 0, inside_gid: int = 0) -> "IdMaps":
        """One user and one group: the only map for which an ordinary caller needs no sub-ids."""
        return cls((IdMap(inside_uid, uid),), (IdMap(inside_gid, gid),))

    def problems(self, where: str) -> Iterator[Problem]:
        """All that makes these rows impossible on any host: bad numbers, overlaps, too many rows, none."""
        yield from rows_problems(self.uids, f"{where}.uids")
        yield from rows_problems(self.gids, f"{where}.gids")

    def user_problems(self, where: str, uid: int, gid: int, groups: Iterable[int] = ()) -> Iterator[Problem]:
        """The ids that the process is to run with, but that these rows leave unmapped (setuid(2) answers EINVAL)."""
        wanted = [("uid", uid, self.uids), ("gid", gid, self.gids), *(("group", group, self.gids) for group in groups)]
        for kind, number, rows in wanted:
            if to_host(rows, number) is None:
                yield Problem(where, f"{kind} {number} of the container is not in its id map: add a row for it")

    def parent_problems(self, where: str, parent: "IdMaps") -> Iterator[Problem]:
        """Rows that map ids which do not exist in the caller's own user namespace (the kernel answers EPERM).

        A row must lie in one row of the parent: the kernel does not join neighbours.
        """
        for kind, rows, outer in (("uids", self.uids, parent.uids), ("gids", self.gids, parent.gids)):
            there = [IdRange(row.container, row.size) for row in outer]
            yield from _outside(rows, there, f"{where}.{kind}", "not mapped as one in the caller's user namespace")

    def caller_problems(
        self, where: str, uid: int, gid: int, subuids: Sequence[IdRange], subgids: Sequence[IdRange]
    ) -> Iterator[Problem]:
        """Rows that an ordinary user ``uid``:``gid`` with these sub-ids may not write (newuidmap(1))."""
        for kind, rows, own, ranges in (("uid", self.uids, uid, subuids), ("gid", self.gids, gid, subgids)):
            allowed = [*joined(ranges), IdRange(own, 1)]
            what = f"neither the caller's own nor sub-ids of his: see /etc/sub{kind}"
            yield from _outside(rows, allowed, f"{where}.{kind}s", what)


class Ids(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is wished for, before the caller and the host are looked at.

    ``self``: the caller's id is 0 inside, and nobody else exists. ``keep-id``: the caller keeps his number, sub-ids
    fill the rest up to ``size`` (size 1: only his own id, without sub-ids). ``nomap``: all his sub-ids from 0 on,
    shared by whoever asks so. ``auto``: ``size`` sub-ids that no other live lease has. ``maps``: the rows given.
    """

    word: Word
    size: int | None = None
    maps: IdMaps | None = None

    @classmethod
    def parse(cls, text: str, where: str = "") -> "Ids":
        """A word, with ``:SIZE`` after ``auto`` and ``keep-id``, or rows as `IdMaps.parse` reads them."""
        word, mark, size = text.partition(":")
        if text[:1].isdigit():
            return cls("maps", maps=IdMaps.parse(text, where))
        if word not in _WORDS:
            raise SpecError(Problem(where, f"{text!r} is none of {', '.join(_WORDS)}, and no rows as 0:100000:65536"))
        if mark and not (is_number(size) and word in _SIZED):
            raise SpecError(Problem(where, f"{text!r}: only auto and keep-id take a size, as auto:65536"))
        return cls(word, int(size) if mark else None)

    def problems(self, where: str) -> Iterator[Problem]:
        if self.word not in get_args(Word):
            yield Problem(f"{where}.word", f"{self.word!r} is none of {', '.join(get_args(Word))}")
        if (self.word == "maps") != (self.maps is not None):
            yield Problem(f"{where}.maps", "rows and the word 'maps' go together")
        elif self.maps is not None:
            yield from self.maps.problems(where)
        if self.size is None:
            return
        if self.word not in _SIZED:
            yield Problem(f"{where}.size", f"{self.word!r} takes no size")
        elif not isinstance(self.size, int) or isinstance(self.size, bool) or not 0 < self.size <= ID_END:
            yield Problem(f"{where}.size", f"must be a number of ids from 1 on, not {self.size!r}")


_WORDS: tuple[Word, ...] = ("self", "keep-id", "nomap", "auto")
_SIZED = ("keep-id", "auto")


def _outside(rows: Rows, allowed: Sequence[IdRange], where: str, what: str) -> Iterator[Problem]:
    for index, row in enumerate(rows):
        if not any(part.covers(row.host, row.size) for part in allowed):
            yield Problem(f"{where}[{index}].host", f"ids {row.host} to {row.host + row.size - 1} are {what}")

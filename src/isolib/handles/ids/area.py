"""Which ids a caller may lease, cut into slots of one size: a pure decision from his sub-ids and those of others."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from isolib.handles.ids.subids import SubIds
from isolib.spec.idrows import IdMap, IdRange, Rows, joined, without
from isolib.spec.ids import IdMaps

# A container of 65536 ids holds every id that images use. Who has fewer than sixteen times that gets sixteen slots.
WHOLE, SHARES = 65536, 16
NOBODY = 65534

# Where root leases without a line of its own in /etc/subuid: 2245 slots that nobody else gives out. Below lie useradd's
# sub-ids (up to 600,100,000), systemd-nspawn's containers (up to 1,879,048,191) and sssd's users (up to 2,000,200,000);
# above, systemd's foreign ids (from 2,147,352,576) and the ids that are negative in 32 bits.
ROOT_DEFAULT = IdRange(2_000_224_256, 2245 * WHOLE)


class Slot(NamedTuple):
    """The first host ids of one slot, for users and for groups."""

    uid: int
    gid: int


class Area:
    """Slots of ``unit`` ids each, numbered from 0; the same from the same files, in every process of one user."""

    def __init__(self, uids: Iterable[IdRange], gids: Iterable[IdRange]) -> None:
        uids, gids = tuple(uids), tuple(gids)
        total = min(sum(part.count for part in uids), sum(part.count for part in gids))
        self.unit = max(1, min(WHOLE, total // SHARES))
        self._uids, self._gids = _starts(uids, self.unit), _starts(gids, self.unit)
        self._count = min(sum(map(len, self._uids)), sum(map(len, self._gids)))

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Slot:
        return Slot(_nth(self._uids, index), _nth(self._gids, index))

    def needed(self, size: int) -> int:
        """How many slots hold ``size`` ids."""
        return -(-size // self.unit)

    def maps(self, slots: Sequence[Slot], size: int) -> IdMaps:
        """The rows of ``size`` ids out of these slots. Where that ends before 65534 (nobody), the last one is it."""
        return IdMaps(
            _rows([slot.uid for slot in slots], self.unit, size), _rows([slot.gid for slot in slots], self.unit, size)
        )


def area_of(uid: int, own: SubIds, others: SubIds, parent: IdMaps) -> Area:
    """What this caller may lease: his sub-ids; for root without any, the default less what the files give to others.

    ``parent`` is the caller's own user namespace: only what is mapped in it exists for him, and no row of a child may
    span two of its rows.
    """
    uids, gids = own
    if uid == 0:
        uids = uids or without([ROOT_DEFAULT], others.uids)
        gids = gids or without([ROOT_DEFAULT], others.gids)
    return Area(_mapped(uids, parent.uids), _mapped(gids, parent.gids))


def keep_rows(own: int, parts: Iterable[IdRange], size: int) -> Rows:
    """``size`` ids from 0 on, in which ``own`` stays itself and sub-ids are all the others."""
    below, above = [], []
    left = size - 1
    room = own  # the sub-ids that come before the caller's own number
    for part in parts:
        count = min(part.count, left)
        first = min(count, room)
        below.append(IdRange(part.start, first))
        above.append(IdRange(part.start + first, count - first))
        left, room = left - count, room - first
    rows = [*_numbered(below, 0), IdMap(own, own, 1), *_numbered(above, own + 1)]
    return tuple(rows)


def _numbered(parts: Iterable[IdRange], first: int) -> Iterable[IdMap]:
    for part in parts:
        if part.count:
            yield IdMap(first, part.start, part.count)
            first += part.count


def _rows(starts: Sequence[int], unit: int, size: int) -> Rows:
    parts = [IdRange(start, min(unit, size - unit * index)) for index, start in enumerate(starts)]
    rows = list(_numbered(joined(parts) if len(parts) > 1 else parts, 0))
    if size <= 1 or size > NOBODY:
        return tuple(rows)
    last = rows.pop()
    if last.size > 1:
        rows.append(IdMap(last.container, last.host, last.size - 1))
    return (*rows, IdMap(NOBODY, last.host + last.size - 1, 1))


def _mapped(parts: Iterable[IdRange], parent: Rows) -> list[IdRange]:
    cut = (
        IdRange(start, end - start)
        for part in parts
        for row in parent
        if (start := max(part.start, row.container)) < (end := min(part.end, row.container + row.size))
    )
    return list(cut)


def _starts(parts: Iterable[IdRange], unit: int) -> list[range]:
    return [range(part.start, part.end - unit + 1, unit) for part in parts if part.count >= unit]


def _nth(runs: Iterable[range], index: int) -> int:
    for run in runs:
        if index < len(run):
            return run[index]
        index -= len(run)
    raise IndexError(index)

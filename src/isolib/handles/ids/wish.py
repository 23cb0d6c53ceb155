"""From a wish for ids (`self`, `keep-id`, `nomap`, `auto`, rows) to the rows it comes to for this caller."""

import os

from isolib.errors import Problem, SpecError, Unavailable
from isolib.handles.ids.area import keep_rows
from isolib.handles.ids.caller import own_maps, remedy
from isolib.handles.ids.lease import Lease, lease
from isolib.handles.ids.subids import sub_ids
from isolib.spec.idrows import IdRange, range_rows, without
from isolib.spec.ids import IdMaps, Ids


def hold(ids: Ids) -> Lease:
    """What a wish comes to for this caller; only ``auto`` locks anything. Raises SpecError, Unavailable."""
    problems = tuple(ids.problems("ids"))
    if not problems and ids.maps is not None:
        problems = tuple(ids.maps.parent_problems("ids", own_maps()))
    if problems:
        raise SpecError(problems)
    if ids.maps is not None:
        return Lease(ids.maps)
    if ids.word == "auto":
        return lease(ids.size)
    if ids.word == "self":
        return Lease(IdMaps.one(os.geteuid(), os.getegid()))
    return Lease(_kept(ids.size) if ids.word == "keep-id" else _shared())


def _kept(size: int | None) -> IdMaps:
    uid, gid = _ordinary("keep-id")
    uids, gids = sub_ids(uid)
    uids, gids = without(uids, [IdRange(uid, 1)]), without(gids, [IdRange(gid, 1)])
    most = 1 + min(_total(uids), _total(gids))
    if most == 1 if size is None else size > most:
        raise Unavailable(
            f"keep-id with {size or 'more than one'} ids", f"{remedy(size or 65536)}, or ask for keep-id:1"
        )
    return IdMaps(keep_rows(uid, uids, size or most), keep_rows(gid, gids, size or most))


def _shared() -> IdMaps:
    uid, _ = _ordinary("nomap")
    subs = sub_ids(uid)
    if not subs.uids or not subs.gids:
        raise Unavailable("nomap", remedy(65536))
    return IdMaps(range_rows(subs.uids), range_rows(subs.gids))


def _ordinary(word: str) -> tuple[int, int]:
    if os.geteuid() == 0:
        raise SpecError(Problem("ids", f"{word} is for an ordinary user's sub-ids: as root, ask for auto or give rows"))
    return os.geteuid(), os.getegid()


def _total(parts: tuple[IdRange, ...]) -> int:
    return sum(part.count for part in parts)

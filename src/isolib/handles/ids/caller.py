"""What this process may lease from, and what would let it lease more."""

import os
from functools import lru_cache

from isolib.handles.ids.area import ROOT_DEFAULT, WHOLE, Area, area_of
from isolib.handles.ids.subids import SUBGID, SUBUID, sub_ids, version
from isolib.spec.idrows import ID_END, IdMap, read_rows
from isolib.spec.ids import IdMaps

_EVERYTHING = IdMaps((IdMap(0, 0, ID_END),), (IdMap(0, 0, ID_END),))


def caller_area() -> Area:
    """The slots of this user; computed anew when the files, the user or his user namespace are others."""
    return _area(os.geteuid(), version(), _own_namespace())


def own_maps() -> IdMaps:
    """The ids that exist in the caller's own user namespace."""
    return _own_maps(_own_namespace())


def remedy(size: int) -> str:
    """What gives this user so many ids."""
    uid = os.geteuid()
    if uid == 0 and own_maps() != _EVERYTHING:
        return "map more ids into the container that this runs in, or ask for ids 'self'"
    line = f"{uid}:{100000 if uid else ROOT_DEFAULT.start}:{max(size, WHOLE)}"
    return f"give user {uid} more sub-ids: a line such as {line} in {SUBUID} and in {SUBGID}"


def _own_namespace() -> int:
    return os.stat("/proc/thread-self/ns/user").st_ino


@lru_cache(maxsize=4)
def _area(uid: int, _version: object, namespace: int) -> Area:
    return area_of(uid, sub_ids(uid), sub_ids(uid, others=True), _own_maps(namespace))


@lru_cache(maxsize=1)
def _own_maps(_namespace: int) -> IdMaps:
    with open("/proc/thread-self/uid_map") as uids, open("/proc/thread-self/gid_map") as gids:
        return IdMaps(read_rows(uids.read()), read_rows(gids.read()))

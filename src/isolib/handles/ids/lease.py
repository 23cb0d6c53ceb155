"""Ids for one container: a range that no other live lease has, from `lease` until it is closed or its holder ends."""

import itertools
import os
import warnings
from typing import Self

from isolib.errors import Problem, SpecError, Unavailable
from isolib.handles.ids import locks
from isolib.handles.ids.area import Area, Slot
from isolib.handles.ids.caller import caller_area, remedy
from isolib.handles.ids.place import locks_path
from isolib.spec.idrows import Rows
from isolib.spec.ids import IdMaps

# Each lease of a process begins to look one slot after the last; where a process begins depends on its number.
_turn = itertools.count()


class Lease:
    """Rows of an id map that are the holder's until `close`. They end with the process too, also by SIGKILL.

    ``fileno()`` is a descriptor to hand to a process that is to hold them on. Forks of the holder hold nothing.
    """

    def __init__(self, maps: IdMaps, fd: int = -1) -> None:
        self.maps = maps
        self._fd, self._pid = fd, os.getpid()

    @property
    def uids(self) -> Rows:
        return self.maps.uids

    @property
    def gids(self) -> Rows:
        return self.maps.gids

    @property
    def locked(self) -> bool:
        """Whether these ids are kept from others by this object."""
        return self._fd >= 0 and self._pid == os.getpid()

    def fileno(self) -> int:
        """The descriptor that holds the locks. Raises ValueError where nothing is locked (any more)."""
        if not self.locked:
            raise ValueError(f"nothing is locked by this process: {self!r}")
        return self._fd

    def close(self) -> None:
        """Gives the ids back. Any number of times; in a fork of the holder, without effect."""
        fd, self._fd = self._fd, -1
        if fd >= 0 and self._pid == os.getpid():
            locks.closed(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._fd >= 0 and self._pid == os.getpid():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)
            self.close()

    def __repr__(self) -> str:
        return f"<Lease uids {','.join(map(str, self.uids))} gids {','.join(map(str, self.gids))}>"


def lease(size: int | None = None) -> Lease:
    """``size`` ids that no other live lease of this user has; one slot (65536, or a sixteenth of his) where not said.

    Costs some microseconds: no file is written, and no other process asked. Raises Unavailable: too few sub-ids, or all
    of them leased.
    """
    area = caller_area()
    size = area.unit if size is None else size
    if size < 1:
        raise SpecError(Problem("size", f"must be a number of ids from 1 on, not {size!r}"))
    count = area.needed(size)
    if count > len(area):
        raise Unavailable(f"a range of {size} ids", remedy(size))
    fd = locks.opened(locks_path())
    try:
        slots = _locked(fd, area, count)
        if len(slots) < count:
            raise Unavailable(f"a range of {size} ids", f"all are leased: close a container, or {remedy(size)}")
    except BaseException:
        locks.closed(fd)
        raise
    return Lease(area.maps(slots, size), fd)


def _locked(fd: int, area: Area, count: int) -> list[Slot]:
    """Up to ``count`` slots, locked in both ranges."""
    total = len(area)
    first = (os.getpid() * 40503 + next(_turn)) % total
    slots: list[Slot] = []
    for index in range(first, first + total):
        slot = area[index % total]
        if locks.take(fd, slot.uid, area.unit):
            if locks.take(fd, locks.GIDS_AT + slot.gid, area.unit):
                slots.append(slot)
                if len(slots) == count:
                    break
            else:
                locks.drop(fd, slot.uid, area.unit)
    return sorted(slots)

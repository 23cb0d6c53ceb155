"""Stopping a whole group where it stands, and letting it go on: cgroup.freeze (Linux 5.2), or v1's freezer."""

import os
import select
import time
from collections.abc import Iterable
from errno import ETIMEDOUT

from isolib.errors import KernelError, Unavailable
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.frame import table


def freezer_of(places: Iterable[Directory]) -> Directory:
    """The directory of the group that can be frozen. Raises Unavailable."""
    best = None
    for place in places:
        if place.hierarchy.version == 2 and place.has("cgroup.freeze"):
            return place
        if "freezer" in place.hierarchy.controllers:
            best = place
    if best is None or not best.has("freezer.state"):
        raise Unavailable(
            "cgroup.freeze", "freezing needs cgroup v2 with Linux 5.2, or v1's freezer hierarchy, in the group"
        )
    return best


def request(place: Directory, frozen: bool) -> None:
    """Ask for the state, without waiting."""
    if place.hierarchy.version == 2:
        place.write("cgroup.freeze", "1" if frozen else "0")
    else:
        place.write("freezer.state", "FROZEN" if frozen else "THAWED")


def is_frozen(place: Directory) -> bool:
    """Whether every process stands still."""
    if place.hierarchy.version == 2:
        return table(place.read("cgroup.events")).get("frozen") == 1
    return place.read("freezer.state") == "FROZEN"


def wait(place: Directory, frozen: bool, timeout: float) -> None:
    """Until all stand still, or none does. Raises KernelError (ETIMEDOUT): one is in uninterruptible sleep."""
    deadline = time.monotonic() + timeout
    if place.hierarchy.version == 2:
        done = wait_for_event(place, "frozen", int(frozen), deadline)
    else:
        done = _poll(place, frozen, deadline)
    if not done:
        call = "freeze" if frozen else "thaw"
        raise KernelError(
            ETIMEDOUT, call, place.absolute, "a process is in an uninterruptible sleep, or a parent is frozen"
        )


def _poll(place: Directory, frozen: bool, deadline: float) -> bool:
    """v1 tells nobody: FREEZING is asked again, a write of FROZEN tries again for those that have forked meanwhile."""
    pause = 0.0002
    while is_frozen(place) != frozen:
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.01)
        if frozen:
            request(place, True)
    return True


def wait_for_event(place: Directory, key: str, value: int, deadline: float) -> bool:
    """Until cgroup.events says so; False after the deadline. A group that is gone is empty and not frozen."""
    try:
        fd = place.open("cgroup.events", os.O_RDONLY)
    except FileNotFoundError:
        return value == 0
    try:
        poll = select.poll()
        poll.register(fd, select.POLLPRI)
        while table(os.pread(fd, 4096, 0).decode()).get(key, value) != value:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            poll.poll(left * 1000)
    except OSError:  # ENODEV: gone
        return value == 0
    finally:
        os.close(fd)
    return True

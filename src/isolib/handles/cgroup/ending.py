"""The end of a group: everything in it killed, waited for, and its directories removed."""

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from errno import EBUSY, ETIMEDOUT

from isolib.errors import Conflict, IsolibError, KernelError
from isolib.handles.cgroup import freezer
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.hierarchy import parse_groups, read_proc

_AT_ONCE = 8  # descriptors: a caller may have few


def main(places: Sequence[Directory]) -> Directory:
    """The directory whose processes stand for the group's: each hierarchy has the same, v2's says when it is empty."""
    return next((place for place in places if place.hierarchy.version == 2), places[0])


def kill(places: Sequence[Directory]) -> None:
    """SIGKILL to every process of the group and of those below, forks made meanwhile included. Does not wait."""
    place = main(places)
    if _holds_us(place):
        raise Conflict(f"{place.absolute} holds this process itself, which would be killed")
    if _has_kill(place):
        place.write("cgroup.kill", "1")
    else:
        kill_one_by_one(places)


def _holds_us(place: Directory) -> bool:
    groups = parse_groups(read_proc("/proc/self/cgroup"))
    key = "" if place.hierarchy.version == 2 else next(iter(place.hierarchy.controllers))
    own = place.hierarchy.below(groups.get(key, "/.."))
    return own is not None and (not place.path or f"{own}/".startswith(f"{place.path}/"))


def _has_kill(place: Directory) -> bool:
    return place.hierarchy.version == 2 and place.has("cgroup.kill")  # Linux 5.14


def kill_one_by_one(places: Sequence[Directory]) -> None:
    """For older kernels and v1: no fork (pids.max), nothing moves (frozen), then a signal to each."""
    with _no_forks(places), _standing_still(places):
        for group in main(places).walk():
            pids = [pid for pid in group.pids() if pid > 0]  # 0: of a PID namespace that is not seen from here
            for at in range(0, len(pids), _AT_ONCE):
                _signal_members(group, pids[at : at + _AT_ONCE])


def _signal_members(group: Directory, pids: Sequence[int]) -> None:
    """SIGKILL by pidfd (Linux 5.3) to those that are still members: a number may be another process by now."""
    opened: dict[int, int] = {}
    try:
        for pid in pids:
            with suppress(ProcessLookupError):
                opened[pid] = os.pidfd_open(pid)
        still = set(group.pids())
        for pid, fd in opened.items():
            if pid in still:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, signal.SIGKILL)
    finally:
        for fd in opened.values():
            os.close(fd)


@contextmanager
def _no_forks(places: Sequence[Directory]) -> Iterator[None]:
    place = next((place for place in places if "pids" in place.hierarchy.controllers), None)
    limit = place.read("pids.max") if place else None
    if not place or limit is None:
        yield
        return
    place.write("pids.max", "0")
    try:
        yield
    finally:
        with suppress(KernelError):  # removed meanwhile
            place.write("pids.max", limit)


@contextmanager
def _standing_still(places: Sequence[Directory]) -> Iterator[None]:
    """Frozen, as far as the host can and the processes will: what it misses, ``kill_until_empty`` meets again."""
    try:
        place = freezer.freezer_of(places)
        freezer.request(place, True)
    except IsolibError:
        yield
        return
    try:
        with suppress(KernelError):
            freezer.wait(place, True, 0.2)
        yield
    finally:
        with suppress(KernelError):  # removed meanwhile
            freezer.request(place, False)  # v1's frozen processes die only when thawed


def kill_until_empty(places: Sequence[Directory], deadline: float) -> None:
    """Kill, and wait until the last process is gone. Raises KernelError (ETIMEDOUT)."""
    place = main(places)
    kill(places)
    if _has_kill(place):
        done = freezer.wait_for_event(place, "populated", 0, deadline)
    else:
        done = _repeat_until_empty(places, deadline)
    if not done:
        raise KernelError(
            ETIMEDOUT, "kill", place.absolute, "a killed process has not left: it waits for a disk or a device"
        )


def _repeat_until_empty(places: Sequence[Directory], deadline: float) -> bool:
    pause = 0.0002
    while not is_empty(places):
        if time.monotonic() >= deadline:
            return False
        time.sleep(pause)
        pause = min(pause * 2, 0.02)
        if pause > 0.005:  # those that are on their way out need no second signal
            kill_one_by_one(places)
    return True


def is_empty(places: Sequence[Directory]) -> bool:
    """Whether no process is left, in the groups below neither."""
    return not any(group.pids() for group in main(places).walk())


def end(places: Sequence[Directory], timeout: float) -> None:
    """Kill what is left, and remove every directory. Raises KernelError."""
    deadline = time.monotonic() + timeout
    left = [place for place in places if not _removed(place)]
    if not left:  # the usual case: all have left before, and a directory is gone with one call
        return
    kill_until_empty(left, deadline)
    for place in left:
        for group in place.walk():
            _remove(group, deadline)


def _removed(place: Directory) -> bool:
    try:
        place.remove()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == EBUSY:
            return False
        raise place.error(error, "rmdir") from None
    return True


def _remove(group: Directory, deadline: float) -> None:
    """Remove one group; a process that has just ended may hold it for a moment."""
    pause = 0.0002
    while not _removed(group):
        if time.monotonic() >= deadline:
            raise KernelError(EBUSY, "rmdir", group.absolute, "processes or groups are still in it")
        time.sleep(pause)
        pause = min(pause * 2, 0.02)

"""Where this process may make groups in a hierarchy: a folder ``isolib`` in the group that was delegated to it."""

import atexit
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from errno import EACCES, EBUSY, EPERM, EROFS
from typing import NamedTuple

from isolib.errors import KernelError, Unavailable
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.hierarchy import Hierarchy
from isolib.handles.cgroup.sweep import sweep_folder

FOLDER = "isolib"


class Home:
    """The folder in one hierarchy, and the controllers that groups in it have."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        # v1: its own always; v2: those enabled in the folder, none of them at first.
        v1 = directory.hierarchy.version == 1
        self.enabled = set(directory.hierarchy.controllers) if v1 else set[str]()
        self.refused: dict[str, str] = {}

    def enable(self, controllers: Iterable[str]) -> None:
        """Let groups in the folder have these controllers; what is refused stands in ``refused`` with the reason."""
        for name in controllers:
            if name not in self.enabled and name not in self.refused:
                try:
                    enable(self.directory.parent, [name])
                    enable(self.directory, [name])
                    self.enabled.add(name)
                except KernelError as error:
                    self.refused[name] = self._reason(name, error)

    def _reason(self, name: str, error: KernelError) -> str:
        above = self.directory.parent
        if name not in (above.read("cgroup.controllers") or "").split():
            return f"{name} is not in {above.absolute}/cgroup.controllers: it is not delegated to this group"
        if error.errno == EBUSY:
            return (
                f"{above.absolute} holds processes and so cannot enable controllers (cgroup v2): move them to a group "
                f"below it (mkdir {above.absolute}/leaf; write their numbers to leaf/cgroup.procs), or call "
                "CGroup.step_aside()"
            )
        return str(error)


class Found(NamedTuple):
    """A home, or the reason why there is none."""

    home: Home | None
    reason: str = ""


class Folders(NamedTuple):
    """The directories in which to make a group; and whether it is this process's there without a mark of its own."""

    directories: list[Directory]
    owned: bool


def enable(directory: Directory, controllers: Iterable[str]) -> None:
    """Enable controllers for the children of a v2 group. Raises KernelError, EBUSY where processes are in it.

    The kernel itself would enable those that can be threaded (pids, cpu): then the children, not being threaded, are of
    no use, and the group has changed its type (cgroup-v2.rst, Threads).
    """
    there = (directory.read("cgroup.subtree_control") or "").split()
    text = " ".join(f"+{name}" for name in controllers if name not in there)
    if text and directory.has("cgroup.type") and directory.read("cgroup.procs"):  # the top has no type and no such rule
        raise directory.error(OSError(EBUSY, ""), "write", "cgroup.subtree_control", text)
    if text:
        directory.write("cgroup.subtree_control", text)


_homes: dict[Hierarchy, Found] = {}
_used: dict[str, Directory] = {}
# Every process enables these, so that a folder that one tidied away, and another made again, is the same for a third.
# And a place without them is taken only where there is no other.
_USUAL = {"memory", "pids", "io"}
_swept: list[str] = []
# By what a group needs and counts; see folders.py.
known_folders: dict[object, Folders] = {}


def home(hierarchy: Hierarchy, wanted: Iterable[str] = ()) -> Found:
    """The place in this hierarchy, looked for once a process, and swept then of what processes now gone have left."""
    found = _homes.get(hierarchy)
    if found is None:
        wanted = [*wanted, *sorted(_USUAL & hierarchy.controllers)]
        found = _homes[hierarchy] = find(hierarchy, wanted)
        if found.home:
            _swept.extend(sweep_folder(found.home.directory))
            _used[found.home.directory.absolute] = found.home.directory
    if found.home:
        found.home.enable(wanted)
    return found


def sweep(hierarchies: Iterable[Hierarchy]) -> list[str]:
    """Sweep every place again; the paths of what was removed since the last call."""
    for hierarchy in hierarchies:
        if place := home(hierarchy).home:
            _swept.extend(sweep_folder(place.directory))
    found = list(_swept)
    _swept.clear()
    return found


def tidy(folder: Directory) -> None:
    """Remove the folder if no group is in it; the next to need it makes it again."""
    with suppress(OSError):
        folder.remove()


@atexit.register
def _tidy_all() -> None:
    for folder in _used.values():
        tidy(folder)


def forget() -> None:
    """Look for the places again: a folder has gone, or this process has moved."""
    _homes.clear()
    known_folders.clear()


def find(hierarchy: Hierarchy, wanted: Iterable[str]) -> Found:
    """The first place that gives groups with a controller that is wanted; else one that gives groups; else why not."""
    if not hierarchy.writable:
        return Found(None, f"{hierarchy.point} is mounted read-only")
    wanted = [name for name in wanted if name in hierarchy.controllers]
    second, reason = None, f"{hierarchy.point} does not show the group of this process"
    for path in dict.fromkeys(places(hierarchy)):
        found = _try(Directory(hierarchy, path), wanted)
        if isinstance(found, str):
            reason = found
        elif found.enabled or not wanted:
            if second:
                tidy(second.directory)
            return Found(found)
        elif second:
            tidy(found.directory)
        else:
            second = found
    return _from_systemd(hierarchy, wanted, Found(second, reason))


def _try(above: Directory, wanted: Iterable[str]) -> "Home | str":
    """A home in one group, or why not."""
    if (refusal := _make(above)) is not None:
        return refusal
    home = Home(above.below(FOLDER))
    if above.hierarchy.version == 2:
        home.enable(wanted)
    elif above.hierarchy.needs_filling(home.directory.path):
        home.directory.fill_cpuset()
        home.directory.write("cgroup.clone_children", "1")  # cgroups.rst of v1, section 2.1: children are filled
        above.hierarchy.set_filled(home.directory.path)
    return home


def _from_systemd(hierarchy: Hierarchy, wanted: Iterable[str], otherwise: Found) -> Found:
    """A home in a scope that the user's systemd delegates, when nothing else is to be had."""
    if hierarchy.version == 1 or os.geteuid() == 0:
        return otherwise
    from isolib.handles.cgroup import systemd  # speaks D-Bus: only now

    try:
        found = _try(Directory(hierarchy, systemd.place_in_scope(hierarchy)), wanted)
    except (Unavailable, KernelError) as error:
        found = f"{error.feature}: {error.remedy}" if isinstance(error, Unavailable) else str(error)
    if isinstance(found, Home):
        return Found(found)
    if otherwise.home:
        otherwise.home.refused = {name: f"{why}; or {found}" for name, why in otherwise.home.refused.items()}
        return otherwise
    return Found(None, f"{otherwise.reason}; {found}")


def places(hierarchy: Hierarchy) -> Iterator[str]:
    """The groups that may be delegated to this process, the best first.

    A group that systemd has marked as delegated (Delegate=yes) is better than the top even for root: it is what the
    administrator has given to this service, limits included, and systemd leaves it alone. Root's next is the top, where
    groups may outlive the caller's own. An ordinary user has its own group or one above it; on v2 the nearest one
    without processes in it.
    """
    above = list(_upwards(hierarchy.own)) if hierarchy.own is not None else []
    if hierarchy.version == 2:
        yield from (path for path in above if _is_delegated(Directory(hierarchy, path)))
    if os.geteuid() == 0:
        yield ""
    yield from above


def _upwards(path: str) -> Iterator[str]:
    """``"a/b"``, ``"a"``, ``""``."""
    while path:
        yield path
        path = path.rpartition("/")[0]
    yield ""


def _is_delegated(directory: Directory) -> bool:
    """Whether systemd has marked the group (v250 for ordinary users, v246 for root)."""
    for name in ("user.delegate", "trusted.delegate"):
        with suppress(OSError):
            if os.getxattr(directory.absolute, name) == b"1":
                return True
    return False


def _make(above: Directory) -> str | None:
    """Make the folder, or find it and the rights to use it; else the reason in words."""
    folder = above.below(FOLDER)
    try:
        folder.make()
    except FileExistsError:
        fd = folder.hierarchy.fd
        if not os.access(folder.path, os.W_OK | os.X_OK, dir_fd=fd, effective_ids=True):
            return f"{folder.absolute} belongs to another user"
    except OSError as error:
        if error.errno in (EACCES, EPERM, EROFS):
            return f"{above.absolute} may not be written by this user"
        return str(above.error(error, "mkdir"))
    if above.hierarchy.version == 2 and not _may_move(above):
        with suppress(OSError):
            folder.remove()
        return f"{above.absolute}/cgroup.procs may not be written by this user, so no process may be moved below it"
    return None


def _may_move(above: Directory) -> bool:
    """A move on v2 needs the right to write cgroup.procs of the closest group above both (cgroups(7), Delegation)."""
    try:
        os.close(above.open("cgroup.procs", os.O_WRONLY))
    except OSError:
        return False
    return True

"""How a group comes to be: its directories, the files of its limits; and how nothing of it is left when that fails."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from errno import ENODEV, ENOENT

from isolib.errors import AlreadyExists, IsolibError, KernelError, NotFound, Unavailable
from isolib.handles.cgroup.applying import fill, order_of
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.ending import end
from isolib.handles.cgroup.folders import Parent, folders
from isolib.handles.cgroup.home import enable, forget
from isolib.handles.cgroup.owner import own_mark
from isolib.spec.limits import Limits

ATTEMPTS = 20  # a folder may be tidied away by another thread or process between two calls

# Groups that were asked for by their own name; one that a longer name implied ("tests" of "tests/a") goes with the last
# group in it. No lock is needed: who removes a group tries its parent next, and the last one to do so succeeds.
_named: set[tuple[str, str]] = set()


def create(
    name: str, limits: Limits | None, parent: Parent, counted: Sequence[str], kept: bool = False
) -> list[Directory]:
    """The directories of a new group with these limits. Raises AlreadyExists, Unavailable, KernelError, all undone."""
    order = order_of(limits)
    for _ in range(ATTEMPTS):
        made: list[Directory] = []
        try:
            found = folders(order.needed, counted, parent)
            marked = name if kept or found.owned else _marked(name)
            for folder in found.directories:
                made.append(_make(folder, marked, [*order.needed, *counted]))
            fill(made, order)
            return made
        except FileNotFoundError:
            _undo(made)
            if parent is None:
                forget()
        except Unavailable:
            anew = parent is None and not all(_has_all(group, order.needed) for group in made)
            _undo(made)
            if not anew:
                raise
            forget()
        except BaseException:
            _undo(made)
            raise
    raise NotFound(f"the group in which {name!r} was to be made is gone")


def _has_all(group: Directory, needed: Iterable[str]) -> bool:
    """Whether a v2 group has what it needs: not so where another process has made its folder again, for other needs."""
    if group.hierarchy.version == 1:
        return True
    return {name for name in needed if name in group.hierarchy.controllers} <= set(_controllers(group))


def _marked(name: str) -> str:
    first, slash, rest = name.partition("/")
    return f"{first}{own_mark()}{slash}{rest}"


def _make(folder: Directory, name: str, wanted: Iterable[str]) -> Directory:
    """One directory, those that its name implies before it. Raises AlreadyExists, KernelError, FileNotFoundError."""
    *implied, last = name.split("/")
    enabled: list[str] = []
    for part in implied:
        folder = folder.below(part)
        with suppress(FileExistsError):
            _mkdir(folder)
        if folder.hierarchy.version == 2:
            enabled = _enable(folder, wanted)
    group = folder.below(last)
    try:
        _mkdir(group)
    except FileExistsError:
        raise AlreadyExists(f"there is a group {group.absolute}") from None
    if enabled and not set(enabled) <= set(_controllers(group)):
        group.remove()
        raise FileNotFoundError(f"{folder.absolute} was removed, and made again by somebody else")
    _named.add((group.hierarchy.point, group.path))
    return group


def _controllers(group: Directory) -> list[str]:
    if (text := group.read("cgroup.controllers")) is None:
        raise FileNotFoundError(group.absolute)
    return text.split()


def _enable(folder: Directory, wanted: Iterable[str]) -> list[str]:
    """Enable what is wanted and can be had; which controllers that is."""
    there = _controllers(folder)
    found = [name for name in wanted if name in there]
    try:
        enable(folder, found)
    except KernelError as error:
        if error.errno in (ENOENT, ENODEV):  # removed in this moment, with the last group in it
            raise FileNotFoundError(folder.absolute) from None
        raise
    return found


def _mkdir(group: Directory) -> None:
    try:
        group.make()
    except (FileExistsError, FileNotFoundError):
        raise
    except KernelError:  # a cpuset could not be filled
        group.remove()
        raise
    except OSError as error:
        if error.errno == ENODEV:  # the group around it is just being removed
            raise FileNotFoundError(group.absolute) from None
        raise group.error(error, "mkdir") from None


def _undo(made: Sequence[Directory]) -> None:
    with suppress(IsolibError):
        if made:
            end(made, 1.0)
    remove_implied(made)


def remove_implied(places: Iterable[Directory]) -> None:
    """After a group is gone: remove its parents that only a name implied, when no other group is in them."""
    mark = own_mark()
    for place in places:
        _named.discard((place.hierarchy.point, place.path))
        path = place.path.rpartition("/")[0]
        while mark in path and (place.hierarchy.point, path) not in _named:
            try:
                Directory(place.hierarchy, path).remove()
            except FileNotFoundError:
                pass
            except OSError:
                break
            path = path.rpartition("/")[0]

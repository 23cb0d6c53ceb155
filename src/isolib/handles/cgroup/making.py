"""How a group comes to be: its directories, the files of its limits; and how nothing of it is left when that fails."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from errno import EINVAL, ENOENT

from msgspec import structs

from isolib.errors import AlreadyExists, IsolibError, KernelError
from isolib.handles.cgroup import devices, io, layout, memory
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.ending import end
from isolib.handles.cgroup.folders import Parent, folders
from isolib.handles.cgroup.frame import Version, Write
from isolib.handles.cgroup.home import enable, forget
from isolib.handles.cgroup.owner import own_mark
from isolib.spec.limits import PERIOD, Limits

ATTEMPTS = 4  # a folder may be tidied away by another thread or process between two calls

# Groups that a name implied ("tests" of "tests/a"): removed with the last group in them.
_implied: set[tuple[str, str]] = set()


def create(
    name: str, limits: Limits | None, parent: Parent, counted: Sequence[str], kept: bool = False
) -> list[Directory]:
    """The directories of a new group with these limits. Raises AlreadyExists, Unavailable, KernelError, all undone."""
    limits = io.resolve(limits) if limits else None
    needed = layout.controllers_of(limits)
    for attempt in range(ATTEMPTS):
        made: list[Directory] = []
        try:
            found = folders(needed, counted, parent)
            marked = name if kept or found.owned else _marked(name)
            for folder in found.directories:
                made.append(_make(folder, marked, [*needed, *counted]))
            if limits:
                apply(made, limits, fresh=True)
            return made
        except FileNotFoundError:
            _undo(made)
            if attempt == ATTEMPTS - 1:
                raise
            forget()
        except BaseException:
            _undo(made)
            raise
    raise AssertionError("the last attempt has returned or raised")


def _marked(name: str) -> str:
    first, slash, rest = name.partition("/")
    return f"{first}{own_mark()}{slash}{rest}"


def _make(folder: Directory, name: str, wanted: Iterable[str]) -> Directory:
    """One directory, those that its name implies before it. Raises AlreadyExists, KernelError, FileNotFoundError."""
    *implied, last = name.split("/")
    for part in implied:
        folder = folder.below(part)
        with suppress(FileExistsError):
            _mkdir(folder)
            _implied.add((folder.hierarchy.point, folder.path))
        if folder.hierarchy.version == 2:
            enable(folder, (name for name in wanted if name in (folder.read("cgroup.controllers") or "").split()))
    group = folder.below(last)
    try:
        _mkdir(group)
    except FileExistsError:
        raise AlreadyExists(f"there is a group {group.absolute}") from None
    return group


def _mkdir(group: Directory) -> None:
    try:
        group.make()
    except (FileExistsError, FileNotFoundError):
        raise
    except KernelError:  # a cpuset could not be filled
        group.remove()
        raise
    except OSError as error:
        raise group.error(error, "mkdir") from None


def _undo(made: Sequence[Directory]) -> None:
    with suppress(IsolibError):
        if made:
            end(made, 1.0)
    remove_implied(made)


def remove_implied(places: Iterable[Directory]) -> None:
    """Remove the parents that only a name implied, when no other group is in them."""
    for place in places:
        parent = place.parent
        while (parent.hierarchy.point, parent.path) in _implied:
            try:
                parent.remove()
            except FileNotFoundError:
                pass
            except OSError:
                break
            _implied.discard((parent.hierarchy.point, parent.path))
            parent = parent.parent


def apply(places: Sequence[Directory], limits: Limits, *, fresh: bool = False) -> None:
    """Write the files of these limits into a group's directories. Raises Unavailable for a file that is not there."""
    by_controller = {name: place for place in places for name in place.hierarchy.controllers}
    rest = next((place for place in places if place.hierarchy.version == 2), places[0])

    def place_of(controller: str) -> Directory:
        return by_controller.get(controller, rest)

    def version_of(controller: str) -> Version:
        return place_of(controller).hierarchy.version

    if version_of("devices") == 1 and (rule := devices.unlike_v1(devices.rules_of(limits) or ())):
        raise layout.unlike_v1(rule)
    if not fresh:
        limits = _beside_present(limits, place_of("memory"))
    writes = layout.writes_of(limits, version_of, lambda controller, file: place_of(controller).has(file))
    _write_all(writes, place_of)
    if (rules := devices.rules_of(limits)) is not None and version_of("devices") == 2:
        devices.attach(place_of("devices"), rules)


def _beside_present(limits: Limits, place: Directory) -> Limits:
    """What a change says beside itself: the period is the usual one again, v1's swap stays with its memory."""
    if limits.cpus is not None and limits.cpu_period is None:
        limits = structs.replace(limits, cpu_period=PERIOD)
    if place.hierarchy.version == 2 or (limits.memory is None) == (limits.swap is None):
        return limits
    present = memory.limits_of(place.read, 1)
    field = "memory" if limits.memory is None else "swap"
    return structs.replace(limits, **{field: present[field]}) if isinstance(present[field], int) else limits


def _write_all(writes: Iterable[Write], place_of: Callable[[str], Directory]) -> None:
    waiting, turned = list(writes), False
    while waiting:
        write = waiting.pop(0)
        try:
            place_of(write.controller).write(write.file, write.text)
        except KernelError as error:
            if error.errno == ENOENT:
                raise layout.absent(write) from None
            # v1 keeps memory below memory with swap: which of the two goes first depends on which way they change.
            if turned or error.errno != EINVAL or write.file != "memory.limit_in_bytes":
                raise
            turned = True
            waiting.insert(1, write)

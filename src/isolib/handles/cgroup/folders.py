"""In which directories a group is to be made, one a hierarchy: what its limits need, what is counted, what kills it."""

from collections.abc import Iterable, Mapping, Sequence

from isolib.errors import KernelError, NotFound, Problem, SpecError, Unavailable
from isolib.handles.cgroup import names
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.hierarchy import Hierarchy, hierarchies
from isolib.handles.cgroup.home import Folders, enable, home, known_folders
from isolib.handles.cgroup.owner import own_mark
from isolib.handles.cgroup.sweep import sweep_folder

# The directories of a group, a path below the top of each hierarchy, or None for this process's own place.
Parent = Sequence[Directory] | str | None

_REMEDY = "become root, or have a group delegated (systemd: a unit with Delegate=yes)"
_swept: set[tuple[str, str]] = set()


def folders(needed: Mapping[str, str], counted: Iterable[str], parent: Parent) -> Folders:
    """needed: controllers, and what asks for each. Raises Unavailable, NotFound, SpecError (no path)."""
    if parent is not None:
        return _look(needed, counted, parent)
    key = (frozenset(needed), tuple(counted))
    if key not in known_folders:
        known_folders[key] = _look(needed, counted, None)
    return known_folders[key]


def _look(needed: Mapping[str, str], counted: Iterable[str], parent: Parent) -> Folders:
    if isinstance(parent, str):
        _check_path(parent)
    elif parent is not None and not parent[0].has("cgroup.procs"):
        raise NotFound(f"the group {parent[0].absolute} is gone")
    wanted = [*needed, *(name for name in counted if name not in needed)]
    chosen: dict[Hierarchy, Directory] = {}
    for hierarchy in _killers():
        found = _folder(hierarchy, parent, wanted)
        if isinstance(found, Directory):
            chosen[hierarchy] = found
    for controller in wanted:
        reason = _choose(chosen, controller, parent, wanted)
        if reason and controller in needed:
            raise Unavailable(needed[controller], reason)
    if not chosen:
        raise Unavailable("cgroup.procs", why_none(parent))
    return Folders(list(chosen.values()), _is_owned(parent))


def _choose(chosen: dict[Hierarchy, Directory], controller: str, parent: Parent, wanted: list[str]) -> str:
    """Add the folder of one controller; else the reason why there is none."""
    hierarchy = hierarchy_of(controller)
    if hierarchy is None:
        return f"the kernel, or this container, has no controller {controller} (/proc/cgroups)"
    if hierarchy not in chosen:
        found = _folder(hierarchy, parent, wanted)
        if isinstance(found, str):
            return found
        chosen[hierarchy] = found
    if parent is None:
        place = home(hierarchy).home
        return place.refused.get(controller, "") if place else ""
    return _enabled(chosen[hierarchy], controller)


def reasons_of(controllers: Iterable[str]) -> dict[str, str]:
    """Why this process cannot have each of these controllers, in its own place; "" where it can."""
    chosen: dict[Hierarchy, Directory] = {}
    wanted = [*controllers]
    return {name: _choose(chosen, name, None, wanted) for name in wanted}


def hierarchy_of(controller: str) -> Hierarchy | None:
    """Where a controller is; rules for devices and the group's own files are v2's where v1 has no such controller."""
    found = hierarchies().by_controller.get(controller)
    return hierarchies().unified if found is None and controller in ("", "devices") else found


def _killers() -> list[Hierarchy]:
    """v2 has all that ends, freezes and times a group; without it v1's freezer and cpuacct do."""
    known = hierarchies()
    if known.unified:
        found = home(known.unified).home
        if found and (known.version == "v2" or found.directory.has("cgroup.kill")):  # Linux 5.14
            return [known.unified]
    old = [known.by_controller.get(name) for name in ("freezer", "cpuacct")]
    return [hierarchy for hierarchy in old if hierarchy]


def _folder(hierarchy: Hierarchy, parent: Parent, wanted: list[str]) -> Directory | str:
    """Where to make a group in one hierarchy; else the reason in words."""
    if parent is None:
        found = home(hierarchy, [name for name in wanted if name in hierarchy.controllers])
        return found.home.directory if found.home else f"{found.reason}; {_REMEDY}"
    if isinstance(parent, str):
        return _by_path(Directory(hierarchy, parent.strip("/")))
    for place in parent:
        if place.hierarchy is hierarchy:
            return place
    return _beside(hierarchy, parent)


def _beside(hierarchy: Hierarchy, parent: Sequence[Directory]) -> Directory | str:
    """The same group in a hierarchy that it did not need so far: made now, when it is one of ours."""
    for place in parent:
        above, here = home(place.hierarchy).home, home(hierarchy).home
        if above and here and place.path.startswith(f"{above.directory.path}/"):
            path = place.path[len(above.directory.path) :]
            return _by_path(Directory(hierarchy, here.directory.path + path))
    return f"the parent has no directory at {hierarchy.point}"


def _by_path(folder: Directory) -> Directory | str:
    """A folder by its path, made with those above it where they are missing, and swept once."""
    missing = []
    while folder.path and not folder.has("cgroup.procs"):
        missing.append(folder)
        folder = folder.parent
    try:
        for folder in reversed(missing):
            folder.make()
    except FileExistsError:
        pass
    except OSError as error:
        return f"{folder.absolute}: {error.strerror}; {_REMEDY}"
    if missing:
        folder = missing[0]
    if (folder.hierarchy.point, folder.path) not in _swept:
        _swept.add((folder.hierarchy.point, folder.path))
        sweep_folder(folder)
    return folder


def _enabled(folder: Directory, controller: str) -> str:
    """Enable a controller from the top of the hierarchy down to a folder; else the reason."""
    if folder.hierarchy.version == 1 or controller not in folder.hierarchy.controllers:
        return ""
    line = [folder]
    while controller not in (line[-1].read("cgroup.controllers") or "").split() and line[-1].path:
        line.append(line[-1].parent)
    try:
        for level in reversed(line):
            enable(level, [controller])
    except KernelError as error:
        return str(error)
    return ""


def _is_owned(parent: Parent) -> bool:
    return parent is not None and not isinstance(parent, str) and own_mark() in f"{parent[0].path}/"


def _check_path(parent: str) -> None:
    problems = list(names.problems(parent.strip("/"), "parent")) if parent.strip("/") else []
    if problems or "\0" in parent:
        raise SpecError(problems or [Problem("parent", f"{parent!r} is no path of a group")])


def why_none(parent: Parent = None) -> str:
    """Why this process may make no group at all, and what would change that."""
    known = hierarchies()
    if not known.all:
        return "no cgroup hierarchy is mounted here: mount cgroup2 at /sys/fs/cgroup"
    found = _folder(known.unified or known.all[0], parent, [])
    if isinstance(found, Directory):
        return "no controller is asked for"
    if known.version == "v1":
        return f"{found}; cgroup v1 has no delegation to ordinary users: boot with systemd.unified_cgroup_hierarchy=1"
    return found

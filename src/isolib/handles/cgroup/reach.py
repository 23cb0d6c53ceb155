"""Groups that exist already: of a process, of a path; and what a process can do about its own group."""

import os
from collections.abc import Iterator

from isolib.errors import Conflict, NotFound, SpecError, Unavailable
from isolib.handles.cgroup import hierarchy as views, home as homes, names
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.hierarchy import Hierarchy, hierarchies, parse_groups, read_proc

LEAF = "leaf"


def _in_order() -> list[Hierarchy]:
    """v2's first: it says when a group is empty; then v1's freezer, which kills."""
    return sorted(hierarchies().all, key=lambda h: (-h.version, "freezer" not in h.controllers))


def places_of(pid: int) -> list[Directory]:
    """The directories of the group that a process is in. Raises NotFound: there is no such process."""
    try:
        groups = parse_groups(read_proc(f"/proc/{pid}/cgroup"))
    except (FileNotFoundError, ProcessLookupError):
        raise NotFound(f"there is no process {pid}") from None
    return list(_shown(groups))


def _shown(groups: dict[str, str]) -> Iterator[Directory]:
    for hierarchy in _in_order():
        key = "" if hierarchy.version == 2 else next(iter(hierarchy.controllers))
        if key in groups and (path := hierarchy.below(groups[key])) is not None:
            yield Directory(hierarchy, path)


def places_at(path: str) -> list[Directory]:
    """The directories of a group by one of its paths, or by a name in this process's places; none where it is not."""
    parts = path.split("/")
    if not path.strip("/") or "\0" in path or ".." in parts or "." in parts:
        raise SpecError(list(names.problems(path, "path")))
    return _at_absolute(path.rstrip("/")) if path.startswith("/") else _at_name(path)


def _at_absolute(path: str) -> list[Directory]:
    """Where the named hierarchy has it; and with it the same path in the others."""
    for hierarchy in sorted(_in_order(), key=lambda hierarchy: -len(hierarchy.point)):
        if path == hierarchy.point or path.startswith(f"{hierarchy.point}/"):
            relative = path[len(hierarchy.point) + 1 :]
            if not Directory(hierarchy, relative).has("cgroup.procs"):
                return []
            return [place for h in _in_order() if (place := Directory(h, relative)).has("cgroup.procs")]
    return []


def _at_name(name: str) -> list[Directory]:
    found = (homes.home(hierarchy).home for hierarchy in _in_order())
    return [place for home in found if home and (place := home.directory.below(name)).has("cgroup.procs")]


def sweep() -> list[str]:
    """Sweep every place that this process may write; the paths of what was removed."""
    return homes.sweep(_in_order())


def step_aside() -> str:
    """Move every process of this process's own v2 group into a child of it, so that it may enable controllers."""
    if hierarchies().version != "v2":
        raise Unavailable("cgroup.subtree_control", "only cgroup v2 has a rule that makes processes step aside")
    (own,) = places_of(os.getpid())
    if not own.has("cgroup.type"):
        raise Conflict(f"{own.absolute} is the top of all groups, which may enable controllers as it is")
    leaf = own.below(LEAF)
    try:
        leaf.make()
    except FileExistsError:
        pass
    except OSError as error:
        raise own.error(error, "mkdir") from None
    while pids := [pid for pid in own.pids() if pid]:
        for pid in pids:
            leaf.write("cgroup.procs", str(pid))
    homes.forget()
    views.forget()
    return leaf.absolute


def attach_by_systemd(place: Directory, pid: int) -> bool:
    """Let systemd move the process, which the kernel lets no ordinary user do between a session and a unit of his."""
    from isolib.handles.cgroup import systemd

    return systemd.attach(place, pid)

"""Which cgroup hierarchies this process sees, where they are mounted, and where it stands in each."""

import os
import re
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

Version = Literal[1, 2]

# What v1 calls otherwise. The names here are v2's; cpuacct and freezer are controllers on v1 only.
V1_NAMES = {"io": "blkio"}
V2_NAMES = {old: new for new, old in V1_NAMES.items()}

_ESCAPE = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """One cgroup mount: the kernel's device number, the group that is its root, the directory, v1's controllers."""

    device: int
    root: str
    point: str
    version: Version
    controllers: frozenset[str]
    writable: bool


def parse_mounts(mountinfo: str) -> Iterator[Mount]:
    """The cgroup mounts in the text of /proc/PID/mountinfo (proc_pid_mountinfo(5)), in its order."""
    for line in mountinfo.splitlines():
        if " - cgroup" not in line:
            continue
        left, _, right = line.partition(" - ")
        _, _, device, root, point, options, *_ = left.split(" ")
        kind, _, super_options = right.split(" ", 2)
        if kind not in ("cgroup", "cgroup2"):
            continue
        major, _, minor = device.partition(":")
        words = set(super_options.split(","))
        writable = "rw" in options.split(",") and "rw" in words
        names = frozenset(V2_NAMES.get(word, word) for word in words) if kind == "cgroup" else frozenset()
        version: Version = 1 if kind == "cgroup" else 2
        yield Mount(os.makedev(int(major), int(minor)), _plain(root), _plain(point), version, names, writable)


def parse_groups(text: str) -> dict[str, str]:
    """The groups in the text of /proc/PID/cgroup: controller (or "" for v2) -> path (cgroups(7))."""
    groups: dict[str, str] = {}
    for line in text.splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            groups[V2_NAMES.get(name, name)] = path
    return groups


class Hierarchy:
    """One hierarchy as mounted here. ``own`` is the caller's group, relative to the mount; None: it lies outside."""

    def __init__(self, mount: Mount, controllers: Iterable[str], own: str | None, fd: int) -> None:
        self.version, self.point, self.writable = mount.version, mount.point, mount.writable
        self.root, self.controllers, self.own = mount.root, frozenset(controllers), own
        # Kept as long as the process lives: groups are reached from here, so a mount or a chroot later cannot mislead.
        self.fd = fd
        self._fills = mount.version == 1 and "cpuset" in self.controllers
        self._filled: str | None = None

    def __repr__(self) -> str:
        return f"<cgroup v{self.version} at {self.point}: {' '.join(sorted(self.controllers))}>"

    def needs_filling(self, path: str) -> bool:
        """Whether a new group here is a cpuset of v1 that its parent does not fill by itself."""
        return self._fills and (self._filled is None or not path.startswith(self._filled))

    def set_filled(self, path: str) -> None:
        """Groups below this one are filled by it (cgroup.clone_children)."""
        self._filled = f"{path}/"

    def below(self, path: str) -> str | None:
        """A path of /proc/PID/cgroup, relative to the mount; None for a group that the mount does not show."""
        return below(self.root, path)


def below(root: str, path: str) -> str | None:
    if path.startswith("/.."):  # outside of the reader's cgroup namespace (cgroup_namespaces(7))
        return None
    if root == "/":
        return path.strip("/")
    if path == root or path.startswith(root + "/"):
        return path[len(root) :].strip("/")
    return None


class Hierarchies:
    """All of them: by controller, and v2's, which on a hybrid host has few controllers or none."""

    def __init__(self, all_: Iterable[Hierarchy]) -> None:
        self.all = tuple(all_)
        self.unified = next((h for h in self.all if h.version == 2), None)
        # v1 first: a controller bound to a v1 hierarchy is not v2's.
        self.by_controller = {c: h for h in sorted(self.all, key=lambda h: -h.version) for c in h.controllers}

    @property
    def version(self) -> Literal["v2", "v1", "hybrid", "none"]:
        versions = {h.version for h in self.all}
        return "none" if not versions else "hybrid" if len(versions) == 2 else "v2" if versions == {2} else "v1"


def find(mountinfo: str, groups: str) -> Iterator[Hierarchy]:
    """Open the best mount of each hierarchy: one that shows the caller's own group, else the last one."""
    own = parse_groups(groups)
    best: dict[int, tuple[Mount, str | None]] = {}
    for mount in parse_mounts(mountinfo):
        key = next(iter(mount.controllers & own.keys()), "") if mount.version == 1 else ""
        if mount.version == 1 and not key:
            continue
        place = below(mount.root, own[key]) if key in own else None
        if place is not None or mount.device not in best:
            best[mount.device] = (mount, place)
    for mount, place in best.values():
        controllers = mount.controllers & own.keys()
        if mount.version == 1 and all("=" in name for name in controllers):
            continue  # a named hierarchy (systemd's own) limits nothing
        if (fd := _open(mount)) is not None:
            known = controllers if mount.version == 1 else _read(fd, "cgroup.controllers").split()
            yield Hierarchy(mount, known, place, fd)


def _open(mount: Mount) -> int | None:
    """The mount's directory; None when another mount hides it or the caller may not enter it."""
    try:
        fd = os.open(mount.point, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    if os.fstat(fd).st_dev == mount.device:
        return fd
    os.close(fd)
    return None


def _read(fd: int, name: str) -> str:
    with open(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=fd)) as file:
        return file.read()


def _plain(field: str) -> str:
    """A path of mountinfo, whose blanks and backslashes stand as octal numbers."""
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field) if "\\" in field else field


def read_proc(path: str) -> str:
    """A file of /proc, whose paths may be any bytes."""
    with open(path, encoding="utf-8", errors="surrogateescape") as file:
        return file.read()


_found: Hierarchies | None = None


def hierarchies() -> Hierarchies:
    """What this process sees, looked up once."""
    global _found
    if _found is None:
        try:
            _found = Hierarchies(find(read_proc("/proc/self/mountinfo"), read_proc("/proc/self/cgroup")))
        except OSError:  # no /proc, or a kernel without cgroups
            _found = Hierarchies(())
    return _found


def forget() -> None:
    """Look again at the next call: this process has moved, or mounted something."""
    global _found
    found, _found = _found, None
    for hierarchy in found.all if found else ():
        os.close(hierarchy.fd)

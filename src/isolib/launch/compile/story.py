"""The Plan while it is being told: steps in order, and which registers are taken."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from isolib.launch import steps
from isolib.launch.plan import NAMESPACE_FLAGS
from isolib.launch.steps import Step
from isolib.linux.mount import AT_RECURSIVE, OPEN_TREE_CLONE
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts
from isolib.spec.paths import under

CLONE, CLONE_ALL = OPEN_TREE_CLONE, OPEN_TREE_CLONE | AT_RECURSIVE
O_PATH, O_DIRECTORY = 0o10000000, 0o200000


class Identity(msgspec.Struct, frozen=True):
    """The payload's ids as numbers, found in the root's own passwd and group (launch/users.py)."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    home: str = "/"
    has_root: bool = True  # whether 0 exists inside
    has_tty: bool = True  # whether group 5 does, which terminals belong to
    closed: tuple[str, ...] = ()  # directories of the host's root that root inside may not enter, on the way to mounts


class Story:
    """What the chapters of compile() write to. ``range_map``: whether more than the caller's own id exists inside."""

    def __init__(self, spec: ContainerSpec, host: HostFacts, identity: Identity, range_map: bool | None = None) -> None:
        self.spec, self.host, self.identity = spec, host, identity
        self.range_map = has_range(spec, host) if range_map is None else range_map
        self.steps: list[Step] = []
        self._free = list(range(steps.EXEC_PIPE - 1, steps.FIRST_FREE - 1, -1))
        self._names = itertools.count()
        # scratch: the tmpfs that is thrown away; upper: where overlays write, which is that or a directory on disk.
        self.root = self.scratch = self.upper = self.terminal = steps.NONE
        self.handed: list[int] = []  # the root's trees, as the caller hands them over
        self.opened: dict[str, int] = {}  # what init opened while it was the caller, by the host's path
        self.places: dict[str, int] = {}  # mounts of the kernel's own: nobody can swap a name on the way to them

    def add(self, *more: Step) -> None:
        """What happens next."""
        self.steps += map(self._told, more)

    def _told(self, step: Step) -> Step:
        """The step with its path as people read it: as seen inside, or below the scratch."""
        root = steps.OPS[step.word].root
        if step.word == "mount":
            told = step.subject.replace(f"%{self.scratch}/", "scratch/").replace(f"%{self.upper}/", "scratch on disk/")
            return msgspec.structs.replace(step, subject=told)
        top = None if root is None or step.n[root] < 0 else self._top(step.n[root])
        if top is None:
            return step
        return msgspec.structs.replace(step, subject=f"{top}/{step.subject.lstrip('/')}".removesuffix("/.") or "/")

    def _top(self, register: int) -> str | None:
        if register == self.scratch:
            return "scratch"
        if register == self.upper:
            return "scratch on disk"
        return "" if register == self.root else next((top for top, n in self.places.items() if n == register), None)

    @property
    def targets(self) -> set[str]:
        """Where the user mounts something."""
        return {mount.path for mount in self.spec.mounts}

    @property
    def hostname(self) -> str:
        return self.spec.hostname or "isolib"

    def name(self) -> str:
        """A name in the scratch that nothing else has."""
        return str(next(self._names))

    def place(self, path: str) -> tuple[int, str]:
        """(register, path below it): by the kernel's own mount that it lies in, else by the root."""
        for top, register in self.places.items():
            if under(path, top):
                return register, path[len(top) + 1 :]
        return self.root, path

    def new(self, kind: str) -> bool:
        """Whether the container has a namespace of its own of this kind."""
        return self.spec.namespace(kind) == "new"

    @property
    def made(self) -> int:
        """CLONE_NEW… of what is made at once: all but cgroup (once init is in its group) and time (before the fork)."""
        return sum(NAMESPACE_FLAGS[kind] for kind in ("ipc", "mnt", "net", "pid", "user", "uts") if self.new(kind))

    @property
    def flags(self) -> int:
        """For clone3; nothing where namespaces are joined: that comes first, and then a clone of init's own."""
        return 0 if self.spec.joined else self.made

    @property
    def apart(self) -> bool:
        """Whether it is in another user namespace than the caller."""
        return self.spec.namespace("user") != "host"

    @property
    def mapped(self) -> bool:
        """Whether the caller hands over id-mapped trees: he may, and there is a user namespace to map to."""
        return self.host.privileged and self.apart

    @property
    def outsider(self) -> bool:
        """Whether root inside is a stranger to the caller's own files: an ordinary user's sub-id."""
        return is_outsider(self.spec, self.host)

    @property
    def on_disk(self) -> bool:
        """Whether what is thrown away is written to a disk: asked for, or tmpfs cannot hold an overlay's attributes."""
        return self.spec.scratch.directory is not None or (not self.host.overlay_on_tmpfs and self.user_attributes)

    @property
    def user_attributes(self) -> bool:
        """Whether an overlay keeps its attributes under user.*: trusted.* is for root of the host alone."""
        return self.apart or not self.host.first_user_namespace

    def reserve(self, first: int) -> None:
        """The registers below first are the caller's to fill."""
        self._free = [register for register in self._free if register >= first]

    def take(self, count: int = 1) -> int:
        """The first of so many registers in a row."""
        if count == 1:
            return self._free.pop()
        run = sorted(self._free)
        first = next(a for a, b in zip(run, run[count - 1 :], strict=False) if b - a == count - 1)
        self._free = [n for n in self._free if not first <= n < first + count]
        return first

    def give_back(self, register: int) -> None:
        """Closes a register; its number is free again."""
        self.add(steps.close(register))
        self._free.append(register)

    @contextmanager
    def borrowed(self) -> Iterator[int]:
        """A register for the length of a block."""
        register = self.take()
        yield register
        self.give_back(register)


def is_outsider(spec: ContainerSpec, host: HostFacts) -> bool:
    """See `Story.outsider`."""
    return spec.namespace("user") == "new" and not host.privileged and has_range(spec, host)


def has_range(spec: ContainerSpec, host: HostFacts) -> bool:
    """Whether more than the caller's own id will exist inside."""
    if spec.namespace("user") != "new":
        return True
    if host.privileged or spec.ids is None:
        return host.privileged  # who writes any map himself leaves setgroups(2) allowed, also in a self map
    if spec.ids.word == "maps" and spec.ids.maps is not None:
        return sum(row.size for row in spec.ids.maps.gids) > 1
    return spec.ids.word != "self" and not (spec.ids.word == "keep-id" and spec.ids.size == 1)

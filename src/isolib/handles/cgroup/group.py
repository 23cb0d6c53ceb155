"""CGroup: a group of processes that is limited, counted, frozen and killed as one."""

import os
import time
import warnings
from collections.abc import Iterable
from contextlib import suppress
from errno import EACCES, EPERM, ESRCH
from itertools import product
from typing import Self

from isolib.errors import Conflict, KernelError, NotFound, Problem, SpecError
from isolib.handles.cgroup import applying, ending, freezer, layout, making, names, reach
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.events import Events, GroupEvents, read_events
from isolib.handles.cgroup.frame import Read, Version
from isolib.handles.cgroup.memory import oom_kills, peak
from isolib.handles.cgroup.pressure import Pressure, PressureTrigger, pressure_of
from isolib.handles.cgroup.stats import Stats, read_stats
from isolib.spec.limits import Limits

PATIENCE = 10.0  # seconds that a killed or a frozen group may take


class CGroup:
    """A group of processes: one directory on cgroup v2, one in each hierarchy that it needs on v1 and hybrid hosts.

    Made by ``create`` it belongs to this process: a ``with`` block removes it, and when this process is killed, the
    next one that uses isolib does. Reached by ``of`` or ``open`` it belongs to somebody else, and leaving the block
    leaves it. A handle holds no descriptor. See cgroups(7).
    """

    _owned = False
    _inner = False  # ends with the group around it

    def __init__(self, places: Iterable[Directory], name: str) -> None:
        self._take(places)
        self.name = name
        self._pid = os.getpid()

    def _take(self, places: Iterable[Directory]) -> None:
        self._places = tuple(places)
        self._by_controller = {c: place for place in self._places for c in place.hierarchy.controllers}
        self._unified = next((place for place in self._places if place.hierarchy.version == 2), None)

    # Making and finding

    @classmethod
    def create(
        cls,
        name: str,
        limits: Limits | None = None,
        parent: "CGroup | str | None" = None,
        *,
        controllers: Iterable[str] | None = None,
        kept: bool = False,
    ) -> Self:
        """Make a group; ``"tests/a"`` makes ``tests`` too, and removes it with the last group in it.

        parent: a group, or the path of one below the top of the hierarchy (``"/services"``). controllers: what is
        counted beside what the limits need (None: memory, pids, io). kept: the group outlives this process; who keeps
        its name opens and removes it.

        Raises SpecError, AlreadyExists, Unavailable (what this host or user cannot, with the remedy), KernelError; then
        nothing is left of it.
        """
        problems = [*names.problems(name), *applying.problems_of(limits)]
        if problems:
            raise SpecError(problems)
        above = parent._places if isinstance(parent, CGroup) else parent
        wanted = layout.COUNTED if controllers is None else tuple(controllers)
        places: list[Directory] = []
        try:
            places = making.create(name, limits, above, wanted, kept)
        finally:
            if isinstance(parent, CGroup) and not parent._covers(places):
                parent._adopt()
        group = cls(places, name)
        group._owned = not kept
        group._inner = isinstance(parent, CGroup)
        return group

    def _covers(self, places: Iterable[Directory]) -> bool:
        """Whether these, some, are in hierarchies that this group is in as well."""
        needed = {place.hierarchy for place in places}
        return bool(needed) and needed <= {place.hierarchy for place in self._places}

    def _adopt(self) -> None:
        """v1: a child may need a hierarchy in which this group had no directory, and has one now."""
        known = {place.hierarchy for place in self._places}
        new = [place for place in reach.places_at(self.path) if place.hierarchy not in known]
        if new:
            for pid, place in product(self.pids(), new):
                with suppress(KernelError):
                    place.write("cgroup.procs", str(pid))
            self._take((*self._places, *new))

    @classmethod
    def of(cls, pid: int) -> Self:
        """The group that a process is in, in every hierarchy. Raises NotFound."""
        found = reach.places_of(_checked(pid))
        if not found:
            raise NotFound(f"process {pid} is in no group that is mounted here")
        return cls(found, found[0].path or "/")

    @classmethod
    def open(cls, path: str) -> Self:
        """A group that exists, by its ``path`` in a cgroup mount or, a kept one, by its name. Raises NotFound."""
        found = reach.places_at(path)
        if not found:
            raise NotFound(f"there is no group {path!r}")
        return cls(found, path)

    def child(self, name: str, limits: Limits | None = None) -> Self:
        """Make a group in this one. On v2 a group with processes can have children, but give them no controllers.

        It has a directory in every hierarchy of v1 that this one has: a process that is moved there leaves no limit.
        """
        v1 = (place.hierarchy for place in self._places if place.hierarchy.version == 1)
        kept = [controller for hierarchy in v1 for controller in hierarchy.controllers]
        return self.create(name, limits, self, controllers=dict.fromkeys((*layout.COUNTED, *kept)))

    @staticmethod
    def step_aside() -> str:
        """Move all processes of this process's own v2 group into a group ``leaf`` in it, to enable controllers.

        The one thing that changes the caller; isolib never does it by itself. Returns the leaf's path.
        """
        return reach.step_aside()

    @staticmethod
    def sweep() -> list[str]:
        """Kill and remove the groups of processes that are gone. Done once a process before its first group is made."""
        return reach.sweep()

    # Processes

    def add(self, pid: int) -> None:
        """Move a process in, with all its threads; its later children will be here, those it has stay where they are.

        Raises NotFound (it is gone), and KernelError with a hint where the kernel refuses.
        """
        text = str(_checked(pid))
        for place in self._places:
            try:
                place.write("cgroup.procs", text)
            except KernelError as error:
                if error.errno == ESRCH:
                    raise NotFound(f"process {pid} is gone") from None
                if error.errno not in (EACCES, EPERM) or not reach.attach_by_systemd(place, pid):
                    raise

    def pids(self) -> list[int]:
        """The processes in the group itself, not those of its children."""
        return ending.main(self._places).pids()

    def children(self) -> list[str]:
        """The names of the groups directly in this one."""
        return sorted({name for place in self._places for name in place.children()})

    def freeze(self, timeout: float = PATIENCE) -> None:
        """Stop every process here and below, and wait until all stand. Raises Unavailable, KernelError (ETIMEDOUT)."""
        self._set_frozen(True, timeout)

    def thaw(self, timeout: float = PATIENCE) -> None:
        """Let them go on."""
        self._set_frozen(False, timeout)

    def _set_frozen(self, frozen: bool, timeout: float) -> None:
        place = freezer.freezer_of(self._places)
        freezer.request(place, frozen)
        freezer.wait(place, frozen, timeout)

    @property
    def frozen(self) -> bool:
        """Whether every process stands still."""
        return freezer.is_frozen(freezer.freezer_of(self._places))

    def kill(self, timeout: float = PATIENCE) -> None:
        """Kill every process here and below, at once, and wait until all are gone; 0 does not wait.

        Raises KernelError (ETIMEDOUT), and Conflict where this process itself is among them.
        """
        if timeout:
            ending.kill_until_empty(self._places, time.monotonic() + timeout)
        else:
            ending.kill(self._places)

    # Limits and files

    @property
    def limits(self) -> Limits:
        """The limits in force, as the files say; rules for devices are not said."""
        return layout.read_back(self._reader, self._version)

    def update(self, limits: Limits) -> None:
        """Change the limits that are given, leave the others. Raises SpecError, Unavailable, KernelError."""
        if problems := list(limits.problems()):
            raise SpecError(problems)
        applying.change(self._places, limits)

    def __getitem__(self, file: str) -> str:
        """The text of a file by its own name, ``group["memory.high"]``. Raises NotFound."""
        place = self._place_of(file)
        text = place.read(file)
        if text is None:
            raise NotFound(f"{place.absolute} has no file {file}")
        return text

    def __setitem__(self, file: str, value: int | str) -> None:
        """Write a file by its own name. Raises NotFound, KernelError."""
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise SpecError(Problem(file, f"{value!r} is no text of a file: give an int or a str"))
        self._place_of(file).write(file, str(value))

    def files(self) -> list[str]:
        """The names of all its files."""
        return sorted({name for place in self._places for name in place.files()})

    def open_file(self, file: str, flags: int = os.O_RDONLY) -> int:
        """A descriptor of a file by its own name, close-on-exec; the caller closes it. Raises NotFound, OSError."""
        return self._place_of(file).open(file, flags)

    def _place_of(self, file: str) -> Directory:
        if not isinstance(file, str) or "/" in file or "\0" in file or file in ("", ".", ".."):
            raise SpecError(Problem("file", f"{file!r} is no file of a group: write its own name, as 'memory.high'"))
        first = self._by_controller.get(layout.controller_of_file(file))
        # On a hybrid host, the pressure files and cgroup.* are v2's.
        for place in filter(None, (first, self._unified, *self._places)):
            if place.has(file):
                return place
        raise NotFound(f"{self.path} has no file {file}")

    def _reader(self, controller: str) -> Read:
        if controller == "cpu":
            return self._read_cpu
        place = self._by_controller.get(controller) or self._unified
        return place.read if place else lambda file: None

    def _read_cpu(self, file: str) -> str | None:
        """The account of the quota is the cpu controller's, CPU time is v2's own, or that of v1's cpuacct."""
        found = (self._by_controller.get("cpu"), self._unified, self._by_controller.get("cpuacct"))
        places = dict.fromkeys(place for place in found if place)
        texts = [text for place in places if (text := place.read(file)) is not None]
        return "\n".join(texts) if texts else None

    def _version(self, controller: str) -> Version:
        place = self._by_controller.get(controller) or self._unified or self._places[0]
        return place.hierarchy.version

    # Counting and waiting

    def stats(self) -> Stats:
        """What the group uses and has used, with all below it."""
        return read_stats(self._reader, self._version)

    @property
    def oom_kills(self) -> int | None:
        """How many processes were killed for want of memory, here and below; None where nobody counts."""
        return oom_kills(self._reader("memory"), self._version("memory"))

    @property
    def memory_peak(self) -> int | None:
        """The most bytes that the group has used, as `stats` says it, by one file; None where nobody counts."""
        return peak(self._reader("memory"), self._version("memory"))

    def pressure(self) -> Pressure:
        """How much the group waits for CPUs, memory and disks. Raises Unavailable: no PSI."""
        return pressure_of(self._places)

    def pressure_trigger(
        self, resource: str, stall: float, window: float = 2.0, *, full: bool = False
    ) -> PressureTrigger:
        """A descriptor that wakes when some process (full: all) waited ``stall`` seconds within ``window`` seconds.

        resource: cpu, memory, io or irq. Raises SpecError, Unavailable, KernelError.
        """
        return PressureTrigger(self._places, resource, stall, window, full)

    def events(self) -> Events:
        """A descriptor that wakes when the group becomes empty, frozen, or runs out of memory; see its ``read()``."""
        return Events(self._unified, self._by_controller.get("memory"))

    @property
    def state(self) -> GroupEvents:
        """What ``events().read()`` would say, without a descriptor."""
        return read_events(self._unified, self._by_controller.get("memory"))

    # Where it is, and its end

    @property
    def path(self) -> str:
        """Its directory: v2's, or that of the first of its hierarchies; ``open`` takes it."""
        return ending.main(self._places).absolute

    @property
    def paths(self) -> dict[str, str]:
        """Its directories by controller; "" is v2's own on a hybrid host."""
        own = {} if self._unified is None else {"": self._unified.absolute}
        return own | {name: place.absolute for name, place in sorted(self._by_controller.items())}

    @property
    def controllers(self) -> frozenset[str]:
        """What is limited and counted in it."""
        v1 = {c for place in self._places if place.hierarchy.version == 1 for c in place.hierarchy.controllers}
        v2 = (self._unified.read("cgroup.controllers") or "").split() if self._unified else ()
        return frozenset(v1.union(v2))

    def exists(self) -> bool:
        """Whether its directory is there."""
        return ending.main(self._places).has("cgroup.procs")

    def remove(self, timeout: float = PATIENCE) -> None:
        """Kill what is in it, wait, and remove it and all groups in it; any number of times.

        Raises KernelError (ETIMEDOUT), and Conflict in a fork of the process that made it.
        """
        if self._owned and self._pid != os.getpid():
            raise Conflict(f"{self.path} belongs to process {self._pid}; this is a copy in a fork of it")
        ending.end(self._places, timeout)
        making.remove_implied(self._places)
        self._owned = False

    def close(self) -> None:
        """Let go without removing it; a group made here stays until this process has ended and another one sweeps."""
        self._owned = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._owned and self._pid == os.getpid():
            self.remove()

    def __del__(self) -> None:
        if self._owned and not self._inner and self._pid == os.getpid():
            warnings.warn(f"{self!r} was not removed", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        return f"<CGroup {self.name} at {self.path}>"


def _checked(pid: int) -> int:
    if isinstance(pid, bool) or not isinstance(pid, int) or pid < 1:
        raise SpecError(Problem("pid", f"{pid!r} is no process: give its number"))
    return pid

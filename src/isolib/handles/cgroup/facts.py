"""What the cgroups of this host can do for this process, found by making a group; and what they cannot, and why."""

import os
from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from isolib.errors import Unavailable
from isolib.handles.cgroup import devices, layout, making
from isolib.handles.cgroup.ending import end
from isolib.handles.cgroup.folders import hierarchy_of, reasons_of
from isolib.handles.cgroup.frame import Version, Write
from isolib.handles.cgroup.hierarchy import Hierarchy, hierarchies
from isolib.spec.limits import Limits

KNOWN = ("cpu", "cpuset", "devices", "freezer", "hugetlb", "io", "memory", "pids")


class Controller(Struct, frozen=True):
    """One controller: its version here, the files of a group, and why it cannot be used ("" where it can)."""

    version: Version
    files: frozenset[str] = frozenset()
    reason: str = ""

    @property
    def usable(self) -> bool:
        return not self.reason


class CGroupFacts(Struct, frozen=True):
    """A value, so that limits are checked before anything starts.

    version: "v2", "v1", "hybrid", or "none" where nothing is mounted. places: where this process makes groups. reason:
    why it may make none at all.
    """

    version: Literal["v2", "v1", "hybrid", "none"]
    controllers: dict[str, Controller]
    places: tuple[str, ...] = ()
    reason: str = ""

    def lacks(self, limits: Limits) -> list[Unavailable]:
        """Each limit that this host cannot keep: the missing file, and the remedy. Pure."""
        found = [*layout.lacks(self._writes(limits), self._reason, self._has)]
        rules = devices.rules_of(limits)
        if rules is None:
            return found
        if self.controllers["devices"].version == 2 and (reason := self._reason("devices")):
            found.append(Unavailable(devices.FEATURE, reason))
        if self.controllers["devices"].version == 1 and (rule := devices.unlike_v1(rules)):
            found.append(layout.unlike_v1(rule))
        return found

    def _writes(self, limits: Limits) -> list[Write]:
        return layout.writes_of(limits, lambda name: self.controllers.get(name, _UNKNOWN).version, self._has)

    def _reason(self, controller: str) -> str:
        return self.reason or self.controllers.get(controller, _UNKNOWN).reason

    def _has(self, controller: str, file: str) -> bool:
        return file in self.controllers.get(controller, _UNKNOWN).files


_UNKNOWN = Controller(2, reason="the kernel has no such controller")
_NO_FILES: Mapping[Hierarchy, frozenset[str]] = {}
_facts: CGroupFacts | None = None


def cgroup_facts() -> CGroupFacts:
    """The facts, found once a process."""
    global _facts
    if _facts is None:
        _facts = probe()
    return _facts


def probe() -> CGroupFacts:
    """Make a group with every controller that may be had, list its files, remove it."""
    version = hierarchies().version
    names = ("", *KNOWN)
    reasons = reasons_of(names)
    try:
        places = making.create("probe", None, None, names)
    except Unavailable as error:
        return CGroupFacts(version, {name: _controller(name, reasons[name]) for name in names}, (), error.remedy)
    try:
        files = {place.hierarchy: frozenset(place.files()) for place in places}
        found = {name: _controller(name, reasons[name], files) for name in names}
        return CGroupFacts(version, found, tuple(place.parent.absolute for place in places))
    finally:
        end(places, 1.0)


def _controller(name: str, reason: str, files: Mapping[Hierarchy, frozenset[str]] = _NO_FILES) -> Controller:
    hierarchy = hierarchy_of(name)
    if hierarchy is None or reason:
        return Controller(hierarchy.version if hierarchy else 2, reason=reason or f"no controller {name}")
    if name == "devices" and hierarchy.version == 2 and os.geteuid() != 0:
        return Controller(2, reason=devices.REMEDY)
    return Controller(hierarchy.version, files.get(hierarchy, frozenset()))

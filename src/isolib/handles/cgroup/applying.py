"""Limits into the files of a group: what a value of Limits comes to on this host, worked out once, and written."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from errno import EINVAL, ENOENT
from typing import NamedTuple

from msgspec import structs

from isolib.errors import KernelError, Problem
from isolib.handles.cgroup import devices, io, layout, memory
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.folders import hierarchy_of
from isolib.handles.cgroup.frame import Version, Write
from isolib.spec.device_rules import DeviceRule
from isolib.spec.limits import PERIOD, Limits


class Order(NamedTuple):
    """The controllers, each with what asks for it, and the files of a new group (None: they depend on the group)."""

    limits: Limits
    needed: Mapping[str, str]
    writes: Sequence[Write] | None
    rules: Sequence[DeviceRule] | None


NOTHING = Order(Limits(), {}, (), None)

# Orders by what the limits say: a program starts many groups with few limits, and working them out costs five mkdirs.
_orders: dict[object, Order] = {}
_MOST = 256
_LATE = ("io", "io_weight", "hugetlb", "unified")  # fields that depend on the group, or that a caller could change
_KEY = tuple(name for name in Limits.__struct_fields__ if name not in _LATE)


def problems_of(limits: Limits | None) -> Sequence[Problem]:
    return () if limits is None or _key(limits) in _orders else tuple(limits.problems())


def order_of(limits: Limits | None) -> Order:
    """For limits without problems. Raises SpecError for a path that is no disk, Unavailable for rules that v1 bends."""
    if limits is None:
        return NOTHING
    key = _key(limits)
    found = _orders.get(key) if key else None
    if found is None:
        found = _work_out(limits)
        if key:
            if len(_orders) >= _MOST:
                _orders.clear()
            _orders[key] = found
    return found


def _key(limits: Limits) -> object:
    """None where it is not to be kept. The types are part of it: True is no number of CPUs, though it equals 1."""
    if any(getattr(limits, name) not in ((), None, {}) for name in _LATE):
        return None
    values = [getattr(limits, name) for name in _KEY]
    key = (tuple(values), tuple(map(type, values)))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _work_out(limits: Limits) -> Order:
    limits = io.resolve(limits)
    rules = _rules(limits, _version_here("devices"))
    writes = layout.writes_of(limits, _version_here, lambda controller, file: True)
    needed = {write.controller: layout.feature(write) for write in reversed(writes)}
    if rules is not None:
        needed["devices"] = devices.FEATURE
    weighs = limits.io_weight is not None or any(limit.weight is not None for limit in limits.io)
    return Order(limits, needed, None if weighs else writes, rules)


def _version_here(controller: str) -> Version:
    hierarchy = hierarchy_of(controller)
    return hierarchy.version if hierarchy else 2


def _rules(limits: Limits, version: Version) -> Sequence[DeviceRule] | None:
    """The rules that a BPF program is to keep; on v1 they are files. Raises Unavailable."""
    rules = devices.rules_of(limits)
    if version == 2 or rules is None:
        return rules
    if rule := devices.unlike_v1(rules):
        raise layout.unlike_v1(rule)
    return None


class _Places:
    """The directories of a group by controller; what is none's is v2's."""

    def __init__(self, places: Sequence[Directory]) -> None:
        self._by_controller = {name: place for place in places for name in place.hierarchy.controllers}
        self._rest = next((place for place in places if place.hierarchy.version == 2), places[0])

    def of(self, controller: str) -> Directory:
        return self._by_controller.get(controller, self._rest)

    def version(self, controller: str) -> Version:
        return self.of(controller).hierarchy.version

    def has(self, controller: str, file: str) -> bool:
        return self.of(controller).has(file)


def fill(directories: Sequence[Directory], order: Order) -> None:
    """Write the files of a new group. Raises Unavailable for one that is not there, KernelError."""
    places = _Places(directories)
    writes = order.writes
    if writes is None:
        writes = layout.writes_of(order.limits, places.version, places.has)
    _write_all(writes, places.of)
    if order.rules is not None:
        devices.attach(places.of("devices"), order.rules)


def change(directories: Sequence[Directory], limits: Limits) -> None:
    """Write the files of a group that has limits. Raises SpecError, Unavailable, KernelError."""
    places = _Places(directories)
    rules = _rules(limits, places.version("devices"))
    limits = _beside_present(io.resolve(limits), places.of("memory"))
    _write_all(layout.writes_of(limits, places.version, places.has), places.of)
    if rules is not None:
        devices.attach(places.of("devices"), rules)


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

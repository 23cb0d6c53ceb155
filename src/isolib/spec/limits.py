"""What a group of processes may use: memory, CPUs, processes, input and output, huge pages, devices."""

import math
import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct, structs

from isolib.errors import Problem
from isolib.spec.device_rules import DeviceRule
from isolib.spec.units import Size, parse_count, parse_list, parse_size

PAGE = 4096
MOST_CPUS = 8192  # CONFIG_NR_CPUS of the largest kernels
PERIOD = 100_000  # µs: the kernel's own default of a bandwidth period

_FILE = re.compile(r"[a-z][a-z0-9_]*(\.[A-Za-z0-9_-]+)+", re.ASCII)
_PAGE_SIZE = re.compile(r"[1-9][0-9]{0,6}(KB|MB|GB)", re.ASCII)
_NUMBER = re.compile(r"[0-9]{1,7}:[0-9]{1,7}", re.ASCII)
# Files that move, end or restructure instead of limiting.
_NOT_A_LIMIT = {"procs", "threads", "kill", "freeze", "subtree_control", "type", "event_control", "clone_children"}


class IoLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """How fast one disk may be used, and its share of it.

    device: ``"8:0"``, or the path of a block device; a whole disk, not a partition. rbps, wbps: bytes a second, read
    and written, as int or text (``"10M"``). riops, wiops: operations a second. ``"max"`` lifts a limit. weight: 1 to
    10000.
    """

    device: str
    rbps: Size | None = None
    wbps: Size | None = None
    riops: Size | None = None
    wiops: Size | None = None
    weight: int | None = None

    def problems(self, where: str) -> Iterator[Problem]:
        device = self.device
        if not isinstance(device, str) or "\0" in device or not (_NUMBER.fullmatch(device) or device.startswith("/")):
            yield Problem(f"{where}.device", f"{device!r} is no device: write '8:0', or the path of a block device")
        for name, value in (("rbps", self.rbps), ("wbps", self.wbps)):
            yield from _size(f"{where}.{name}", value, lowest=1)
        for name, value in (("riops", self.riops), ("wiops", self.wiops)):
            yield from _count(f"{where}.{name}", value, lowest=1)
        yield from _between(f"{where}.weight", self.weight, 1, 10_000)
        if all(value is None for value in structs.astuple(self)[1:]):
            yield Problem(where, "names a device and no limit")


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The limits of one group; None leaves a thing as the kernel has it, ``"max"`` lifts a limit.

    Sizes are bytes, as int or text (``"512M"``, ``"1.5G"``, ``"max"``; powers of 1024).

    memory: above it the group is out of memory, and one of it is killed (memory.max). memory_high: above it the group
    is slowed down and its memory reclaimed. memory_low, memory_min: as much stays with the group when the machine runs
    short, where possible, and always. swap: swap used beside memory; 0 for none. oom_group: out of memory kills the
    whole group at once.

    cpus: CPU time, as a number of CPUs (1.5). cpu_burst: how many CPUs more in one period, out of time left unused
    (Linux 5.14). cpu_period: µs in which ``cpus`` is measured. cpu_weight: the share where CPUs are short, 1 to 10000,
    others have 100. cpu_idle: run only when nobody else wants to (Linux 5.15). cpuset, mems: the CPUs and memory nodes
    that may be used, ``"0-3,7"``.

    pids: processes and threads. io: limits a disk. io_weight: the share of every disk, 1 to 10000, others have 100.
    hugetlb: bytes of huge pages a page size, ``{"2MB": "64M"}``. devices: the devices that may be used and no others,
    in the kernel's words, ``("c 1:3 rwm",)``; of two rules the later one wins. unified: any file of a controller by
    its own name, ``{"memory.zswap.max": "0"}``, written last.
    """

    memory: Size | None = None
    memory_high: Size | None = None
    memory_low: Size | None = None
    memory_min: Size | None = None
    swap: Size | None = None
    oom_group: bool | None = None
    cpus: float | Literal["max"] | None = None
    cpu_burst: float | None = None
    cpu_period: int | None = None
    cpu_weight: int | None = None
    cpu_idle: bool | None = None
    cpuset: str | None = None
    mems: str | None = None
    pids: int | Literal["max"] | None = None
    io: tuple[IoLimit, ...] = ()
    io_weight: int | None = None
    hugetlb: dict[str, Size] = {}
    devices: tuple[DeviceRule | str, ...] | None = None
    unified: dict[str, int | str] = {}

    def problems(self, where: str = "limits") -> Iterator[Problem]:
        """All that is wrong with these limits on any host; what this host alone cannot keep is none of the value."""
        yield from self._memory_problems(where)
        yield from self._cpu_problems(where)
        yield from _count(f"{where}.pids", self.pids, lowest=1)
        yield from self._io_problems(where)
        yield from self._hugetlb_problems(where)
        yield from self._device_problems(where)
        yield from self._unified_problems(where)

    def updated(self, changes: "Limits") -> "Limits":
        """These limits with those that ``changes`` sets in their place."""
        given = {n: v for n, v in structs.asdict(changes).items() if v is not None and v != () and v != {}}
        given["hugetlb"] = self.hugetlb | changes.hugetlb
        given["unified"] = self.unified | changes.unified
        return structs.replace(self, **given)

    def _memory_problems(self, where: str) -> Iterator[Problem]:
        yield from _size(f"{where}.memory", self.memory, lowest=PAGE)
        yield from _size(f"{where}.memory_high", self.memory_high, lowest=PAGE)
        yield from _size(f"{where}.memory_low", self.memory_low)
        yield from _size(f"{where}.memory_min", self.memory_min)
        yield from _size(f"{where}.swap", self.swap)
        yield from _flag(f"{where}.oom_group", self.oom_group)

    def _cpu_problems(self, where: str) -> Iterator[Problem]:
        period = list(_between(f"{where}.cpu_period", self.cpu_period, 1000, 1_000_000))
        yield from period
        # A quota below 1 ms is refused by the kernel (tg_set_cfs_bandwidth).
        least = 1000 / (PERIOD if period or self.cpu_period is None else self.cpu_period)
        if self.cpus != "max":
            yield from _cpus(f"{where}.cpus", self.cpus, least, "CPUs, or 'max'")
        yield from self._burst_problems(where)
        if self.cpu_period is not None and self.cpus is None:
            yield Problem(f"{where}.cpu_period", "is the period of cpus, which is not given")
        yield from _between(f"{where}.cpu_weight", self.cpu_weight, 1, 10_000)
        yield from _flag(f"{where}.cpu_idle", self.cpu_idle)
        yield from _list(f"{where}.cpuset", self.cpuset)
        yield from _list(f"{where}.mems", self.mems)

    def _burst_problems(self, where: str) -> Iterator[Problem]:
        problems = list(_cpus(f"{where}.cpu_burst", self.cpu_burst, 0, "CPUs"))
        yield from problems
        if self.cpu_burst is None or problems:
            return
        if self.cpus is None or self.cpus == "max":
            yield Problem(f"{where}.cpu_burst", "is what may go beyond cpus, which is not given")
        elif not list(_cpus("", self.cpus, 0, "")) and self.cpu_burst > self.cpus:
            yield Problem(f"{where}.cpu_burst", f"{self.cpu_burst} is more than cpus, {self.cpus}")

    def _io_problems(self, where: str) -> Iterator[Problem]:
        yield from _between(f"{where}.io_weight", self.io_weight, 1, 10_000)
        if not isinstance(self.io, tuple | list):
            yield Problem(f"{where}.io", f"{self.io!r} is no tuple of IoLimits: write (IoLimit('8:0', rbps='10M'),)")
            return
        for i, limit in enumerate(self.io):
            if isinstance(limit, IoLimit):
                yield from limit.problems(f"{where}.io[{i}]")
            else:
                yield Problem(f"{where}.io[{i}]", f"{limit!r} is no IoLimit")

    def _hugetlb_problems(self, where: str) -> Iterator[Problem]:
        if not isinstance(self.hugetlb, dict):
            yield Problem(f"{where}.hugetlb", f"{self.hugetlb!r} is no dict: write {{'2MB': '64M'}}")
            return
        for name, value in self.hugetlb.items():
            if isinstance(name, str) and _PAGE_SIZE.fullmatch(name):
                yield from _size(f"{where}.hugetlb[{name!r}]", value)
            else:
                yield Problem(f"{where}.hugetlb", f"{name!r} is no size of huge pages: write '2MB' or '1GB'")

    def _device_problems(self, where: str) -> Iterator[Problem]:
        if not isinstance(self.devices, tuple | list | None):
            yield Problem(f"{where}.devices", f"{self.devices!r} is no tuple of rules: write ('c 1:3 rwm',)")
            return
        for i, rule in enumerate(self.devices or ()):
            try:
                yield from DeviceRule.of(rule).problems(f"{where}.devices[{i}]")
            except ValueError as error:
                yield Problem(f"{where}.devices[{i}]", str(error))

    def _unified_problems(self, where: str) -> Iterator[Problem]:
        if not isinstance(self.unified, dict):
            yield Problem(f"{where}.unified", f"{self.unified!r} is no dict: write {{'memory.high': '32M'}}")
            return
        for name, value in self.unified.items():
            yield from _file_problems(f"{where}.unified[{name!r}]", name, value)


def _file_problems(where: str, name: object, value: object) -> Iterator[Problem]:
    if not isinstance(name, str) or not _FILE.fullmatch(name):
        yield Problem(where, "is no file of a controller: write its own name, as 'memory.high'")
    elif name.startswith("cgroup.") and name[7:] in _NOT_A_LIMIT:
        yield Problem(where, "is no limit; CGroup has a method for what it does")
    if isinstance(value, bool) or not isinstance(value, int | str):
        yield Problem(where, f"{value!r} is no text of a file: give an int or a str")
    elif isinstance(value, str) and (not value.strip() or len(value) > PAGE or re.search(r"[\0\n]", value)):
        yield Problem(where, "the text must be one line, not empty, below 4096 characters")


def _size(where: str, value: object, lowest: int = 0) -> Iterator[Problem]:
    if value is None:
        return
    try:
        size = parse_size(value)
    except ValueError as error:
        yield Problem(where, str(error))
        return
    if size != "max" and size < lowest:
        yield Problem(where, f"{value!r} is too little: {lowest} bytes at least")


def _count(where: str, value: object, lowest: int = 0) -> Iterator[Problem]:
    if value is None:
        return
    try:
        count = parse_count(value)
    except ValueError as error:
        yield Problem(where, str(error))
        return
    if count != "max" and count < lowest:
        yield Problem(where, f"{value!r} is too few: {lowest} at least, or 'max' for no limit")


def _cpus(where: str, value: object, lowest: float, what: str) -> Iterator[Problem]:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        yield Problem(where, f"{value!r} is no number of CPUs: give a float, as 1.5")
    elif not lowest <= value <= MOST_CPUS:
        yield Problem(where, f"{value!r} is out of range: {lowest:g} to {MOST_CPUS} {what}")


def _between(where: str, value: object, lowest: int, highest: int) -> Iterator[Problem]:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        yield Problem(where, f"{value!r} is out of range: an int from {lowest} to {highest}")


def _flag(where: str, value: object) -> Iterator[Problem]:
    if value is not None and not isinstance(value, bool):
        yield Problem(where, f"{value!r} is neither True nor False")


def _list(where: str, value: object) -> Iterator[Problem]:
    if value is None:
        return
    try:
        parse_list(value)
    except ValueError as error:
        yield Problem(where, str(error))

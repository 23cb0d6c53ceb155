"""How much a group has to wait for CPUs, memory and disks (PSI), and a descriptor that wakes when it is too much."""

import os
from collections.abc import Sequence

from msgspec import Struct

from isolib.errors import KernelError, Problem, SpecError, Unavailable
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.events import Waitable

RESOURCES = ("cpu", "memory", "io", "irq")
_REMEDY = "needs cgroup v2 (a hybrid host has it) and a kernel with PSI (CONFIG_PSI, or boot with psi=1)"


class Stall(Struct, frozen=True):
    """The share of time, in percent, over the last 10, 60 and 300 seconds; and all of it, in seconds."""

    avg10: float
    avg60: float
    avg300: float
    total: float


class Waiting(Struct, frozen=True):
    """some: at least one process waited; full: all of them did, None where the kernel does not say."""

    some: Stall | None
    full: Stall | None


class Pressure(Struct, frozen=True):
    """Of each resource; None for a file that the kernel does not have (irq: Linux 6.1)."""

    cpu: Waiting | None
    memory: Waiting | None
    io: Waiting | None
    irq: Waiting | None


def parse(text: str | None) -> Waiting | None:
    """The text of a pressure file (Documentation/accounting/psi.rst)."""
    if text is None:
        return None
    rows: dict[str, Stall] = {}
    for line in text.splitlines():
        kind, *pairs = line.split(" ")
        values = dict(pair.split("=") for pair in pairs)
        averages = [float(values[name]) for name in ("avg10", "avg60", "avg300")]
        rows[kind] = Stall(averages[0], averages[1], averages[2], int(values["total"]) / 1e6)
    return Waiting(rows.get("some"), rows.get("full"))


def pressure_of(places: Sequence[Directory]) -> Pressure:
    """Raises Unavailable where the host keeps no account."""
    place = _place(places, "memory.pressure")
    return Pressure(*(parse(_read(place, f"{name}.pressure")) for name in RESOURCES))


def _read(place: Directory, file: str) -> str | None:
    try:
        return place.read(file)
    except KernelError:  # EOPNOTSUPP: PSI is compiled in and switched off
        return None


def _place(places: Sequence[Directory], file: str) -> Directory:
    for place in places:
        if place.hierarchy.version == 2 and place.has(file):
            return place
    raise Unavailable(file, _REMEDY)


class PressureTrigger(Waitable):
    """Wakes when a group has waited for a resource longer than it should, at most once a window."""

    def __init__(self, places: Sequence[Directory], resource: str, stall: float, window: float, full: bool) -> None:
        problems = list(trigger_problems(resource, stall, window))
        if problems:
            raise SpecError(problems)
        place = _place(places, file := f"{resource}.pressure")
        text = f"{'full' if full else 'some'} {round(stall * 1e6)} {round(window * 1e6)}"
        try:
            fd = place.open(file, os.O_RDWR | os.O_NONBLOCK)
        except OSError as error:
            raise place.error(error, "open", file) from None
        try:
            os.write(fd, text.encode() + b"\0")
        except OSError as error:
            os.close(fd)
            raise _trigger_error(place.error(error, "write", file, text)) from None
        super().__init__([fd])

    def _settle(self) -> None:
        """An epoll that has reported a trigger's event has reset it: nothing is to be read."""


def trigger_problems(resource: str, stall: float, window: float) -> list[Problem]:
    found = []
    if resource not in RESOURCES:
        found.append(Problem("resource", f"{resource!r} is not one of {', '.join(RESOURCES)}"))
    if not 0.5 <= window <= 10:
        found.append(Problem("window", f"{window!r} is out of range: 0.5 to 10 seconds (psi.rst)"))
    if not 0 < stall <= window:
        found.append(Problem("stall", f"{stall!r} is out of range: above 0, and at most the window ({window!r})"))
    return found


def _trigger_error(error: KernelError) -> KernelError:
    """EINVAL: an ordinary user's window is a multiple of two seconds (Linux 6.5; before, only root has triggers)."""
    text = "without CAP_SYS_RESOURCE a window is a multiple of 2 seconds (Linux 6.5), and older kernels allow none"
    return KernelError(error.errno or 0, error.call, error.subject, error.hint or text)

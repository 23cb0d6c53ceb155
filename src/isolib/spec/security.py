"""What the payload may ask of the kernel: capabilities, seccomp, Landlock, no_new_privs, hidden and read-only paths."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from isolib.errors import Problem
from isolib.spec.capabilities import Capabilities
from isolib.spec.landlock import Landlock
from isolib.spec.paths import path_problems
from isolib.spec.seccomp import SeccompProfile

# Files of procfs and sysfs that tell of the host, or crash it; each may be missing.
MASKED = (
    *(f"/proc/{name}" for name in ("acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug")),
    *(f"/proc/{name}" for name in ("scsi", "timer_list", "timer_stats", "kpagecount", "kpageflags", "kpagecgroup")),
    *("/sys/firmware", "/sys/devices/virtual/powercap", "/sys/kernel/security"),
)
READ_ONLY = tuple(f"/proc/{name}" for name in ("bus", "fs", "irq", "sys", "sysrq-trigger"))


class Security(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The default suits code that is not trusted, in a user namespace; every field can be loosened on its own.

    ``seccomp``: "default", "unconfined" or a SeccompProfile. ``landlock``: rules, or None. ``masked``, ``read_only``:
    paths inside. ``no_new_privs`` False lets set-user-id programs work. ``best_effort``: what this host cannot do is
    left out and listed in ``Exit.degraded``, in place of an error.
    """

    capabilities: Capabilities = Capabilities()
    seccomp: SeccompProfile | Literal["default", "unconfined"] = "default"
    landlock: Landlock | None = None
    no_new_privs: bool = True
    masked: tuple[str, ...] = MASKED
    read_only: tuple[str, ...] = READ_ONLY
    best_effort: bool = False

    def problems(self, where: str) -> Iterator[Problem]:
        yield from self.capabilities.problems(f"{where}.capabilities")
        if isinstance(self.seccomp, SeccompProfile):
            yield from self.seccomp.problems(f"{where}.seccomp")
        elif self.seccomp not in ("default", "unconfined"):
            yield Problem(f"{where}.seccomp", "one of 'default', 'unconfined', or a SeccompProfile")
        if self.landlock is not None:
            yield from self.landlock.problems(f"{where}.landlock")
        for name, paths in (("masked", self.masked), ("read_only", self.read_only)):
            for i, path in enumerate(paths):
                yield from path_problems(f"{where}.{name}[{i}]", path)

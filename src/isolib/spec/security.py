"""What the payload may ask of the kernel: capabilities, seccomp, Landlock, no_new_privs, hidden and read-only paths."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from isolib.errors import Problem
from isolib.spec.capabilities import Capabilities
from isolib.spec.checks import each, flag_problems, part_problems
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

    ``seccomp``: "default", "strict", "unconfined" or a SeccompProfile. ``landlock``: rules, or None. ``masked``,
    ``read_only``: paths inside. ``no_new_privs`` False lets set-user-id programs work. ``best_effort``: what this host
    cannot do is left out and listed in ``Exit.degraded``, in place of an error.
    """

    capabilities: Capabilities = Capabilities()
    seccomp: SeccompProfile | Literal["default", "strict", "unconfined"] = "default"
    landlock: Landlock | None = None
    no_new_privs: bool = True
    masked: tuple[str, ...] = MASKED
    read_only: tuple[str, ...] = READ_ONLY
    best_effort: bool = False

    def problems(self, where: str) -> Iterator[Problem]:
        if self is DEFAULT:  # a test finds out that it has none, and not each start (0.1 ms)
            return
        yield from part_problems(f"{where}.capabilities", self.capabilities, Capabilities)
        if not isinstance(self.seccomp, str):
            yield from part_problems(f"{where}.seccomp", self.seccomp, SeccompProfile)
        elif self.seccomp not in ("default", "strict", "unconfined"):
            yield Problem(f"{where}.seccomp", "one of 'default', 'strict', 'unconfined', or a SeccompProfile")
        if self.landlock is not None:
            yield from part_problems(f"{where}.landlock", self.landlock, Landlock)
        for name in ("masked", "read_only"):
            yield from each(f"{where}.{name}", getattr(self, name), path_problems)
        for name in ("no_new_privs", "best_effort"):
            yield from flag_problems(f"{where}.{name}", getattr(self, name))


DEFAULT = Security()

"""The machines that filters are built for: how the kernel marks their calls, and whose programs they run too."""

from typing import NamedTuple

from isolib.errors import Unavailable

X32_BIT = 0x4000_0000  # in the number of an x32 call; its machine is that of x86_64


class Machine(NamedTuple):
    """One of syscalls.COLUMNS. audit: its AUDIT_ARCH of linux/audit.h. guests: whose 32-bit programs it runs."""

    name: str
    audit: int
    guests: tuple[str, ...] = ()


MACHINES = {
    machine.name: machine
    for machine in (
        Machine("x86_64", 0xC000_003E, ("i386", "x32")),
        Machine("i386", 0x4000_0003),
        Machine("aarch64", 0xC000_00B7, ("arm",)),
        Machine("arm", 0x4000_0028),
    )
}
_UNAME = {"i486": "i386", "i586": "i386", "i686": "i386", "armv6l": "arm", "armv7l": "arm", "armv8l": "arm"}


def machine(name: str) -> Machine:
    """Of its name, or of what uname(2) calls it. Raises Unavailable where isolib has no numbers for it."""
    found = MACHINES.get(_UNAME.get(name, name))
    if found is None:
        raise Unavailable(f"a seccomp filter for {name}", f"isolib knows the calls of {', '.join(MACHINES)}")
    return found

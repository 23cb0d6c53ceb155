"""Writes src/isolib/spec/syscalls.py anew: `tools/syscall_numbers.py DIRECTORY VERSION`.

DIRECTORY is where Debian's package linux-libc-dev (6.12 or later: one package for all architectures) was unpacked with
`dpkg-deb -x`, VERSION its version.
"""

import re
import sys
import textwrap
from pathlib import Path

TARGET = Path(__file__).resolve().parents[1] / "src/isolib/spec/syscalls.py"
HEADERS = {
    "x86_64": "x86/asm/unistd_64.h",
    "i386": "x86/asm/unistd_32.h",
    "x32": "x86/asm/unistd_x32.h",
    "aarch64": "arm64/asm/unistd_64.h",
    "arm": "arm/asm/unistd-eabi.h",
}
ARM_PRIVATE = ("arm/asm/unistd.h", 0xF0000)  # set_tls and its like, far above all others
BASES = r"\(?(?:__X32_SYSCALL_BIT \+ |\(?__NR_SYSCALL_BASE ?\+ ?|__ARM_NR_BASE\+)?"  # added to a number where one is
CALL = re.compile(rf"^#define __(?:ARM_)?NR_([a-z_]\w*)\s+{BASES}(\d+)\)?$", re.MULTILINE)
ANY_NAME = re.compile(r"\b__(?:ARM_)?NR_([a-z0-9_]+)\b")
NO_CALL = re.compile(r"syscalls|arch_specific_syscall|osf_\w+|(reserved|unused)\d+|\w+_(base|mask)")

HEAD = '''"""Which system call has which number on which machine, and the names of those that other machines alone have.

Written by tools/syscall_numbers.py from the kernel's own headers, Debian's package linux-libc-dev {version}.
"""

from collections.abc import Mapping
from functools import lru_cache

COLUMNS = ("x86_64", "i386", "x32", "aarch64", "arm")
ARM_PRIVATE = 0xF0000  # the numbers from here on are 32-bit ARM's own


@lru_cache
def numbers(arch: str) -> Mapping[str, int]:
    """The number of each call of one of COLUMNS, by its name; those of x32 without the bit that marks them."""
    column = COLUMNS.index(arch) + 1
    rows = (entry.split() for entry in _TABLE.replace("\\n", " ").split(";"))
    return {{row[0]: int(row[column]) for row in rows if row[column] != "-"}}


@lru_cache
def names() -> frozenset[str]:
    """Every call that Linux has on any machine."""
    return frozenset([*(entry.split()[0] for entry in _TABLE.split(";")), *_ELSEWHERE.split()])


# name x86_64 i386 x32 aarch64 arm
_TABLE = """
{table}
"""

_ELSEWHERE = """
{elsewhere}
"""
'''


def calls(header: Path) -> dict[str, int]:
    """Name and number of each call that a header defines."""
    return {name: int(number) for name, number in CALL.findall(header.read_text())}


def columns(headers: Path) -> dict[str, dict[str, int]]:
    tables = {arch: calls(headers / name) for arch, name in HEADERS.items()}
    private, base = ARM_PRIVATE
    own = {name: base + number for name, number in calls(headers / private).items()}
    tables["arm"] |= own | {"sync_file_range2": tables["arm"]["arm_sync_file_range"]}
    return tables


def wrapped(words: list[str], joint: str) -> str:
    """The words in lines of 120 characters, none broken."""
    lines = textwrap.wrap(joint.join(word.replace(" ", "\0") for word in words), 120, break_on_hyphens=False)
    return "\n".join(lines).replace("\0", " ")


def main(directory: str, version: str) -> None:
    headers = Path(directory) / "usr/lib/linux/uapi"
    tables = columns(headers)
    known = sorted(set().union(*tables.values()))
    rows = [" ".join([name, *(str(tables[arch].get(name, "-")) for arch in HEADERS)]) for name in known]
    everywhere = {name for path in headers.glob("*/asm/unistd*.h") for name in ANY_NAME.findall(path.read_text())}
    elsewhere = sorted(name for name in everywhere - set(known) if not NO_CALL.fullmatch(name))
    text = HEAD.format(version=version, table=wrapped(rows, "; "), elsewhere=wrapped(elsewhere, " "))
    TARGET.write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""What cffi is given: the text of csrc/isolib.h below its mark, verbatim, so that no declaration stands twice."""

import os
from pathlib import Path

from cffi import FFI

ROOT = Path(__file__).resolve().parent.parent if "__file__" in globals() else Path.cwd()
HEADER = ROOT / "csrc" / "isolib.h"
MARK = "/* ---- cffi ---- */"

# ISOLIB_SANITIZE=1 leaves the fortified copies out: the sanitizers intercept the plain functions only.
HARDENING = ["-O2", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3", "-fstack-protector-strong"]
if os.environ.get("ISOLIB_SANITIZE"):
    HARDENING = ["-O1", "-g", "-U_FORTIFY_SOURCE", "-fno-omit-frame-pointer"]
    HARDENING += ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]

STRICT = ["-Werror"] if (ROOT / ".git").exists() else []  # see setup.py


def declarations(header: str) -> str:
    """The part of the header that cffi reads."""
    _, mark, text = header.partition(MARK)
    if not mark:
        raise SystemExit(f"{HEADER}: the line {MARK!r} is missing; cffi reads what stands below it")
    return "\n".join(line for line in text.splitlines() if not line.startswith("#endif"))


def relative(pattern: str) -> list[str]:
    """Files of the tree in a fixed order, named from its top as setuptools wants them."""
    return sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(pattern))


ffi = FFI()
ffi.cdef(declarations(HEADER.read_text()))
ffi.set_source(
    "isolib._isolib",
    '#include "isolib.h"',
    sources=relative("csrc/lib_*.c"),
    include_dirs=["csrc"],
    depends=relative("csrc/*.h"),
    extra_compile_args=["-std=gnu11", "-Wall", "-Wextra", *STRICT, *HARDENING],
    extra_link_args=["-Wl,-z,relro,-z,now,-z,noexecstack", *(f for f in HARDENING if f.startswith("-fsanitize"))],
)

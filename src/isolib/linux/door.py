"""The one door to the compiled module: its two objects, the stamp they must carry, and the one error check."""

import errno
from typing import Any, Final

from isolib._isolib import ffi as _ffi, lib as _lib
from isolib.errors import KernelError

ffi: Final[Any] = _ffi
lib: Final[Any] = _lib

STAMP = 1

if lib.iso_stamp() != STAMP:
    raise ImportError(f"isolib's compiled half is of another version ({lib.iso_stamp()}, not {STAMP}): build it again")


def check(result: int, call: str, subject: object = "") -> int:
    """The result where it is none of the ``-errno`` that every C function here returns on failure, else KernelError."""
    if result >= 0:
        return result
    raise KernelError(-result, call, str(subject))


def path_bytes(path: str | bytes) -> bytes:
    """A path as the kernel takes it."""
    raw = path if isinstance(path, bytes) else path.encode("utf-8", "surrogateescape")
    if b"\0" in raw:
        raise KernelError(errno.EINVAL, "open", repr(path), "a path cannot hold a NUL byte")
    return raw

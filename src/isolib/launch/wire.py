"""A Plan's steps as the one flat buffer that csrc/wire.h describes: offsets, no pointers."""

import struct
from collections.abc import Sequence

from isolib.launch.steps import OPS, REGISTERS, Step

MAGIC = 0x314F5349
_HEAD = struct.Struct("<4I")
_STEP = struct.Struct("<HHI5q4I")
_ALIGN = 8  # of every byte string: some of them are structs
_ZEROS = (0, 0, 0, 0, 0)


def encode(steps: Sequence[Step]) -> bytes:
    """The buffer for init; little-endian, as every machine that isolib runs on."""
    at = _HEAD.size + _STEP.size * len(steps)
    data = [bytes(_ALIGN)]
    end = at + _ALIGN
    heads: list[bytes] = []
    for step in steps:
        places = [at, 0, at, 0]
        for i, text in enumerate(step.s):
            places[2 * i], places[2 * i + 1] = end, len(text)
            size = len(text) // _ALIGN * _ALIGN + _ALIGN
            data.append(text.ljust(size, b"\0"))
            end += size
        heads.append(_STEP.pack(OPS[step.word].number, 0, 0, *(step.n + _ZEROS)[:5], *places))
    return b"".join((_HEAD.pack(MAGIC, end, len(steps), REGISTERS), *heads, *data))

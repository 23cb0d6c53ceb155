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
        head, parts, end = _placed(step, at, end)
        heads.append(head)
        data += parts
    return b"".join((_HEAD.pack(MAGIC, end, len(steps), REGISTERS), *heads, *data))


def encode_last(buffer: bytes, step: Step) -> bytes:
    """A buffer of `encode` with another last step: that one's bytes are the last ones, and nothing else moves."""
    _, end, count, _ = _HEAD.unpack_from(buffer)
    at = _HEAD.size + _STEP.size * count
    last = at - _STEP.size
    first, _, second, _ = _STEP.unpack_from(buffer, last)[-4:]
    end = min([end, *(place for place in (first, second) if place > at)])
    head, parts, size = _placed(step, at, end)
    start = _HEAD.pack(MAGIC, size, count, REGISTERS)
    return b"".join((start, buffer[_HEAD.size : last], head, buffer[at:end], *parts))


def _placed(step: Step, empty: int, end: int) -> tuple[bytes, list[bytes], int]:
    """A step whose strings go to ``end``, those strings, and the new end; ``empty``: where there is no string."""
    places = [empty, 0, empty, 0]
    parts = []
    for i, text in enumerate(step.s):
        places[2 * i], places[2 * i + 1] = end, len(text)
        size = len(text) // _ALIGN * _ALIGN + _ALIGN
        parts.append(text.ljust(size, b"\0"))
        end += size
    return _STEP.pack(OPS[step.word].number, 0, 0, *(step.n + _ZEROS)[:5], *places), parts, end

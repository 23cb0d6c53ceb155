"""Id maps that are wrong, a row each: what isolib says and where, and what the kernel answers to the same text."""

import errno
from typing import NamedTuple

from isolib.spec.ids import IdMap

H = 100000  # a host id that nobody has
LAST = 2**32 - 2  # the last id there is
TAKEN = 0  # the kernel takes the text: it cuts numbers to 32 bits, or means something else by it


class BadRows(NamedTuple):
    """``places``: of the problems, below "ids.uids". ``kernel``: the errno of writing the rows, or TAKEN."""

    name: str
    rows: tuple[IdMap, ...]
    places: tuple[str, ...]
    kernel: int = errno.EINVAL


def many(count: int, *, step: int = 2) -> tuple[IdMap, ...]:
    return tuple(IdMap(step * n, step * n, 1) for n in range(count))


BAD = (
    BadRows("no row", (), ("",), TAKEN),
    BadRows("size 0", (IdMap(0, H, 0),), ("[0].size",)),
    BadRows("size 0 in the second row", (IdMap(0, H, 1), IdMap(1, H + 1, 0)), ("[1].size",)),
    BadRows("size negative", (IdMap(0, H, -1),), ("[0].size",)),
    BadRows("container negative", (IdMap(-1, H, 1),), ("[0].container",)),
    BadRows("host negative", (IdMap(0, -1, 1),), ("[0].host",)),
    BadRows("all negative", (IdMap(-1, -1, -1),), ("[0].container", "[0].host", "[0].size")),
    BadRows("container is the id that means none", (IdMap(LAST + 1, H, 1),), ("[0].container",)),
    BadRows("host is the id that means none", (IdMap(0, LAST + 1, 1),), ("[0].host",)),
    BadRows("container past 32 bits", (IdMap(2**32, H, 1),), ("[0].container",), TAKEN),
    BadRows("host past 32 bits", (IdMap(0, 2**32 + H, 1),), ("[0].host",), TAKEN),
    BadRows("size past 32 bits", (IdMap(0, H, 2**32 + 1),), ("[0].size",), TAKEN),
    BadRows("container past 64 bits", (IdMap(2**64 + 7, H, 1),), ("[0].container",), TAKEN),
    BadRows("size exactly 32 bits", (IdMap(0, 0, 2**32),), ("[0].size",)),
    BadRows("container ends past the last id", (IdMap(LAST, H, 2),), ("[0].container",)),
    BadRows("host ends past the last id", (IdMap(0, LAST, 2),), ("[0].host",)),
    BadRows("both end past the last id", (IdMap(LAST, LAST, 3),), ("[0].container", "[0].host")),
    BadRows("container wraps round", (IdMap(1, 0, 2**32 - 1),), ("[0].container",)),
    BadRows("host wraps round", (IdMap(0, 1, 2**32 - 1),), ("[0].host",)),
    BadRows("host wraps to small numbers", (IdMap(0, 2**31, 2**31 + 5),), ("[0].host",)),
    BadRows("the same row twice", (IdMap(0, H, 10),) * 2, ("[1].container", "[1].host")),
    BadRows("one id twice on both sides", (IdMap(0, H, 10), IdMap(9, H + 9, 1)), ("[1].container", "[1].host")),
    BadRows("containers overlap by one", (IdMap(0, H, 10), IdMap(9, H + 100, 10)), ("[1].container",)),
    BadRows("hosts overlap by one", (IdMap(0, H, 10), IdMap(10, H + 9, 10)), ("[1].host",)),
    BadRows("containers overlap, later row first", (IdMap(9, H + 100, 10), IdMap(0, H, 10)), ("[0].container",)),
    BadRows("hosts overlap, later row first", (IdMap(0, H + 9, 10), IdMap(10, H, 10)), ("[0].host",)),
    BadRows("container row inside another", (IdMap(0, H, 100), IdMap(50, H + 200, 1)), ("[1].container",)),
    BadRows("host row inside another", (IdMap(0, H, 100), IdMap(200, H + 50, 1)), ("[1].host",)),
    BadRows("two containers for one host id", (IdMap(0, H), IdMap(1, H)), ("[1].host",)),
    BadRows("two host ids for one container", (IdMap(0, H), IdMap(0, H + 1)), ("[1].container",)),
    BadRows(
        "third row overlaps the first", (IdMap(0, H, 5), IdMap(5, H + 5, 5), IdMap(4, H + 99, 1)), ("[2].container",)
    ),
    BadRows("overlap at the last id", (IdMap(LAST - 1, H, 2), IdMap(LAST, H + 9, 1)), ("[1].container",)),
    BadRows("all ids and one more", (IdMap(0, 0, 2**32 - 1), IdMap(7, 7, 1)), ("[1].container", "[1].host")),
    BadRows("341 rows", many(341), ("",)),
    BadRows("1000 rows", many(1000), ("",)),
    BadRows("340 rows, more than a page of text", many(340, step=10**6), ("",)),
    BadRows("341 rows, the last of size 0", (*many(340), IdMap(9999, 9999, 0)), ("", "[340].size")),
    BadRows("size is text", (IdMap(0, H, "ten"),), ("[0].size",)),  # type: ignore[arg-type]
    BadRows("host is a fraction", (IdMap(0, 1.5, 1),), ("[0].host",)),  # type: ignore[arg-type]
    BadRows("container is None", (IdMap(None, H, 1),), ("[0].container",)),  # type: ignore[arg-type]
    BadRows("size is a truth value", (IdMap(0, H, True),), ("[0].size",)),
    BadRows("size and host wrong at once", (IdMap(0, 2**40, 0),), ("[0].host", "[0].size")),
    BadRows("one bad row among good ones", (IdMap(0, H, 9), IdMap(9, -5, 9), IdMap(20, H + 50, 9)), ("[1].host",)),
)

GOOD = (
    (IdMap(0, H, 65536),),
    (IdMap(0, 0, 2**32 - 1),),
    (IdMap(LAST, LAST),),
    (IdMap(0, H, 10), IdMap(10, H + 10, 10)),  # neighbours
    (IdMap(0, H, 10), IdMap(100, H + 500, 10)),  # gaps on both sides
    (IdMap(10, H + 10, 10), IdMap(0, H, 10)),  # in any order
    (IdMap(0, H + 10, 10), IdMap(10, H, 10)),  # crossed
    many(340),
)

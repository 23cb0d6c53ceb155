"""Which devices may be opened or made, as rules in the words of the kernel's device controller: ``"c 1:3 rwm"``."""

import re
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from isolib.errors import Problem

MOST_MAJOR, MOST_MINOR = 2**12 - 1, 2**20 - 1  # the kernel's dev_t: 12 and 20 bits

_RULE = re.compile(r"([abc]) (\*|[0-9]{1,7}):(\*|[0-9]{1,7})(?: ([rwm]{1,3}))?", re.ASCII)


class DeviceRule(Struct, frozen=True, forbid_unknown_fields=True):
    """One rule: devices of a kind (a: all, b: block, c: character), and what may be done with them.

    major, minor: None for every number. access: of ``r`` (read), ``w`` (write) and ``m`` (mknod). allow: False takes
    away.
    """

    kind: Literal["a", "b", "c"] = "a"
    major: int | None = None
    minor: int | None = None
    access: str = "rwm"
    allow: bool = True

    @classmethod
    def of(cls, rule: "DeviceRule | str") -> "DeviceRule":
        """A rule of its text, ``"c 1:3 rwm"``, ``"b *:* m"`` or ``"a"``; a rule stays itself. Raises ValueError."""
        if isinstance(rule, DeviceRule):
            return rule
        if rule == "a":
            return cls()
        if not isinstance(rule, str) or not (match := _RULE.fullmatch(rule)):
            raise ValueError(f"{rule!r} is no rule for devices: write 'c 1:3 rwm', 'b 8:* r', or 'a' for all")
        kind, major, minor, access = match.groups()
        return cls(kind, _number(major), _number(minor), access or "rwm")  # type: ignore[arg-type]

    def problems(self, where: str) -> Iterator[Problem]:
        if self.kind not in ("a", "b", "c"):
            yield Problem(f"{where}.kind", f"{self.kind!r} is not one of a (all), b (block), c (character)")
        for name, value, most in (("major", self.major, MOST_MAJOR), ("minor", self.minor, MOST_MINOR)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most):
                yield Problem(f"{where}.{name}", f"{value!r} is out of range: 0 to {most}, or None for all")
        if self.kind == "a" and (self.major is not None or self.minor is not None):
            yield Problem(where, "a rule for all kinds cannot name a number: write 'b' or 'c'")
        access = self.access
        if not isinstance(access, str) or not access or set(access) - set("rwm") or len(set(access)) < len(access):
            yield Problem(f"{where}.access", f"{access!r} is not made of r, w and m, each once")

    def __str__(self) -> str:
        return f"{self.kind} {_star(self.major)}:{_star(self.minor)} {self.access}"


def _number(text: str | None) -> int | None:
    return None if text is None or text == "*" else int(text)


def _star(number: int | None) -> str:
    return "*" if number is None else str(number)


# What every container needs and no more: null, zero, full, random, urandom, tty, ptmx and the terminals of its own
# devpts. Any node may be made, for a device that may not be opened is harmless. The list is the one of runc and Docker.
STANDARD_DEVICES = tuple(
    map(
        DeviceRule.of,
        (
            *("c *:* m", "b *:* m"),
            *("c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm"),
            *("c 5:0 rwm", "c 5:2 rwm", "c 136:* rwm"),
        ),
    )
)

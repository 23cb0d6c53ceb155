"""What a container sees as /: the machine's own root, or directories stacked on each other."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from isolib.errors import Problem
from isolib.spec.checks import each, word_problems
from isolib.spec.paths import path_problems

LAYERS_MAX = 128  # each takes some 25 of the 4,096 bytes that mount(2) reads


class HostRoot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine's own root under a throw-away overlay.

    ``rights``: "user" shows it with an ordinary user's rights, files of root alone stay unreadable; "root" with root's,
    through id-mapped mounts: only a privileged caller can ask for it.
    """

    rights: Literal["user", "root"] = "user"

    def problems(self, where: str) -> Iterator[Problem]:
        yield from word_problems(f"{where}.rights", self.rights, ("user", "root"))


class DirectoryRoot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Directories of the host, lowest first, as one root.

    ``writes``: "discard" keeps them in a throw-away layer, "deny" makes the root read-only; both leave the directories
    as they are. "keep" puts them into the one directory itself: it must have /proc, /sys and /dev, and mount points
    that are missing are made in it, empty, as the mounts asked for need them.
    """

    layers: tuple[str, ...]
    writes: Literal["discard", "keep", "deny"] = "discard"

    def problems(self, where: str) -> Iterator[Problem]:
        yield from each(f"{where}.layers", self.layers, lambda place, path: path_problems(place, path, absolute=False))
        yield from word_problems(f"{where}.writes", self.writes, ("discard", "keep", "deny"))
        if not isinstance(self.layers, tuple | list):
            return
        if not 0 < len(self.layers) <= LAYERS_MAX:
            yield Problem(f"{where}.layers", f"1 to {LAYERS_MAX} directories")
        if self.writes == "keep" and len(self.layers) > 1:
            yield Problem(f"{where}.writes", "only a single directory can keep what is written")


Root = HostRoot | DirectoryRoot

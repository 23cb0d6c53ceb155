"""What a container sees as /: the machine's own root, or directories stacked on each other."""

from collections.abc import Iterator
from typing import Literal

import msgspec

from isolib.errors import Problem
from isolib.spec.paths import path_problems


class HostRoot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The machine's own root under a throw-away overlay.

    ``rights``: "user" shows it with an ordinary user's rights, files of root alone stay unreadable; "root" with root's,
    through id-mapped mounts: only a privileged caller can ask for it.
    """

    rights: Literal["user", "root"] = "user"

    def problems(self, where: str) -> Iterator[Problem]:
        if self.rights not in ("user", "root"):
            yield Problem(f"{where}.rights", "one of user, root")


class DirectoryRoot(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Directories of the host, lowest first, as one root. ``writes``: "discard" keeps them in a throw-away layer,
    "keep" puts them into the one directory itself, "deny" makes the root read-only."""

    layers: tuple[str, ...]
    writes: Literal["discard", "keep", "deny"] = "discard"

    def problems(self, where: str) -> Iterator[Problem]:
        if not self.layers:
            yield Problem(f"{where}.layers", "at least one directory")
        for i, layer in enumerate(self.layers):
            yield from path_problems(f"{where}.layers[{i}]", layer, absolute=False)
        if self.writes not in ("discard", "keep", "deny"):
            yield Problem(f"{where}.writes", "one of discard, keep, deny")
        if self.writes == "keep" and len(self.layers) > 1:
            yield Problem(f"{where}.writes", "only a single directory can keep what is written")


Root = HostRoot | DirectoryRoot

"""An Image: what a container sees as /, and what its commands start with."""

import os
from collections.abc import Mapping
from typing import Literal

import msgspec

from isolib.spec.root import DirectoryRoot, HostRoot, Root

_PASSED_ON = ("PATH", "LANG", "LANGUAGE", "TERM", "TZ")


class Image(msgspec.Struct, frozen=True):
    """A root, and the environment and working directory that go with it. Made by `host` and `directory`."""

    root: Root
    env: Mapping[str, str] = {}
    cwd: str | None = None

    @classmethod
    def host(cls, *, rights: Literal["user", "root"] = "user") -> "Image":
        """The machine's own root under a throw-away overlay, with the caller's PATH, language and time zone.

        ``rights="root"``: with root's rights, through id-mapped mounts; else files of root alone stay unreadable.
        """
        kept = {name: os.environ[name] for name in os.environ if name in _PASSED_ON or name.startswith("LC_")}
        return cls(HostRoot(rights), kept)

    @classmethod
    def directory(
        cls, *layers: str | os.PathLike[str], writes: Literal["discard", "keep", "deny"] = "discard"
    ) -> "Image":
        """Directories as a root, the lowest first. ``writes``: "discard" (a throw-away layer on top), "keep",
        "deny".
        """
        return cls(DirectoryRoot(tuple(os.path.abspath(layer) for layer in layers), writes))

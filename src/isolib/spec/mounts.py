"""What is mounted into a container beside its root: Bind, Device, Tmpfs, Inject, Symlink."""

import os
from collections.abc import Iterator
from typing import Literal

import msgspec

from isolib.errors import Problem
from isolib.spec.checks import (
    each,
    encoded,
    flag_problems,
    mode_problems,
    number_problems,
    text_problems,
    word_problems,
)
from isolib.spec.paths import clean, path_problems, plain
from isolib.spec.units import Size, parse_size

Propagation = Literal["private", "slave", "shared", "unbindable"]
PROPAGATIONS = ("private", "slave", "shared", "unbindable")
OPTIONS = {"nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 0x10, "nodiratime": 0x80, "nosymfollow": 0x200000}
CONTENT_MAX = 256 * 1024 * 1024


def _target_problems(where: str, target: object) -> Iterator[Problem]:
    yield from path_problems(where, target)
    if isinstance(target, str) and target.startswith("/") and clean(target) == "/":
        yield Problem(where, "nothing can be mounted over /: choose another root (image=)")


def _source_problems(where: str, source: object, target: object) -> Iterator[Problem]:
    """Of a host's path, and of the target that defaults to it."""
    found = list(path_problems(f"{where}.source", source, absolute=False))
    yield from found
    if target is not None:
        yield from _target_problems(f"{where}.target", target)
    elif not found and os.fspath(source).startswith("/") and plain(os.fspath(source)) == "/":  # type: ignore[call-overload]
        yield Problem(f"{where}.target", "give the target: the host's / cannot replace the container's")


def _option_problems(where: str, options: object) -> Iterator[Problem]:
    yield from each(where, options, lambda place, word: word_problems(place, word, OPTIONS))


def size_problems(where: str, size: object) -> Iterator[Problem]:
    """Of the size of a tmpfs."""
    try:
        if parse_size(size) in ("max", 0):
            yield Problem(where, "a number of bytes above 0, or None for half of the memory")
    except ValueError as error:
        yield Problem(where, str(error))


def _seen_at(source: str | os.PathLike[str], target: str | None) -> str:
    return clean(target) if target is not None else plain(os.fspath(source))


class Bind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file or directory of the host at ``target`` (default: the same path), with everything mounted below it.

    ``readonly`` holds for all mounts below, too (mount_setattr(2), Linux 5.12). ``optional``: no error where the source
    is missing. ``owner``: with "inside", files keep their owners' numbers inside, so that root's new files are the
    caller's on the host; with "host" ownership is shown as it is. None: "inside" where the filesystem can (id-mapped
    mounts, Linux 5.12), else "host". ``options``: nosuid nodev noexec noatime nodiratime nosymfollow. A relative
    source is taken from the caller's working directory.
    """

    source: str | os.PathLike[str]
    target: str | None = None
    readonly: bool = False
    optional: bool = False
    recursive: bool = True
    owner: Literal["inside", "host"] | None = None
    options: tuple[str, ...] = ()
    propagation: Propagation = "private"

    @property
    def path(self) -> str:
        """Where it is seen inside."""
        return _seen_at(self.source, self.target)

    def problems(self, where: str) -> Iterator[Problem]:
        yield from _source_problems(where, self.source, self.target)
        for name in ("readonly", "optional", "recursive"):
            yield from flag_problems(f"{where}.{name}", getattr(self, name))
        if self.owner is not None:
            yield from word_problems(f"{where}.owner", self.owner, ("inside", "host"))
        yield from _option_problems(f"{where}.options", self.options)
        yield from word_problems(f"{where}.propagation", self.propagation, PROPAGATIONS)


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device of the host at ``target`` (default: the same path), with the rights its file has on the host.

    In a user namespace no device can be made (mknod(2)), so the host's own is bound; a group may need `Limits.devices`
    to use it.
    """

    source: str | os.PathLike[str]
    target: str | None = None
    optional: bool = False

    @property
    def path(self) -> str:
        return _seen_at(self.source, self.target)

    def problems(self, where: str) -> Iterator[Problem]:
        yield from _source_problems(where, self.source, self.target)
        yield from flag_problems(f"{where}.optional", self.optional)


class Tmpfs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty filesystem in memory at ``target``. ``size``: bytes, or text as "64M"; None: half of the memory
    (tmpfs(5)). ``inodes``: how many files it holds at most.
    """

    target: str
    size: Size | None = None
    mode: int = 0o755
    inodes: int | None = None
    options: tuple[str, ...] = ("nosuid", "nodev")

    @property
    def path(self) -> str:
        return clean(self.target)

    def problems(self, where: str) -> Iterator[Problem]:
        yield from _target_problems(f"{where}.target", self.target)
        if self.size is not None:
            yield from size_problems(f"{where}.size", self.size)
        yield from mode_problems(f"{where}.mode", self.mode)
        if self.inodes is not None:
            yield from number_problems(f"{where}.inodes", self.inodes, 1, 2**63 - 1)
        yield from _option_problems(f"{where}.options", self.options)


class Inject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new file inside with this content, in memory; ``mode`` as in chmod(2)."""

    target: str
    content: bytes | str
    mode: int = 0o644

    @property
    def path(self) -> str:
        return clean(self.target)

    @property
    def data(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else encoded(self.content) or b""

    def problems(self, where: str) -> Iterator[Problem]:
        yield from _target_problems(f"{where}.target", self.target)
        if not isinstance(self.content, bytes | str):
            yield Problem(f"{where}.content", f"bytes or text, not {type(self.content).__name__}")
        elif isinstance(self.content, str) and encoded(self.content) is None:
            yield from text_problems(f"{where}.content", self.content)
        elif len(self.content) > CONTENT_MAX:
            yield Problem(f"{where}.content", "at most 256 MiB: bind a file in its place")
        yield from mode_problems(f"{where}.mode", self.mode)


class Symlink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A symbolic link inside at ``target`` that points to ``to``."""

    target: str
    to: str

    @property
    def path(self) -> str:
        return clean(self.target)

    def problems(self, where: str) -> Iterator[Problem]:
        yield from _target_problems(f"{where}.target", self.target)
        yield from path_problems(f"{where}.to", self.to, absolute=False)


Mount = Bind | Device | Tmpfs | Inject | Symlink

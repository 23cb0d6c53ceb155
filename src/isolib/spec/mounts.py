"""What is mounted into a container beside its root: Bind, Tmpfs, Inject, Symlink, Overlay."""

import os
from collections.abc import Iterator
from typing import Literal

import msgspec

from isolib.errors import Problem
from isolib.spec.paths import clean, path_problems
from isolib.spec.units import Size, parse_size

Propagation = Literal["private", "slave", "shared", "unbindable"]
OPTIONS = {"nosuid": 2, "nodev": 4, "noexec": 8, "noatime": 0x10, "nodiratime": 0x80, "nosymfollow": 0x200000}
FORBIDDEN_TARGETS = ("/",)


def _target_problems(where: str, target: object) -> Iterator[Problem]:
    yield from path_problems(where, target)
    if isinstance(target, str) and target.startswith("/") and clean(target) in FORBIDDEN_TARGETS:
        yield Problem(where, "nothing can be mounted over /: choose another root (image=)")


def _option_problems(where: str, options: object) -> Iterator[Problem]:
    for word in options if isinstance(options, tuple | list) else ():
        if word not in OPTIONS:
            yield Problem(where, f"no mount option {word!r}: there are {', '.join(OPTIONS)}")


def _size_problems(where: str, size: Size) -> Iterator[Problem]:
    try:
        if parse_size(size) == "max" or parse_size(size) == 0:
            yield Problem(where, "a number of bytes above 0, or None for half of the memory")
    except ValueError as error:
        yield Problem(where, str(error))


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
        return clean(self.target if self.target is not None else os.path.abspath(self.source))

    def problems(self, where: str) -> Iterator[Problem]:
        yield from path_problems(f"{where}.source", self.source, absolute=False)
        if self.target is not None:
            yield from _target_problems(f"{where}.target", self.target)
        elif not list(path_problems("", self.source, absolute=False)) and self.path in FORBIDDEN_TARGETS:
            yield Problem(f"{where}.target", "give the target: the host's / cannot replace the container's")
        yield from _option_problems(f"{where}.options", self.options)
        if self.propagation not in ("private", "slave", "shared", "unbindable"):
            yield Problem(f"{where}.propagation", "one of private, slave, shared, unbindable")


class Tmpfs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An empty filesystem in memory at ``target``. ``size``: bytes, or text as "64M"; None: half of the memory
    (tmpfs(5)).
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
            yield from _size_problems(f"{where}.size", self.size)
        if not 0 <= self.mode <= 0o7777:
            yield Problem(f"{where}.mode", f"{self.mode:#o} is no mode: 0 to 0o7777")
        if self.inodes is not None and self.inodes < 1:
            yield Problem(f"{where}.inodes", "at least 1")
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
        return self.content if isinstance(self.content, bytes) else self.content.encode("utf-8", "surrogateescape")

    def problems(self, where: str) -> Iterator[Problem]:
        yield from _target_problems(f"{where}.target", self.target)
        if not isinstance(self.content, bytes | str):
            yield Problem(f"{where}.content", f"bytes or text, not {type(self.content).__name__}")
        if not 0 <= self.mode <= 0o7777:
            yield Problem(f"{where}.mode", f"{self.mode:#o} is no mode: 0 to 0o7777")


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


Mount = Bind | Tmpfs | Inject | Symlink

"""ContainerSpec: everything that is wanted of one run, as one frozen value."""

import os
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from isolib.errors import Problem
from isolib.spec.checks import (
    each,
    each_pair,
    encoded,
    flag_problems,
    number_problems,
    part_problems,
    text_problems,
    word_problems,
)
from isolib.spec.ids import Ids
from isolib.spec.limits import Limits
from isolib.spec.mounts import Bind, Device, Inject, Mount, Symlink, Tmpfs, size_problems
from isolib.spec.paths import path_problems
from isolib.spec.process import ProcessOptions, hostname_problems, user_problems
from isolib.spec.root import DirectoryRoot, HostRoot
from isolib.spec.security import DEFAULT as DEFAULT_SECURITY, Security
from isolib.spec.sysctls import sysctl_problems

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
NEW = dict.fromkeys(("cgroup", "ipc", "mnt", "net", "pid", "user", "uts"), "new")
WORD_MAX = 128 * 1024 - 1  # MAX_ARG_STRLEN less the NUL, execve(2)
WORDS_MAX = 30_000  # of argv, and of env; csrc/init_process.c has room for 32,768
KERNELS = ("/proc", "/sys", "/dev")
# Files of /proc that may be replaced, as lxcfs does; anything else below it would fool whoever reads /proc inside.
REPLACEABLE = tuple(
    f"/proc/{name}" for name in ("cpuinfo", "diskstats", "loadavg", "meminfo", "stat", "swaps", "uptime")
)

Where = Literal["new", "host"] | int


class Scratch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where thrown-away writes go: into memory, up to ``size`` (bytes or text; None: half of the memory; it counts
    against a memory limit), or below ``directory`` on disk, which must hold overlay's upper directory (ext4, xfs,
    btrfs).
    """

    size: int | str | None = None
    directory: str | None = None

    def problems(self, where: str) -> Iterator[Problem]:
        if self.size is not None:
            yield from size_problems(f"{where}.size", self.size)
        if self.directory is not None:
            yield from path_problems(f"{where}.directory", self.directory)
        if self.size is not None and self.directory is not None:
            yield Problem(f"{where}.size", "is of the memory; a directory on disk has its filesystem's size")


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command and its container.

    ``namespaces``: kind -> "new", "host", or a descriptor of one to join; "user" "host" leaves isolib no boundary.
    ``ids`` None: an automatic range for root, the caller as root for anybody else. ``user``: number, name, uid:gid.
    ``cwd`` None: the caller's where it is seen inside, else /. ``offsets``: seconds by clock ("monotonic", "boottime").
    ``sysctls``: settings of the namespaces that are new, by name. ``shm_size``: of /dev/shm, 64 MiB where None.
    ``terminal``: a pseudo-terminal of its own, whose ``window`` has so many rows and columns (`Process.received` has
    its master as "terminal").
    """

    argv: tuple[str, ...]
    root: HostRoot | DirectoryRoot = HostRoot()
    env: Mapping[str, str] = {}
    cwd: str | None = None
    user: int | str | None = None
    hostname: str | None = None
    mounts: tuple[Mount, ...] = ()
    limits: Limits | None = None
    security: Security = DEFAULT_SECURITY
    process: ProcessOptions = ProcessOptions()
    namespaces: Mapping[str, Where] = {}
    ids: Ids | None = None
    offsets: Mapping[str, float] = {}
    sysctls: Mapping[str, str] = {}
    scratch: Scratch = Scratch()
    shm_size: int | str | None = None
    terminal: bool = False
    window: tuple[int, int] | None = None
    change_root: Literal["pivot", "chroot"] = "pivot"

    def namespace(self, kind: str) -> Where:
        """What is wanted of one kind of namespace."""
        default: Where = "new" if kind == "time" and self.offsets else "host"
        return self.namespaces.get(kind, NEW.get(kind, default))  # type: ignore[arg-type]

    @property
    def joined(self) -> list[str]:
        """The kinds of which a namespace is joined, in order."""
        return [kind for kind in KINDS if isinstance(self.namespace(kind), int)]

    def without_command(self) -> "ContainerSpec":
        """The container alone: what is to run in it, and what that may use of the machine, left out."""
        return msgspec.structs.replace(self, argv=(), env={}, limits=None)

    def absolute(self, cwd: str) -> "ContainerSpec":
        """The same with relative paths of the host taken from ``cwd``; what is no path at all stays, for `problems`."""
        mounts, root = self.mounts, self.root
        if isinstance(mounts, tuple | list) and any(_is_relative(getattr(m, "source", None)) for m in mounts):
            mounts = tuple(_from(cwd, mount) for mount in mounts)
        if (
            isinstance(root, DirectoryRoot)
            and isinstance(root.layers, tuple | list)
            and any(map(_is_relative, root.layers))
        ):
            layers = tuple(os.path.join(cwd, layer) if _is_relative(layer) else layer for layer in root.layers)
            root = msgspec.structs.replace(root, layers=layers)
        if mounts is self.mounts and root is self.root:
            return self
        return msgspec.structs.replace(self, mounts=mounts, root=root)

    def problems(self, where: str = "") -> Iterator[Problem]:
        """All that can be said against it without looking at a host."""
        yield from argv_problems(f"{where}argv", self.argv)
        yield from env_problems(f"{where}env", self.env)
        if self.cwd is not None:
            yield from path_problems(f"{where}cwd", self.cwd)
        if self.user is not None:
            yield from user_problems(f"{where}user", self.user)
        if self.hostname is not None:
            yield from hostname_problems(f"{where}hostname", self.hostname)
        if self.shm_size is not None:
            yield from size_problems(f"{where}shm_size", self.shm_size)
        yield from flag_problems(f"{where}terminal", self.terminal)
        if self.window is not None:
            yield from each(f"{where}window", self.window, lambda place, n: number_problems(place, n, 0, 2**16 - 1))
            if isinstance(self.window, tuple | list) and len(self.window) != 2:
                yield Problem(f"{where}window", "two numbers, rows and columns")
        yield from word_problems(f"{where}change_root", self.change_root, ("pivot", "chroot"))
        yield from self._part_problems(where)
        yield from mount_problems(f"{where}mounts", self.mounts)
        yield from self._namespace_problems(where)

    def _part_problems(self, where: str) -> Iterator[Problem]:
        for name, kinds in _PARTS.items():
            part = getattr(self, name)
            if part is not None or name not in ("limits", "ids"):
                yield from part_problems(f"{where}{name}", part, kinds)

    def _namespace_problems(self, where: str) -> Iterator[Problem]:
        found = [
            *each_pair(f"{where}namespaces", self.namespaces, _namespace_problems),
            *each_pair(f"{where}offsets", self.offsets, _offset_problems),
        ]
        yield from found
        if found:
            return
        if self.offsets and self.namespace("time") != "new":
            yield Problem(f"{where}offsets", "are of a new time namespace, and namespaces['time'] is none")
        if isinstance(self.namespace("pid"), int) and self.namespace("user") == "new":
            what = "/proc of it can only be shown to its owner: join its user namespace, too"
            yield Problem(f"{where}namespaces['pid']", what)
        if self.hostname is not None and self.namespace("uts") != "new":
            yield Problem(f"{where}hostname", "would be changed for others: it needs a new uts namespace")
        yield from sysctl_problems(f"{where}sysctls", self.sysctls, lambda kind: self.namespace(kind) == "new")


_PARTS: dict[str, tuple[type, ...]] = {
    "root": (HostRoot, DirectoryRoot),
    "limits": (Limits,),
    "security": (Security,),
    "process": (ProcessOptions,),
    "ids": (Ids,),
    "scratch": (Scratch,),
}
_MOUNTS = (Bind, Device, Tmpfs, Inject, Symlink)


def _is_relative(path: object) -> bool:
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    return isinstance(text, str) and bool(text) and not text.startswith("/")


def _from(cwd: str, mount: Mount) -> Mount:
    if isinstance(mount, Bind | Device) and _is_relative(mount.source):
        return msgspec.structs.replace(mount, source=os.path.join(cwd, mount.source))
    return mount


def argv_problems(where: str, argv: object) -> Iterator[Problem]:
    """Of the words of a command."""
    if not isinstance(argv, tuple | list) or not argv:
        yield Problem(where, "a list of words, the program first: ['sh', '-c', '...']")
        return
    for i, word in enumerate(argv):
        yield from text_problems(f"{where}[{i}]", word, "an argument", WORD_MAX)
    if argv[0] == "":
        yield Problem(f"{where}[0]", "the program's name is empty")
    if len(argv) > WORDS_MAX:
        yield Problem(where, f"at most {WORDS_MAX:,} words")


def env_problems(where: str, env: object) -> Iterator[Problem]:
    """Of an environment."""
    yield from each_pair(where, env, _variable_problems)
    if isinstance(env, Mapping) and len(env) > WORDS_MAX:
        yield Problem(where, f"at most {WORDS_MAX:,} variables")


def _variable_problems(where: str, name: object, value: object) -> Iterator[Problem]:
    found = [*text_problems(where, name, "a name"), *text_problems(where, value, "a value")]
    yield from found
    if found:
        return
    assert isinstance(name, str)
    assert isinstance(value, str)
    if not name or "=" in name:
        yield Problem(where, "a name is not empty and holds no '='")
    elif len(encoded(f"{name}={value}") or b"") > WORD_MAX:
        yield Problem(where, "name and value together are shorter than 128 KiB (execve(2), MAX_ARG_STRLEN)")


def mount_problems(where: str, mounts: object) -> Iterator[Problem]:
    """Of each mount, and of two at one place."""
    if not isinstance(mounts, tuple | list):
        yield Problem(where, f"a tuple, not {type(mounts).__name__}")
        return
    seen: dict[str, int] = {}
    for i, mount in enumerate(mounts):
        place = f"{where}[{i}]"
        found = list(part_problems(place, mount, _MOUNTS))
        yield from found
        if found:
            continue
        if mount.path in seen:
            yield Problem(f"{place}.target", f"{mount.path!r} is mounts[{seen[mount.path]}]'s target already")
        seen.setdefault(mount.path, i)
        if mount.path in KERNELS and not isinstance(mount, Bind):
            what = f"{mount.path} is the kernel's; mount below it, or bind the host's over it"
            yield Problem(f"{place}.target", what)
        elif mount.path.startswith("/proc/") and mount.path not in REPLACEABLE:
            what = f"below /proc only {', '.join(REPLACEABLE)} can be replaced: what reads /proc inside relies on it"
            yield Problem(f"{place}.target", what)


def _namespace_problems(where: str, kind: object, value: object) -> Iterator[Problem]:
    if kind not in KINDS:
        yield Problem(where, f"no such kind: there are {', '.join(KINDS)}")
    elif kind == "mnt" and value != "new":
        yield Problem(where, "a container has a mount namespace of its own: its root is in it")
    elif isinstance(value, str):
        yield from word_problems(where, value, ("new", "host"))
    elif isinstance(value, bool) or not isinstance(value, int):
        yield Problem(where, "'new', 'host', or the descriptor of a namespace")
    else:
        yield from number_problems(where, value, 0, 2**31 - 1)


def _offset_problems(where: str, clock: object, seconds: object) -> Iterator[Problem]:
    if clock not in ("monotonic", "boottime"):
        yield Problem(where, "no such clock: there are monotonic, boottime (time_namespaces(7))")
    elif isinstance(seconds, bool) or not isinstance(seconds, int | float) or not abs(seconds) < 2**62 / 1e9:
        yield Problem(where, f"a number of seconds, below 146 years, not {seconds!r}")

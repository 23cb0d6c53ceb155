"""ContainerSpec: everything that is wanted of one run, as one frozen value."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from isolib.errors import Problem
from isolib.spec.ids import Ids
from isolib.spec.limits import Limits
from isolib.spec.mounts import Bind, Mount, Symlink, Tmpfs
from isolib.spec.paths import path_problems
from isolib.spec.process import ProcessOptions, user_problems
from isolib.spec.root import DirectoryRoot, HostRoot
from isolib.spec.security import Security

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
NEW = {"cgroup": "new", "ipc": "new", "mnt": "new", "net": "new", "pid": "new", "user": "new", "uts": "new"}
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9])?", re.ASCII)
_ENV_MAX = 128 * 1024  # MAX_ARG_STRLEN, execve(2)

Where = Literal["new", "host"] | int


class Scratch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where thrown-away writes go: ``size`` of the tmpfs (bytes or text; None: half of the memory; it counts against a
    memory limit), or ``directory`` on disk."""

    size: int | str | None = None
    directory: str | None = None

    def problems(self, where: str) -> Iterator[Problem]:
        if self.size is not None:
            yield from Tmpfs("/scratch", size=self.size).problems(where)
        if self.directory is not None:
            yield from path_problems(f"{where}.directory", self.directory)


class ContainerSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One command and its container.

    ``namespaces``: kind -> "new", "host", or a descriptor of one to join; "user" "host" leaves isolib no boundary.
    ``ids`` None: an automatic range for root, the caller as root for anybody else. ``user``: number, name, uid:gid.
    ``cwd`` None: the caller's where it is seen inside, else /. ``offsets``: seconds by clock ("monotonic", "boottime").
    """

    argv: tuple[str, ...]
    root: HostRoot | DirectoryRoot = HostRoot()
    env: Mapping[str, str] = {}
    cwd: str | None = None
    user: int | str | None = None
    hostname: str | None = None
    mounts: tuple[Mount, ...] = ()
    limits: Limits | None = None
    security: Security = Security()
    process: ProcessOptions = ProcessOptions()
    namespaces: Mapping[str, Where] = {}
    ids: Ids | None = None
    offsets: Mapping[str, float] = {}
    scratch: Scratch = Scratch()
    terminal: bool = False
    change_root: Literal["pivot", "chroot"] = "pivot"

    def namespace(self, kind: str) -> Where:
        """What is wanted of one kind of namespace."""
        default: Where = "new" if kind == "time" and self.offsets else "host"
        return self.namespaces.get(kind, NEW.get(kind, default))  # type: ignore[arg-type]

    def problems(self, where: str = "") -> Iterator[Problem]:
        """All that can be said against it without looking at a host."""
        yield from _argv_problems(f"{where}argv", self.argv)
        yield from _env_problems(f"{where}env", self.env)
        if self.cwd is not None:
            yield from path_problems(f"{where}cwd", self.cwd)
        if self.user is not None:
            yield from user_problems(f"{where}user", self.user)
        if self.hostname is not None:
            yield from hostname_problems(f"{where}hostname", self.hostname)
        yield from self._part_problems(where)
        yield from _mount_problems(f"{where}mounts", self.mounts)
        yield from _namespace_problems(f"{where}namespaces", self.namespaces)
        yield from _offset_problems(f"{where}offsets", self.offsets)

    def _part_problems(self, where: str) -> Iterator[Problem]:
        parts = {"root": self.root, "limits": self.limits, "security": self.security, "process": self.process}
        for name, part in (*parts.items(), ("ids", self.ids), ("scratch", self.scratch)):
            if part is not None:
                yield from part.problems(f"{where}{name}")


def _argv_problems(where: str, argv: tuple[str, ...]) -> Iterator[Problem]:
    if isinstance(argv, str) or not argv:
        yield Problem(where, "a list of words, the program first: ['sh', '-c', '...']")
        return
    for i, word in enumerate(argv):
        if not isinstance(word, str):
            yield Problem(f"{where}[{i}]", f"text, not {type(word).__name__}")
        elif "\0" in word:
            yield Problem(f"{where}[{i}]", "an argument cannot hold a NUL byte")
        elif len(word) >= _ENV_MAX:
            yield Problem(f"{where}[{i}]", "an argument is shorter than 128 KiB (execve(2), MAX_ARG_STRLEN)")
    if argv[0] == "":
        yield Problem(f"{where}[0]", "the program's name is empty")
    if len(argv) > 30000:
        yield Problem(where, "at most 30,000 words")


def _env_problems(where: str, env: Mapping[str, str]) -> Iterator[Problem]:
    for name, value in env.items():
        place = f"{where}[{name!r}]"
        if not isinstance(name, str) or not isinstance(value, str):
            yield Problem(place, "names and values are text")
        elif not name or "=" in name or "\0" in name:
            yield Problem(place, "a name is not empty and holds neither '=' nor NUL")
        elif "\0" in value:
            yield Problem(place, "a value cannot hold a NUL byte")
        elif len(name) + len(value) + 2 > _ENV_MAX:
            yield Problem(place, "name and value together are shorter than 128 KiB (execve(2), MAX_ARG_STRLEN)")


def hostname_problems(where: str, name: object) -> Iterator[Problem]:
    """At most 64 of letters, digits, dot, hyphen and underscore (sethostname(2), hostname(7))."""
    if not isinstance(name, str) or not _HOSTNAME.fullmatch(name):
        yield Problem(where, f"{name!r} is no host name: 1 to 64 of A-Z a-z 0-9 . - _, a letter or digit at both ends")


def _mount_problems(where: str, mounts: tuple[Mount, ...]) -> Iterator[Problem]:
    seen: dict[str, int] = {}
    for i, mount in enumerate(mounts):
        place = f"{where}[{i}]"
        if not isinstance(mount, Mount):
            yield Problem(place, f"a Bind, Tmpfs, Inject or Symlink, not {type(mount).__name__}")
            continue
        found = list(mount.problems(place))
        yield from found
        if found:
            continue
        if mount.path in seen:
            yield Problem(f"{place}.target", f"{mount.path!r} is mounts[{seen[mount.path]}]'s target already")
        seen.setdefault(mount.path, i)
        if not isinstance(mount, Symlink) and mount.path in ("/proc", "/sys", "/dev") and not isinstance(mount, Bind):
            yield Problem(
                f"{place}.target", f"{mount.path} is the kernel's; mount below it, or bind the host's over it"
            )


def _namespace_problems(where: str, namespaces: Mapping[str, Where]) -> Iterator[Problem]:
    for kind, value in namespaces.items():
        if kind not in KINDS:
            yield Problem(f"{where}[{kind!r}]", f"no such kind: there are {', '.join(KINDS)}")
        elif isinstance(value, bool) or (not isinstance(value, int) and value not in ("new", "host")):
            yield Problem(f"{where}[{kind!r}]", "'new', 'host', or the descriptor of a namespace")
    if namespaces.get("mnt") == "host":
        yield Problem(f"{where}['mnt']", "a container has a mount namespace of its own: its root is in it")


def _offset_problems(where: str, offsets: Mapping[str, float]) -> Iterator[Problem]:
    for clock, seconds in offsets.items():
        if clock not in ("monotonic", "boottime"):
            yield Problem(f"{where}[{clock!r}]", "no such clock: there are monotonic, boottime (time_namespaces(7))")
        elif isinstance(seconds, bool) or not isinstance(seconds, int | float) or not abs(seconds) < 2**62 / 1e9:
            yield Problem(f"{where}[{clock!r}]", "seconds, as a number")

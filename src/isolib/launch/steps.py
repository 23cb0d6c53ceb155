"""The words of a Plan: every Step that init can walk, as a frozen value made by the function of its name.

Registers (integers) hold descriptors: the first five come from the caller, steps fill the others. ``HOST`` as a root
means the caller's own view of files, before the root changes. Integers and strings stand in the order that csrc/wire.h
and the functions in csrc/init_*.c document.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

Rule = tuple[int, int, int]

CHANNEL, CALLER, STDIN, STDOUT, STDERR = range(5)
FIRST_FREE = 5
REGISTERS = 128
EXEC_PIPE = 127  # init's own, from the fork on
NONE = -1
HOST = -100


class Op(NamedTuple):
    """What a step is: its number, the system call named in errors, and where a root stands among its integers."""

    number: int
    call: str
    root: int | None = None


_WORDS = (
    ("sync", "recvmsg", None),
    ("send", "sendmsg", None),
    ("prctl", "prctl", None),
    ("setns", "setns", None),
    ("unshare", "unshare", None),
    ("hostname", "sethostname", None),
    ("domainname", "setdomainname", None),
    ("loopback", "ioctl", None),
    ("open", "openat2", 0),
    ("close", "close", None),
    ("mount_new", "fsmount", None),
    ("mount", "mount", None),
    ("open_tree", "open_tree", 0),
    ("set_attributes", "mount_setattr", None),
    ("attach", "move_mount", 1),
    ("propagate", "mount", None),
    ("mkdir", "mkdirat", 0),
    ("file", "openat", 0),
    ("symlink", "symlinkat", 0),
    ("mknod", "mknodat", 0),
    ("write", "write", 0),
    ("mask", "move_mount", 0),
    ("read_only", "mount_setattr", 0),
    ("pivot", "pivot_root", None),
    ("chroot", "chroot", None),
    ("chdir", "chdir", None),
    ("fork", "clone", None),
    ("setsid", "setsid", None),
    ("pty", "openat2", 0),
    ("controlling", "ioctl", None),
    ("chown", "fchown", None),
    ("fds", "dup3", None),
    ("rlimit", "prlimit", None),
    ("umask", "umask", None),
    ("groups", "setgroups", None),
    ("gid", "setresgid", None),
    ("uid", "setresuid", None),
    ("capabilities", "capset", None),
    ("landlock", "landlock_restrict_self", None),
    ("seccomp", "seccomp", None),
    ("scheduler", "sched_setattr", None),
    ("nice", "setpriority", None),
    ("ioprio", "ioprio_set", None),
    ("affinity", "sched_setaffinity", None),
    ("personality", "personality", None),
    ("keyring", "keyctl", None),
    ("exec", "execve", None),
    ("stay", "ppoll", None),
    ("clone", "clone", None),
    ("reopen", "openat", None),
)
OPS: Mapping[str, Op] = {word: Op(number, call, root) for number, (word, call, root) in enumerate(_WORDS, 1)}


class Tree(msgspec.Struct, frozen=True):
    """A mount that the caller opens for init, because his own rights are needed: a copy of what is at ``path``.

    ``owner`` as in spec.mounts.Bind: whether it is id-mapped to the container's user namespace; None: where possible.
    """

    path: str
    recursive: bool = False
    owner: str | None = "inside"

    @property
    def remedy(self) -> str:
        """What to do where its filesystem has no id-mapped mounts."""
        return "copy it to one that has, bind it with owner='host', or give ids= whose root owns the files"


class Step(msgspec.Struct, frozen=True):
    """One step: its word, up to five integers and two byte strings, what it acts on, and why it is there.

    ``trees`` is for the caller's half of a Sync: what he hands over, in the order of registers.
    """

    word: str
    n: tuple[int, ...] = ()
    s: tuple[bytes, ...] = ()
    subject: str = ""
    why: str = ""
    trees: tuple[Tree, ...] = ()

    @property
    def call(self) -> str:
        """The system call that this step is named after in errors."""
        return OPS[self.word].call

    def describe(self) -> str:
        """One line for a person: call, subject, reason."""
        line = shown(f"{self.call}({self.subject})")
        return f"{line:<72} {shown(self.why)}" if self.why else line


def shown(text: str) -> str:
    """A name on one line, on any terminal: what is not printable is escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def _lines(words: Sequence[str | bytes]) -> bytes:
    return b"".join(_bytes(word) + b"\0" for word in words)


def sync(name: str, *, into: int = FIRST_FREE, trees: Sequence[Tree] = (), more: int = 0, why: str = "") -> Step:
    """init waits for the caller's half of the same name, which hands over ``more`` descriptors and one a tree, from
    ``into`` on.
    """
    return Step("sync", (into, len(trees) + more), (), name, why, tuple(trees))


def send(register: int, name: str, why: str = "") -> Step:
    """The descriptor becomes the caller's too, under this name."""
    return Step("send", (register,), (), name, why)


def prctl(name: str, option: int, *arguments: int, why: str = "") -> Step:
    """prctl(2)."""
    return Step("prctl", (option, *arguments), (), name, why)


def setns(register: int, kind: int, subject: str, why: str = "") -> Step:
    """Joins the namespace(s) that a register holds; kind is CLONE_NEW… flags (setns(2); with a pidfd: several at
    once).
    """
    return Step("setns", (register, kind), (), subject, why)


def unshare(flags: int, subject: str, why: str = "") -> Step:
    """New namespaces from here on."""
    return Step("unshare", (flags,), (), subject, why)


def clone(flags: int, subject: str, why: str = "") -> Step:
    """init goes on in new namespaces; the one that joined others ends. The caller gets its pidfd as "init"."""
    return Step("clone", (flags,), (), subject, why)


def hostname(name: str) -> Step:
    return Step("hostname", (), (_bytes(name),), name)


def domainname(name: str) -> Step:
    return Step("domainname", (), (_bytes(name),), name)


def loopback() -> Step:
    """Brings lo up."""
    return Step("loopback", (), (), "SIOCSIFFLAGS, lo up", "a new network namespace has it down")


def open_(root: int, path: str, flags: int, into: int, why: str = "") -> Step:
    """Opens a path inside root."""
    return Step("open", (root, flags, into), (_bytes(path),), path, why)


def reopen(register: int, into: int, subject: str) -> Step:
    """A directory that the caller handed over, on the mount of init's own namespace."""
    return Step("reopen", (register, into), (), subject, "overlay takes a directory of this mount namespace only")


def close(register: int) -> Step:
    return Step("close", (register,), (), f"register {register}")


def mount_new(kind: str, options: Sequence[tuple[str, str]], attributes: int, into: int, why: str = "") -> Step:
    """A new mount that is attached nowhere yet (fsopen, fsconfig, fsmount)."""
    text = _lines([part for option in options for part in option])
    words = ",".join(f"{key}={value}" if value else key for key, value in options)
    return Step("mount_new", (into, attributes), (_bytes(kind), text), f"{kind}, {words}" if words else kind, why)


def mount(kind: str, point: str, data: str, flags: int = 0, why: str = "") -> Step:
    """mount(2) on a path; ``%N`` in point and data stands for the path of register N, ``%%`` for a percent sign."""
    place = _bytes(kind) + b"\0" + _bytes(point)
    return Step("mount", (flags,), (place, _bytes(data)), f"{kind}, {point}, {data}", why)


def open_tree(root: int, path: str, flags: int, into: int, why: str = "") -> Step:
    """A copy of what is mounted at path, attached nowhere yet."""
    return Step("open_tree", (root, flags, into), (_bytes(path),), path, why)


def set_attributes(mount_: int, add: int, remove: int, propagation: int, recursive: bool, subject: str) -> Step:
    return Step("set_attributes", (mount_, add, remove, propagation, int(recursive)), (), subject)


def attach(mount_: int, root: int, path: str, make: bool | None = True, why: str = "", *, follow: bool = True) -> Step:
    """Puts the mount in a register at path inside root. Where there is no mount point it is made with ``make``, with
    False that is an error, and with None the mount is left out. ``follow`` False: nor may a link be there.
    """
    how = (2 if make is None else int(make)) | (0 if follow else 4)
    return Step("attach", (mount_, root, how), (_bytes(path),), path, why)


def propagate(flags: int, subject: str, why: str = "") -> Step:
    return Step("propagate", (flags,), (), subject, why)


def mkdir(root: int, path: str, mode: int = 0o755) -> Step:
    return Step("mkdir", (root, mode), (_bytes(path),), path)


def file(root: int, path: str, content: bytes, mode: int = 0o644) -> Step:
    """A new file with this content in place of whatever has the name."""
    return Step("file", (root, mode), (_bytes(path), content), path)


def symlink(root: int, path: str, target: str, replace: bool = False) -> Step:
    """``replace``: a file or link that has the name goes; else only the same link may be there."""
    return Step("symlink", (root, int(replace)), (_bytes(path), _bytes(target)), f"{path} -> {target}")


def mknod(root: int, path: str, mode: int, device: int = 0) -> Step:
    return Step("mknod", (root, mode, device), (_bytes(path),), path)


def write(root: int, path: str, content: str, why: str = "") -> Step:
    """Writes to a file that exists, as those of procfs do."""
    return Step("write", (root,), (_bytes(path), _bytes(content)), f"{path}, {content.strip()}", why)


def mask(root: int, path: str, directory: int, null: int) -> Step:
    """Hides path under an empty directory or under /dev/null, whichever it is; nothing where there is no such path."""
    return Step("mask", (root, directory, null), (_bytes(path),), path, "masked")


def read_only(root: int, path: str) -> Step:
    return Step("read_only", (root,), (_bytes(path),), path, "read-only")


def pivot(root: int, scratch: int) -> Step:
    """``scratch``: the tmpfs that lies over the old root; both are detached."""
    return Step("pivot", (root, scratch), (), "., scratch/old", "the old root and the scratch over it are detached")


def chroot(root: int) -> Step:
    return Step("chroot", (root,), (), ".", "asked for in place of pivot_root")


def chdir(path: str) -> Step:
    return Step("chdir", (), (_bytes(path),), path)


def fork(children: int = NONE) -> Step:
    """The payload's process; ``children`` is the register of init's own list of them, where no PID namespace ends
    with it.
    """
    return Step("fork", (children,), (), "", "what follows is the payload's; init stays to reap and report")


def setsid() -> Step:
    return Step("setsid", (), (), "", "no control of the caller's terminal (TIOCSTI)")


def pty(root: int, path: str, master: int, terminal: int, window: tuple[int, int] = (0, 0)) -> Step:
    """A pair: the master and the terminal in two registers; ``window`` in rows and columns."""
    return Step("pty", (root, master, terminal, *window), (_bytes(path),), path)


def controlling(terminal: int) -> Step:
    return Step("controlling", (terminal,), (), "TIOCSCTTY")


def chown(register: int, uid: int, gid: int, subject: str) -> Step:
    return Step("chown", (register, uid, gid), (), subject)


def fds(table: Mapping[int, int]) -> Step:
    """The payload's descriptors, number -> register; all others are closed by the exec."""
    pairs = b"".join(v.to_bytes(4, "little", signed=True) for number, reg in table.items() for v in (reg, number))
    return Step("fds", (), (pairs,), ", ".join(map(str, table)))


def rlimit(name: str, resource: int, soft: int, hard: int) -> Step:
    signed = [value - (1 << 64) if value >= 1 << 63 else value for value in (soft, hard)]
    return Step("rlimit", (resource, *signed), (), f"{name}, {signed[0]}, {signed[1]}")


def umask(mode: int) -> Step:
    return Step("umask", (mode,), (), oct(mode))


def groups(ids: Sequence[int], perhaps: bool = False) -> Step:
    """``perhaps``: no error where the user namespace denies it for good."""
    raw = b"".join(value.to_bytes(4, "little") for value in ids)
    return Step("groups", (int(perhaps),), (raw,), ", ".join(map(str, ids)))


def gid(value: int) -> Step:
    return Step("gid", (value,), (), str(value))


def uid(value: int) -> Step:
    return Step("uid", (value,), (), str(value))


def capabilities(bounding: int, permitted: int, effective: int, inheritable: int, ambient: int, subject: str) -> Step:
    masks = (bounding, permitted, effective, inheritable, ambient)
    return Step("capabilities", masks, (), subject, "nothing after this needs a right")


def landlock(handled: tuple[int, int, int], size: int, on_a_file: int, rules: Sequence[Rule], subject: str) -> Step:
    """handled: accesses to files, to ports, scopes; rules: (access, register of a path or NONE, port)."""
    raw = b"".join(
        access.to_bytes(8, "little") + reg.to_bytes(4, "little", signed=True) + port.to_bytes(4, "little")
        for access, reg, port in rules
    )
    return Step("landlock", (*handled, size, on_a_file), (raw,), subject)


def seccomp(program: bytes, flags: int, subject: str) -> Step:
    return Step("seccomp", (flags,), (program,), subject)


def scheduler(attributes: bytes, subject: str) -> Step:
    return Step("scheduler", (), (attributes,), subject)


def nice(value: int) -> Step:
    return Step("nice", (value,), (), str(value))


def ioprio(value: int, subject: str) -> Step:
    return Step("ioprio", (value,), (), subject)


def affinity(cpus: Sequence[int]) -> Step:
    mask = sum(1 << cpu for cpu in set(cpus))
    return Step("affinity", (), (mask.to_bytes(max(8, -(-mask.bit_length() // 64) * 8), "little"),), str(list(cpus)))


def personality(value: int) -> Step:
    return Step("personality", (value,), (), hex(value))


def keyring() -> Step:
    return Step("keyring", (), (), "KEYCTL_JOIN_SESSION_KEYRING", "the caller's keys stay out of reach")


def exec_(argv: Sequence[str], env: Sequence[str]) -> Step:
    """The last step. A name without a slash is looked up in the PATH of env."""
    return Step("exec", (), (_lines(argv), _lines(env)), argv[0] if argv else "")


def stay() -> Step:
    """The last step where there is no payload: init keeps its PID namespace in being until the caller lets go."""
    return Step("stay", (), (), "", "PID 1 without a payload: it reaps, and ends with the caller")

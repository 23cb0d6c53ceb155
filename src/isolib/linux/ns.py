"""Namespaces by descriptor: setns(2), unshare(2), and what nsfs says of one (ioctl_nsfs(2), Linux 4.9 and 4.11)."""

from isolib.linux.door import check, ffi, lib

# The CLONE_NEW… flag of each kind, named as in /proc/PID/ns. cgroup is Linux 4.6, time 5.6.
FLAGS = {
    "time": 0x80,
    "mnt": 0x20000,
    "cgroup": 0x2000000,
    "uts": 0x4000000,
    "ipc": 0x8000000,
    "user": 0x10000000,
    "pid": 0x20000000,
    "net": 0x40000000,
}
KINDS = tuple(sorted(FLAGS))
CLONE_FS = 0x200

_KIND_OF = {flag: kind for kind, flag in FLAGS.items()}


def setns(fd: int, kind: str, subject: object = "") -> None:
    """This thread joins the namespace fd of that kind."""
    check(lib.iso_setns(fd, FLAGS[kind]), "setns", subject or kind)


def unshare(flags: int) -> None:
    """This thread leaves what the CLONE_… flags name for copies or new ones of its own."""
    check(lib.iso_unshare(flags), "unshare", hex(flags))


def kind(fd: int, subject: object = "") -> str:
    """The kind of the namespace that fd refers to; ENOTTY: to none."""
    flag = check(lib.iso_ns_kind(fd), "NS_GET_NSTYPE", subject or fd)
    return _KIND_OF.get(flag, hex(flag))


def owner(fd: int) -> int:
    """A descriptor of the user namespace that owns this one; EPERM: it lies outside the caller's."""
    return check(lib.iso_ns_owner(fd), "NS_GET_USERNS", fd)


def parent(fd: int) -> int:
    """A descriptor of the parent of a pid or user namespace; EPERM: it has none, or none the caller may see."""
    return check(lib.iso_ns_parent(fd), "NS_GET_PARENT", fd)


def owner_uid(fd: int) -> int:
    """The uid of who made this user namespace, as the caller's user namespace numbers it (Linux 4.11)."""
    uid = ffi.new("uint32_t *")
    check(lib.iso_ns_owner_uid(fd, uid), "NS_GET_OWNER_UID", fd)
    return int(uid[0])

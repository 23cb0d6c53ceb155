"""The mount calls by descriptor (Linux 5.2 on; mount_setattr 5.12 on), and openat2 (5.6)."""

from isolib.linux.door import check, ffi, lib, path_bytes

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000
OPEN_TREE_CLONE = 1
OPEN_TREE_CLOEXEC = 0o2000000
MOVE_MOUNT_F_EMPTY_PATH = 0x4
MOVE_MOUNT_T_EMPTY_PATH = 0x40

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC = 0x1000, 0x4000
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 0x20000, 0x40000, 0x80000, 0x100000
MNT_DETACH = 2

MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 1, 2, 4, 8
MOUNT_ATTR__ATIME = 0x70
MOUNT_ATTR_NOATIME, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR_NODIRATIME = 0x10, 0x20, 0x80
MOUNT_ATTR_IDMAP, MOUNT_ATTR_NOSYMFOLLOW = 0x100000, 0x200000

RESOLVE_NO_MAGICLINKS, RESOLVE_IN_ROOT = 0x02, 0x10


def open_tree(path: str | bytes, *, at: int = AT_FDCWD, recursive: bool = False, clone: bool = True) -> int:
    """A descriptor of (a detached copy of) the mount at path; the caller owns it. EINVAL: a locked mount lies below."""
    flags = OPEN_TREE_CLOEXEC | (OPEN_TREE_CLONE if clone else 0) | (AT_RECURSIVE if recursive else 0)
    raw = path_bytes(path)
    return check(lib.iso_open_tree(at, raw, flags if raw else flags | AT_EMPTY_PATH), "open_tree", path)


def id_map(tree: int, userns: int, *, recursive: bool = False) -> None:
    """Shows a detached mount with the ids of a user namespace (mount_setattr(2), MOUNT_ATTR_IDMAP; Linux 5.12)."""
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    check(lib.iso_mount_setattr(tree, b"", flags, MOUNT_ATTR_IDMAP, 0, 0, userns), "mount_setattr", "idmap")


def set_attributes(tree: int, *, add: int = 0, remove: int = 0, propagation: int = 0, recursive: bool = False) -> None:
    """Sets and clears MOUNT_ATTR_ bits of the mount that tree stands for."""
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    check(lib.iso_mount_setattr(tree, b"", flags, add, remove, propagation, -1), "mount_setattr", hex(add))


def move_mount(tree: int, path: str | bytes, *, at: int = AT_FDCWD) -> None:
    """Attaches a detached mount at path."""
    raw = path_bytes(path)
    flags = MOVE_MOUNT_F_EMPTY_PATH | (0 if raw else MOVE_MOUNT_T_EMPTY_PATH)
    check(lib.iso_move_mount(tree, b"", at, raw, flags), "move_mount", path)


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    words = [path_bytes(word) if word else ffi.NULL for word in (source, target, kind)]
    check(lib.iso_mount(*words, flags, path_bytes(data) if data else ffi.NULL), "mount", target)


def umount(target: str, flags: int = MNT_DETACH) -> None:
    """umount2(2), lazily where not told otherwise."""
    check(lib.iso_umount2(path_bytes(target), flags), "umount2", target)


def open_inside(root: int, path: str | bytes, flags: int, mode: int = 0) -> int:
    """openat2(2) in which no link, ".." or magic link leads out of root."""
    resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS
    return check(lib.iso_openat2(root, path_bytes(path), flags | 0o2000000, mode, resolve), "openat2", path)


def landlock_abi() -> int:
    """The Landlock version of this kernel (landlock(7)); 0 where it has none, or has it switched off."""
    return max(0, int(lib.iso_landlock_abi()))

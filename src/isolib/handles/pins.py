"""A namespace kept under a path: nsfs bound onto a file, as ``ip netns add`` does it."""

import errno
import os
import stat

from isolib.errors import AlreadyExists, Conflict, Denied, KernelError, NotFound
from isolib.handles import nsfs
from isolib.linux import mount

_UMOUNT_NOFOLLOW = 8
_HINTS = {
    errno.EPERM: "pinning is a mount, which needs CAP_SYS_ADMIN here: call as root, or keep the Namespace object open",
    errno.EINVAL: "a mount namespace can be pinned only from an older one, and only on a mount that is not shared",
}


def pin(fd: int, path: str) -> None:
    """Binds the namespace onto a new file at path; missing folders above it are made."""
    target = _create(path)
    try:
        # By descriptor: what lies at the path may have been replaced since.
        mount.mount(f"/proc/self/fd/{fd}", f"/proc/self/fd/{target}", "", mount.MS_BIND)
    except KernelError as error:
        os.unlink(path)
        raise KernelError(error.errno or 0, "mount", path, _HINTS.get(error.errno or 0, "")) from None
    finally:
        os.close(target)


def unpin(path: str) -> None:
    """Unmounts the namespace at path and removes the file; also the empty file that a pin killed halfway left."""
    try:
        seen = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f"{path} does not exist") from None
    try:
        fd = nsfs.reopened(seen)
        left = _is_left(seen)
    finally:
        os.close(seen)
    if fd >= 0:
        os.close(fd)
        mount.umount(path, mount.MNT_DETACH | _UMOUNT_NOFOLLOW)
    elif not left:
        raise Conflict(f"{path} is not a pinned namespace")
    os.unlink(path)


def _create(path: str) -> int:
    flags = os.O_CREAT | os.O_EXCL | os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        return os.open(path, flags, 0o444)
    except FileExistsError:
        raise AlreadyExists(f"{path} exists already: unpin it, or choose another name") from None
    except PermissionError:
        raise Denied(f"{path} cannot be created by this user") from None
    except OSError as error:
        raise KernelError(error.errno or 0, "open", path) from None


def _is_left(seen: int) -> bool:
    """An empty file that nobody may write, as `pin` and ``ip netns add`` create them."""
    found = os.fstat(seen)
    return stat.S_ISREG(found.st_mode) and found.st_size == 0 and not found.st_mode & 0o222

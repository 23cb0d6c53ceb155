"""A directory on disk for what one start throws away, where memory cannot or should not hold it.

It is owned by a locked byte of a file beside it: what a killed process left is free to be removed by the next one.
"""

import contextlib
import os
import stat
import warnings
from collections.abc import Iterator
from typing import Self

from isolib.errors import KernelError, Problem, SpecError, Unavailable
from isolib.handles.ids import locks
from isolib.handles.ids.subids import sub_ids
from isolib.handles.ids.write import write_maps
from isolib.launch import steps
from isolib.launch.plan import NAMESPACE_FLAGS, Plan
from isolib.launch.spawn import spawn
from isolib.launch.steps import NONE, STDERR, STDIN, STDOUT, Step
from isolib.spec.idrows import IdMap, range_rows
from isolib.spec.ids import IdMaps

PR_SET_DUMPABLE = 4
NAME = "isolib-scratch"
RM = ["/bin/sh", "-c", "cd /proc/self/fd/0 && exec rm -rf -- *"]


def folders() -> Iterator[str]:
    """Where it may be, the best first: on the disk of what isolib stores, else where temporary files outlive a boot."""
    root, uid = os.environ.get("ISOLIB_ROOT"), os.geteuid()
    data = os.environ.get("XDG_DATA_HOME") or f"{os.environ.get('HOME', '')}/.local/share"
    store = root or ("/var/lib/isolib" if uid == 0 else f"{data}/isolib" if data.startswith("/") else "")
    if store:
        yield f"{store}/{NAME}"
    yield f"/var/tmp/{NAME}-{uid}"


class DiskScratch:
    """One start's directory below a folder, from its making until `close`; ``open()`` is a descriptor for init.

    Raises SpecError where the folder is not the caller's, Unavailable where its filesystem cannot hold overlay's upper.
    """

    def __init__(self, folder: str) -> None:
        _own(folder)
        self._lock = locks.opened(f"{folder}/lock")
        self._pid, self._folder = os.getpid(), folder
        try:
            _sweep(folder, self._lock)
            self._number = self._taken()
            self._inner = f"{folder}/{self._number}/w"
            os.mkdir(f"{folder}/{self._number}", 0o700)
            os.mkdir(self._inner, 0o700)
            # The container's root is somebody else to the host. Only by the descriptor can anybody come here.
            os.chmod(self._inner, 0o777)
            _hold_attributes(self._inner)
        except BaseException:
            self.close()
            raise

    def _taken(self) -> int:
        while True:
            number = int.from_bytes(os.urandom(5), "little")
            if locks.take(self._lock, number, 1):
                return number

    def open(self) -> int:
        """A descriptor of it; the caller owns it."""
        return os.open(self._inner, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Removes it. Any number of times; in a fork of the owner without effect."""
        lock, self._lock = self._lock, -1
        if lock < 0 or self._pid != os.getpid():
            return
        try:
            if hasattr(self, "_number"):
                _remove(f"{self._folder}/{self._number}")
        finally:
            locks.closed(lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _own(folder: str) -> None:
    """Anybody may have made it first, as a link or with open doors."""
    with contextlib.suppress(FileExistsError):
        os.makedirs(folder, 0o700)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise SpecError(Problem("scratch.directory", f"{folder} is not the caller's alone: remove it, or name another"))


def _hold_attributes(path: str) -> None:
    try:
        os.setxattr(path, "user.overlay.probe", b"y")
        os.removexattr(path, "user.overlay.probe")
    except OSError as error:
        remedy = f"{path}: {error.strerror}; name a directory on ext4, xfs or btrfs"
        raise Unavailable("overlay's attributes in the scratch directory", remedy) from None


def _sweep(folder: str, lock: int) -> None:
    """What processes left that were killed: the bytes of living ones are locked."""
    for name in os.listdir(folder):
        if name.isdecimal() and locks.take(lock, int(name), 1):
            try:
                _remove(f"{folder}/{name}")
            finally:
                locks.drop(lock, int(name), 1)


def _remove(path: str) -> None:
    """With all that the container's users made in it: as root that is possible as it is, else in a user namespace that
    has the caller's ids and all of his sub-ids.
    """
    try:
        inner = os.open(f"{path}/w", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        inner = -1
    try:
        if inner >= 0 and os.listdir(inner):
            _empty(inner)
    finally:
        if inner >= 0:
            os.close(inner)
    with contextlib.suppress(OSError):
        for part in (f"{path}/w", path):
            os.rmdir(part)


def _empty(inner: int) -> None:
    null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
    try:
        with spawn(_removal(), [inner, null, null], {} if _may_all() else {"identity": _all_ids}) as process:
            process.owns_tree = False
            process.wait()
    except (KernelError, Unavailable) as error:  # the next process tries again
        warnings.warn(f"what was thrown away could not be removed: {error}", ResourceWarning, stacklevel=2)
    finally:
        os.close(null)


def _may_all() -> bool:
    return os.geteuid() == 0


def _removal() -> Plan:
    story: list[Step] = []
    if not _may_all():
        story.append(steps.prctl("PR_SET_DUMPABLE, 1", PR_SET_DUMPABLE, 1))
        story += [steps.sync("identity"), steps.gid(0), steps.uid(0)]
    story += [steps.fork(NONE), steps.fds({0: STDIN, 1: STDOUT, 2: STDERR})]
    story.append(steps.exec_(RM, ["PATH=/usr/bin:/bin:/usr/sbin:/sbin"]))
    return Plan(0 if _may_all() else NAMESPACE_FLAGS["user"], story)


def _all_ids(pid: int, _step: Step) -> list[int]:
    """The caller as root, and every sub-id of his."""
    uid, gid = os.geteuid(), os.getegid()
    subs = sub_ids(uid)
    uids, gids = ((IdMap(0, own), *range_rows(parts, 1)) for own, parts in ((uid, subs.uids), (gid, subs.gids)))
    if not (subs.uids and subs.gids):
        uids, gids = (IdMap(0, uid),), (IdMap(0, gid),)
    write_maps(pid, IdMaps(uids, gids))
    return []

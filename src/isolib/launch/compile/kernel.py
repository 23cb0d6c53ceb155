"""The chapter on what the kernel shows: /proc, /sys, /dev with its few devices, shared memory, queues, cgroups."""

import posixpath

from isolib.launch import steps
from isolib.launch.compile.root import CLONE, CLONE_ALL, O_PATH
from isolib.launch.compile.story import Story
from isolib.launch.steps import HOST
from isolib.linux.mount import MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY
from isolib.spec.mounts import Tmpfs

PLAIN = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9), "tty": (5, 0)}
SHM = "67108864"  # 64 MiB, as everybody's default


def show_kernel(story: Story) -> None:
    """Everything of the kernel's own, each mount made before the old root goes (a new procfs wants one in sight)."""
    taken = {mount.path for mount in story.spec.mounts}
    if "/proc" not in taken:
        _proc(story)
    if "/sys" not in taken:
        _sys(story)
    if "/dev" not in taken:
        _dev(story, taken)


def _fresh(story: Story, kind: str, options: list[tuple[str, str]], attributes: int, path: str, why: str = "") -> None:
    with story.borrowed() as tree:
        story.add(steps.mount_new(kind, options, attributes, tree, why))
        story.add(steps.attach(tree, story.root, path))


def _bound(story: Story, path: str, why: str) -> None:
    with story.borrowed() as tree:
        story.add(steps.open_tree(HOST, path, CLONE_ALL, tree, why))
        story.add(steps.set_attributes(tree, MOUNT_ATTR_RDONLY | PLAIN, 0, 0, True, f"{path}, read-only, AT_RECURSIVE"))
        story.add(steps.attach(tree, story.root, path))


def _proc(story: Story) -> None:
    if story.new("pid") or not story.new("user"):
        _fresh(story, "proc", [], PLAIN, "/proc", "shows the new PID namespace only")
    else:
        _bound(story, "/proc", "a new procfs needs a PID namespace that this user namespace owns")


def _sys(story: Story) -> None:
    if story.new("net") and story.host.sysfs:
        _fresh(story, "sysfs", [], PLAIN | MOUNT_ATTR_RDONLY, "/sys", "shows the new network namespace only")
    elif story.new("user"):
        _bound(story, "/sys", "a new sysfs needs a network namespace that this user namespace owns")
    else:
        _fresh(story, "sysfs", [], PLAIN | MOUNT_ATTR_RDONLY, "/sys")
    if story.host.unified and story.new("cgroup"):
        _fresh(story, "cgroup2", [], PLAIN | MOUNT_ATTR_RDONLY, "/sys/fs/cgroup", "the container's group is its root")


def _dev(story: Story, taken: set[str]) -> None:
    with story.borrowed() as dev:
        why = "a few devices that cannot hurt"
        story.add(steps.mount_new("tmpfs", [("mode", "0755"), ("size", "65536")], MOUNT_ATTR_NOSUID, dev, why))
        story.add(steps.attach(dev, story.root, "/dev"))
        for name in DEVICES:
            if name in story.host.devices:
                _device(story, dev, name)
        for name, target in LINKS.items():
            story.add(steps.symlink(dev, name, target))
    _devpts(story)
    if "/dev/shm" not in taken:
        options = [("mode", "1777"), ("size", SHM)]
        _fresh(story, "tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, "/dev/shm")
    if story.new("ipc") and story.host.mqueue and "/dev/mqueue" not in taken:
        _fresh(story, "mqueue", [], PLAIN, "/dev/mqueue")


def _device(story: Story, dev: int, name: str) -> None:
    """A bind in a user namespace, where mknod(2) is forbidden; also where the host's own root would get a node."""
    with story.borrowed() as tree:
        story.add(steps.open_tree(HOST, f"/dev/{name}", CLONE, tree))
        story.add(steps.attach(tree, dev, name))


def _devpts(story: Story) -> None:
    options = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")]
    if story.range_map:
        options.append(("gid", "5"))  # tty; a self map knows no such group (EINVAL)
    _fresh(story, "devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "/dev/pts", "terminals of its own")


def hide(story: Story) -> None:
    """The masked and the read-only paths, last of all mounts."""
    security = story.spec.security
    bound = {posixpath.dirname(mount.path) for mount in story.spec.mounts if not isinstance(mount, Tmpfs)}
    for path in security.read_only:
        if path not in bound:
            story.add(steps.read_only(story.root, path))
    if not security.masked:
        return
    story.add(steps.mkdir(story.scratch, "nothing", 0o555))
    empty, null = story.take(), story.take()
    story.add(steps.open_tree(story.scratch, "nothing", CLONE, empty))
    story.add(steps.set_attributes(empty, MOUNT_ATTR_RDONLY, 0, 0, False, "MOUNT_ATTR_RDONLY"))
    # Each mask copies these two. Closing a mount that is attached nowhere costs a grace period of RCU (70 us): attached.
    story.add(steps.attach(empty, story.scratch, "nothing"))
    story.add(steps.open_(HOST, "/dev/null", O_PATH, null))
    for path in security.masked:
        story.add(steps.mask(story.root, path, empty, null))
    story.give_back(empty)
    story.give_back(null)

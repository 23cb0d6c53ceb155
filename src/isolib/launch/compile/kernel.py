"""The chapter on what the kernel shows: /proc, /sys, /dev with its few devices, shared memory, queues, cgroups."""

from collections.abc import Sequence

from isolib.launch import steps
from isolib.launch.compile.overlay import made_place
from isolib.launch.compile.story import CLONE, CLONE_ALL, O_PATH, Story
from isolib.launch.steps import HOST
from isolib.linux.mount import MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY
from isolib.spec.sysctls import sysctl_files
from isolib.spec.units import parse_size

PLAIN = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "core": "/proc/kcore",
    "ptmx": "pts/ptmx",
}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
SHM_SIZE = 64 * 1024 * 1024  # as everybody's default
# What else is mounted on a host's /sys, seen where that is bound. The groups are the host's, whatever their version.
BOUND_SYS = ("/sys/fs/cgroup", "/sys/fs/bpf", "/sys/fs/pstore", "/sys/kernel/debug", "/sys/kernel/tracing")


def show_kernel(story: Story) -> None:
    """Everything of the kernel's own, each mount made before the old root goes (a new procfs wants one in sight).

    Each is reached by its own descriptor from here on: names in a root that others write to cannot lead elsewhere.
    """
    hidden = list(story.spec.security.masked)
    if "/proc" not in story.targets:
        _proc(story)
    if "/sys" not in story.targets:
        hidden += _sys(story)
    if "/dev" not in story.targets:
        _dev(story)
    _sysctls(story)
    hide(story, [path for path in hidden if _of_kernel(story, path)])
    protect(story, [path for path in story.spec.security.read_only if _of_kernel(story, path)])
    _groups(story)


def show_rest(story: Story) -> None:
    """The same for the paths elsewhere, once all mounts are there; then the kernel's own are let go of."""
    hide(story, [path for path in story.spec.security.masked if not _of_kernel(story, path)])
    protect(story, [path for path in story.spec.security.read_only if not _of_kernel(story, path)])
    for register in story.places.values():
        story.give_back(register)
    story.places = {}


def _of_kernel(story: Story, path: str) -> bool:
    return story.place(path)[0] != story.root


def _keep(story: Story, path: str, kind: str, options: Sequence[tuple[str, str]], attributes: int, why: str) -> None:
    """A new mount at path, kept open as a place."""
    tree = story.take()
    story.add(steps.mount_new(kind, options, attributes, tree, why))
    story.add(steps.attach(tree, story.root, path, follow=False))
    story.places[path] = tree


def _keep_bound(story: Story, path: str, why: str) -> None:
    tree = story.take()
    story.add(steps.open_tree(HOST, path, CLONE_ALL, tree, why))
    story.add(steps.set_attributes(tree, MOUNT_ATTR_RDONLY | PLAIN, 0, 0, True, f"{path}, read-only, AT_RECURSIVE"))
    story.add(steps.attach(tree, story.root, path, follow=False))
    story.places[path] = tree


def _fresh(
    story: Story, path: str, kind: str, options: Sequence[tuple[str, str]], attributes: int, why: str = ""
) -> None:
    if path in story.targets:
        return
    with story.borrowed() as tree:
        story.add(steps.mount_new(kind, options, attributes, tree, why))
        story.add(steps.attach(tree, *story.place(path)))


def _proc(story: Story) -> None:
    if story.spec.namespace("pid") != "host" or not story.apart:
        _keep(story, "/proc", "proc", (), PLAIN, "shows its own PID namespace only")
    else:
        _keep_bound(story, "/proc", "a new procfs needs a PID namespace that this user namespace owns")


def _sys(story: Story) -> Sequence[str]:
    """Returns what is to be hidden in it."""
    if not story.apart or (story.new("net") and story.host.sysfs):
        _keep(story, "/sys", "sysfs", (), PLAIN | MOUNT_ATTR_RDONLY, "shows its own network namespace only")
        return ()
    _keep_bound(story, "/sys", "a new sysfs needs a network namespace that this user namespace owns")
    return BOUND_SYS


def _groups(story: Story) -> None:
    if "/sys" in story.places and story.host.unified and story.new("cgroup"):
        why = "its own group is the root of what it sees"
        _fresh(story, "/sys/fs/cgroup", "cgroup2", (), PLAIN | MOUNT_ATTR_RDONLY, why)


def _dev(story: Story) -> None:
    options = (("mode", "0755"), ("size", "65536"))
    _keep(story, "/dev", "tmpfs", options, MOUNT_ATTR_NOSUID, "a few devices that cannot hurt")
    dev = story.places["/dev"]
    for name in DEVICES:
        if name in story.host.devices and f"/dev/{name}" not in story.targets:
            with story.borrowed() as tree:  # a bind: mknod(2) is forbidden in a user namespace
                story.add(steps.open_tree(HOST, f"/dev/{name}", CLONE, tree))
                story.add(steps.attach(tree, dev, name))
    for name, target in LINKS.items():
        if f"/dev/{name}" not in story.targets:
            story.add(steps.symlink(dev, name, target))
    terminals = [("newinstance", ""), ("ptmxmode", "0666"), ("mode", "0620")]
    if story.range_map and story.identity.has_tty and not isinstance(story.spec.namespace("user"), int):
        terminals.append(("gid", "5"))  # tty; a self map knows no such group (EINVAL)
    _fresh(story, "/dev/pts", "devpts", terminals, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, "terminals of its own")
    size = parse_size(story.spec.shm_size) if story.spec.shm_size is not None else SHM_SIZE
    _fresh(story, "/dev/shm", "tmpfs", (("mode", "1777"), ("size", str(size))), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
    if story.new("ipc") and story.host.mqueue:
        _fresh(story, "/dev/mqueue", "mqueue", (), PLAIN)


def _sysctls(story: Story) -> None:
    """By the procfs just made, or the caller's own: never by a path of the root (runc's CVE-2019-19921, 2025-52881)."""
    proc = story.places.get("/proc", HOST)
    head = "/proc/sys" if proc == HOST else "sys"
    for path, value in sysctl_files(story.spec.sysctls):
        story.add(steps.write(proc, f"{head}/{path}", value, "a setting of its own namespace"))


def protect(story: Story, paths: Sequence[str]) -> None:
    """Makes paths read-only, with all that is mounted below them."""
    story.add(*(steps.read_only(*story.place(path)) for path in paths))


def hide(story: Story, paths: Sequence[str]) -> None:
    """Covers paths with nothing: an empty directory, or /dev/null."""
    if not paths:
        return
    empty, null = story.take(), story.take()
    name = made_place(story, 0o555)
    story.add(steps.open_tree(story.scratch, name, CLONE, empty))
    story.add(steps.set_attributes(empty, MOUNT_ATTR_RDONLY, 0, 0, False, "MOUNT_ATTR_RDONLY"))
    # Each mask copies these two. Closing a mount that is attached nowhere costs a grace period of RCU, 70 us: attached.
    story.add(steps.attach(empty, story.scratch, name))
    story.add(steps.open_(HOST, "/dev/null", O_PATH, null))
    for path in paths:
        story.add(steps.mask(*story.place(path), empty, null))
    story.give_back(empty)
    story.give_back(null)

"""The machine's own root as a container's: an overlay of it, or one overlay for each of its top directories."""

from collections.abc import Iterator

from isolib.launch import steps
from isolib.launch.compile.arrival import first_trees, handed
from isolib.launch.compile.etc import show_resolver
from isolib.launch.compile.overlay import (
    attach_read_only,
    attached,
    bind_read_only,
    linked,
    made_place,
    overlay,
    show_empty,
    show_place,
)
from isolib.launch.compile.story import CLONE, O_DIRECTORY, O_PATH, Story, is_outsider
from isolib.launch.steps import Tree
from isolib.spec.container import ContainerSpec
from isolib.spec.host import Entry, HostFacts
from isolib.spec.paths import below, under
from isolib.spec.root import HostRoot

FRESH = ("/proc", "/sys", "/dev")  # made by the chapter on the kernel
EMPTY = {"/tmp": 0o1777, "/var/tmp": 0o1777, "/run": 0o755}
PROGRAMS = ("/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr")
SYSTEM = (*FRESH, *PROGRAMS, "/run", "/var")
_KINDS = """
    autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs proc
    pstore rpc_pipefs securityfs selinuxfs sysfs tracefs
"""
KERNEL_KINDS = frozenset(_KINDS.split())


def hides(spec: ContainerSpec, host: HostFacts, path: str) -> bool:
    """Whether a path of the host is not to be found inside: the place for it is empty, or the kernel's."""
    mapped = _is_mapped(spec, host)
    shown = {own_directory(spec, host), "" if mapped or is_outsider(spec, host) else host.home} - {"", "/"}
    if path == host.home or any(below(path, top) for top in shown):
        return False
    hides_home = is_outsider(spec, host) or (mapped and _as_user(spec))
    empty = {*EMPTY, *FRESH, *({host.home} - {"/"} if hides_home else ())}
    return any(under(path, top) for top in empty)


def own_directory(spec: ContainerSpec, host: HostFacts) -> str:
    """The working directory, where it is shown by an overlay of its own, writable with the caller's rights; else "".

    A privileged caller's is, unless it is a home, holds one, or is a system directory: files of root alone stay
    unreadable by default.
    """
    cwd, home = host.cwd, host.home
    temporary = any(under(cwd, top) for top in ("/tmp", "/var/tmp"))
    if is_outsider(spec, host) and not host.cwd_is_open:
        return ""
    if not _is_mapped(spec, host):
        return cwd if temporary or not any(below(cwd, top) for top in (*EMPTY, *FRESH)) else ""
    if not _as_user(spec):
        return cwd if temporary or any(below(cwd, path) for path in submounts(host)) else ""
    if cwd == "/" or below(home, cwd):
        return ""
    return cwd if temporary or not any(below(cwd, top) for top in SYSTEM) else ""


def _as_user(spec: ContainerSpec) -> bool:
    return isinstance(spec.root, HostRoot) and spec.root.rights == "user"


def _is_mapped(spec: ContainerSpec, host: HostFacts) -> bool:
    return host.privileged and spec.namespace("user") != "host"


def host_trees(story: Story) -> tuple[Tree, ...]:
    """/ and the working directory, as a privileged caller opens them: outside, no mount on them is locked."""
    trees = [Tree("/", owner="host" if _as_user(story.spec) else "inside")]
    if cwd := own_directory(story.spec, story.host):
        trees.append(Tree(cwd, owner=None))
    return tuple(trees)


def host_root(story: Story) -> None:
    """The whole root, up to the directories that are the caller's own."""
    if story.mapped:
        _whole(story)
    else:
        _assembled(story)
    show_resolver(story, hides(story.spec, story.host, story.host.resolver))


def _whole(story: Story) -> None:
    """One overlay of /, other filesystems read-only beside it, and what is empty or the caller's over that."""
    trees = first_trees(story)
    _open_root(story, overlay(story, [attached(story, next(trees))]))
    _other_filesystems(story)
    _show_empties(story)
    if _as_user(story.spec) and story.host.home != "/":
        show_empty(story, story.host.home, 0o755)
    for path in story.identity.closed:
        show_empty(story, path, 0o755)
    cwd = own_directory(story.spec, story.host)
    for register in trees:
        show_place(story, overlay(story, [attached(story, register)]), cwd, "the working directory")
        for path in submounts(story.host, cwd):
            bind_read_only(story, path, path, why="another filesystem of the host's")


def _other_filesystems(story: Story) -> None:
    paths = submounts(story.host)
    if _as_user(story.spec):
        for path in paths:
            bind_read_only(story, path, path, why="another filesystem of the host's")
        return
    trees = [Tree(path, recursive=True, owner=None) for path in paths]
    for path, register in zip(paths, handed(story, trees, "mounts"), strict=True):
        attach_read_only(story, register, path)


def submounts(host: HostFacts, top: str = "/") -> list[str]:
    """Filesystems of the host's own below a directory, the outermost only, without those that are made fresh, and
    without those that root alone can reach.
    """
    found: list[str] = []
    hidden = (*FRESH, *(path for path in EMPTY if not below(top, path)))
    for mount in sorted(host.mounts, key=lambda mount: mount.path):
        if not under(mount.path, top) or mount.kind in KERNEL_KINDS or not mount.reachable:
            continue
        if not any(below(mount.path, other) for other in (*hidden, *found)):
            found.append(mount.path)
    return found


def _open_root(story: Story, name: str) -> None:
    story.root = story.take()
    story.add(steps.open_(story.scratch, name, O_PATH | O_DIRECTORY, story.root, "the new root"))


def _show_empties(story: Story) -> None:
    tops = {entry.path for entry in story.host.entries if entry.kind == "dir"}
    for path, mode in EMPTY.items():
        if path == "/run" or f"/{path.split('/')[1]}" in tops:
            show_empty(story, path, mode)


def _assembled(story: Story) -> None:
    """An ordinary user's root: children of / are locked in his user namespace, so each top directory is taken alone."""
    name = made_place(story)
    with story.borrowed() as tree:
        story.add(steps.open_tree(story.scratch, name, CLONE, tree))
        story.add(steps.attach(tree, story.scratch, name))
    _open_root(story, name)
    overlaid = _fill(story, "/")
    _show_empties(story)
    for path in sorted({story.host.home, own_directory(story.spec, story.host)} - {"", "/"}):
        if any(under(path, top) for top in EMPTY) or not any(below(path, top) for top in overlaid):
            overlaid |= _show_own(story, path)


def _fill(story: Story, top: str) -> set[str]:
    """The entries of a directory, each as its kind allows; returns those that have an overlay."""
    overlaid = set()
    for entry in _entries(story, top):
        path = entry.path
        if path in (*FRESH, *EMPTY):
            story.add(steps.mkdir(story.root, path))
        elif entry.kind == "link":
            story.add(steps.symlink(story.root, path, entry.to))
        elif entry.kind == "dir" and _is_stackable(story, path):
            show_place(story, overlay(story, [linked(story, path)]), path)
            overlaid.add(path)
        else:
            bind_read_only(story, path, path)
    return overlaid


def _entries(story: Story, top: str) -> Iterator[Entry]:
    prefix = top.rstrip("/") + "/"
    return (e for e in story.host.entries if e.path.startswith(prefix) and "/" not in e.path[len(prefix) :])


def _is_stackable(story: Story, path: str) -> bool:
    """Programs and settings are nobody's to change: a plain bind, which is also the cheaper one to run from."""
    return story.host.overlay and path not in PROGRAMS and not _mounted_below(story, path)


def _mounted_below(story: Story, path: str) -> bool:
    """Whether the kernel refuses to stack on it: a mount below is locked (EINVAL)."""
    return any(under(mount.path, path) for mount in story.host.mounts)


def _show_own(story: Story, path: str) -> set[str]:
    """The home or the working directory: always writable, always thrown away. Returns what is overlaid then."""
    if not story.host.overlay or (story.outsider and path == story.host.home):
        if path == story.host.home:
            show_empty(story, path, 0o755)
        return {path}
    if _mounted_below(story, path):
        show_empty(story, path, 0o755)
        return _fill(story, path)
    show_place(story, overlay(story, [linked(story, path)]), path, "the caller's own")
    return {path}

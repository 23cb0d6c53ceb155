"""The chapter on /: a scratch tmpfs over the caller's root, and in it the new root, made of layers."""

import posixpath

from isolib.launch import steps
from isolib.launch.compile.story import Story, escape
from isolib.launch.steps import HOST, Tree
from isolib.linux.mount import (
    AT_RECURSIVE,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    MS_REC,
    OPEN_TREE_CLONE,
)
from isolib.spec.paths import below
from isolib.spec.root import DirectoryRoot
from isolib.spec.units import parse_size

CLONE, CLONE_ALL = OPEN_TREE_CLONE, OPEN_TREE_CLONE | AT_RECURSIVE
O_PATH, O_DIRECTORY = 0o10000000, 0o200000
FRESH = ("/proc", "/sys", "/dev")  # made by the chapter on the kernel
EMPTY = {"/tmp": 0o1777, "/var/tmp": 0o1777, "/run": 0o755}
_KINDS = """
    autofs binfmt_misc bpf cgroup cgroup2 configfs debugfs devpts devtmpfs efivarfs fusectl hugetlbfs mqueue nsfs proc
    pstore rpc_pipefs securityfs selinuxfs sysfs tracefs
"""
KERNEL_KINDS = frozenset(_KINDS.split())


def root_trees(story: Story) -> tuple[Tree, ...]:
    """What the caller has to open for the root, with his own rights."""
    if not story.mapped:
        return ()
    root = story.spec.root
    if isinstance(root, DirectoryRoot):
        return tuple(Tree(layer, recursive=root.writes == "keep") for layer in root.layers)
    trees = [Tree("/", owner="inside" if root.rights == "root" else "host")]
    if cwd := own_directory(story):
        trees.append(Tree(cwd))
    return tuple(trees)


def own_directory(story: Story) -> str:
    """The working directory, where a privileged caller's files in it are shown with his rights: not a home, not a
    system one.
    """
    cwd, home = story.host.cwd, story.host.home
    top = "/" + cwd.split("/")[1]
    if below(home, cwd) or below(cwd, home) or top in (*FRESH, "/etc", "/usr", "/var", "/boot", "/run", "/bin", "/lib"):
        return ""
    return cwd if story.spec.root == type(story.spec.root)(rights="user") else ""  # type: ignore[call-arg]


def make_root(story: Story, trees: list[int]) -> None:
    """Tells everything from the first mount to a register that holds the new root."""
    story.add(steps.propagate(MS_REC | MS_PRIVATE, "/, MS_REC|MS_PRIVATE", "no mount made here is seen outside"))
    _make_scratch(story)
    root = story.spec.root
    if not isinstance(root, DirectoryRoot):
        _host_root(story, trees)
    elif root.writes == "keep":
        _kept_root(story, root.layers[0], trees)
    else:
        _layers(story, [_layer_words(story, layer, trees) for layer in root.layers])
    for register in trees:
        story.give_back(register)


def _make_scratch(story: Story) -> None:
    """A tmpfs attached over "/": the walk from / starts below it, so nothing of the host is hidden by it."""
    size = story.spec.scratch.size
    options = [("mode", "0755")]
    if size is not None:
        options.append(("size", str(parse_size(size))))
    story.scratch = story.take()
    why = "scratch: mount points, and what is written and thrown away"
    story.add(steps.mount_new("tmpfs", options, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, story.scratch, why))
    story.add(
        steps.attach(story.scratch, HOST, "/", make=False, why="over the host's /, which stays in reach until pivot")
    )


def _open_root(story: Story, name: str) -> None:
    story.root = story.take()
    story.add(steps.open_(story.scratch, name, O_PATH | O_DIRECTORY, story.root, "the new root"))


def _layer_words(story: Story, path: str, trees: list[int]) -> str:
    """One lower directory in overlay's words: the host's path, or the tree that the caller handed over."""
    if not trees:
        return escape(posixpath.abspath(path))
    register = trees.pop(0)
    name = f"lower/{register}"
    story.add(steps.attach(register, story.scratch, name))
    story.give_back(register)
    return f"%{story.scratch}/{name}"


def overlay(story: Story, name: str, lowers: list[str]) -> None:
    """An overlay on scratch/name, topmost lower directory first. xattrs of user.* where trusted.* needs the host's
    root.
    """
    base = f"%{story.scratch}"
    story.add(steps.mkdir(story.scratch, name))
    if story.host.overlay_on_tmpfs or not story.new("user"):
        upper = work = f"{base}/.{name}"
        story.add(steps.mkdir(story.scratch, f".{name}/upper"), steps.mkdir(story.scratch, f".{name}/work"))
    else:
        upper = work = f"{escape(story.host.scratch)}/{name}"
    data = f"lowerdir={':'.join(lowers)},upperdir={upper}/upper,workdir={work}/work"
    data += ",userxattr" if story.new("user") else ""
    story.add(
        steps.mount("overlay", f"{base}/{name}", data, why="writes go to the upper directory and are thrown away")
    )


def _layers(story: Story, lowers: list[str]) -> None:
    overlay(story, "root", lowers[::-1])
    _open_root(story, "root")


def _kept_root(story: Story, path: str, trees: list[int]) -> None:
    tree = trees.pop(0) if trees else story.take()
    if not story.mapped:
        story.add(steps.open_tree(HOST, posixpath.abspath(path), CLONE_ALL, tree))
    story.add(steps.attach(tree, story.scratch, "root"))
    story.give_back(tree)
    _open_root(story, "root")


def _host_root(story: Story, trees: list[int]) -> None:
    if story.mapped:
        _layers(story, [_layer_words(story, "/", trees)])
        for path in _submounts(story):
            _bind_read_only(story, path)
    else:
        _assemble(story)
    for path, mode in EMPTY.items():
        if path == "/run" or _has_directory(story, path):
            _empty(story, path, mode)
    _own_directories(story, trees)


def _has_directory(story: Story, path: str) -> bool:
    return any(entry.name == path.split("/")[1] and entry.kind == "dir" for entry in story.host.entries)


def _empty(story: Story, path: str, mode: int) -> None:
    name = f"empty{path.replace('/', '-')}"
    story.add(steps.mkdir(story.scratch, name, mode))
    with story.borrowed() as tree:
        story.add(steps.open_tree(story.scratch, name, CLONE, tree))
        story.add(steps.attach(tree, story.root, path, why="empty and writable, in memory"))


def _submounts(story: Story) -> list[str]:
    """Filesystems of the host's own below its /, the outermost only, without those that are made fresh."""
    found: list[str] = []
    hidden = (*FRESH, *EMPTY)
    for mount in sorted(story.host.mounts, key=lambda mount: mount.path):
        if mount.path == "/" or mount.kind in KERNEL_KINDS or any(below(mount.path, top) for top in (*hidden, *found)):
            continue
        found.append(mount.path)
    return found


def _bind_read_only(story: Story, path: str) -> None:
    with story.borrowed() as tree:
        story.add(steps.open_tree(HOST, path, CLONE_ALL, tree, "another filesystem of the host's"))
        story.add(steps.set_attributes(tree, MOUNT_ATTR_RDONLY, 0, 0, True, f"{path}, MOUNT_ATTR_RDONLY, AT_RECURSIVE"))
        story.add(steps.attach(tree, story.root, path, make=True))


def _assemble(story: Story) -> None:
    """An ordinary user's root: children of / are locked in his user namespace, so each top directory is taken alone."""
    story.add(steps.mkdir(story.scratch, "root"))
    with story.borrowed() as tree:
        story.add(steps.open_tree(story.scratch, "root", CLONE, tree))
        story.add(steps.attach(tree, story.scratch, "root"))
    _open_root(story, "root")
    for entry in story.host.entries:
        path = "/" + entry.name
        if path in (*FRESH, *EMPTY):
            story.add(steps.mkdir(story.root, path))
        elif entry.kind == "link":
            story.add(steps.symlink(story.root, path, entry.to))
        elif entry.kind == "dir" and story.host.overlay and not _submounts_of(story, path):
            _overlay_over(story, path)
        else:
            _bind_read_only(story, path)


def _submounts_of(story: Story, path: str) -> bool:
    return any(below(mount.path, path) for mount in story.host.mounts)


def _overlay_over(story: Story, path: str, lower: str | None = None) -> None:
    """An overlay on one directory of the host, moved to the same path inside."""
    name = f"over{path.replace('/', '-')}"
    overlay(story, name, [lower or escape(path)])
    with story.borrowed() as tree:
        story.add(steps.open_tree(story.scratch, name, CLONE, tree))
        story.add(steps.attach(tree, story.root, path))


def _own_directories(story: Story, trees: list[int]) -> None:
    """The home and the working directory: always writable, always thrown away."""
    cwd, home = story.host.cwd, story.host.home
    if story.mapped:
        _empty(story, home, 0o700) if home != "/" else None
        if trees:
            _overlay_over(story, cwd, _layer_words(story, cwd, trees))
        return
    done = {f"/{entry.name}" for entry in story.host.entries if not _submounts_of(story, f"/{entry.name}")}
    for path in dict.fromkeys((home, cwd)):
        if path == "/" or path in done or any(below(path, top) for top in (*FRESH, *EMPTY) if path != top):
            continue
        if story.host.overlay and not _submounts_of(story, path):
            _overlay_over(story, path)

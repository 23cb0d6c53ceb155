"""The chapter on /: a scratch tmpfs over the caller's root, and in it the new root, made of layers."""

from functools import partial

from isolib.launch import steps
from isolib.launch.compile.arrival import first_trees, handed
from isolib.launch.compile.etc import fill, show_etc
from isolib.launch.compile.hostroot import host_root, host_trees
from isolib.launch.compile.overlay import attached, linked, made_place, overlay
from isolib.launch.compile.story import CLONE_ALL, O_DIRECTORY, O_PATH, Story
from isolib.launch.steps import HOST, Tree
from isolib.linux.mount import MOUNT_ATTR_NODEV, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MS_PRIVATE, MS_REC
from isolib.spec.root import DirectoryRoot
from isolib.spec.units import parse_size

BESIDE = 8  # layers that come with the first Sync's answer; more of them have Syncs of their own


def root_trees(story: Story) -> tuple[Tree, ...]:
    """What the caller has to open for the root at once, with his own rights."""
    root = story.spec.root
    if not story.mapped:
        return ()
    if not isinstance(root, DirectoryRoot):
        return host_trees(story)
    return _layer_trees(root) if len(root.layers) <= BESIDE else ()


def _layer_trees(root: DirectoryRoot) -> tuple[Tree, ...]:
    return tuple(Tree(layer, recursive=root.writes == "keep") for layer in root.layers)


def make_root(story: Story) -> None:
    """Tells everything from the first mount to a register that holds the new root."""
    story.add(steps.propagate(MS_REC | MS_PRIVATE, "/, MS_REC|MS_PRIVATE", "no mount made here is seen outside"))
    _make_scratch(story)
    root = story.spec.root
    if not isinstance(root, DirectoryRoot):
        host_root(story)
    elif root.writes == "keep":
        _kept_root(story, root.layers[0])
    else:
        _stacked_root(story, root)


def protect_root(story: Story) -> None:
    """The root is read-only from here on: every mount point is made."""
    if isinstance(story.spec.root, DirectoryRoot) and story.spec.root.writes == "deny":
        story.add(steps.set_attributes(story.root, MOUNT_ATTR_RDONLY, 0, 0, False, "/, MOUNT_ATTR_RDONLY"))


def _make_scratch(story: Story) -> None:
    """A tmpfs attached over "/": the walk from / starts below it, so nothing of the host is hidden by it."""
    size = story.spec.scratch.size
    options = [("mode", "0755")]
    if size is not None:
        options.append(("size", str(parse_size(size))))
    story.scratch = story.take()
    if not story.on_disk:
        story.upper = story.scratch
    why = "scratch: mount points, and what is written and thrown away"
    story.add(steps.mount_new("tmpfs", options, MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID, story.scratch, why))
    why = "over the host's /, which stays in reach until pivot"
    story.add(steps.attach(story.scratch, HOST, "/", make=False, why=why))


def _stacked_root(story: Story, root: DirectoryRoot) -> None:
    """An overlay of the layers. What must be in it beforehand is put into its upper directory."""
    name = overlay(story, _layers(story, root)[::-1], partial(fill, story))
    _open_root(story, name)
    for layer in root.layers:
        if layer in story.opened:
            story.give_back(story.opened.pop(layer))
    show_etc(story, filled=True)


def _layers(story: Story, root: DirectoryRoot) -> list[str]:
    """The lower directories in overlay's words, as they are stacked."""
    if not story.mapped:
        return [linked(story, layer) for layer in root.layers]
    trees = first_trees(story) if story.handed else handed(story, _layer_trees(root), "layers")
    return [attached(story, register) for register in trees]


def _kept_root(story: Story, path: str) -> None:
    name = made_place(story)
    for register in first_trees(story):
        story.add(steps.attach(register, story.scratch, name))
    if not story.mapped:
        with story.borrowed() as tree:
            source, inside = (story.opened.pop(path), ".") if path in story.opened else (HOST, path)
            story.add(steps.open_tree(source, inside, CLONE_ALL, tree))
            story.add(steps.attach(tree, story.scratch, name))
    _open_root(story, name)
    show_etc(story, filled=False)


def _open_root(story: Story, name: str) -> None:
    story.root = story.take()
    story.add(steps.open_(story.scratch, name, O_PATH | O_DIRECTORY, story.root, "the new root"))

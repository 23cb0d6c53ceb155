"""The chapter on what the user mounts: parents before children, each resolved inside the new root."""

import os
from collections.abc import Sequence

from isolib.launch import steps
from isolib.launch.compile.root import CLONE, CLONE_ALL
from isolib.launch.compile.story import Story
from isolib.launch.steps import HOST, Tree
from isolib.linux.mount import MOUNT_ATTR_RDONLY, MS_PRIVATE, MS_SHARED, MS_SLAVE, MS_UNBINDABLE
from isolib.spec.mounts import OPTIONS, Bind, Inject, Mount, Symlink, Tmpfs
from isolib.spec.units import parse_size

PROPAGATION = {"private": MS_PRIVATE, "slave": MS_SLAVE, "shared": MS_SHARED, "unbindable": MS_UNBINDABLE}
BATCH = 48  # descriptors in one message (unix(7): at most 253) and below the number of registers


def user_mounts(story: Story) -> None:
    """Every mount of the spec, sorted by depth so that a parent never covers its child."""
    ordered = sorted(story.spec.mounts, key=lambda mount: mount.path.count("/"))
    batch: list[Bind] = []
    for mount in ordered:
        if isinstance(mount, Bind) and story.mapped:
            batch.append(mount)
            if len(batch) < BATCH:
                continue
        _handed(story, batch)
        batch = []
        if not (isinstance(mount, Bind) and story.mapped):
            _one(story, mount)
    _handed(story, batch)


def _handed(story: Story, binds: Sequence[Bind]) -> None:
    """Binds that the caller opens: id-mapping a mount needs rights over its filesystem (mount_setattr(2))."""
    if not binds:
        return
    first = story.take(len(binds)) if len(binds) > 1 else story.take()
    trees = [Tree(_source(bind), bind.recursive, bind.owner) for bind in binds]
    story.add(steps.sync("mounts", into=first, trees=trees, why="opened with the caller's rights"))
    for register, bind in enumerate(binds, first):
        _attach_bind(story, register, bind)
        story.give_back(register)


def _source(bind: Bind) -> str:
    return os.path.abspath(os.fspath(bind.source))


def _one(story: Story, mount: Mount) -> None:
    if isinstance(mount, Bind):
        with story.borrowed() as tree:
            story.add(steps.open_tree(HOST, _source(mount), CLONE_ALL if mount.recursive else CLONE, tree))
            _attach_bind(story, tree, mount)
    elif isinstance(mount, Tmpfs):
        _tmpfs(story, mount)
    elif isinstance(mount, Inject):
        inject(story, mount.path, mount.data, mount.mode)
    else:
        story.add(_link(story, mount))


def _link(story: Story, mount: Symlink) -> steps.Step:
    return steps.symlink(story.root, mount.path, mount.to)


def _attach_bind(story: Story, tree: int, bind: Bind) -> None:
    attributes = sum(OPTIONS[word] for word in bind.options) | (MOUNT_ATTR_RDONLY if bind.readonly else 0)
    words = [word for word in (*bind.options, "read-only" if bind.readonly else "") if word]
    if attributes:
        subject = f"{bind.path}, {', '.join(words)}" + (", AT_RECURSIVE" if bind.recursive else "")
        story.add(steps.set_attributes(tree, attributes, 0, 0, bind.recursive, subject))
    story.add(steps.attach(tree, story.root, bind.path, why=f"bind of {_source(bind)}"))
    if bind.propagation != "private":
        flag = PROPAGATION[bind.propagation]
        story.add(steps.set_attributes(tree, 0, 0, flag, bind.recursive, f"{bind.path}, {bind.propagation}"))


def _tmpfs(story: Story, mount: Tmpfs) -> None:
    options = [("mode", f"{mount.mode:04o}")]
    if mount.size is not None:
        options.append(("size", str(parse_size(mount.size))))
    if mount.inodes is not None:
        options.append(("nr_inodes", str(mount.inodes)))
    with story.borrowed() as tree:
        story.add(steps.mount_new("tmpfs", options, sum(OPTIONS[word] for word in mount.options), tree))
        story.add(steps.attach(tree, story.root, mount.path))


def inject(story: Story, path: str, data: bytes, mode: int) -> None:
    """A file in the scratch tmpfs, bound over the path: nothing is written to the root's own layers."""
    name = f"files{path.replace('/', '-')}"
    story.add(steps.file(story.scratch, name, data, mode))
    with story.borrowed() as tree:
        story.add(steps.open_tree(story.scratch, name, CLONE, tree))
        story.add(steps.attach(tree, story.root, path, why=f"{len(data)} bytes"))

"""The chapter on what the user mounts: parents before children, each resolved inside the new root."""

import os
from collections.abc import Sequence

from isolib.launch import steps
from isolib.launch.compile.arrival import BATCH, handed
from isolib.launch.compile.overlay import show_file
from isolib.launch.compile.story import CLONE, CLONE_ALL, Story
from isolib.launch.steps import HOST, NONE, Tree
from isolib.linux.mount import (
    MOUNT_ATTR__ATIME,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_PRIVATE,
    MS_SHARED,
    MS_SLAVE,
    MS_UNBINDABLE,
)
from isolib.spec.mounts import OPTIONS, Bind, Device, Inject, Mount, Tmpfs
from isolib.spec.root import DirectoryRoot
from isolib.spec.units import parse_size

PROPAGATION = {"private": MS_PRIVATE, "slave": MS_SLAVE, "shared": MS_SHARED, "unbindable": MS_UNBINDABLE}


def user_mounts(story: Story) -> None:
    """Every mount of the spec, sorted by depth so that a parent never covers its child."""
    batch: list[Bind] = []
    for mount in sorted(story.spec.mounts, key=lambda mount: mount.path.count("/")):
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
    trees = [Tree(os.fspath(bind.source), bind.recursive, bind.owner) for bind in binds]
    for register, bind in zip(handed(story, trees, "mounts"), binds, strict=True):
        _attach_bind(story, register, bind)


def _one(story: Story, mount: Mount) -> None:
    if isinstance(mount, Bind):
        tree = story.opened.pop(f"{mount.path}\0", NONE)
        if tree == NONE:
            tree = story.take()
            flags = CLONE_ALL if mount.recursive else CLONE
            story.add(steps.open_tree(HOST, os.fspath(mount.source), flags, tree))
        _attach_bind(story, tree, mount)
        story.give_back(tree)
    elif isinstance(mount, Device):
        _device(story, mount)
    elif isinstance(mount, Tmpfs):
        _tmpfs(story, mount)
    elif isinstance(mount, Inject):
        show_file(story, mount.path, mount.data, mount.mode)
    else:
        kept = isinstance(story.spec.root, DirectoryRoot) and story.spec.root.writes == "keep"
        story.add(steps.symlink(*story.place(mount.path), mount.to, replace=not kept))


def _attach_bind(story: Story, tree: int, bind: Bind) -> None:
    attributes = sum(OPTIONS[word] for word in set(bind.options)) | (MOUNT_ATTR_RDONLY if bind.readonly else 0)
    if attributes:
        words = [
            *bind.options,
            *(["read-only"] if bind.readonly else []),
            *(["AT_RECURSIVE"] if bind.recursive else []),
        ]
        subject = f"{bind.path}, {', '.join(words)}"
        cleared = MOUNT_ATTR__ATIME if "noatime" in bind.options else 0  # a value of two bits, not a flag
        story.add(steps.set_attributes(tree, attributes, cleared, 0, bind.recursive, subject))
    story.add(steps.attach(tree, *story.place(bind.path), why=f"bind of {os.fspath(bind.source)}"))
    if bind.propagation != "private":
        flag = PROPAGATION[bind.propagation]
        story.add(steps.set_attributes(tree, 0, 0, flag, bind.recursive, f"{bind.path}, {bind.propagation}"))


def _device(story: Story, device: Device) -> None:
    source = os.fspath(device.source)
    with story.borrowed() as tree:
        story.add(steps.open_tree(HOST, source, CLONE, tree))
        flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC
        story.add(steps.set_attributes(tree, flags, 0, 0, False, f"{device.path}, nosuid, noexec"))
        story.add(steps.attach(tree, *story.place(device.path), why=f"the host's {source}"))


def _tmpfs(story: Story, mount: Tmpfs) -> None:
    options = [("mode", f"{mount.mode:04o}")]
    if mount.size is not None:
        options.append(("size", str(parse_size(mount.size))))
    if mount.inodes is not None:
        options.append(("nr_inodes", str(mount.inodes)))
    with story.borrowed() as tree:
        story.add(steps.mount_new("tmpfs", options, sum(OPTIONS[word] for word in set(mount.options)), tree))
        story.add(steps.attach(tree, *story.place(mount.path)))

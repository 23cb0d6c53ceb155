"""Pieces that roots are made of: places in the scratch, overlays that write to it, copies of the host's mounts."""

from collections.abc import Callable

from isolib.launch import steps
from isolib.launch.compile.story import CLONE, CLONE_ALL, Story
from isolib.launch.steps import HOST
from isolib.linux.mount import MOUNT_ATTR_RDONLY


def made_place(story: Story, mode: int = 0o755) -> str:
    """A new empty directory in the scratch."""
    name = story.name()
    story.add(steps.mkdir(story.scratch, name, mode))
    return name


def linked(story: Story, path: str) -> str:
    """A directory of the host as a lower one, in overlay's words: by a link in the scratch, since a path as it is may
    hold what means something in them, and be long.
    """
    if path in story.opened:
        return f"%{story.opened[path]}"
    name = story.name()
    story.add(steps.symlink(story.scratch, name, path))
    return f"%{story.scratch}/{name}"


def attached(story: Story, register: int) -> str:
    """A tree that the caller handed over as a lower directory."""
    name = made_place(story)
    story.add(steps.attach(register, story.scratch, name))
    return f"%{story.scratch}/{name}"


def overlay(story: Story, lowers: list[str], fill: Callable[[str], None] | None = None) -> str:
    """An overlay on a new place in the scratch, whose name is returned; topmost lower directory first.

    ``fill`` puts files into the upper directory beforehand; it is named below ``story.upper``.
    """
    upper, work, name = story.name(), story.name(), made_place(story)
    story.add(steps.mkdir(story.upper, upper), steps.mkdir(story.upper, work))
    if fill is not None:
        fill(upper)
    data = f"lowerdir={':'.join(lowers)},upperdir=%{story.upper}/{upper},workdir=%{story.upper}/{work}"
    data += ",userxattr" if story.user_attributes else ""
    why = "writes go to the upper directory and are thrown away"
    story.add(steps.mount("overlay", f"%{story.scratch}/{name}", data, why=why))
    return name


def show_place(story: Story, name: str, path: str, why: str = "", make: bool | None = True) -> None:
    """What is at a place of the scratch, moved or copied to a path of the root."""
    with story.borrowed() as tree:
        story.add(steps.open_tree(story.scratch, name, CLONE, tree))
        story.add(steps.attach(tree, *story.place(path), make=make, why=why))


def show_empty(story: Story, path: str, mode: int) -> None:
    """An empty directory over a path of the root."""
    show_place(story, made_place(story, mode), path, "empty and writable, thrown away")


def show_file(story: Story, path: str, data: bytes, mode: int, make: bool | None = True) -> None:
    """A file in the scratch, bound over the path: nothing is written to the root's own layers."""
    name = story.name()
    story.add(steps.file(story.scratch, name, data, mode))
    show_place(story, name, path, f"{len(data)} bytes", make)


def bind_read_only(story: Story, source: str, path: str, make: bool | None = True, why: str = "") -> None:
    """What the host has at source, with all that is mounted below it."""
    with story.borrowed() as tree:
        story.add(steps.open_tree(HOST, source, CLONE_ALL, tree, why))
        attach_read_only(story, tree, path, make)


def attach_read_only(story: Story, tree: int, path: str, make: bool | None = True) -> None:
    story.add(steps.set_attributes(tree, MOUNT_ATTR_RDONLY, 0, 0, True, f"{path}, MOUNT_ATTR_RDONLY, AT_RECURSIVE"))
    story.add(steps.attach(tree, *story.place(path), make=make))

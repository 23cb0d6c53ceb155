"""Starting something in a namespace that is held by a handle: by which right, and how it is killed."""

import contextlib
import itertools
import os

from isolib.errors import Denied, KernelError
from isolib.handles.cgroup import CGroup
from isolib.handles.namespace import Namespace
from isolib.handles.process import Process
from isolib.launch.namespace import Inside, needs_owner, start_inside

_number = itertools.count()


def start_in(space: Namespace, deadline: float | None, words: Inside, *, late: bool = False) -> Process:
    """Starts it, to be killed at the deadline as a whole. ``late``: it joins by itself what it was given."""
    join = not late and not is_own_user(space)
    with contextlib.ExitStack() as held:
        group = None
        if space.kind == "pid" and deadline is not None:  # nothing else reaches what is left behind in there
            group = held.enter_context(CGroup.create(f"inside-{next(_number)}"))
        process = _start_as_allowed(space, words, join, group)
        process.ends_with.append(held.pop_all())
    return process


def _start_as_allowed(space: Namespace, words: Inside, join: bool, group: CGroup | None) -> Process:
    """Root joins as he is where he may; anybody else gets the right from the owner, where he may join that."""
    owner = _owner(space)
    try:
        ways = [-1] if owner is None else [-1, owner.fileno()] if os.geteuid() == 0 else [owner.fileno(), -1]
        for way in ways[:-1]:
            try:
                return start_inside(space.kind, space.fileno(), way, words, join=join, group=group)
            except KernelError as error:
                if not needs_owner(error):
                    raise
        return start_inside(space.kind, space.fileno(), ways[-1], words, join=join, group=group)
    finally:
        if owner is not None:
            owner.close()


def _owner(space: Namespace) -> Namespace | None:
    """The user namespace that owns it, where it is another than the caller's and in his sight."""
    if space.kind == "user":
        return None
    try:
        owner = space.owner()
    except Denied:
        return None
    if not is_own_user(owner):
        return owner
    owner.close()
    return None


def is_own_user(space: Namespace) -> bool:
    """Joining the user namespace that one is in is EINVAL (setns(2))."""
    if space.kind != "user":
        return False
    with Namespace.current("user") as own:
        return own == space

"""One more command in a container, in a group of its own below the container's, to be killed by it."""

import time
from contextlib import ExitStack

from isolib.handles.process import Process
from isolib.launch.enter import Target, enter, prepare_enter
from isolib.spec.container import ContainerSpec


def entered(wanted: ContainerSpec, target: Target, stdio: tuple[int, int, int]) -> Process:
    """Starts it. Where the container has no group, the command has none. Its group is removed at its end."""
    prepared = prepare_enter(wanted, target)
    group = None
    with ExitStack() as held:
        if target.group is not None:
            group = held.enter_context(target.group.child(f"exec-{time.monotonic_ns():x}"))
        process = enter(prepared, stdio, group)
        process.ends_with.append(held.pop_all())
    return process

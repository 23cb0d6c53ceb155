"""One more command in a container, in a group of its own below the container's, to be killed by it."""

import time

from isolib.handles.process import Process
from isolib.launch.enter import Target, enter, prepare_enter
from isolib.spec.container import ContainerSpec


def entered(wanted: ContainerSpec, target: Target, stdio: tuple[int, int, int]) -> Process:
    """Starts it. Where the container has no group, the command has none."""
    prepared = prepare_enter(wanted, target)
    group = target.group.child(f"exec-{time.monotonic_ns():x}") if target.group is not None else None
    try:
        process = enter(prepared, stdio, group)
    except BaseException:
        if group is not None:
            group.close()
        raise
    if group is not None:
        process.ends_with.append(group)
    return process

"""Groups whose maker is gone (killed, or ended without removing them): ended and removed by the next process."""

from contextlib import suppress

from isolib.errors import KernelError
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.ending import end
from isolib.handles.cgroup.owner import is_orphan

PATIENCE = 5.0  # seconds for one group; what will not end is left to the next process


def sweep_folder(folder: Directory) -> list[str]:
    """End the orphans directly in a folder of groups; their paths. One listing where there is none."""
    swept = []
    for name in folder.children():
        if is_orphan(name):
            group = folder.below(name)
            with suppress(KernelError):
                end([group], PATIENCE)
                swept.append(group.absolute)
    return swept

"""Whose a group is: the process that made it, written at the end of the group's name, so that the next one can sweep.

No record and no lock beside it: cgroups end with the boot, and a process number with its start time names one process
of a boot for good. ``web@effffffc.812.120332`` was made by process 812, started at tick 120332, in the PID namespace
with that inode number.
"""

import os
import re

from isolib.handles.cgroup.hierarchy import read_proc

_MARK = re.compile(r"@([0-9a-f]+(?:t[0-9a-f]+)?)\.([1-9][0-9]*)\.([0-9]+)$", re.ASCII)
_FIRST_TIME_NS = 0xEFFFFFFA  # PROC_TIME_INIT_INO

_own: tuple[int, str] = (0, "")


def own_mark() -> str:
    """What this process appends; a fork of it has its own."""
    global _own
    pid = os.getpid()
    if _own[0] != pid:
        _own = (pid, f"@{_realm()}.{pid}.{_start(read_proc('/proc/self/stat'))}")
    return _own[1]


def _realm() -> str:
    """Where a process number and a start time have one meaning: a PID namespace, and the reader's time namespace."""
    pids, times = os.stat("/proc/self/ns/pid").st_ino, _time_namespace()
    return f"{pids:x}" if times == _FIRST_TIME_NS else f"{pids:x}t{times:x}"


def _time_namespace() -> int:
    try:
        return os.stat("/proc/self/ns/time").st_ino  # Linux 5.6
    except OSError:
        return _FIRST_TIME_NS


def _start(stat: str) -> int:
    """Field 22 of /proc/PID/stat; the command before it may hold anything, brackets too (proc_pid_stat(5))."""
    return int(stat.rpartition(")")[2].split()[19])


def _ended(stat: str) -> bool:
    """A zombie without threads: nothing of it can act again."""
    fields = stat.rpartition(")")[2].split()
    return fields[0] in ("Z", "X", "x") and int(fields[17]) <= 1


def is_orphan(name: str) -> bool:
    """Whether a group of this name belongs to a process that is known to be gone. Never guessed: a doubt is a no."""
    if not (match := _MARK.search(name)):
        return False
    realm, pid, start = match[1], int(match[2]), int(match[3])
    if realm != _realm():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        pass
    try:
        stat = read_proc(f"/proc/{pid}/stat")
    except OSError:  # hidden (hidepid), or gone in this moment: the next sweep will know
        return False
    return _start(stat) != start or _ended(stat)

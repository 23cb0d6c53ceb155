"""What an errno of a cgroup file means: ``(call, file, errno)`` to a sentence for people."""

from errno import EACCES, EAGAIN, EBUSY, EINVAL, ENODEV, ENOENT, ENOSPC, EOPNOTSUPP, EPERM, EROFS, ESRCH

_ANY = ""
_HINTS = {
    ("write", "cgroup.procs", ESRCH): "the process is gone",
    (
        "write",
        "cgroup.procs",
        EBUSY,
    ): "a group with controllers enabled for its children holds no processes (cgroup v2): "
    "add the process to a child of it",
    ("write", "cgroup.procs", EOPNOTSUPP): "the group is invalid: a parent of it is threaded",
    ("write", "cgroup.procs", ENOSPC): "the group's cpuset has no CPUs or no memory nodes",
    (
        "write",
        "cgroup.procs",
        EINVAL,
    ): "the kernel refuses this process here; a real-time process needs cpu.rt_runtime_us",
    ("write", "cgroup.procs", EAGAIN): "the process is being killed or is executing a program",
    (
        "write",
        "cgroup.procs",
        EACCES,
    ): "moving a process needs the right to write cgroup.procs of the closest group above both the old and the new one",
    (
        "write",
        "cgroup.subtree_control",
        EBUSY,
    ): "a group with processes in it cannot enable controllers for its children (cgroup v2)",
    ("write", "cgroup.subtree_control", ENOENT): "the controller is not enabled in the group above",
    ("write", "memory.limit_in_bytes", EBUSY): "the group uses more than that and cannot be shrunk",
    ("write", "memory.memsw.limit_in_bytes", EBUSY): "the group uses more than that and cannot be shrunk",
    ("write", "cpuset.cpus", EACCES): "not a subset of the CPUs of the group above",
    ("write", "cpuset.cpus", EINVAL): "no such CPU, or not one of the group above",
    ("write", "cpuset.mems", EINVAL): "no such memory node, or not one of the group above",
    ("write", "io.max", ENODEV): "no such disk; a partition cannot be limited, name its whole disk",
    (
        "mkdir",
        _ANY,
        EAGAIN,
    ): "a limit on the number or depth of groups is reached (cgroup.max.descendants, cgroup.max.depth)",
    ("mkdir", _ANY, EOPNOTSUPP): "a group cannot be made below a threaded one",
    ("rmdir", _ANY, EBUSY): "processes or groups are still in it",
    (_ANY, _ANY, EROFS): "cgroups are mounted read-only here",
    (_ANY, _ANY, EPERM): "the group belongs to somebody else",
    (_ANY, _ANY, EACCES): "the group belongs to somebody else",
}


def hint(call: str, file: str, number: int) -> str:
    """The sentence, or nothing where the errno says it all."""
    for key in ((call, file, number), (call, _ANY, number), (_ANY, _ANY, number)):
        if key in _HINTS:
            return _HINTS[key]
    if file.startswith("blkio.throttle.") and number in (EINVAL, ENODEV):
        return _HINTS["write", "io.max", ENODEV]
    return ""

"""What a process may leave behind or have changed, as text read from /proc: the same before a test and after it.

One function a subject, each some tens of microseconds; ``differences`` names what came and what went.
"""

import ctypes
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

PATIENCE = float(os.environ.get("ISOLIB_TEST_PATIENCE", "1"))  # seconds for what ends by itself
INIT = "isolib-init"  # the name that the C side gives its process
STATUS = (
    *("Umask", "Uid", "Gid", "Groups", "SigBlk", "SigIgn", "SigCgt", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"),
    *("NoNewPrivs", "Seccomp", "Seccomp_filters", "Cpus_allowed_list"),
)

libc = ctypes.CDLL(None)
RUNNING_BEFORE = frozenset(os.listdir("/proc"))  # not to be asked for their names after each test


def read(path: str) -> str:
    """A file of /proc; empty where it is gone or is not ours to read."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def link(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def names(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def file_descriptors() -> Iterator[str]:
    """All but those of the tops of hierarchies, which a process that has made a group keeps."""
    for fd in names("/proc/self/fd"):
        target = link(f"/proc/self/fd/{fd}")  # None: the one that listed the folder
        if target and target not in hierarchies():
            yield f"{fd} -> {target}"


def threads() -> Iterator[str]:
    for tid in names("/proc/self/task"):
        yield f"{tid} {read(f'/proc/self/task/{tid}/comm').strip()}"


def process(pid: str) -> tuple[str, str, str]:
    """Name, state and parent of a process, from proc_pid_stat(5); the name may hold blanks and parentheses."""
    head, _, tail = read(f"/proc/{pid}/stat").rpartition(")")
    fields = tail.split()
    return head.partition("(")[2], *((fields[0], fields[1]) if fields else ("", ""))


def children() -> Iterator[str]:
    """Children of every thread, zombies too (the file needs CONFIG_PROC_CHILDREN, which distributions set)."""
    for tid in names("/proc/self/task"):
        for pid in read(f"/proc/self/task/{tid}/children").split():
            name, state, _ = process(pid)
            yield f"{pid} {name}{' (zombie)' if state == 'Z' else ''}"


def orphans() -> Iterator[str]:
    """Init processes of containers whose caller is gone: each should have gone as well."""
    for pid in set(names("/proc")) - RUNNING_BEFORE:
        if pid.isdecimal() and read(f"/proc/{pid}/comm") == f"{INIT}\n":
            _, state, parent = process(pid)
            if parent == reaper() and state != "Z":  # when it is reaped is not ours to say
                yield f"{pid} {INIT}"


@cache
def reaper() -> str:
    """Who becomes the parent of an orphan here: process 1, or a sub-reaper such as systemd's of a user."""
    orphan = ["sh", "-c", "(sleep 0.1; exec cat /proc/self/stat) &"]
    return subprocess.run(orphan, capture_output=True, text=True, check=True).stdout.rpartition(")")[2].split()[1]


def mounts() -> Iterable[str]:
    return read("/proc/self/mountinfo").splitlines()


def namespaces() -> Iterator[str]:
    """Those this thread is in; one that a descriptor or a mount holds is told of as such."""
    for kind in names("/proc/thread-self/ns"):
        yield f"{kind} {link(f'/proc/thread-self/ns/{kind}')}"
    yield from ([f"time offsets {line}" for line in read("/proc/self/timens_offsets").splitlines()])


def network_devices() -> Iterator[str]:
    for _, name in socket.if_nameindex():
        yield name


def own_group() -> Iterable[str]:
    return read("/proc/self/cgroup").splitlines()


def groups() -> Iterator[str]:
    """Control groups that this process made: their names end in ``@NAMESPACE.PID.START`` (handles/cgroup/owner.py)."""
    own = f".{os.getpid()}."
    for folder in group_folders():
        yield from (f"{folder}/{name}" for name in names(folder) if own in name.rpartition("@")[2])


@cache
def group_folders() -> list[str]:
    """Where groups are made: a folder ``isolib`` in this process's group, or in one above it, in each hierarchy."""
    return sorted({f"{place}/isolib" for hierarchy in hierarchies() for place in own_places(hierarchy)})


@cache
def hierarchies() -> list[str]:
    """The tops of the hierarchies: one on a host of v2, one for each controller of v1."""
    top = "/sys/fs/cgroup"
    return [top] if os.path.exists(f"{top}/cgroup.controllers") else [f"{top}/{name}" for name in names(top)]


def own_places(hierarchy: str) -> Iterator[Path]:
    """The top of a hierarchy, and the groups from there down to this process's own."""
    for line in read("/proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers or os.path.basename(hierarchy) in controllers.removeprefix("name=").split(","):
            own = Path(hierarchy + path)
            yield from (place for place in (own, *own.parents) if Path(hierarchy) in (place, *place.parents))


def shared_memory() -> Iterable[str]:
    return names("/dev/shm")


def temporary_files() -> Iterator[str]:
    """The session has a folder to itself; $ISOLIB_ROOT in it is looked at by ``state``, and pytest's own are kept."""
    return (name for name in names(tempfile.gettempdir()) if name != "state" and not name.startswith("pytest-of-"))


def state() -> Iterator[str]:
    """Records below $ISOLIB_ROOT: of what ran, nothing stays; locks and empty folders may."""
    root = os.environ.get("ISOLIB_ROOT")
    for folder, _, files in os.walk(root) if root else ():
        yield from (os.path.join(folder, name) for name in files if not name.endswith("lock"))


def process_state() -> Iterator[str]:
    for line in read("/proc/thread-self/status").splitlines():
        name, _, value = line.partition(":")
        if name in ("SigCgt", "SigIgn"):
            # pytest-timeout takes its SIGALRM away as soon as a test has failed; signals 32 and 33 are caught by glibc
            # itself from the first thread on, also where the caller has handed them down as ignored.
            value = f"{int(value, 16) & ~(1 << signal.SIGALRM - 1 | 0b11 << 31):016x}"
        if name in STATUS:
            yield f"{name}: {' '.join(value.split())}"
    yield from prctl_flags()
    yield f"oom_score_adj: {read('/proc/self/oom_score_adj').strip()}"
    yield f"cwd: {link('/proc/self/cwd')}"
    yield f"root: {link('/proc/self/root')}"
    yield f"nice: {os.getpriority(os.PRIO_PROCESS, 0)}"


def prctl_flags() -> Iterator[str]:
    """What prctl(2) tells by its result, and what it tells through a pointer."""
    for name, option in (("dumpable", 3), ("keepcaps", 7)):
        yield f"{name}: {libc.prctl(option, 0, 0, 0, 0)}"
    value = ctypes.c_int()
    for name, option in (("pdeathsig", 2), ("child_subreaper", 37)):
        libc.prctl(option, ctypes.byref(value), 0, 0, 0)
        yield f"{name}: {value.value}"


def resource_limits() -> Iterable[str]:
    return (" ".join(line.split()) for line in read("/proc/self/limits").splitlines())


def environment() -> Iterator[str]:
    return (f"{name}={value}" for name, value in os.environ.items() if not name.startswith("PYTEST_"))


SUBJECTS: dict[str, Callable[[], Iterable[str]]] = {
    "file descriptors": file_descriptors,
    "threads": threads,
    "children": children,
    "orphaned containers": orphans,
    "mounts": mounts,
    "namespaces": namespaces,
    "network devices": network_devices,
    "own control group": own_group,
    "control groups": groups,
    "shared memory": shared_memory,
    "temporary files": temporary_files,
    "state directory": state,
    "process": process_state,
    "resource limits": resource_limits,
    "environment": environment,
}


def loop_devices() -> Iterator[str]:
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        yield f"{path.parts[3]} {read(str(path)).strip()}"


def system_v() -> Iterator[str]:
    """The objects of this IPC namespace, by key and identifier (proc_sysvipc(5))."""
    for kind in ("shm", "sem", "msg"):
        yield from (f"{kind} {' '.join(line.split()[:2])}" for line in read(f"/proc/sysvipc/{kind}").splitlines()[1:])


# Looked at once a session: dearer, or shared with the rest of the machine.
SESSION_SUBJECTS: dict[str, Callable[[], Iterable[str]]] = {"loop devices": loop_devices, "System V objects": system_v}

Snapshot = dict[str, Counter[str]]


def snapshot(subjects: dict[str, Callable[[], Iterable[str]]] = SUBJECTS) -> Snapshot:
    return {name: Counter(read_subject()) for name, read_subject in subjects.items()}


def differences(before: Snapshot, after: Snapshot) -> list[str]:
    """``subject: + what came`` and ``subject: - what went``, in the order of the subjects."""
    found = []
    for subject, was in before.items():
        now = after[subject]
        found += [f"{subject}: - {line}" for line in sorted((was - now).elements())]
        found += [f"{subject}: + {line}" for line in sorted((now - was).elements())]
    return found


def settled(before: Snapshot) -> list[str]:
    """What still differs after some patience: the kernel takes a network namespace or a thread down a moment later."""
    left = differences(before, snapshot())
    if not left:
        return left
    import gc

    gc.collect()  # an object in a cycle closes its descriptor now, with a warning that is an error of its own
    deadline = time.monotonic() + PATIENCE
    while (left := differences(before, snapshot())) and time.monotonic() < deadline:
        time.sleep(0.01)
    return left

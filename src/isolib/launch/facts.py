"""HostFacts, found by doing: one optimistic Plan in a throw-away child, again without each step that failed."""

import functools
import os
import platform

from isolib.errors import KernelError, SpecError, StepError, Unavailable
from isolib.launch import steps
from isolib.launch.plan import NAMESPACE_FLAGS, Plan
from isolib.launch.scratch import DiskScratch, folders
from isolib.launch.spawn import Answer, spawn
from isolib.launch.steps import HOST, Step
from isolib.launch.surroundings import with_surroundings
from isolib.linux import mount
from isolib.spec.host import HostFacts

ALL = sum(NAMESPACE_FLAGS[kind] for kind in ("ipc", "mnt", "net", "pid", "user", "uts"))
PR_SET_DUMPABLE = 4

REMEDIES = {
    "user namespace": "allow them: sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, and on "
    "Ubuntu 24.04 kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for this program",
    "mount calls": "needs Linux 5.2 (fsopen, fsmount, open_tree, move_mount), and no seccomp profile around this "
    "process that forbids them",
    "openat2": "needs Linux 5.6, and no seccomp profile around this process that forbids it: no path of a container is "
    "resolved without",
    "mount_setattr": "needs Linux 5.12, and no seccomp profile around this process that forbids it",
    "procfs": "the host's /proc is partly covered, so the kernel allows no new one: uncover it, or share the PID "
    "namespace",
    "overlay": "overlay in a user namespace needs Linux 5.11",
    "overlay on tmpfs": "tmpfs holds overlay's user.* attributes from Linux 6.6 on; before, writes go to disk",
    "time namespace": "needs Linux 5.6 with CONFIG_TIME_NS",
    "id-mapped /": "needs privilege, Linux 5.12, and a filesystem with id-mapped mounts (ext4, xfs, btrfs, …) at /",
    "sub-ids": "add the user to /etc/subuid and /etc/subgid, and install newuidmap (package uidmap)",
    "sysfs": "the host's /sys is partly covered: it is bound read-only instead",
    "mqueue": "needs CONFIG_POSIX_MQUEUE",
    "Landlock": "needs Linux 5.13 with landlock among the LSMs (lsm= on the kernel's command line)",
    "cgroup2": "a container sees no groups: the host has none of version 2, or hides parts of them",
    "cgroup namespace": "needs CONFIG_CGROUPS, and no seccomp profile around this process that forbids unshare",
    "seccomp": "needs CONFIG_SECCOMP_FILTER; Security(seccomp='unconfined') goes without, and is weaker",
}


@functools.cache
def _facts_of(pid: int) -> HostFacts:
    return _probe()


def host_facts() -> HostFacts:
    """The facts about this host and caller, tried out once in a process, and what lies around him at this moment."""
    return with_surroundings(_facts_of(os.getpid()))


def self_map(pid: int, _step: Step) -> list[int]:
    """The caller's half of a Sync in which init becomes root as nobody but the caller himself."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {os.geteuid()} 1"), ("gid_map", f"0 {os.getegid()} 1")):
        fd = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    return []


def _opening() -> list[Step]:
    return [
        steps.prctl("PR_SET_DUMPABLE, 1", PR_SET_DUMPABLE, 1),
        steps.sync("identity"),
        steps.gid(0),
        steps.uid(0),
    ]


def _trials() -> list[tuple[str, list[Step]]]:
    """What is tried, in order; the registers of each are its own."""
    overlay = "lowerdir=%40/a,upperdir=%40/b/c,workdir=%40/b/d,userxattr"
    dirs = [steps.mkdir(40, name) for name in ("a/x", "b/c", "b/d", "m")]
    return [
        ("user namespace", [steps.propagate(mount.MS_REC | mount.MS_PRIVATE, "/")]),
        (
            "mount calls",
            [
                steps.mount_new("tmpfs", [], 0, 40),
                steps.attach(40, HOST, "/", make=False),
                steps.open_tree(HOST, "/dev/null", mount.OPEN_TREE_CLONE, 41),
            ],
        ),
        ("openat2", [steps.open_(40, ".", 0o10000000, 45)]),
        ("mount_setattr", [steps.set_attributes(41, mount.MOUNT_ATTR_RDONLY, 0, 0, False, "read-only")]),
        ("procfs", [steps.mount_new("proc", [], 0, 42)]),
        ("sysfs", [steps.mount_new("sysfs", [], mount.MOUNT_ATTR_RDONLY, 43)]),
        ("mqueue", [steps.mount_new("mqueue", [], 0, 44)]),
        ("overlay", [*dirs, steps.mount("overlay", "%40/m", overlay)]),
        ("cgroup namespace", [steps.unshare(NAMESPACE_FLAGS["cgroup"], "NEWCGROUP")]),
        ("cgroup2", [steps.mount_new("cgroup2", [], mount.MOUNT_ATTR_RDONLY, 46)]),
        ("time namespace", [steps.unshare(NAMESPACE_FLAGS["time"], "NEWTIME")]),
    ]


def _try_all() -> dict[str, str]:
    """feature -> why not, for what fails."""
    missing: dict[str, str] = {}
    trials = _trials()
    while trials:
        story = [step for _, group in trials for step in group]
        plan = Plan(ALL, [*_opening(), *story])
        failed = run_probe(plan, self_map)
        if failed is None:
            break
        index, reason = failed
        if index < len(_opening()):
            return {name: reason for name, _ in trials}
        at, left = 0, index - len(_opening())
        while left >= len(trials[at][1]):
            left -= len(trials[at][1])
            at += 1
        missing[trials[at][0]] = reason
        if trials[at][0] in ("user namespace", "mount calls", "openat2"):  # what all that follows is tried with
            return missing | {name: reason for name, _ in trials[at:]}
        del trials[at]
    return missing


def _tmpfs_lacks_attributes() -> str:
    """Why tmpfs cannot hold overlay's user.* attributes, or nothing; a memfd is a file of tmpfs."""
    fd = os.memfd_create("probe")
    try:
        os.setxattr(fd, "user.overlay.probe", b"y")
    except OSError as error:
        return f"setxattr: {error.strerror}"
    finally:
        os.close(fd)
    return ""


def run_probe(plan: Plan, answer: Answer) -> tuple[int, str] | None:
    """None where every step went well, else (index of the step, why). A Plan without an exec: init ends at its end."""
    try:
        process = spawn(plan, [], {"identity": answer})
    except StepError as error:
        return error.index, f"{error.call}: {error.strerror}"
    except KernelError as error:
        if error.call != "clone3":  # without a memfd or a pidfd nothing can be tried at all
            raise
        return -1, f"{error.call}: {error.strerror}"
    except OSError as error:  # a map that may not be written
        return 1, f"{os.path.basename(error.filename or '')}: {error.strerror}"
    process.close()
    return None


def _is_privileged() -> bool:
    """Whether this process may mount: tried by cloning / (open_tree(2)), which costs nothing and leaves nothing."""
    try:
        os.close(mount.open_tree("/"))
    except KernelError:
        return False
    return True


def _root_maps_ids() -> str:
    """Why the host's / cannot be id-mapped, or nothing: tried with a user namespace made for it."""
    found: list[str] = []

    def answer(pid: int, step: Step) -> list[int]:
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
                file.write("0 100000 65536")
        try:
            tree = mount.open_tree("/")
            userns = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            try:
                mount.id_map(tree, userns)
            finally:
                os.close(tree)
                os.close(userns)
        except KernelError as error:
            found.append(f"{error.call}: {error.strerror}")
        return []

    run_probe(Plan(NAMESPACE_FLAGS["user"], _opening()[:2]), answer)
    return found[0] if found else ""


def _scratch() -> str:
    """The first folder on disk that can hold an overlay's upper directory; empty where none can."""
    for folder in folders():
        try:
            with DiskScratch(folder) as place:
                if not run_probe(_upper_plan(), _mapped_with(place)):
                    return folder
        except (SpecError, Unavailable, OSError):
            continue
    return ""


def _mapped_with(place: DiskScratch) -> Answer:
    return lambda pid, step: [*self_map(pid, step), place.open()]


def _upper_plan() -> Plan:
    """An overlay in the directory that comes with the Sync."""
    dirs = [steps.mkdir(41, name) for name in ("lower", "upper", "work", "merged")]
    mounted = steps.mount("overlay", "%41/merged", "lowerdir=%41/lower,upperdir=%41/upper,workdir=%41/work,userxattr")
    opening = [step if step.word != "sync" else steps.sync("identity", into=40, more=1) for step in _opening()]
    story = [*opening, steps.reopen(40, 41, "the scratch on disk"), *dirs, mounted]
    return Plan(NAMESPACE_FLAGS["user"] | NAMESPACE_FLAGS["mnt"], story)


def _unified(missing: dict[str, str]) -> str:
    """Where the host has cgroup2 alone, and a container can have its own view of it."""
    place = "/sys/fs/cgroup"
    return place if "cgroup2" not in missing and os.path.exists(f"{place}/cgroup.controllers") else ""


def _is_first_user_namespace() -> bool:
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() == ["0", "0", str(2**32 - 1)]


def _kernel() -> tuple[int, int]:
    major, minor, *_ = os.uname().release.split(".")
    return int(major), int("".join(c for c in minor if c.isdigit()) or 0)


def _probe() -> HostFacts:
    missing = _try_all()
    privileged = _is_privileged()
    unmapped = _root_maps_ids() if privileged and "user namespace" not in missing else "not privileged"
    if unmapped:
        missing["id-mapped /"] = unmapped
    if lacks := _tmpfs_lacks_attributes():
        missing["overlay on tmpfs"] = lacks
    landlock = mount.landlock_abi()
    if not landlock:
        missing["Landlock"] = "landlock_create_ruleset: not available"
    texts = tuple(
        (name, f"{reason}; {REMEDIES[name]}" if name in REMEDIES else reason) for name, reason in missing.items()
    )
    return HostFacts(
        uid=os.geteuid(),
        gid=os.getegid(),
        kernel=_kernel(),
        arch=platform.machine(),
        privileged=privileged,
        user_namespace="user namespace" not in missing,
        proc="procfs" not in missing,
        sysfs="sysfs" not in missing,
        mqueue="mqueue" not in missing,
        overlay="overlay" not in missing,
        overlay_on_tmpfs="overlay" not in missing and "overlay on tmpfs" not in missing,
        root_maps_ids=not unmapped,
        time_namespace="time namespace" not in missing,
        cgroup_namespace="cgroup namespace" not in missing,
        landlock=landlock,
        first_user_namespace=_is_first_user_namespace(),
        unified=_unified(missing),
        scratch=_scratch() if "overlay" not in missing and "overlay on tmpfs" in missing else "",
        devices=tuple(
            name for name in ("full", "null", "random", "tty", "urandom", "zero") if os.path.exists(f"/dev/{name}")
        ),
        missing=texts,
    )

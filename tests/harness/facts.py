"""What this host lets a test do, found by doing it with the system's own tools, not with the library under test."""

import ctypes
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CGROUPS = "/sys/fs/cgroup"


def works(*argv: str, cwd: str | None = None) -> bool:
    """Whether a command exits with 0, within ten seconds (in software emulation a second is soon gone)."""
    null = subprocess.DEVNULL
    try:
        done = subprocess.run(argv, stdin=null, stdout=null, stderr=null, cwd=cwd, env={"PATH": PATH}, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def root() -> bool:
    return os.geteuid() == 0


def ordinary_user() -> bool:
    return os.geteuid() != 0


def v2() -> bool:
    return Path(CGROUPS, "cgroup.controllers").exists()


def v1() -> bool:
    return any(Path(CGROUPS, name, "tasks").exists() for name in ("memory", "pids", "cpu", "freezer"))


def own_group() -> Path:
    """The folder of this process's group, in the hierarchy that has the controller for processes."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "" and v2():
            return Path(f"{CGROUPS}{path}")
        if "pids" in controllers.split(","):
            return Path(f"{CGROUPS}/pids{path}")
    return Path("/nonexistent")


def groups() -> bool:
    """A group with a limit of processes can be made, below this process's own group or beside it."""
    own = own_group()
    return any(
        limit_in(parent / f"probe-{os.getpid()}")
        for parent in (own, own.parent)
        if Path(CGROUPS) in (parent, *parent.parents)
    )


def limit_in(group: Path) -> bool:
    try:
        group.mkdir()
    except OSError:
        return False
    try:
        (group / "pids.max").write_text("100")
    except OSError:
        return False
    finally:
        group.rmdir()
    return True


def user_namespace() -> bool:
    """One in which mounts work: some hosts let it be made and then forbid everything in it."""
    return works("unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "probe", "/mnt")


def sub_ids() -> bool:
    """A range of ids besides one's own: by privilege, or by newuidmap(1) and a line in subuid(5)."""
    return root() or works("unshare", "--user", "--map-auto", "--map-root-user", "chown", "--help")


def time_namespace() -> bool:
    return works("unshare", "--user", "--map-root-user", "--time", "true")


def overlay() -> bool:
    """Overlay in a user namespace with its upper in the folder for temporary files."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("lower", "upper", "work", "merged"):
            Path(folder, name).mkdir()
        options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr"
        mount = ("mount", "-t", "overlay", "-o", options, "probe", "merged")
        return works("unshare", "--user", "--map-root-user", "--mount", *mount, cwd=folder)


def landlock() -> bool:
    """landlock_create_ruleset(2) tells its version and makes nothing."""
    return int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint(1))) > 0


def network_devices() -> bool:
    """A pair of veth devices, in a user and network namespace."""
    pair = ("ip", "link", "add", "probe0", "type", "veth", "peer", "name", "probe1")
    return works("unshare", "--user", "--map-root-user", "--net", *pair)


def resource_capability() -> bool:
    """CAP_SYS_RESOURCE, bit 24 of the effective set (capabilities(7)): hard limits may be raised."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.partition("CapEff:")[2].split()[0], 16) & 1 << 24)


def compiler() -> bool:
    return shutil.which("cc", path=PATH) is not None


class Fact(NamedTuple):
    """A thing a test may need: how it is found out, and what to say where it is not so."""

    probe: Callable[[], bool]
    lack: str


FACTS = {
    "root": Fact(root, "not root"),
    "ordinary_user": Fact(ordinary_user, "root, not an ordinary user"),
    "v1": Fact(v1, "no cgroup v1 controllers"),
    "v2": Fact(v2, "not a pure cgroup v2 host"),
    "groups": Fact(groups, "no control group that this user may make and limit"),
    "user_namespace": Fact(user_namespace, "no user namespace with mounts in it"),
    "sub_ids": Fact(sub_ids, "no sub-ids for this user, or no newuidmap"),
    "time_namespace": Fact(time_namespace, "no time namespaces"),
    "overlay": Fact(overlay, "no overlay in a user namespace over the folder for temporary files"),
    "landlock": Fact(landlock, "no Landlock"),
    "network_devices": Fact(network_devices, "no veth devices"),
    "resource_capability": Fact(resource_capability, "no CAP_SYS_RESOURCE"),
    "compiler": Fact(compiler, "no C compiler"),
}


@cache
def has(name: str) -> bool:
    """Whether a fact of FACTS holds here; found out once."""
    return FACTS[name].probe()


class HostFacts:
    """``host_facts.v2`` and so on, each a bool that is found out at first use."""

    def __getattr__(self, name: str) -> bool:
        if name not in FACTS:
            raise AttributeError(f"no such fact: {name}; there are {', '.join(FACTS)}")
        return has(name)

    def lack(self, name: str) -> str:
        """The reason to skip for, as every skip must give it."""
        return f"HostFact: {FACTS[name].lack}"


def header() -> str:
    """One line on this host for the head of a test run."""
    without = [name for name in FACTS if not has(name) and name not in ("root", "ordinary_user", "compiler")]
    return f"host: uid {os.geteuid()}, kernel {platform.release()}, without: {', '.join(without) or 'nothing'}"

"""The peers: each in a tree of Debian 13 that holds them all, or, for an ordinary user, those that are on the PATH."""

import os
import shutil
import subprocess
from collections.abc import Callable

from benchmarks.contenders import HERE, Contender, Missing, compiled

# What a peer does less than isolib's start, or more.
NOTES = {
    "unshare + chroot": "namespaces but user, /proc; no /dev, no filter, no overlay, no groups",
    "bubblewrap": "all namespaces, /dev, /proc, read-only binds; no filter, no overlay, no groups",
    "crun": "groups in every v1 hierarchy; no user namespace, no filter, no overlay",
    "runc": "groups in every v1 hierarchy; no user namespace, no filter, no overlay",
    "podman": "overlay or directory, a record in its store, conmon",
    "docker": "overlay, the daemon, containerd and its shim",
}
# How often one starts in a round, beside 10 starts of isolib: a slow one needs fewer to be seen.
COUNTS = {"unshare + chroot": 10, "bubblewrap": 10, "crun": 10, "runc": 4, "podman": 1, "docker": 1}
LOCAL = {
    "unshare + chroot": "unshare --map-root-user --fork --pid --mount --uts --ipc --net --cgroup --mount-proc --root=/",
    "bubblewrap": "bwrap --unshare-all --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --die-with-parent",
}


def peers(names: list[str], tell: Callable[[str], None]) -> tuple[list[tuple[Contender, int]], dict[str, str]]:
    """Those of these names that are to be had, with their counts; and why the others are not."""
    found: list[tuple[Contender, int]] = []
    missing: dict[str, str] = {}
    why = _tree(tell) if names else ""
    for name in names:
        try:
            contender = _local(name, why) if why else _in_tree(name)
            try:
                contender.measure(1)
            except Missing:
                contender.close()
                raise
            found.append((contender, COUNTS[name]))
        except Missing as error:
            missing[name] = str(error)
            tell(f"{name}: {error}")
    return found, missing


def _tree(tell: Callable[[str], None]) -> str:
    """Why there is no tree, or nothing."""
    if os.geteuid() != 0:
        return "only root makes and enters the peers' tree"
    tell("the peers' tree (made once)")
    made = subprocess.run([HERE / "peers-tree", "--make"], capture_output=True)
    return made.stderr.decode().strip().splitlines()[-1] if made.returncode else ""


def _in_tree(name: str) -> Contender:
    spawner = compiled("spawner.c")
    own_net = ["-n"] if name in ("podman", "docker") else []
    word = name.partition(" ")[0]
    return Contender(name, [HERE / "peers-tree", *own_net, f"/host{HERE}/peer", word, f"/host{spawner}"], NOTES[name])


def _local(name: str, why: str) -> Contender:
    command = [*LOCAL.get(name, "").split(), "/bin/true"]
    if name not in LOCAL or not shutil.which(command[0]):
        raise Missing(why)
    return Contender(name, [compiled("spawner.c"), *command], NOTES[name])

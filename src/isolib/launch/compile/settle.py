"""What this host cannot do: an error with the remedy, or with `Security.best_effort` left out and named."""

import msgspec

from isolib.errors import Problem, SpecError, Unavailable
from isolib.launch.compile.story import Identity, Story
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts
from isolib.spec.landlock import ruleset
from isolib.spec.mounts import Bind
from isolib.spec.root import DirectoryRoot


def settle(spec: ContainerSpec, host: HostFacts) -> tuple[ContainerSpec, tuple[str, ...]]:
    """The spec as this host can keep it, and what `best_effort` left out of it. Raises Unavailable, SpecError."""
    left_out: tuple[str, ...] = ()
    if spec.security.best_effort:
        spec, left_out = _best_effort(spec, host)
    _needs(spec, host)
    return spec, left_out


def _best_effort(spec: ContainerSpec, host: HostFacts) -> tuple[ContainerSpec, tuple[str, ...]]:
    """Never the user namespace: without one, root inside is root of the host, and that is to be asked for by name."""
    missing, left_out = dict(host.missing), []
    for kind in ("cgroup", "time"):
        if spec.namespace(kind) == "new" and f"{kind} namespace" in missing:
            offsets = {} if kind == "time" else spec.offsets
            spec = msgspec.structs.replace(spec, namespaces={**spec.namespaces, kind: "host"}, offsets=offsets)
            left_out.append(f"{kind} namespace")
    security = spec.security
    if security.seccomp != "unconfined" and "seccomp" in missing:
        security = msgspec.structs.replace(security, seccomp="unconfined")
        left_out.append("seccomp")
    if security.landlock is not None:
        rules = ruleset(security.landlock, host.landlock, best_effort=True)
        left_out += [f"Landlock's {word}" for word in rules.degraded]
        if not (rules.handled_fs or rules.handled_net or rules.scoped):
            security = msgspec.structs.replace(security, landlock=None)
    return msgspec.structs.replace(spec, security=security), tuple(left_out)


def _needs(spec: ContainerSpec, host: HostFacts) -> None:
    story = Story(spec, host, Identity())
    stacked = isinstance(spec.root, DirectoryRoot) and spec.root.writes != "keep"
    needed = {
        "user namespace": story.new("user"),
        "mount calls": True,
        "openat2": True,
        "mount_setattr": True,
        "procfs": story.new("pid"),
        "cgroup namespace": story.new("cgroup"),
        "time namespace": story.new("time"),
        "overlay": story.apart and (stacked or (story.mapped and not isinstance(spec.root, DirectoryRoot))),
        "seccomp": spec.security.seccomp != "unconfined",
    }
    missing = dict(host.missing)
    for feature, wished in needed.items():
        if wished and feature in missing:
            raise Unavailable(feature, missing[feature])
    if not story.apart and not host.privileged:
        raise Unavailable("a container in the caller's user namespace", "run as root, or leave namespaces['user'] new")
    if getattr(spec.root, "rights", "user") == "root" and not (host.root_maps_ids and story.apart):
        raise Unavailable("the host's / with root's rights", missing.get("id-mapped /", "run as root"))
    _scratch_needs(story, missing)
    _map_needs(story)


def _scratch_needs(story: Story, missing: dict[str, str]) -> None:
    if not story.on_disk or story.spec.scratch.directory is not None:
        return
    why = missing.get("overlay on tmpfs", "")
    if story.spec.scratch.size is not None:
        raise Unavailable(
            "a size for what is thrown away", f"{why}; leave it out: what is thrown away goes to a disk here"
        )
    if not story.host.scratch:
        remedy = "name a directory on ext4, xfs or btrfs: Scratch(directory=...), or $ISOLIB_ROOT"
        raise Unavailable("a place for what is thrown away", f"{why}; {remedy}")


def _map_needs(story: Story) -> None:
    """What an ordinary user's maps do not have."""
    if not story.range_map and story.spec.process.groups:
        raise SpecError(Problem("process.groups", "a self map knows one group: ask for ids='auto' (needs sub-ids)"))
    if story.mapped or not story.apart or not story.range_map:
        return
    for i, mount in enumerate(story.spec.mounts):
        if isinstance(mount, Bind) and mount.owner == "inside":
            remedy = f"mounts[{i}]: use owner='host', or ids='self', whose root owns what the caller owns"
            raise Unavailable("id-mapped mounts for an ordinary user", remedy)

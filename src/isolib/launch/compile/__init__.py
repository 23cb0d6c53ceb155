"""compile(): a spec and the facts of a host become a Plan. Pure: the same in, the same out, and nothing is touched."""

from isolib.errors import Problem, SpecError, Unavailable
from isolib.launch import steps
from isolib.launch.compile.kernel import hide, show_kernel
from isolib.launch.compile.mounts import user_mounts
from isolib.launch.compile.payload import payload, terminal
from isolib.launch.compile.root import make_root, root_trees
from isolib.launch.compile.story import Identity, Story
from isolib.launch.plan import NAMESPACE_FLAGS, Plan, flag_words
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts
from isolib.spec.root import DirectoryRoot

__all__ = ["Identity", "compile", "first_registers"]

PR_SET_DUMPABLE = 4
ROOT = Identity()


def first_registers(spec: ContainerSpec) -> tuple[int, dict[str, int]]:
    """The registers that the caller fills beyond the first five: (first one that is free, kind -> register to join)."""
    at = steps.FIRST_FREE + len(spec.process.fds)
    joined = sorted(kind for kind in NAMESPACE_FLAGS if isinstance(spec.namespace(kind), int))
    return at + len(joined), {kind: at + i for i, kind in enumerate(joined)}


def compile(spec: ContainerSpec, host: HostFacts, identity: Identity = ROOT, *, enterable: bool = False) -> Plan:
    """The Plan of a new container. Raises SpecError with every problem, Unavailable where this host cannot.

    The order is the kernel's demand: ids before mounts, procfs while another is in sight, the time namespace before the
    fork, the payload's rights given up from the weakest need to the strongest. ``enterable``: init hands the caller its
    namespaces, since nobody can take them from a process that cannot be traced.
    """
    if problems := list(spec.problems()):
        raise SpecError(problems)
    _available(spec, host)
    story = Story(spec, host, identity)
    story.reserve(first_registers(spec)[0])
    become(story)
    _names(story)
    make_root(story, story.handed)
    show_kernel(story)
    user_mounts(story)
    hide(story)
    children = list_children(story)
    _leave(story, enterable)
    if spec.terminal:
        terminal(story)
    story.add(steps.fork(children))
    payload(story)
    return Plan(story.flags, story.steps)


def _available(spec: ContainerSpec, host: HostFacts) -> None:
    story = Story(spec, host, Identity())
    needed = {
        "user namespace": story.new("user"),
        "mount calls": True,
        "openat2": True,
        "mount_setattr": True,
        "procfs": story.new("pid"),
        "cgroup namespace": story.new("cgroup"),
        "time namespace": story.new("time"),
        "overlay": isinstance(spec.root, DirectoryRoot) and spec.root.writes == "discard",
        "seccomp": spec.security.seccomp != "unconfined",
    }
    missing = dict(host.missing)
    for feature, wished in needed.items():
        if wished and feature in missing:
            raise Unavailable(feature, missing[feature])
    if not story.new("user") and not host.privileged:
        raise Unavailable("a container in the caller's user namespace", "run as root, or leave namespaces['user'] new")
    if getattr(spec.root, "rights", "user") == "root" and not host.root_maps_ids:
        raise Unavailable("the host's / with root's rights", missing.get("id-mapped /", "run as root"))
    if not story.range_map and spec.process.groups:
        raise SpecError(Problem("process.groups", "a self map knows one group: ask for ids='auto' (needs sub-ids)"))


def become(story: Story) -> None:
    """init joins its group, gets its ids, becomes root inside. Tracing it is possible for no longer than that."""
    _, joins = first_registers(story.spec)
    trees = root_trees(story)
    first = story.take(len(trees)) if trees else steps.FIRST_FREE
    story.handed = list(range(first, first + len(trees)))
    new_user = story.new("user")  # the id map's files belong to root while init cannot be dumped (proc(5))
    if new_user:
        story.add(steps.prctl("PR_SET_DUMPABLE, 1", PR_SET_DUMPABLE, 1, why="so that the caller may write the id maps"))
    story.add(
        steps.sync("identity", into=first, trees=trees, why="the caller: into the group, id maps, the root's trees")
    )
    if new_user:
        story.add(steps.prctl("PR_SET_DUMPABLE, 0", PR_SET_DUMPABLE, 0, why="nobody inside may trace init"))
    if "user" in joins:
        story.add(
            steps.setns(joins["user"], NAMESPACE_FLAGS["user"], "user", "first: it gives the right to the others")
        )
    if new_user or "user" in joins:
        if story.range_map:
            story.add(steps.groups(()))
        story.add(steps.gid(0), steps.uid(0))
    if "user" in joins and story.made:
        story.add(steps.unshare(story.made, flag_words(story.made), "owned by the user namespace just joined"))
    for kind, register in joins.items():
        if kind != "user":
            story.add(steps.setns(register, NAMESPACE_FLAGS[kind], kind))
    if story.new("cgroup"):
        story.add(steps.unshare(NAMESPACE_FLAGS["cgroup"], "NEWCGROUP", "only now: its root is the group just joined"))


def list_children(story: Story) -> int:
    """The register of init's list of its children, where no PID namespace takes them with it (proc(5))."""
    if story.new("pid"):
        return steps.NONE
    register = story.take()
    why = "no PID namespace ends with init: it kills its descendants by this list"
    story.add(steps.open_(steps.HOST, "/proc/thread-self/children", 0, register, why))
    return register


def _names(story: Story) -> None:
    spec = story.spec
    if story.new("uts"):
        story.add(steps.hostname(spec.hostname or "isolib"))
        if spec.process.domainname:
            story.add(steps.domainname(spec.process.domainname))
    if story.new("net"):
        story.add(steps.loopback())


def _leave(story: Story, enterable: bool) -> None:
    """What still needs the host's /proc, then the change of root."""
    spec = story.spec
    if spec.process.oom_score_adj is not None:
        story.add(steps.write(steps.HOST, "/proc/self/oom_score_adj", str(spec.process.oom_score_adj)))
    if story.new("time"):
        story.add(
            steps.unshare(NAMESPACE_FLAGS["time"], "NEWTIME", "for the payload: before the fork, right on every kernel")
        )
        if offsets := _offsets(spec):
            story.add(steps.write(steps.HOST, "/proc/self/timens_offsets", offsets))
    if getattr(spec.root, "writes", "") == "deny":
        from isolib.linux.mount import MOUNT_ATTR_RDONLY

        story.add(steps.set_attributes(story.root, MOUNT_ATTR_RDONLY, 0, 0, False, "/, MOUNT_ATTR_RDONLY"))
    story.give_back(story.scratch)
    if enterable:
        _hand_over(story)
    story.add(steps.pivot(story.root, 1) if spec.change_root == "pivot" else steps.chroot(story.root))
    story.give_back(story.root)


def _offsets(spec: ContainerSpec) -> str:
    """timens_offsets' text: clock, seconds, nanoseconds (time_namespaces(7))."""
    lines = []
    for clock, seconds in sorted(spec.offsets.items()):
        whole, nanoseconds = divmod(round(seconds * 1_000_000_000), 1_000_000_000)
        lines.append(f"{clock} {whole} {nanoseconds}")
    return "\n".join(lines)


def _hand_over(story: Story) -> None:
    """init's namespaces become the caller's descriptors, by the names of /proc/PID/ns."""
    for kind in NAMESPACE_FLAGS:
        if story.spec.namespace(kind) == "host":
            continue
        name = f"{kind}_for_children" if kind in ("pid", "time") else kind
        with story.borrowed() as register:
            story.add(steps.open_(steps.HOST, f"/proc/self/ns/{name}", 0, register))
            story.add(steps.send(register, f"ns/{kind}", "the caller enters by it"))

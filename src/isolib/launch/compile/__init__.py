"""compile(): a spec and the facts of a host become a Plan. Pure: the same in, the same out, and nothing is touched."""

from isolib.errors import SpecError
from isolib.launch import steps
from isolib.launch.compile.arrival import arrive, become, first_registers, list_children
from isolib.launch.compile.kernel import show_kernel, show_rest
from isolib.launch.compile.mounts import user_mounts
from isolib.launch.compile.payload import own_terminal, payload
from isolib.launch.compile.root import make_root, protect_root, root_trees
from isolib.launch.compile.settle import settle
from isolib.launch.compile.story import Identity, Story
from isolib.launch.plan import NAMESPACE_FLAGS, Plan
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts

__all__ = ["Identity", "become", "compile", "first_registers", "list_children"]

ROOT = Identity()


def compile(spec: ContainerSpec, host: HostFacts, identity: Identity = ROOT, *, enterable: bool = False) -> Plan:
    """The Plan of a new container. Raises SpecError with every problem, Unavailable where this host cannot.

    The order is the kernel's demand: ids before mounts, procfs while another is in sight, the time namespace before the
    fork, the payload's rights given up from the weakest need to the strongest. ``enterable``: init hands the caller its
    namespaces, since nobody can take them from a process that cannot be traced.
    """
    spec = spec.absolute(host.cwd)
    if problems := list(spec.problems()):
        raise SpecError(problems)
    spec, left_out = settle(spec, host)
    story = Story(spec, host, identity)
    story.reserve(first_registers(spec)[0])
    arrive(story, root_trees(story))
    _names(story)
    make_root(story)
    show_kernel(story)
    user_mounts(story)
    if spec.terminal:
        own_terminal(story)
    show_rest(story)
    children = list_children(story)
    protect_root(story)
    _leave(story, enterable)
    story.add(steps.fork(children))
    payload(story)
    return Plan(story.flags, story.steps, left_out)


def _names(story: Story) -> None:
    spec = story.spec
    if story.new("uts"):
        story.add(steps.hostname(story.hostname))
        if spec.process.domainname:
            story.add(steps.domainname(spec.process.domainname))
    if story.new("net"):
        story.add(steps.loopback())


def _leave(story: Story, enterable: bool) -> None:
    """What still needs the host's /proc, then the change of root."""
    if enterable:
        _hand_over(story)
    pivots = story.spec.change_root == "pivot"
    story.add(steps.pivot(story.root, story.scratch) if pivots else steps.chroot(story.root))
    for register in sorted({story.root, story.scratch, story.upper}):
        story.give_back(register)


def _hand_over(story: Story) -> None:
    """init's namespaces become the caller's descriptors, by the names of /proc/PID/ns."""
    for kind in NAMESPACE_FLAGS:
        if story.spec.namespace(kind) == "host":
            continue
        name = f"{kind}_for_children" if kind in ("pid", "time") else kind
        with story.borrowed() as register:
            story.add(steps.open_(steps.HOST, f"/proc/self/ns/{name}", 0, register))
            story.add(steps.send(register, f"ns/{kind}", "the caller enters by it"))

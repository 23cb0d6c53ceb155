"""The first chapter: init joins and makes namespaces, is moved into its group, gets its ids and becomes root inside."""

import os
from collections.abc import Iterator, Sequence

from isolib.launch import steps
from isolib.launch.compile.story import CLONE, CLONE_ALL, O_DIRECTORY, O_PATH, Identity, Story
from isolib.launch.plan import NAMESPACE_FLAGS, flag_words
from isolib.launch.steps import Tree
from isolib.spec.container import ContainerSpec
from isolib.spec.mounts import Bind
from isolib.spec.root import DirectoryRoot

PR_SET_DUMPABLE = 4
EARLY = 40
BATCH = 48  # descriptors in one message (it carries 64) and below the number of registers


def first_registers(spec: ContainerSpec) -> tuple[int, dict[str, int]]:
    """The registers that the caller fills beyond the first five: (first one that is free, kind -> register to join)."""
    at = steps.FIRST_FREE + len(spec.process.fds)
    return at + len(spec.joined), {kind: at + i for i, kind in enumerate(spec.joined)}


def arrive(story: Story, trees: Sequence[Tree]) -> None:
    """Of a new container. Tracing init is possible for no longer than the caller needs to write the id maps.

    What is joined comes first, and with the rights at hand: a user namespace gives an ordinary caller those over what
    it owns, and takes from a privileged one those over the rest. A clone then makes what is new, owned by it.
    """
    _, joins = first_registers(story.spec)
    for kind in sorted(joins, key=lambda kind: (kind == "user") == story.host.privileged):
        story.add(steps.setns(joins[kind], NAMESPACE_FLAGS[kind], kind))
        story.give_back(joins[kind])
    if joins:
        story.add(
            steps.clone(story.made, flag_words(story.made), "init goes on in what was joined, and in what is new")
        )
    _meet(story, trees)
    if story.new("cgroup"):
        story.add(steps.unshare(NAMESPACE_FLAGS["cgroup"], "NEWCGROUP", "only now: its root is the group just joined"))


def become(story: Story) -> None:
    """Of a process that enters: outside of what it joins until it is in its group."""
    _, joins = first_registers(story.spec)
    story.add(steps.sync("identity", why="the caller: into the group"))
    for kind in sorted(joins, key=lambda kind: kind != "user"):
        story.add(steps.setns(joins[kind], NAMESPACE_FLAGS[kind], kind))
        if kind == "user":
            _root_inside(story)


def _meet(story: Story, trees: Sequence[Tree]) -> None:
    """The Sync "identity", with a directory on disk and the root's trees in its answer."""
    first = story.take(len(trees) + story.on_disk) if trees or story.on_disk else steps.FIRST_FREE
    story.handed = list(range(first + story.on_disk, first + story.on_disk + len(trees)))
    new_user = story.new("user")  # the id map's files belong to root while init cannot be dumped (proc(5))
    if new_user:
        story.add(steps.prctl("PR_SET_DUMPABLE, 1", PR_SET_DUMPABLE, 1, why="so that the caller may write the id maps"))
    why = "the caller: into the group, id maps, the root's trees"
    story.add(steps.sync("identity", into=first, trees=trees, more=int(story.on_disk), why=why))
    _own_files(story)
    if story.on_disk:
        story.upper = story.take()
        story.add(steps.reopen(first, story.upper, "the scratch on disk"))
        story.give_back(first)
    if story.outsider:
        _open_as_caller(story)
    if new_user:
        story.add(steps.prctl("PR_SET_DUMPABLE, 0", PR_SET_DUMPABLE, 0, why="nobody inside may trace init"))
    if story.apart:
        _root_inside(story)


def _own_files(story: Story) -> None:
    """Files of init's own in /proc, which are root's as soon as it cannot be dumped."""
    score = story.spec.process.oom_score_adj
    if score is not None:
        story.add(steps.write(steps.HOST, "/proc/self/oom_score_adj", str(score)))
    if story.new("time"):
        why = "for the payload: before the fork, right on every kernel"
        story.add(steps.unshare(NAMESPACE_FLAGS["time"], "NEWTIME", why))
        if offsets := _offsets(story.spec):
            story.add(steps.write(steps.HOST, "/proc/self/timens_offsets", offsets))


def _open_as_caller(story: Story) -> None:
    """Layers and binds, while init is who may reach them: in a home that is closed, a sub-id could not. Those for which
    there is no register are tried later.
    """
    root = story.spec.root
    for layer in dict.fromkeys(root.layers[:EARLY] if isinstance(root, DirectoryRoot) else ()):
        story.opened[layer] = story.take()
        story.add(steps.open_(steps.HOST, layer, O_PATH | O_DIRECTORY, story.opened[layer], "still as the caller"))
    for bind in [mount for mount in story.spec.mounts if isinstance(mount, Bind)][:EARLY]:
        register = story.opened[f"{bind.path}\0"] = story.take()
        flags = CLONE_ALL if bind.recursive else CLONE
        story.add(steps.open_tree(steps.HOST, os.fspath(bind.source), flags, register, "still as the caller"))


def _offsets(spec: ContainerSpec) -> str:
    """timens_offsets' text: clock, seconds, nanoseconds (time_namespaces(7))."""
    lines = []
    for clock, seconds in sorted(spec.offsets.items()):
        whole, nanoseconds = divmod(round(seconds * 1_000_000_000), 1_000_000_000)
        lines.append(f"{clock} {whole} {nanoseconds}")
    return "\n".join(lines)


def _root_inside(story: Story) -> None:
    """The caller's groups are dropped, unless the map is a self map: then setgroups(2) is denied for good."""
    if story.range_map:
        story.add(steps.groups((), perhaps=not story.new("user")))
    who = Identity() if story.identity.has_root else story.identity  # files have to belong to somebody who is mapped
    story.add(steps.gid(who.gid), steps.uid(who.uid))


def list_children(story: Story) -> int:
    """The register of init's list of its children, where no PID namespace takes them with it (proc(5))."""
    if story.new("pid"):
        return steps.NONE
    register = story.take()
    why = "no PID namespace ends with init: it kills its descendants by this list"
    story.add(steps.open_(steps.HOST, "/proc/thread-self/children", 0, register, why))
    return register


def first_trees(story: Story) -> Iterator[int]:
    """Registers of the trees that came with the first Sync, in order; each closed after use."""
    while story.handed:
        register = story.handed.pop(0)
        yield register
        story.give_back(register)


def handed(story: Story, trees: Sequence[Tree], name: str) -> Iterator[int]:
    """Registers of trees that the caller opens, in order, in as few Syncs as can be; each is closed after use."""
    for at in range(0, len(trees), BATCH):
        batch = trees[at : at + BATCH]
        first = story.take(len(batch))
        story.add(steps.sync(name, into=first, trees=batch, why="opened with the caller's rights"))
        for register in range(first, first + len(batch)):
            yield register
            story.give_back(register)

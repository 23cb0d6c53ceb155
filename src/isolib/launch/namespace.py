"""One new namespace without a container around it, and commands inside one: Plans of few steps, walked by the same
init.
"""

import errno
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from isolib.errors import KernelError, StepError
from isolib.handles.cgroup import CGroup
from isolib.handles.ids.write import write_maps
from isolib.handles.process import Process
from isolib.launch import steps
from isolib.launch.plan import NAMESPACE_FLAGS, Plan
from isolib.launch.spawn import spawn
from isolib.launch.steps import FIRST_FREE, HOST, NONE, STDERR, STDIN, STDOUT, Step
from isolib.linux.mount import MS_PRIVATE, MS_REC
from isolib.spec.ids import IdMaps

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, SIGKILL = 1, 4, 9
USER = NAMESPACE_FLAGS["user"]


class Inside(NamedTuple):
    """What runs in a namespace: its words, its whole environment, and the caller's descriptors that become 0, 1, 2,
    …
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    fds: Sequence[int]
    cwd: str | None = None


def create(kind: str, maps: IdMaps | None, offsets: str = "") -> tuple[int, Process | None]:
    """A descriptor of a new namespace, which the caller owns; for a PID namespace its PID 1 as well.

    With ``maps``, or where the caller may not otherwise, it is owned by a new user namespace that has these rows.
    ``offsets`` is the text of timens_offsets. Raises KernelError, StepError, Unavailable.
    """
    owned = maps is not None

    def answer(pid: int, _step: Step) -> list[int]:
        if maps is not None:
            write_maps(pid, maps)
        return []

    process = spawn(create_plan(kind, owned, offsets), [], {"identity": answer})
    fd = process.received.pop("namespace")
    if kind == "pid":
        return fd, process
    process.close()
    return fd, None


def create_plan(kind: str, owned: bool, offsets: str = "") -> Plan:
    """init makes the namespace, opens its own link to it, sends the descriptor, and ends; as PID 1 it stays."""
    flags = (USER if owned else 0) | (0 if kind == "time" else NAMESPACE_FLAGS[kind])
    story: list[Step] = []
    if owned:
        # The files of id maps, and of offsets, are root's while init cannot be dumped (proc(5)).
        story.append(
            steps.prctl("PR_SET_DUMPABLE, 1", PR_SET_DUMPABLE, 1, why="so that the caller may write the id maps")
        )
        story.append(steps.sync("identity", why="the caller: id maps"))
    if kind == "mnt":
        story.append(steps.propagate(MS_REC | MS_PRIVATE, "/", "mounts made inside stay inside"))
    elif kind == "net":
        story.append(steps.loopback())
    elif kind == "time":
        story.append(steps.unshare(NAMESPACE_FLAGS["time"], "NEWTIME"))
        if offsets:
            story.append(steps.write(HOST, "/proc/self/timens_offsets", offsets))
    link = "time_for_children" if kind == "time" else kind
    story.append(steps.open_(HOST, f"/proc/thread-self/ns/{link}", os.O_RDONLY, FIRST_FREE))
    story.append(steps.send(FIRST_FREE, "namespace", "the caller's from here on"))
    if kind == "pid":
        story.append(steps.prctl("PR_SET_DUMPABLE, 0", PR_SET_DUMPABLE, 0, why="nobody inside may trace it"))
        story.append(steps.stay())
    return Plan(flags, story)


def start_inside(
    kind: str, space: int, owner: int, command: Inside, *, join: bool = True, group: CGroup | None = None
) -> Process:
    """Starts a command in the namespace ``space`` of that kind; returns once it was executed.

    ``owner``: the user namespace to join first, which gives an ordinary user the right to join the other; -1: none.
    ``join`` False: ``space`` is left to the command, which joins it itself. ``group``: where it is moved to before it
    joins, and what it is killed with. Raises StepError, KernelError.
    """

    def answer(pid: int, _step: Step) -> list[int]:
        if group is not None:
            group.add(pid)
        return []

    fds = [*command.fds, *([space] if join else []), *([owner] if owner >= 0 else [])]
    for who in WHO if owner >= 0 or (join and kind == "user") else WHO[-1:]:
        plan = inside_plan(kind, owner >= 0, command, who, join=join)
        try:
            process = spawn(plan, fds, {"identity": answer})
        except StepError as error:
            # What the map of somebody else's user namespace holds is known once it is tried.
            if error.call in ("setresgid", "setresuid") and who != WHO[-1]:
                continue
            raise
        process.owns_tree = False
        process.kill_tree = group.kill if group is not None else None
        return process
    raise AssertionError("unreachable")


# Who to be in a user namespace that was joined: its root, without the caller's groups unless setgroups is denied there;
# and where there is no root in its map, whoever the caller is in it.
WHO: tuple[tuple[Step, ...], ...] = ((steps.groups((), perhaps=True), steps.gid(0), steps.uid(0)), ())


def inside_plan(kind: str, owned: bool, command: Inside, who: Sequence[Step], *, join: bool = True) -> Plan:
    """init joins from outside, and its child is executed: it alone is in a PID namespace that is joined."""
    story = [steps.sync("identity", why="the caller: into the group")]
    extras = range(FIRST_FREE, STDIN + len(command.fds))
    space, owner = extras.stop, extras.stop + join
    children = NONE
    if kind != "pid":
        children = owner + owned
        why = "no PID namespace ends with init: it kills its descendants by this list"
        story.append(steps.open_(HOST, "/proc/thread-self/children", os.O_RDONLY, children, why))
    if owned:
        story.append(steps.setns(owner, USER, "user", "the owner: it gives the right to join"))
        story += who
    if join:
        story.append(steps.setns(space, NAMESPACE_FLAGS[kind], kind))
        story += who if kind == "user" else ()
    if command.cwd is not None:
        story.append(steps.chdir(command.cwd))
    story += [steps.umask(0o022), steps.fork(children), steps.setsid(), _end_with_init()]
    story.append(steps.fds(dict(enumerate((STDIN, STDOUT, STDERR, *extras)))))
    story.append(steps.exec_(command.argv, [f"{name}={value}" for name, value in command.env.items()]))
    return Plan(0, story)


def _end_with_init() -> Step:
    return steps.prctl("PR_SET_PDEATHSIG, SIGKILL", PR_SET_PDEATHSIG, SIGKILL, why="should init be killed")


def needs_owner(error: KernelError) -> bool:
    """Whether a start failed for want of a right that a user namespace of one's own would give."""
    return error.errno == errno.EPERM and error.call in ("clone3", "setns", "unshare")


def offsets_text(offsets: Mapping[str, float]) -> str:
    """timens_offsets' text: clock, seconds, nanoseconds (time_namespaces(7))."""
    rows = []
    for clock, seconds in sorted(offsets.items()):
        whole, nanoseconds = divmod(round(seconds * 1_000_000_000), 1_000_000_000)
        rows.append(f"{clock} {whole} {nanoseconds}")
    return "\n".join(rows)

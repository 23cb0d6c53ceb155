"""Entering: another process in the namespaces of a running container, by the same init and the same steps.

init has its own memory, cannot be traced and has closed every descriptor before it joins anything; it stays outside the
PID namespace, so nothing inside can name it. It is the payload's parent, and reports its end.
"""

import errno
import os
from collections.abc import Mapping

import msgspec

from isolib.errors import Problem, SpecError, StepError
from isolib.handles.cgroup import CGroup
from isolib.handles.process import Process
from isolib.launch import steps
from isolib.launch.compile import Identity, become, first_registers, list_children
from isolib.launch.compile.payload import payload, terminal
from isolib.launch.compile.story import Story
from isolib.launch.facts import host_facts
from isolib.launch.kept import kept
from isolib.launch.plan import Plan
from isolib.launch.spawn import Answer, spawn
from isolib.launch.start import Prepared, Stdio, descriptors, identity_answer
from isolib.launch.users import identify, read_regular
from isolib.spec.container import KINDS, ContainerSpec
from isolib.spec.host import HostFacts


class Target(msgspec.Struct, frozen=True):
    """Where to enter: the namespaces by kind (descriptors of the owner of this value), the group, and whether its id
    map has more than one id."""

    namespaces: dict[str, int]
    range_map: bool
    group: CGroup | None = None


def placed(spec: ContainerSpec, target: Target) -> ContainerSpec:
    """The spec with the target's namespaces in place of new ones."""
    namespaces = {kind: target.namespaces.get(kind, "host") for kind in KINDS}
    return msgspec.structs.replace(spec, namespaces=namespaces)


def compile_enter(spec: ContainerSpec, host: HostFacts, identity: Identity, range_map: bool) -> Plan:
    """The Plan of entering; pure. ``spec.namespaces`` are those of the target, its root and mounts are as they are."""
    _check(spec)
    story = Story(spec, host, identity, range_map)
    story.reserve(first_registers(spec)[0])
    children = steps.NONE if isinstance(spec.namespace("pid"), int) else list_children(story)
    become(story)
    if spec.terminal:
        terminal(story)
    story.add(steps.fork(children))
    payload(story)
    return Plan(0, story.steps)


def prepare_enter(spec: ContainerSpec, target: Target) -> Prepared:
    """Resolved and compiled; raises as `isolib.launch.start.prepare` does."""
    spec = placed(spec, target)
    _check(spec)
    identity, host, range_map = _identity_inside(spec, target), host_facts(), target.range_map
    plan = kept(spec, identity, (host, range_map, "enter"), lambda: compile_enter(spec, host, identity, range_map))
    return Prepared(spec, plan, range_map)


def _check(spec: ContainerSpec) -> None:
    if problems := [problem for problem in spec.problems() if not problem.where.startswith("namespaces")]:
        raise SpecError(problems)


def enter(
    prepared: Prepared, stdio: Stdio, group: CGroup | None, answers: Mapping[str, Answer] | None = None
) -> Process:
    """Starts the command inside. ``group``: where it is moved to before it joins anything; it stays the caller's."""
    halves = {"identity": identity_answer(group, None), **(answers or {})}
    process = spawn(prepared.plan, descriptors(prepared.spec, stdio), halves)
    process.kill_tree = group.kill if group is not None else None
    process.owns_tree = False
    return process


def _identity_inside(spec: ContainerSpec, target: Target) -> Identity:
    """The user by the container's own files, which short enterings open where the user is not plain root."""
    if spec.user in (None, 0, "0") and not spec.process.groups:
        return Identity(home="/root")
    problems: list[Problem] = []
    identity = identify(lambda path: _file_inside(spec, target, path), spec.user, spec.process.groups, problems)
    if problems:
        raise SpecError(problems)
    return identity


def _file_inside(spec: ContainerSpec, target: Target, path: str) -> str | None:
    """The text of a file, opened by init once it is inside: no path of the container is walked by the caller."""
    story = Story(spec, host_facts(), Identity(), target.range_map)
    story.reserve(first_registers(spec)[0])
    become(story)
    root, found = story.take(), story.take()
    story.add(
        steps.open_(steps.HOST, "/", os.O_PATH, root), steps.open_(root, path, os.O_NONBLOCK | os.O_NOCTTY, found)
    )
    story.add(steps.send(found, path))
    try:
        with spawn(Plan(0, story.steps), descriptors(spec, (0, 0, 0))) as process:
            return read_regular(process.received.pop(path))
    except StepError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
            return None
        raise

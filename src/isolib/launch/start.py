"""From a spec to a Process: what the caller holds for it (group, ids, pipes), and his half of the first Sync."""

import contextlib
import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec

from isolib.errors import KernelError
from isolib.handles.ids.lease import Lease
from isolib.handles.ids.wish import hold
from isolib.handles.ids.write import write_maps
from isolib.handles.process import Exit, Process
from isolib.launch.compile import first_registers
from isolib.launch.compile.story import Identity, Story, has_range
from isolib.launch.facts import host_facts
from isolib.launch.kept import compiled
from isolib.launch.plan import Plan
from isolib.launch.resolve import resolve
from isolib.launch.scratch import NAME, DiskScratch
from isolib.launch.spawn import Answer, spawn
from isolib.launch.steps import Step
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts

if TYPE_CHECKING:  # see handles/process.py
    from isolib.handles.cgroup import CGroup

_number = itertools.count(1)

# The payload's standard descriptors, as the caller has them.
Stdio = tuple[int, int, int]


class Prepared(msgspec.Struct, frozen=True):
    """A spec that was resolved and compiled once; started any number of times, it costs system calls and little
    else.
    """

    spec: ContainerSpec
    plan: Plan
    range_map: bool  # whether more than the caller's own id exists inside
    scratch: str = ""  # the folder on disk in which a start has its directory; empty: none


def prepare(spec: ContainerSpec, *, enterable: bool = False) -> Prepared:
    """Raises SpecError with every problem of the spec, Unavailable where this host cannot; nothing was touched then."""
    host = host_facts()
    resolved, identity = resolve(spec, host)
    plan = compiled(resolved, host, identity, enterable)
    return Prepared(resolved, plan, has_range(resolved, host), _scratch(resolved, host))


def start(
    prepared: Prepared, stdio: Stdio, group: "CGroup | None" = None, answers: Mapping[str, Answer] | None = None
) -> Process:
    """Starts it. The Process owns what was made for it: its range of ids, and a group where the spec has limits.

    ``group``: one of the caller's to start in; it stays his. ``answers``: the caller's halves of Syncs of his own.
    """
    spec = prepared.spec
    with contextlib.ExitStack() as held:
        lease = held.enter_context(hold(spec.ids)) if spec.ids is not None and spec.namespace("user") == "new" else None
        own = None
        if spec.limits is not None:
            from isolib.handles.cgroup import CGroup

            own = held.enter_context(CGroup.create(f"run-{next(_number)}", spec.limits, parent=group))
        place = held.enter_context(DiskScratch(prepared.scratch)) if prepared.scratch else None
        halves = {"identity": identity_answer(own or group, lease, place), **(answers or {})}
        process = spawn(prepared.plan, descriptors(spec, stdio), halves)
        process.group, process.range_map = own or group, prepared.range_map
        process.owns_tree = spec.namespace("pid") == "new"
        process.ends_with += [held.pop_all()]
    if own is not None or prepared.plan.left_out:
        process.amend = _amend(own, prepared.plan.left_out)
    return process


def _scratch(spec: ContainerSpec, host: HostFacts) -> str:
    if not Story(spec, host, Identity()).on_disk:
        return ""
    return f"{spec.scratch.directory}/{NAME}" if spec.scratch.directory is not None else host.scratch


def descriptors(spec: ContainerSpec, stdio: Stdio) -> list[int]:
    """What fills the registers from STDIN on (see first_registers)."""
    _, joined = first_registers(spec)
    extra = [spec.process.fds[number] for number in sorted(spec.process.fds)]
    return [*stdio, *extra, *(int(spec.namespace(kind)) for kind in sorted(joined))]


def identity_answer(group: "CGroup | None", lease: Lease | None, place: DiskScratch | None = None) -> Answer:
    """The caller's half of the Sync "identity", apart from its trees."""

    def answer(pid: int, _step: Step) -> list[int]:
        if group is not None:
            group.add(pid)
        if lease is not None:
            write_maps(pid, lease.maps)
        return [place.open()] if place is not None else []

    return answer


def _amend(group: "CGroup | None", left_out: tuple[str, ...]) -> Callable[[Exit], Exit]:
    """What init does not know: what was left out, and of the group, its peak of memory and whether it ran out."""

    def amend(exit_: Exit) -> Exit:
        exit_ = msgspec.structs.replace(exit_, degraded=left_out)
        if group is None:
            return exit_
        try:
            peak, kills = (
                group.memory_peak,
                group.oom_kills,
            )  # two files, where stats() reads twenty
        except (KernelError, OSError):
            return exit_
        usage = msgspec.structs.replace(exit_.usage, memory_peak=peak) if peak else exit_.usage
        return msgspec.structs.replace(exit_, usage=usage, oom_killed=bool(kills))

    return amend

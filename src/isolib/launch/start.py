"""From a spec to a Process: what the caller holds for it (group, ids, pipes), and his half of the first Sync."""

import contextlib
import os
from collections.abc import Callable, Mapping

import msgspec

from isolib.errors import KernelError
from isolib.handles.cgroup.group import CGroup
from isolib.handles.ids.lease import Lease
from isolib.handles.ids.wish import hold
from isolib.handles.ids.write import write_maps
from isolib.handles.process import Exit, Process
from isolib.launch.compile import compile, first_registers
from isolib.launch.facts import host_facts
from isolib.launch.plan import Plan
from isolib.launch.resolve import resolve
from isolib.launch.spawn import Answer, spawn
from isolib.launch.steps import Step
from isolib.spec.container import ContainerSpec
from isolib.spec.ids import Ids

# The payload's standard descriptors, as the caller has them.
Stdio = tuple[int, int, int]


class Prepared(msgspec.Struct, frozen=True):
    """A spec that was resolved and compiled once; started any number of times, it costs system calls and little else."""

    spec: ContainerSpec
    plan: Plan


def prepare(spec: ContainerSpec) -> Prepared:
    """Raises SpecError with every problem of the spec, Unavailable where this host cannot; nothing was touched then."""
    host = host_facts()
    resolved, identity = resolve(spec, host)
    return Prepared(resolved, compile(resolved, host, identity))


def start(prepared: Prepared, stdio: Stdio, group: CGroup | None = None) -> Process:
    """Starts it. The Process owns what was made for it: its range of ids, and a group where the spec has limits.

    ``group``: one of the caller's to start in; it stays his.
    """
    spec = prepared.spec
    with contextlib.ExitStack() as held:
        lease = held.enter_context(hold(_ids(spec))) if spec.namespace("user") == "new" else None
        own = None
        if spec.limits is not None:
            own = held.enter_context(CGroup.create(None, spec.limits, parent=group))
        process = spawn(prepared.plan, _descriptors(spec, stdio), {"identity": _identity(own or group, lease)})
        process.ends_with += [held.pop_all()]
    if own is not None:
        process.amend = _amend(own)
    return process


def _ids(spec: ContainerSpec) -> Ids:
    if spec.ids is not None:
        return spec.ids
    return Ids("auto") if host_facts().privileged else Ids("self")


def _descriptors(spec: ContainerSpec, stdio: Stdio) -> list[int]:
    """What fills the registers from STDIN on (see first_registers)."""
    _, joined = first_registers(spec)
    extra = [spec.process.fds[number] for number in sorted(spec.process.fds)]
    return [*stdio, *extra, *(int(spec.namespace(kind)) for kind in sorted(joined))]


def _identity(group: CGroup | None, lease: Lease | None) -> Answer:
    def answer(pid: int, _step: Step) -> list[int]:
        if group is not None:
            group.add(pid)
        if lease is not None:
            write_maps(pid, lease.maps)
        return []

    return answer


def _amend(group: CGroup) -> Callable[[Exit], Exit]:
    """What only the group knows: its peak of memory, and whether it ran out."""

    def amend(exit_: Exit) -> Exit:
        try:
            stats = group.stats()
            peak = stats.memory.peak if stats.memory is not None else None
            kills = group.oom_kills
        except (KernelError, OSError):
            return exit_
        usage = msgspec.structs.replace(exit_.usage, memory_peak=peak) if peak else exit_.usage
        return msgspec.structs.replace(exit_, usage=usage, oom_killed=bool(kills))

    return amend


def pipes(wanted: Mapping[str, bool]) -> dict[str, tuple[int, int]]:
    """(read, write) ends by name, close-on-exec."""
    return {name: os.pipe2(os.O_CLOEXEC) for name, wish in wanted.items() if wish}

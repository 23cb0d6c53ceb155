"""Plans that were compiled before: a start that differs from an earlier one in its command alone costs no compiling."""

from collections.abc import Callable

from isolib.launch.compile import Identity, compile
from isolib.launch.compile.payload import command
from isolib.launch.plan import Plan
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts

MOST = 64  # Plans; some 100 KB each
LONGEST = 1 << 16  # of what a spec says: one that holds the content of large files is not kept

_kept: dict[tuple[object, ...], Plan] = {}


def compiled(spec: ContainerSpec, host: HostFacts, identity: Identity, enterable: bool) -> Plan:
    """What `compile` returns and raises, for a spec that was resolved."""
    return kept(spec, identity, (host, enterable), lambda: compile(spec, host, identity, enterable=enterable))


def kept(spec: ContainerSpec, identity: Identity, more: tuple[object, ...], make: Callable[[], Plan]) -> Plan:
    """What ``make`` returns, which depends on these alone and ends with the spec's command."""
    words = _words(spec)
    if words is None:
        return make()
    key = (words, identity, *more)
    plan = _kept.get(key)
    if plan is not None:
        return plan.ending(command(spec, identity))
    plan = make()
    if len(_kept) >= MOST:
        _kept.clear()
    _kept[key] = plan
    return plan


def _words(spec: ContainerSpec) -> str | None:
    """All that a Plan but for its exec depends on, types included (1 is not True); as text, for specs hold mappings."""
    if any(not isinstance(getattr(mount, "source", ""), str) for mount in spec.mounts):
        return None  # a path of somebody's own class need not say what it is
    words = repr(spec.without_command())
    return words if len(words) <= LONGEST else None

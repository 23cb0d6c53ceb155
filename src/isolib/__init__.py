"""Isolate processes on Linux: `run` a command, hold a `Container`, or use a `Namespace` or a `CGroup` alone.

Every public name is listed here and loaded when it is first used: an import costs what is used of it.
"""

from importlib import import_module

from isolib.version import VERSION as __version__

TYPE_CHECKING = False  # as type checkers know it; importing typing for it would be most of what this module costs
if TYPE_CHECKING:
    from isolib.engine.container import Container as Container
    from isolib.engine.doctor import Diagnosis as Diagnosis, Finding as Finding, doctor as doctor
    from isolib.engine.namespace import Namespace as Namespace
    from isolib.engine.result import Result as Result
    from isolib.engine.run import (
        DISCARD as DISCARD,
        INHERIT as INHERIT,
        PIPE as PIPE,
        Options as Options,
        Wishes as Wishes,
        container_spec as container_spec,
        plan as plan,
        prepared as prepared,
        run as run,
        spawn as spawn,
    )
    from isolib.errors import (
        AlreadyExists as AlreadyExists,
        Conflict as Conflict,
        Denied as Denied,
        ExitError as ExitError,
        IsolibError as IsolibError,
        KernelError as KernelError,
        NotFound as NotFound,
        Problem as Problem,
        SpecError as SpecError,
        StepError as StepError,
        Unavailable as Unavailable,
    )
    from isolib.handles.cgroup import CGroup as CGroup
    from isolib.handles.process import Exit as Exit, Process as Process, Usage as Usage
    from isolib.image.image import Image as Image
    from isolib.launch.plan import Plan as Plan
    from isolib.launch.start import Prepared as Prepared
    from isolib.spec.capabilities import Capabilities as Capabilities
    from isolib.spec.container import ContainerSpec as ContainerSpec, Scratch as Scratch
    from isolib.spec.idrows import IdMap as IdMap
    from isolib.spec.ids import IdMaps as IdMaps, Ids as Ids
    from isolib.spec.landlock import Landlock as Landlock
    from isolib.spec.limits import IoLimit as IoLimit, Limits as Limits
    from isolib.spec.mounts import Bind as Bind, Device as Device, Inject as Inject, Symlink as Symlink, Tmpfs as Tmpfs
    from isolib.spec.process import ProcessOptions as ProcessOptions, Scheduling as Scheduling
    from isolib.spec.seccomp import SeccompProfile as SeccompProfile
    from isolib.spec.security import Security as Security

_NAMES = {
    "isolib.engine.container": "Container",
    "isolib.engine.doctor": "Diagnosis Finding doctor",
    "isolib.engine.namespace": "Namespace",
    "isolib.engine.result": "Result",
    "isolib.engine.run": "DISCARD INHERIT Options PIPE Wishes container_spec plan prepared run spawn",
    "isolib.errors": "AlreadyExists Conflict Denied ExitError IsolibError KernelError NotFound "
    "Problem SpecError StepError Unavailable",
    "isolib.handles.cgroup": "CGroup",
    "isolib.handles.process": "Exit Process Usage",
    "isolib.image.image": "Image",
    "isolib.launch.plan": "Plan",
    "isolib.launch.start": "Prepared",
    "isolib.spec.capabilities": "Capabilities",
    "isolib.spec.container": "ContainerSpec Scratch",
    "isolib.spec.idrows": "IdMap",
    "isolib.spec.ids": "IdMaps Ids",
    "isolib.spec.landlock": "Landlock",
    "isolib.spec.limits": "IoLimit Limits",
    "isolib.spec.mounts": "Bind Device Inject Symlink Tmpfs",
    "isolib.spec.process": "ProcessOptions Scheduling",
    "isolib.spec.seccomp": "SeccompProfile",
    "isolib.spec.security": "Security",
}
_WHERE = {name: module for module, names in _NAMES.items() for name in names.split()}
_MODULES = ("aio",)  # public modules
__all__ = ["__version__", *_WHERE]


def __getattr__(name: str) -> object:
    """Load a public name from its module at its first use (PEP 562)."""
    if module := _WHERE.get(name):
        value = getattr(import_module(module), name)
    elif name in _MODULES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE, *_MODULES])

"""Isolate processes on Linux: `run` a command, hold a `Container`, or use a `Namespace` or a `CGroup` alone.

Every public name is listed here and loaded when it is first used: an import costs what is used of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    from isolib.spec.limits import Limits as Limits

__version__ = "0.1.0"
_NAMES = {
    "isolib.errors": (
        *("AlreadyExists", "Conflict", "Denied", "ExitError", "IsolibError", "KernelError", "NotFound", "Problem"),
        *("SpecError", "StepError", "Unavailable"),
    ),
    "isolib.spec.limits": ("Limits",),
}
_WHERE = {name: module for module, names in _NAMES.items() for name in names}
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

"""A call in a fresh interpreter: the function goes there, and what it returns or raises comes back."""

import os
import pickle
import sys
from collections.abc import Callable
from typing import Any

from isolib.engine.carry import carried
from isolib.engine.streams import Sink, Source
from isolib.errors import ExitError, Unavailable
from isolib.handles.process import Process
from isolib.launch.callee import BOOT, pack
from isolib.launch.namespace import Inside


def called(
    start: Callable[[Inside], Process],
    function: Callable[..., Any],
    args: tuple[Any, ...],
    inside: Inside,
    late: str,
    sinks: tuple[Source, Sink, Sink],
    deadline: float | None,
) -> Any:
    """Starts an interpreter by ``start`` and calls ``function(*args)`` in it. Raises what it raises, or ExitError.

    ``inside``: its environment and directory; ``late``: the kind of a namespace that it joins itself, and that is then
    the only descriptor of ``inside``. Call and outcome lie in memory files: nobody need read while the other writes.
    """
    argv = _interpreter()
    request = _memory("isolib-call", pack((function, args, late, inside.cwd if late else None)))
    outcome = _memory("isolib-outcome")
    try:
        extras = [request, outcome, *inside.fds]
        result = carried(
            argv,
            lambda fds: start(Inside(argv, inside.env, [*fds, *extras], None if late else inside.cwd)),
            sinks,
            deadline,
        )
        found = os.pread(outcome, os.fstat(outcome).st_size, 0)
    finally:
        os.close(request)
        os.close(outcome)
    if not result.ok or not found:
        raise ExitError(result)
    return _unpacked(found)


def _interpreter() -> tuple[str, ...]:
    if not sys.executable:
        raise Unavailable("a fresh interpreter", "this program embeds Python and does not say where its interpreter is")
    return (sys.executable, "-I", "-c", BOOT, *(path or os.getcwd() for path in sys.path))


def _memory(name: str, content: bytes = b"") -> int:
    fd = os.memfd_create(name, os.MFD_CLOEXEC)
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
    return fd


def _unpacked(found: bytes) -> Any:
    value, error, trace = pickle.loads(found)
    if error is not None:
        error.add_note(f"raised in another interpreter, at\n{trace}")
        raise error
    return value

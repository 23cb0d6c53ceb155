"""The other end of a call: a fresh interpreter that reads a function from one descriptor and writes what it returns."""

import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import BuiltinImporter, FrozenImporter
from types import TracebackType
from typing import Any, NamedTuple

from isolib.errors import Unavailable

# Of the interpreter: where the call lies, where the outcome goes, and the namespace it is to join itself.
CALL, OUTCOME, SPACE = 3, 4, 5

# In these the interpreter may not be found, or not be readable, so it is started outside and joins once it is up. That
# also leaves it out of reach of a container's root, who may trace what is executed in his user namespace (ptrace(2)).
JOINED_LATE = ("mnt", "user")

# What it is started with; its arguments are the caller's sys.path.
BOOT = (
    "import sys; sys.path += [path for path in sys.argv[1:] if path not in sys.path]; "
    "from isolib.launch.callee import main; main()"
)


class Outcome(NamedTuple):
    """What came of a call. ``trace``: where an exception was raised, a line a call."""

    value: object = None
    error: Exception | None = None
    trace: str = ""


def pack(value: object) -> bytes:
    """A pickle; with cloudpickle, where it is installed, of functions that no module has a name for too."""
    try:
        from cloudpickle import dumps
    except ImportError:
        from pickle import dumps
    try:
        return bytes(dumps(value))
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        remedy = "pass what can be pickled; for lambdas and nested functions, install cloudpickle"
        raise Unavailable(f"another interpreter for {value!r:.80} ({error})", remedy) from None


def main() -> None:
    """Runs in the fresh interpreter: all that a pickle names is imported before it joins a mount namespace."""
    function, args, kind, cwd = pickle.loads(_read_all(CALL))
    if kind:
        join(kind)
    if cwd is not None:
        os.chdir(cwd)
    outcome = pack_outcome(call(function, args))
    with open(OUTCOME, "wb") as file:
        file.write(outcome)


def join(kind: str) -> None:
    from isolib.linux import ns

    if kind == "mnt":
        import_nothing_more()
    ns.setns(SPACE, kind)
    os.close(SPACE)
    if kind == "user":
        become_root()


def become_root() -> None:
    """As launch/namespace.py's WHO: root without the caller's groups, as far as the map has that."""
    with suppress(PermissionError):
        os.setgroups([])
    with suppress(OSError):
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)


def call(function: Callable[..., Any], args: tuple[Any, ...]) -> Outcome:
    try:
        return Outcome(function(*args))
    except Exception as error:
        trace = trace_of(error.__traceback__)
        return Outcome(error=error.with_traceback(None), trace=trace)


def pack_outcome(outcome: Outcome) -> bytes:
    try:
        return pack(tuple(outcome))
    except Exception as error:
        return pickle.dumps(
            (None, RuntimeError(f"what the function gave back cannot be handed over: {error}"), outcome.trace)
        )


def import_nothing_more() -> None:
    """In a mount namespace the files of modules are somebody else's (the class of Docker's CVE-2019-14271)."""
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter]
    sys.path.clear()
    sys.path_importer_cache.clear()


def trace_of(trace: TracebackType | None) -> str:
    """A traceback without the lines of the source, which are not read from inside."""
    rows = []
    while trace is not None:
        code = trace.tb_frame.f_code
        rows.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_name}')
        trace = trace.tb_next
    return "\n".join(rows)


def _read_all(fd: int) -> bytes:
    with open(fd, "rb") as file:
        file.seek(0)
        return file.read()

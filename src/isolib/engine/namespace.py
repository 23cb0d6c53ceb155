"""Namespace, as users know it: the handle, with making one and running something in one."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Self, TypeVar, TypeVarTuple, overload

from isolib.engine.carry import carried
from isolib.engine.inside import is_own_user, start_in
from isolib.engine.result import Result
from isolib.engine.streams import INHERIT, Sink, Source
from isolib.errors import Conflict, ExitError, KernelError, Problem, SpecError
from isolib.handles import namespace as handle
from isolib.handles.ids.lease import Lease
from isolib.handles.ids.wish import hold
from isolib.handles.process import Process
from isolib.launch.namespace import Inside, create, needs_owner, offsets_text
from isolib.launch.start import Stdio
from isolib.linux.ns import KINDS
from isolib.spec.container import ContainerSpec
from isolib.spec.ids import Ids

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Namespace(handle.Namespace):
    """A namespace of any kind, ``cgroup ipc mnt net pid time user uts``: of a process, at a path, or newly made.

    Close it, or use it in a ``with`` block. See namespaces(7), and isolib.handles.namespace for what a handle can.
    """

    _first: Process | None = None
    _lease: Lease | None = None

    @classmethod
    def create(cls, kind: str, *, ids: Ids | str | None = None, offsets: Mapping[str, float] | None = None) -> Self:
        """A new namespace, with nobody in it; the caller stays where he is.

        For an ordinary user, or with ``ids``, a user namespace is made along, which owns it: see `owner`. ``ids`` as in
        `isolib.run`; for kind "user" the default is "auto" for root, "self" for anybody else. ``offsets``: seconds by
        clock ("monotonic", "boottime") of a time namespace. A new network namespace has its loopback up, a mount
        namespace is a private copy. A PID namespace has an init as PID 1, which ends with this object.

        Raises SpecError, Unavailable, KernelError, StepError; nothing is left then.
        """
        wish = _wish(kind, ids, offsets or {})
        try:
            return cls._made(kind, wish, offsets or {})
        except KernelError as error:
            if wish is not None or not needs_owner(error):
                raise
        return cls._made(kind, Ids("self"), offsets or {})

    @classmethod
    def _made(cls, kind: str, wish: Ids | None, offsets: Mapping[str, float]) -> Self:
        lease = hold(wish) if wish is not None else None
        try:
            fd, first = create(kind, lease.maps if lease else None, offsets_text(offsets))
        except BaseException:
            if lease:
                lease.close()
            raise
        self = cls._owning(fd)
        self._first, self._lease = first, lease
        return self

    @overload
    def run(
        self,
        command: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: Source = None,
        stdout: Sink = None,
        stderr: Sink = None,
        timeout: float | None = None,
        check: bool = False,
    ) -> Result: ...

    @overload
    def run(
        self,
        command: Callable[[*_Ts], _T],
        *args: *_Ts,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: Source = None,
        stdout: Sink = INHERIT,
        stderr: Sink = INHERIT,
        timeout: float | None = None,
    ) -> _T: ...

    def run(  # type: ignore[misc]
        self,
        command: Sequence[str | os.PathLike[str]] | Callable[[*_Ts], _T],
        *args: *_Ts,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        stdin: Source = None,
        stdout: Sink = None,
        stderr: Sink = None,
        timeout: float | None = None,
        check: bool = False,
    ) -> Result | _T:
        """Runs a command, or calls ``command(*args)`` in a fresh interpreter, inside; all else stays the caller's.

        A command gets a plain environment and ``env``; a Result comes back, as from `isolib.run`. A function gets the
        caller's environment and ``env``; its arguments, and what it returns or raises, are pickled (by cloudpickle
        where it is installed), so call none in the PID or user namespace of what is not trusted. In a mount namespace
        it can import nothing. An ordinary user joins the owning user namespace first, and is its root.

        After ``timeout`` seconds all it started is killed: in a PID namespace by a group of its own, so Unavailable
        where none can be made. Raises SpecError, StepError, KernelError, ExitError (a function that gave nothing back).
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if callable(command):
            sinks = (stdin, INHERIT if stdout is None else stdout, INHERIT if stderr is None else stderr)
            return self._call(command, args, Inside((), {**os.environ, **(env or {})}, (), cwd), sinks, deadline)
        argv = _argv(command, args)
        plain = {"PATH": _PATH, "HOME": os.environ.get("HOME", "/"), **(env or {})}

        def start(stdio: Stdio) -> Process:
            return start_in(self, deadline, Inside(argv, plain, stdio, cwd))

        result = carried(argv, start, (stdin, stdout, stderr), deadline)
        if check and not result.ok:
            raise ExitError(result)
        return result

    def _call(
        self,
        function: Callable[[*_Ts], _T],
        args: tuple[*_Ts],
        inside: Inside,
        sinks: tuple[Source, Sink, Sink],
        deadline: float | None,
    ) -> _T:
        from isolib.engine.call import called  # pickle costs more to import than all the rest
        from isolib.launch.callee import JOINED_LATE

        late = self.kind if self.kind in JOINED_LATE and not is_own_user(self) else ""
        inside = inside._replace(fds=(self.fileno(),) if late else ())
        starter = partial(start_in, self, deadline, late=bool(late))
        return called(starter, function, args, inside, late, sinks, deadline)  # type: ignore[no-any-return]

    def pin(self, path: str | os.PathLike[str]) -> None:
        """As the handle's `pin`. Raises Conflict where the namespace is made of things that end with this object."""
        if self._first is not None:
            raise Conflict(
                "its PID 1 ends with this object, and a PID namespace without one is of no use: keep the object"
            )
        if self._lease is not None and self._lease.locked:
            raise Conflict("its range of ids is leased by this object: make it with rows, as ids='0:1000000:65536'")
        super().pin(path)

    def close(self) -> None:
        """Lets go of it, of its PID 1, and of its range of ids."""
        super().close()
        for part in (self._first, self._lease):
            if part is not None:
                part.close()


def _argv(command: Sequence[str | os.PathLike[str]], args: tuple[object, ...]) -> tuple[str, ...]:
    if args:
        raise SpecError(Problem("args", "arguments are for a function: those of a command stand in its list"))
    if isinstance(command, str | bytes) or not command:
        raise SpecError(Problem("command", "a list of words, the program first: ['sh', '-c', '...']"))
    return tuple(os.fspath(word) for word in command)


def _wish(kind: str, ids: Ids | str | None, offsets: Mapping[str, float]) -> Ids | None:
    """Whose ids an owning user namespace has; None: no such namespace is needed."""
    problems = []
    if kind not in KINDS:
        problems.append(Problem("kind", f"{kind!r} is none of {', '.join(KINDS)}"))
    if offsets and kind != "time":
        problems.append(Problem("offsets", f"clocks of their own are for a time namespace, not {kind}"))
    problems += [
        problem
        for problem in ContainerSpec(argv=("true",), offsets=offsets).problems()
        if problem.where.startswith("offsets")
    ]
    if problems:
        raise SpecError(problems)
    if ids is not None:
        return Ids.parse(ids, "ids") if isinstance(ids, str) else ids
    if os.geteuid() != 0:
        return Ids("self")
    return Ids("auto") if kind == "user" else None

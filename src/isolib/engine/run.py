"""run(), spawn() and plan(): one command in a container of its own, from start to end, started, or only planned."""

import os
import signal
import time
from collections.abc import Mapping, Sequence

from isolib.engine.result import Result
from isolib.engine.streams import DISCARD, INHERIT, PIPE, Capture, Sink, Source, Streams
from isolib.errors import ExitError
from isolib.handles.cgroup.group import CGroup
from isolib.handles.process import Exit, Process
from isolib.image.image import Image
from isolib.launch.plan import Plan
from isolib.launch.start import Prepared, prepare, start
from isolib.spec.container import ContainerSpec, Scratch
from isolib.spec.ids import Ids
from isolib.spec.limits import Limits
from isolib.spec.mounts import Mount
from isolib.spec.process import ProcessOptions
from isolib.spec.security import Security

__all__ = ["DISCARD", "INHERIT", "PIPE", "plan", "prepared", "run", "spawn", "spec"]

Command = Sequence[str | os.PathLike[str]] | ContainerSpec | Prepared


def spec(
    argv: Sequence[str | os.PathLike[str]],
    *,
    image: Image | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: int | str | None = None,
    hostname: str | None = None,
    mounts: Sequence[Mount] = (),
    limits: Limits | None = None,
    security: Security | None = None,
    process: ProcessOptions | None = None,
    network: str = "none",
    namespaces: Mapping[str, str | int] | None = None,
    ids: Ids | str | None = None,
    scratch: Scratch | None = None,
    terminal: bool = False,
) -> ContainerSpec:
    """The spec that `run`, `spawn` and `plan` mean by the same words. Nothing is checked yet."""
    image = image or Image.host()
    words = argv if isinstance(argv, str) else tuple(os.fspath(word) for word in argv)
    joined = dict(namespaces or {})
    if network == "host":
        joined.setdefault("net", "host")
    return ContainerSpec(
        argv=words,  # type: ignore[arg-type]
        root=image.root,
        env={**image.env, **(env or {})},
        cwd=cwd if cwd is not None else image.cwd,
        user=user,
        hostname=hostname,
        mounts=tuple(mounts),
        limits=limits,
        security=security or Security(),
        process=process or ProcessOptions(),
        namespaces=joined,  # type: ignore[arg-type]
        ids=Ids.parse(ids) if isinstance(ids, str) else ids,
        scratch=scratch or Scratch(),
        terminal=terminal,
    )


def prepared(
    command: Command,
    *,
    image: Image | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: int | str | None = None,
    mounts: Sequence[Mount] = (),
    limits: Limits | None = None,
    security: Security | None = None,
    network: str = "none",
) -> Prepared:
    """A command compiled once, to be run any number of times: each further start costs its system calls.

    A ContainerSpec (see `spec`) says it all itself; the keywords are for a list of words.
    """
    if isinstance(command, Prepared):
        return command
    if not isinstance(command, ContainerSpec):
        words = {"env": env, "cwd": cwd, "user": user, "limits": limits, "security": security}
        command = spec(command, image=image, mounts=mounts, network=network, **words)  # type: ignore[arg-type]
    return prepare(command)


def plan(
    command: Command,
    *,
    image: Image | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: int | str | None = None,
    mounts: Sequence[Mount] = (),
    limits: Limits | None = None,
    security: Security | None = None,
    network: str = "none",
) -> Plan:
    """What a start would do, as data; ``plan(...).describe()`` is it in words. Nothing is started."""
    words = {"image": image, "env": env, "cwd": cwd, "user": user, "mounts": mounts, "limits": limits}
    return prepared(command, security=security, network=network, **words).plan  # type: ignore[arg-type]


def spawn(
    command: Command,
    *,
    image: Image | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: int | str | None = None,
    mounts: Sequence[Mount] = (),
    limits: Limits | None = None,
    security: Security | None = None,
    network: str = "none",
    group: CGroup | None = None,
    stdin: Source = None,
    stdout: Sink = PIPE,
    stderr: Sink = PIPE,
) -> Process:
    """Starts a command and returns the live Process. PIPE: its end is ``process.stdin``, ``.stdout`` or ``.stderr``.

    A callable cannot be a sink here: nobody would call it; read the pipe.
    """
    words = {"image": image, "env": env, "cwd": cwd, "user": user, "mounts": mounts, "limits": limits}
    ready = prepared(command, security=security, network=network, **words)  # type: ignore[arg-type]
    streams = Streams()
    ends: dict[str, int] = {}
    try:
        if stdin is PIPE:
            theirs, ends["stdin"] = os.pipe2(os.O_CLOEXEC)
            inlet = streams.theirs(theirs)
        else:
            inlet = streams.stdin(stdin)
        outlets = [_outlet(streams, ends, *sink) for sink in (("stdout", stdout, 1), ("stderr", stderr, 2))]
        process = start(ready, (inlet, outlets[0], outlets[1]), group)
    except BaseException:
        for fd in ends.values():
            os.close(fd)
        raise
    finally:
        streams.close()
    process.stdin, process.stdout, process.stderr = ends.get("stdin"), ends.get("stdout"), ends.get("stderr")
    return process


def _outlet(streams: Streams, ends: dict[str, int], name: str, sink: Sink, number: int) -> int:
    if sink is PIPE:
        ends[name], theirs = os.pipe2(os.O_CLOEXEC)
        return streams.theirs(theirs)
    if callable(sink):
        raise TypeError(f"{name}: a callable is called by run(); with spawn(), read process.{name}")
    return streams.output(sink, number)


def run(
    command: Command,
    *,
    image: Image | None = None,
    env: Mapping[str, str] | None = None,
    cwd: str | None = None,
    user: int | str | None = None,
    mounts: Sequence[Mount] = (),
    limits: Limits | None = None,
    security: Security | None = None,
    network: str = "none",
    group: CGroup | None = None,
    stdin: Source = None,
    stdout: Sink = None,
    stderr: Sink = None,
    timeout: float | None = None,
    check: bool = False,
) -> Result:
    """Runs a command in a container of its own to its end, and returns everything about it.

    Without ``image``: the machine's own root under a throw-away overlay, root of a user namespace, no network. ``stdout``
    and ``stderr`` None are captured, up to 64 MiB each; else a file, a path, a descriptor, a callable that gets the
    chunks, INHERIT or DISCARD. After ``timeout`` seconds the whole tree is killed and ``timed_out`` says so. ``check``:
    another end than exit code 0 in time raises ExitError, which carries the result.

    Raises SpecError before any effect, StepError or KernelError where the start failed, Unavailable where this host
    cannot isolate as asked. An exception that comes while it runs (KeyboardInterrupt) kills the tree.
    """
    began = time.monotonic()
    words = {"image": image, "env": env, "cwd": cwd, "user": user, "mounts": mounts, "limits": limits}
    ready = prepared(command, security=security, network=network, **words)  # type: ignore[arg-type]
    streams, captured = Streams(), {1: Capture(), 2: Capture()}
    try:
        inlet = streams.stdin(stdin)
        out = streams.output(captured[1] if stdout is None else stdout, 1)
        err = streams.output(captured[2] if stderr is None else stderr, 2)
        with start(ready, (inlet, out, err), group) as process:
            streams.started()
            timed_out = _carry(streams, process, None if timeout is None else began + timeout)
            ended = process.wait()
    finally:
        streams.close()
    result = _result(ready.spec.argv, ended, captured, time.monotonic() - began, timed_out)
    if check and not result.ok:
        raise ExitError(result)
    return result


def _carry(streams: Streams, process: Process, deadline: float | None) -> bool:
    """Whether it had to be killed at the deadline."""
    try:
        streams.carry(process, deadline)
    except TimeoutError:
        process.kill()
        process.wait()
        streams.drain()
        return True
    return False


def _result(
    argv: tuple[str, ...], ended: Exit, captured: Mapping[int, Capture], duration: float, timed_out: bool
) -> Result:
    return Result(
        argv=argv,
        exit_code=ended.exit_code if not timed_out else 128 + signal.SIGKILL,
        signal=ended.signal,
        stdout=captured[1].value(),
        stderr=captured[2].value(),
        duration=duration,
        usage=ended.usage,
        oom_killed=ended.oom_killed,
        timed_out=timed_out,
        truncated=any(capture.truncated for capture in captured.values()),
        degraded=ended.degraded,
    )

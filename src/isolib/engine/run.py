"""run(), spawn() and plan(): one command in a container of its own, from start to end, started, or only planned."""

import os
import time
from collections.abc import Mapping, Sequence
from functools import partial

from isolib.engine.carry import carried, wired
from isolib.engine.result import Result
from isolib.engine.streams import DISCARD, INHERIT, PIPE, Sink, Source
from isolib.errors import ExitError
from isolib.handles.cgroup import CGroup
from isolib.handles.process import Process
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


def prepared_spec(
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
) -> ContainerSpec:
    """The spec of a command as `run` takes it; one that is a spec already says it all itself."""
    if isinstance(command, Prepared):
        return command.spec
    if isinstance(command, ContainerSpec):
        return command
    words = {"env": env, "cwd": cwd, "user": user, "limits": limits, "security": security}
    return spec(command, image=image, mounts=mounts, network=network, **words)  # type: ignore[arg-type]


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
    words = {"env": env, "cwd": cwd, "user": user, "limits": limits, "security": security}
    return prepare(prepared_spec(command, image=image, mounts=mounts, network=network, **words))  # type: ignore[arg-type]


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
    return wired(stdin, stdout, stderr, lambda stdio: start(ready, stdio, group))


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
    deadline = None if timeout is None else time.monotonic() + timeout
    words = {"image": image, "env": env, "cwd": cwd, "user": user, "mounts": mounts, "limits": limits}
    ready = prepared(command, security=security, network=network, **words)  # type: ignore[arg-type]
    starter = partial(start, ready, group=group)
    result = carried(ready.spec.argv, starter, (stdin, stdout, stderr), deadline)
    if check and not result.ok:
        raise ExitError(result)
    return result

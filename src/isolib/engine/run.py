"""run(), spawn() and plan(): one command in a container of its own, from start to end, started, or only planned."""

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

from isolib.engine.carry import carried, wired
from isolib.engine.result import Result
from isolib.engine.streams import DISCARD, INHERIT, PIPE, Sink, Source
from isolib.errors import ExitError, Problem, SpecError
from isolib.handles.process import Process
from isolib.image.image import Image
from isolib.launch.plan import Plan
from isolib.launch.start import Prepared, prepare, start
from isolib.spec.checks import word_problems
from isolib.spec.container import ContainerSpec, Scratch, Where
from isolib.spec.ids import Ids
from isolib.spec.limits import Limits
from isolib.spec.mounts import Mount
from isolib.spec.process import ProcessOptions
from isolib.spec.security import DEFAULT as DEFAULT_SECURITY, Security

if TYPE_CHECKING:  # see handles/process.py
    from isolib.handles.cgroup import CGroup

__all__ = ["DISCARD", "INHERIT", "PIPE", "Options", "Wishes", "container_spec", "plan", "prepared", "run", "spawn"]

Command = Sequence[str | os.PathLike[str]] | ContainerSpec | Prepared


class Options(TypedDict, total=False):
    """What is wanted beside a command and its image, in words.

    ``env`` is added to the image's; ``user``: number, name, uid:gid; ``network``: "none" or "host"; ``namespaces``:
    kind -> "new", "host", or a Namespace's descriptor; ``ids``: "auto", "self", "keep-id", or rows; ``offsets``:
    seconds by clock; ``sysctls``: settings of the new namespaces by name; ``shm_size``: of /dev/shm; ``scratch``: where
    thrown-away writes go.
    """

    env: Mapping[str, str] | None
    cwd: str | None
    user: int | str | None
    mounts: Sequence[Mount]
    limits: Limits | None
    security: Security | None
    process: ProcessOptions | None
    network: Literal["none", "host"]
    hostname: str | None
    namespaces: Mapping[str, Where] | None
    ids: Ids | str | None
    offsets: Mapping[str, float] | None
    sysctls: Mapping[str, str] | None
    shm_size: int | str | None
    scratch: Scratch | None
    terminal: bool


class Wishes(Options, total=False):
    """Options, and the ``image`` (None: the machine's own root)."""

    image: Image | None


# What a typo is compared with, at run time.
WORDS = (*Options.__annotations__, "image")


def container_spec(argv: Sequence[str | os.PathLike[str]], **wishes: Unpack[Wishes]) -> ContainerSpec:
    """A command and what is wanted for it as one value. Nothing is checked yet, and nothing looked up."""
    if unknown := wishes.keys() - set(WORDS):
        raise TypeError(f"no such word: {', '.join(sorted(unknown))}; there are {', '.join(WORDS)}")
    image = wishes.get("image") or Image.host()
    cwd, ids, network = wishes.get("cwd"), wishes.get("ids"), wishes.get("network", "none")
    problems = [*word_problems("network", network, ("none", "host"))]
    if not isinstance(image, Image):
        problems.append(Problem("image", f"an Image, as Image.directory('/srv/root'), not {type(image).__name__}"))
    if problems:
        raise SpecError(problems)
    return ContainerSpec(
        argv=_words(argv),
        root=image.root,
        env=_over(image.env, wishes.get("env")),
        cwd=cwd if cwd is not None else image.cwd,
        user=wishes.get("user"),
        hostname=wishes.get("hostname"),
        mounts=_several(wishes.get("mounts", ())),
        limits=wishes.get("limits"),
        security=wishes.get("security") or DEFAULT_SECURITY,
        process=wishes.get("process") or ProcessOptions(),
        namespaces=_over({"net": "host"} if network == "host" else {}, wishes.get("namespaces")),
        ids=Ids.parse(ids, "ids") if isinstance(ids, str) else ids,
        offsets=wishes.get("offsets") or {},
        sysctls=wishes.get("sysctls") or {},
        shm_size=wishes.get("shm_size"),
        scratch=wishes.get("scratch") or Scratch(),
        terminal=wishes.get("terminal", False),
    )


# What is of another type than these take goes on as it is: the spec tells of it, with all else that is wrong.
def _words(argv: Any) -> Any:
    if isinstance(argv, str | bytes | Mapping) or not isinstance(argv, Iterable):
        return argv
    return tuple(os.fspath(word) if isinstance(word, os.PathLike) else word for word in argv)


def _several(values: Any) -> Any:
    return tuple(values) if isinstance(values, Iterable) and not isinstance(values, str | Mapping) else values


def _over(defaults: Mapping[str, Any], given: Any) -> Any:
    return {**defaults, **given} if isinstance(given, Mapping) else given or defaults


def command_spec(command: Command, wishes: Wishes) -> ContainerSpec:
    """The spec of a command as `run` takes it. One that is a spec already says everything itself."""
    if not isinstance(command, ContainerSpec | Prepared):
        return container_spec(command, **wishes)
    if wishes:
        raise TypeError(f"the spec says it all: drop {', '.join(wishes)}, or use msgspec.structs.replace(spec, ...)")
    return command.spec if isinstance(command, Prepared) else command


def prepared(command: Command, **wishes: Unpack[Wishes]) -> Prepared:
    """A command compiled once, to be run any number of times: each further start costs its system calls."""
    wanted = command_spec(command, wishes)
    return command if isinstance(command, Prepared) else prepare(wanted)


def plan(command: Command, **wishes: Unpack[Wishes]) -> Plan:
    """What a start would do, as data; ``plan(...).describe()`` is it in words. Nothing is started."""
    return prepared(command, **wishes).plan


def spawn(
    command: Command,
    *,
    group: "CGroup | None" = None,
    stdin: Source = None,
    stdout: Sink = PIPE,
    stderr: Sink = PIPE,
    **wishes: Unpack[Wishes],
) -> Process:
    """Starts a command and returns the live Process. PIPE: its end is ``process.stdin``, ``.stdout`` or ``.stderr``.

    A callable cannot be a sink here: nobody would call it; read the pipe.
    """
    ready = prepared(command, **wishes)
    return wired(stdin, stdout, stderr, partial(start, ready, group=group))


def run(
    command: Command,
    *,
    group: "CGroup | None" = None,
    stdin: Source = None,
    stdout: Sink = None,
    stderr: Sink = None,
    timeout: float | None = None,
    check: bool = False,
    **wishes: Unpack[Wishes],
) -> Result:
    """Runs a command in a container of its own to its end, and returns everything about it.

    Without ``image``: the machine's own root under a throw-away overlay, root of a user namespace, no network. What
    else can be wished for: see `Wishes`. ``stdout`` and ``stderr`` None are captured, up to 64 MiB each; else a file, a
    path, a descriptor, a callable that gets the chunks, INHERIT or DISCARD. After ``timeout`` seconds the whole tree is
    killed and ``timed_out`` says so. ``check``: another end than exit code 0 in time raises ExitError, with the result.
    ``group``: a CGroup of the caller's to run in.

    Raises SpecError before any effect, StepError or KernelError where the start failed, Unavailable where this host
    cannot isolate as asked. An exception that comes while it runs (KeyboardInterrupt) kills the tree.
    """
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int | float) or not timeout >= 0):
        raise SpecError(Problem("timeout", f"a number of seconds, 0 or more, not {timeout!r}"))
    deadline = None if timeout is None else time.monotonic() + timeout
    ready = prepared(command, **wishes)
    starter = partial(start, ready, group=group)
    result = carried(ready.spec.argv, starter, (stdin, stdout, stderr), deadline)
    if check and not result.ok:
        raise ExitError(result)
    return result

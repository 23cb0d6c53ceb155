"""A Container for the length of a block: started on entering it, entered by commands, gone after it."""

import os
import time
from collections.abc import Mapping, Sequence
from typing import Unpack

import msgspec

from isolib.engine.carry import carried, wired
from isolib.engine.entering import entered
from isolib.engine.result import Result
from isolib.engine.run import Options, Wishes, command_spec, container_spec
from isolib.engine.streams import DISCARD, PIPE, Sink, Source
from isolib.errors import Conflict, ExitError, Unavailable
from isolib.handles.cgroup import CGroup
from isolib.handles.process import Exit, Process
from isolib.image.image import Image
from isolib.launch.enter import Target
from isolib.launch.start import prepare, start
from isolib.spec.container import ContainerSpec
from isolib.spec.process import ProcessOptions
from isolib.spec.security import Security


class Container:
    """A running command that others can join. Ends on leaving the block, on an exception, on kill -9 of this process.

    ``process`` is the command's; ``group`` its cgroup, where limits were asked for. Output goes to ``stdout``,
    ``stderr`` as in `isolib.run`, without a callable; the default discards it.
    """

    def __init__(
        self,
        image: Image | ContainerSpec | None,
        argv: Sequence[str | os.PathLike[str]] = (),
        *,
        stdin: Source = None,
        stdout: Sink = DISCARD,
        stderr: Sink = DISCARD,
        **options: Unpack[Options],
    ) -> None:
        if not isinstance(image, ContainerSpec):
            self.spec = container_spec(argv, image=image, **options)
        else:
            self.spec = command_spec(image, Wishes(**options))  # type: ignore[typeddict-item]
        self._sinks = (stdin, stdout, stderr)
        self._process: Process | None = None

    def start(self) -> "Container":
        """Starts it, once. Raises as `isolib.run` does."""
        if self._process is not None:
            raise Conflict("this container was started already: make another one")
        prepared = prepare(self.spec, enterable=True)
        self._process = wired(*self._sinks, lambda stdio: start(prepared, stdio))
        self.spec = prepared.spec
        return self

    @property
    def process(self) -> Process:
        """The container's own command. Conflict before it was started."""
        if self._process is None:
            raise Conflict("the container was not started: use it in a with block, or call start()")
        return self._process

    @property
    def group(self) -> CGroup | None:
        """Its cgroup; None without limits."""
        return self.process.group

    def wait(self, timeout: float | None = None) -> Exit:
        """Waits for the command's end; TimeoutError after ``timeout`` seconds."""
        return self.process.wait(timeout)

    def kill(self) -> None:
        """Kills everything in it."""
        self.process.kill()

    def exec(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: int | str | None = None,
        security: Security | None = None,
        stdin: Source = None,
        stdout: Sink = None,
        stderr: Sink = None,
        timeout: float | None = None,
        check: bool = False,
    ) -> Result:
        """Runs a command inside to its end: streams, exit code, signal, usage and timeout, as `isolib.run`.

        It gets the container's environment and rights, changed by what is given. A timeout kills all that the command
        started, by a group of its own below the container's: Unavailable where the container has none (give it limits).
        """
        wanted = self._exec_spec(argv, env, cwd, user, security)
        if timeout is not None and self.group is None:
            raise Unavailable(
                "a timeout that kills all that was started inside",
                "give the container limits=, so that it has a cgroup",
            )
        began = time.monotonic()
        deadline = None if timeout is None else began + timeout
        result = carried(wanted.argv, lambda stdio: self._enter(wanted, stdio), (stdin, stdout, stderr), deadline)
        if check and not result.ok:
            raise ExitError(result)
        return result

    def spawn(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        user: int | str | None = None,
        security: Security | None = None,
        process: ProcessOptions | None = None,
        terminal: bool = False,
        stdin: Source = None,
        stdout: Sink = PIPE,
        stderr: Sink = PIPE,
    ) -> Process:
        """As `exec`, but returns the live Process."""
        wanted = self._exec_spec(argv, env, cwd, user, security)
        wanted = msgspec.structs.replace(wanted, terminal=terminal, process=process or ProcessOptions())
        return wired(stdin, stdout, stderr, lambda stdio: self._enter(wanted, stdio))

    def _exec_spec(
        self,
        argv: Sequence[str | os.PathLike[str]],
        env: Mapping[str, str] | None,
        cwd: str | None,
        user: int | str | None,
        security: Security | None,
    ) -> ContainerSpec:
        return msgspec.structs.replace(
            self.spec,
            argv=tuple(os.fspath(word) for word in argv),
            env={**self.spec.env, **(env or {})},
            cwd=cwd or self.spec.cwd,
            user=user if user is not None else self.spec.user,
            security=security or self.spec.security,
            process=ProcessOptions(),
            terminal=False,
            mounts=(),
            limits=None,
        )

    def _enter(self, wanted: ContainerSpec, stdio: tuple[int, int, int]) -> Process:
        own = self.process
        if own.poll() is not None:
            raise Conflict("the container's command has ended, and the container with it")
        target = Target(
            {name[3:]: fd for name, fd in own.received.items() if name.startswith("ns/")}, own.range_map, own.group
        )
        return entered(wanted, target, stdio)

    def close(self) -> None:
        """Ends it, if it still runs, and waits for its end."""
        if self._process is not None:
            self._process.close()

    def __enter__(self) -> "Container":
        return self if self._process is not None else self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Container {self.spec.argv[0] if self.spec.argv else ''} {self._process or 'not started'}>"

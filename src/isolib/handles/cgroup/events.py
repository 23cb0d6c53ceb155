"""What happens to a group, as descriptors that any loop can wait for: it is empty, frozen, out of memory."""

import os
import select
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Self

from msgspec import Struct

from isolib.errors import Unavailable
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.frame import table


class GroupEvents(Struct, frozen=True):
    """How a group stands. populated: a process is in it or below; frozen: all stand still.

    high, max, oom, oom_kill: how often it was slowed down, met its limit, could not get below it, and lost a process.
    None where the host does not say.
    """

    populated: bool | None = None
    frozen: bool | None = None
    high: int | None = None
    max: int | None = None
    oom: int | None = None
    oom_kill: int | None = None

    @classmethod
    def of(cls, events: str | None, memory: str | None) -> "GroupEvents":
        """Of the texts of cgroup.events and of memory.events (memory.oom_control on v1)."""
        state, counts = table(events), table(memory)
        return cls(
            populated=bool(state["populated"]) if "populated" in state else None,
            frozen=bool(state["frozen"]) if "frozen" in state else None,
            **{name: counts.get(name) for name in ("high", "max", "oom", "oom_kill")},
        )


class Waitable:
    """One descriptor, readable when something has happened: an epoll of files that tell it by POLLPRI alone."""

    def __init__(self, files: Sequence[int], counters: Sequence[int] = ()) -> None:
        self._files, self._counters = list(files), list(counters)
        self._epoll: select.epoll | None = select.epoll()
        for fd in files:
            self._epoll.register(fd, select.EPOLLPRI)
        for fd in counters:
            self._epoll.register(fd, select.EPOLLIN)

    def fileno(self) -> int:
        """For select, selectors and asyncio's add_reader. Raises ValueError once closed."""
        if self._epoll is None:
            raise ValueError(f"{type(self).__name__} is closed")
        return self._epoll.fileno()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether something has happened, within so many seconds (None: as long as it takes); true until it is read."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(None if timeout is None else timeout * 1000))

    def _settle(self) -> None:
        """Read each, which makes it wait for the next event."""
        for fd in self._counters:
            with suppress(BlockingIOError):
                os.read(fd, 8)
        for fd in self._files:
            with suppress(OSError):  # ENODEV: the group is gone, and the descriptor stays ready
                os.pread(fd, 4096, 0)

    def close(self) -> None:
        """Any number of times; the group is not touched."""
        epoll, self._epoll = self._epoll, None
        if epoll is not None:
            epoll.close()
            for fd in (*self._files, *self._counters):
                os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_epoll", None) is not None:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)
            self.close()


class Events(Waitable):
    """Wakes when a group becomes empty or not, frozen or not, or runs out of memory.

    On v1 an out-of-memory may wake a moment before it is counted, and emptiness wakes nobody.
    """

    def __init__(self, state: Directory | None, memory: Directory | None) -> None:
        self._state, self._memory = state, memory
        self._file = "memory.events" if memory and memory.hierarchy.version == 2 else "memory.oom_control"
        files, counters = [], []
        if state and state.has("cgroup.events"):
            files.append(state.open("cgroup.events", os.O_RDONLY))
        if memory and memory.has(self._file):
            if memory.hierarchy.version == 2:
                files.append(memory.open(self._file, os.O_RDONLY))
            else:
                counters.append(_oom_eventfd(memory))
        if not files and not counters:
            raise Unavailable("cgroup.events", "neither cgroup v2 nor the memory controller is there for this group")
        super().__init__(files, counters)
        self._settle()

    def read(self) -> GroupEvents:
        """How the group stands now; what happened before wakes nobody again. All None for a group that is gone."""
        self.fileno()
        self._settle()
        return read_events(self._state, self._memory)


def read_events(state: Directory | None, memory: Directory | None) -> GroupEvents:
    file = "memory.events" if memory and memory.hierarchy.version == 2 else "memory.oom_control"
    return GroupEvents.of(state.read("cgroup.events") if state else None, memory.read(file) if memory else None)


def _oom_eventfd(memory: Directory) -> int:
    """v1: an eventfd that counts out-of-memories (Documentation/admin-guide/cgroup-v1/memory.rst, section 9)."""
    event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    control = memory.open("memory.oom_control", os.O_RDONLY)
    try:
        memory.write("cgroup.event_control", f"{event} {control}")
    except BaseException:
        os.close(event)
        raise
    finally:
        os.close(control)
    return event

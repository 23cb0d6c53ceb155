"""A thread inside a namespace for a while: this one, or one made for a single call."""

import errno
import os
import sys
from _thread import get_ident
from collections.abc import Callable
from contextlib import nullcontext
from typing import TypeVar, TypeVarTuple

from isolib.errors import Conflict, KernelError, Problem, SpecError
from isolib.linux import ns

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

# setns(2): a program with threads joins no user or time namespace, joining a pid namespace changes only the children to
# come, and joining a mount namespace moves the root and working directory that all threads share.
_INSTEAD = {
    "user": "a program with threads cannot join it: use ns.run(...)",
    "time": "a program with threads cannot join it: use ns.run(...)",
    "pid": "only processes started afterwards would be in it: use ns.run(...)",
    "mnt": "all threads share one root directory: use ns.run_in_thread(function), or ns.run(...)",
}
_HINT = "joining needs CAP_SYS_ADMIN in its owner and in the caller's user namespace; an ordinary user has ns.run(...)"


class Entered:
    """This thread in a namespace, from ``__enter__`` to ``__exit__``, which must happen on the same thread."""

    def __init__(self, fd: int, kind: str) -> None:
        refuse(kind, _INSTEAD)
        self._fd, self._kind = fd, kind
        self._former, self._thread = -1, 0

    def __enter__(self) -> None:
        if self._former >= 0:
            raise Conflict("entered already: call entered() anew for each block")
        former = os.open(f"/proc/thread-self/ns/{self._kind}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            join(self._fd, self._kind)
        except BaseException:
            os.close(former)
            raise
        self._former, self._thread = former, get_ident()

    def __exit__(self, *_: object) -> None:
        if get_ident() != self._thread:
            raise Conflict(
                f"the {self._kind} namespace was entered on another thread, which is the one that can leave it"
            )
        former, self._former = self._former, -1
        try:
            ns.setns(former, self._kind, f"back to the former {self._kind} namespace")
        finally:
            os.close(former)


def call_inside(fd: int, kind: str, function: Callable[[*_Ts], _T], args: tuple[*_Ts]) -> _T:
    """``function(*args)`` on a new thread in the namespace; what it returns or raises is the caller's."""
    import threading

    refuse(kind, {kind: instead for kind, instead in _INSTEAD.items() if kind != "mnt"})
    returned: list[_T] = []
    raised: list[BaseException] = []

    def body() -> None:
        try:
            if kind == "mnt":
                ns.unshare(ns.CLONE_FS)  # a root and a working directory of its own, or setns is EINVAL
            with ImportsRefused() if kind == "mnt" else nullcontext():
                join(fd, kind)
                returned.append(function(*args))
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=body, name=f"isolib in {kind}", daemon=True)
    thread.start()
    thread.join()
    if raised:
        raise raised.pop()
    return returned.pop()


class ImportsRefused:
    """For this thread, inside a mount namespace: it would find modules among files that are somebody else's, and give
    them to the whole program (the class of Docker's CVE-2019-14271)."""

    def __enter__(self) -> None:
        self.thread = get_ident()
        sys.meta_path.insert(0, self)

    def __exit__(self, *_: object) -> None:
        sys.meta_path.remove(self)

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """What the import system asks first (sys.meta_path)."""
        if get_ident() == self.thread:
            raise ImportError(
                f"{name} would come from the mount namespace that was joined: import it before", name=name
            )


def refuse(kind: str, instead: dict[str, str]) -> None:
    if kind in instead:
        raise SpecError(Problem("kind", f"this thread cannot be moved into a {kind} namespace: {instead[kind]}"))


def join(fd: int, kind: str) -> None:
    """setns(2), with a hint where the caller may not."""
    try:
        ns.setns(fd, kind)
    except KernelError as error:
        raise KernelError(error.errno or 0, error.call, kind, _HINT if error.errno == errno.EPERM else "") from None

"""What can go wrong: one base, and one class for each decision a caller can take."""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from isolib.engine.result import Result


class IsolibError(Exception):
    """The base of every error that isolib raises on purpose."""


class Problem(NamedTuple):
    """One thing wrong with a value: where it stands (``mounts[2].source``) and what to do about it."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class SpecError(IsolibError, ValueError):
    """A spec asks for what cannot be meant. Raised before any effect, with all its problems at once."""

    def __init__(self, problems: Iterable[Problem] | Problem) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))

    @property
    def where(self) -> str:
        """The place of the first problem, as ``mounts[2].source``."""
        return self.problems[0].where


class KernelError(IsolibError, OSError):
    """A system call failed. ``errno`` and ``filename`` are as in OSError; ``call`` names the system call."""

    def __init__(self, number: int, call: str, subject: str = "", hint: str = "") -> None:
        super().__init__(number, os.strerror(number), subject or None)
        self.call, self.subject, self.hint = call, subject, hint

    def __str__(self) -> str:
        text = f"{self.call}({self.subject}): {self.strerror}"
        return f"{text}; hint: {self.hint}" if self.hint else text


class StepError(KernelError):
    """A step of a start failed; nothing of the start is left. ``index`` is its place in ``plan.steps``."""

    def __init__(self, number: int, *, step: object, index: int, call: str, subject: str, hint: str = "") -> None:
        super().__init__(number, call, subject, hint)
        self.step, self.index = step, index

    @property
    def exit_code(self) -> int:
        """What a shell would exit with: 127 no such program, 126 not executable, else 125 (isolib failed)."""
        if self.call != "execve":
            return 125
        return 127 if self.errno in (2, 20) else 126


class Unavailable(IsolibError, RuntimeError):
    """This host cannot give what was asked for; ``remedy`` says what would. Never answered by less isolation."""

    def __init__(self, feature: str, remedy: str = "") -> None:
        super().__init__(f"{feature}: not available on this host" + (f"; {remedy}" if remedy else ""))
        self.feature, self.remedy = feature, remedy


class NotFound(IsolibError, LookupError):
    """The named thing does not exist."""


class AlreadyExists(IsolibError):
    """The name is taken."""


class Conflict(IsolibError):
    """The thing is in a state, or in a use, that forbids the verb."""


class Denied(IsolibError, PermissionError):
    """The caller may not do this."""


class ExitError(IsolibError):
    """The command ended with another code than 0, by a signal, a timeout or out of memory; ``result`` has it all."""

    def __init__(self, result: "Result") -> None:
        super().__init__(result.summary())
        self.result = result

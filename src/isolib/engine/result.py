"""A Result: everything about one run, at once."""

import msgspec

from isolib.handles.process import Usage


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """``exit_code`` as a shell has it (128 + signal); ``stdout``, ``stderr`` what was captured; ``duration`` in
    seconds.

    ``truncated``: more was written than the capture limit keeps. ``timed_out``: the tree was killed for it.
    ``oom_killed``: its group ran out of memory. ``degraded``: what `Security.best_effort` left out.
    """

    argv: tuple[str, ...]
    exit_code: int
    signal: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    duration: float = 0.0
    usage: Usage = Usage()
    oom_killed: bool = False
    timed_out: bool = False
    truncated: bool = False
    degraded: tuple[str, ...] = ()

    def text(self, errors: str = "replace") -> str:
        """stdout as text (UTF-8)."""
        return self.stdout.decode("utf-8", errors)

    @property
    def ok(self) -> bool:
        """Whether it ended with 0, in time."""
        return self.exit_code == 0 and not self.timed_out

    def summary(self) -> str:
        """One sentence on how it ended, with the end of what it said."""
        how = f"exit code {self.exit_code}" if not self.signal else f"killed by signal {self.signal}"
        if self.timed_out:
            how = f"timed out after {self.duration:.1f} s"
        elif self.oom_killed:
            how += ", out of memory (its limit)"
        tail = (self.stderr or self.stdout)[-2000:].decode("utf-8", "replace").strip()
        return f"{self.argv[0]}: {how}" + (f"\n{tail}" if tail else "")

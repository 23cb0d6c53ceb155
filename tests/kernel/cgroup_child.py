"""A process that waits until it is in a group, then does what its test says; what it prints comes back."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from isolib.handles.cgroup import CGroup


@contextmanager
def waiting(group: CGroup, code: str) -> Iterator[subprocess.Popen[str]]:
    """A Python process in the group; it runs the code once `go` is called."""
    argv = [sys.executable, "-S", "-c", f"input()\n{code}"]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            group.add(process.pid)
            yield process
        finally:
            process.kill()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


def run(group: CGroup, code: str) -> tuple[int, str]:
    """Run the code in the group: exit code (negative for a signal), output."""
    with waiting(group, code) as process:
        go(process)
        output, _ = process.communicate(timeout=90)
        return process.returncode, output.strip()

"""The command line as a person or a script runs it: a process of its own, with a plain environment and nothing more."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import isolib

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAM = (sys.executable, "-m", "isolib")
SOURCES = str(Path(isolib.__file__).parents[1])
PATIENCE = 90.0 * float(os.environ.get("ISOLIB_TEST_PATIENCE", "1"))  # seconds for what takes none
KEPT = ("ISOLIB_ROOT", "TMPDIR", "XDG_RUNTIME_DIR")


class Done(NamedTuple):
    """How it ended: as subprocess has it, so below 0 for a signal to isolib itself."""

    code: int
    out: str
    err: str


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """What env -i and a plain PATH would leave, and where the tests keep their state."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {"PATH": PATH, "PYTHONPATH": SOURCES, "LC_ALL": "C.UTF-8", **kept, **(more or {})}


def line(
    *words: str | bytes,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    cwd: str | Path = "/",
    program: tuple[str, ...] = PROGRAM,
) -> Done:
    """Runs isolib with these words to its end."""
    done = subprocess.run(
        [*program, *words], capture_output=True, env=environment(env), cwd=cwd, timeout=PATIENCE, input=stdin
    )
    return Done(done.returncode, *(text.decode("utf-8", "surrogateescape") for text in (done.stdout, done.stderr)))


def complaint(done: Done) -> str:
    """The one line that a failed isolib has said; asserts that it is one, and no traceback."""
    assert done.code in (125, 126, 127), done
    assert re.fullmatch(r"isolib: [^\n]+\n", done.err), done.err
    assert "Traceback" not in done.err
    assert "mistake of isolib" not in done.err
    assert done.out == ""
    return done.err.removeprefix("isolib: ").rstrip("\n")


@contextmanager
def running(
    *words: str, env: Mapping[str, str] | None = None, cwd: str | Path = "/"
) -> Iterator[subprocess.Popen[bytes]]:
    """isolib with these words, in the background for the length of the block."""
    pipe = subprocess.PIPE
    command = [*PROGRAM, *words]
    with subprocess.Popen(command, env=environment(env), cwd=cwd, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        try:
            yield process
        finally:
            inits = children(process.pid) if process.poll() is None else []
            process.kill()
            process.wait()
            eventually(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in inits))


def ready(process: subprocess.Popen[bytes]) -> None:
    """Waits for the word ``ready``, a line of its own, that a command prints."""
    assert process.stdout is not None
    said = process.stdout.readline()
    assert said == b"ready\n", (said, process.stderr.read() if process.stderr else b"")


def payload(process: subprocess.Popen[bytes]) -> int:
    """The pid, as seen from here, of the command that this isolib runs: the child of its init."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for init in children(process.pid):
            if found := children(init):
                return found[0]
        time.sleep(0.01)
    raise AssertionError(f"isolib {process.pid} has started nothing")


def children(pid: int) -> list[int]:
    found = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (thread / "children").read_text().split()]
    return sorted(found)


def state(pid: int) -> str:
    """R, S, T … (proc_pid_stat(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def eventually(holds: Callable[[], bool]) -> None:
    """Asserts that something becomes true, in time."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)

"""Contenders: programs that are asked for N starts and answer with the nanoseconds of each."""

import contextlib
import os
import selectors
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

HERE = Path(__file__).resolve().parent
BUILT = HERE.parent / "build" / "bench"
PATIENCE = 120.0


class Missing(Exception):
    """A contender that cannot be had here, and why."""


class Contender:
    """One program that serves starts. ``name`` is its row in the table, ``note`` what one has to know of it."""

    def __init__(self, name: str, command: Sequence[str | os.PathLike[str]], note: str = "") -> None:
        self.name, self.note = name, note
        self.log = BUILT / f"{name.replace(' ', '-')}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [os.fspath(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=HERE.parent,
            )
        self._ready = selectors.DefaultSelector()
        assert self._process.stdout is not None
        self._ready.register(self._process.stdout, selectors.EVENT_READ)

    @property
    def pid(self) -> int:
        return self._process.pid

    def measure(self, count: int) -> list[float]:
        """Milliseconds of each of so many starts. Raises Missing where it ended or hangs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(b"%d\n" % count)
            self._process.stdin.flush()
        except BrokenPipeError:
            raise Missing(self._why()) from None
        if not self._ready.select(PATIENCE):
            raise Missing(f"no answer within {PATIENCE:.0f} s")
        line = self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise Missing(self._why())
        return [int(word) / 1e6 for word in line.split()]

    def _why(self) -> str:
        self._process.wait(10)
        said = self.log.read_text(errors="replace").strip().splitlines()
        return said[-1] if said else f"exit status {self._process.returncode}"

    def close(self) -> None:
        self._ready.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def worker(name: str, *words: str, note: str = "") -> Contender:
    """A process with isolib in it (worker.py)."""
    return Contender(name, [sys.executable, "-m", "benchmarks.worker", *words], note)


def compiled(source: str) -> Path:
    """A C program of the benchmarks, static."""
    program = BUILT / source.removesuffix(".c")
    program.parent.mkdir(parents=True, exist_ok=True)
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-static"]
    subprocess.run(["cc", *flags, "-o", str(program), str(HERE / source)], check=True)
    return program

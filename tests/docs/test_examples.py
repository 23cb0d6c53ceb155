"""Every example runs, and shows what it promises."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.arch.source import ROOT
from tests.docs.test_pages import environment

SHOWN = {
    "demo.py": [
        "I am root (uid 0)",
        "/tmp/isolib-demo is there: False",
        "Read-only file system",
        "timed out: True",
        "hello from box",
        "execve(sh)",
    ]
}


@pytest.mark.parametrize("example", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.name)
def test_an_example(example: Path) -> None:
    done = subprocess.run(
        [sys.executable, example],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert [words for words in SHOWN[example.name] if words not in done.stdout] == []

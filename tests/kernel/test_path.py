"""Programs are looked up along PATH as a shell does it: a folder closed to the user is passed over, not the end of it.

execvp(3) remembers EACCES from such a folder and answers it in place of ENOENT; a runtime has been broken by that.
The harness runs this module once more with a PATH that begins with such a folder for everything, pytest included.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import isolib

pytestmark = [pytest.mark.path, pytest.mark.needs_user_namespace]


@pytest.fixture(params=["as it is", "closed folder first", "missing folder first", "file first", "empty entry first"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A PATH, in the environment for the length of a test."""
    (tmp_path / "closed").mkdir(mode=0o000)
    (tmp_path / "file").touch()
    first = {
        "as it is": "",
        "closed folder first": f"{tmp_path}/closed:",
        "missing folder first": f"{tmp_path}/missing:",
        "file first": f"{tmp_path}/file:",
        "empty entry first": ":",
    }[request.param]
    monkeypatch.setenv("PATH", first + os.environ["PATH"])
    return os.environ["PATH"]


def test_a_program_is_found(path: str) -> None:
    assert isolib.run(["sh", "-c", "echo found"]).stdout == b"found\n"


def test_with_the_path_handed_on(path: str) -> None:
    assert isolib.run(["sh", "-c", "exec id -u"], env={"PATH": path}).stdout == b"0\n"


def test_no_such_program(path: str) -> None:
    """ENOENT, as a shell says it, never EACCES for the closed folder."""
    with pytest.raises(isolib.StepError, match="no-such-program") as caught:
        isolib.run(["no-such-program"])
    assert caught.value.errno == errno.ENOENT


@pytest.mark.needs_sub_ids
def test_a_range_of_ids(path: str) -> None:
    """newuidmap is looked up along PATH too."""
    maps = isolib.run(["cat", "/proc/self/uid_map"], ids="auto").stdout
    assert len(maps) > 0


def test_the_command_line(path: str) -> None:
    isolib_command = Path(sys.executable).parent / "isolib"
    done = subprocess.run([isolib_command, "run", "--", "id", "-u"], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b"0\n"), done.stderr

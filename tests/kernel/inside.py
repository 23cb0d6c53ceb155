"""Short ways to ask what a container sees, and what is there afterwards."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import isolib

TOP = Path(__file__).resolve().parents[2]


def sh(script: str, **wishes: Any) -> str:
    """What a shell script prints, in a container; its failure is the test's."""
    result = isolib.run(["/bin/sh", "-ec", script], **wishes)
    assert result.exit_code == 0, (result.exit_code, result.stdout, result.stderr)
    return result.stdout.decode("utf-8", "surrogateescape")


def fails(script: str, **wishes: Any) -> str:
    """What a script complains of, which ends with something else than 0."""
    result = isolib.run(["/bin/sh", "-c", script], **wishes)
    assert result.exit_code != 0, (result.stdout, result.stderr)
    return result.stderr.decode("utf-8", "surrogateescape")


def started(*argv: str, **wishes: Any) -> isolib.ContainerSpec:
    """The spec of a command as `run` takes it."""
    return isolib.container_spec(argv, **wishes)


def tree(top: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Everything below a directory: mode, owner, content or target; to compare with later."""
    found = {}
    for folder, names, files in os.walk(top):
        for name in (*names, *files, "."):
            path = Path(folder, name)
            seen = path.lstat()
            content = os.fsencode(os.readlink(path)) if path.is_symlink() else b""
            if stat.S_ISREG(seen.st_mode) and os.access(path, os.R_OK):
                content = path.read_bytes()[:1000]
            found[str(path)] = (seen.st_mode, seen.st_uid, seen.st_gid, content)
    return found


def mount_options(path: str, **wishes: Any) -> set[str]:
    """The flags of the topmost mount at a path inside, as mountinfo has them."""
    lines = [line.split() for line in sh("cat /proc/self/mountinfo", **wishes).splitlines()]
    (*_, last) = [words for words in lines if words[4] == path]
    return set(last[5].split(","))


def in_own_mounts(script: str, *, user: bool = False, cwd: Path = TOP, **env: str) -> str:
    """What a Python program prints that runs after mounts of its own were made by the shell lines before ``PYTHON``.

    ``user``: in a user namespace of its own too, as a container in a container is.
    """
    setup, _, program = script.partition("PYTHON\n")
    flags = ["--mount", *(["--user", "--map-root-user"] if user else [])]
    argv = ["unshare", *flags, "sh", "-ec", f'{setup}\nexec "$0" -c "$1"', sys.executable, program]
    plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(cwd), "TMPDIR": os.environ["TMPDIR"]}
    environment = {**plain, "ISOLIB_ROOT": os.environ["ISOLIB_ROOT"], "PYTHONDONTWRITEBYTECODE": "1", **env}
    done = subprocess.run(argv, cwd=cwd, env=environment, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout

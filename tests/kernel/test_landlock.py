"""Landlock in the kernel: it takes the numbers, and files, ports and signals are as the words say."""

import ctypes
import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest

from isolib.spec.landlock import FILE_RIGHTS, ON_A_FILE, Access, Landlock, ruleset

pytestmark = pytest.mark.needs_landlock

# Under the rules on stdin, runs each line of Python given and prints its errno, or 0.
CHILD = """
import ctypes, json, os, socket, stat, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *args):
    result = libc.syscall(ctypes.c_long(number), *args)
    assert result >= 0, os.strerror(ctypes.get_errno())
    return result
wish = json.load(sys.stdin)
attributes = struct.pack("<3Q", *wish["handled"])
fd = ctypes.c_int(call(444, attributes, ctypes.c_size_t(wish["size"]), ctypes.c_uint(0)))
for path, mask in wish["paths"]:
    at = os.open(path, os.O_PATH | os.O_CLOEXEC)
    mask &= -1 if stat.S_ISDIR(os.fstat(at).st_mode) else wish["on_a_file"]
    call(445, fd, ctypes.c_int(1), struct.pack("<Qi", mask, at), ctypes.c_uint(0))
for port, mask in wish["ports"]:
    call(445, fd, ctypes.c_int(2), struct.pack("<QQ", mask, port), ctypes.c_uint(0))
libc.prctl(38, 1, 0, 0, 0)
call(446, fd, ctypes.c_uint(0))
def number(line):
    try:
        exec(line)
    except OSError as error:
        return error.errno
    return 0
print(json.dumps([number(line) for line in wish["lines"]]))
"""
EACCES, EXDEV, EPERM, REFUSED = errno.EACCES, errno.EXDEV, errno.EPERM, errno.ECONNREFUSED


def abi() -> int:
    return int(ctypes.CDLL(None).syscall(444, None, ctypes.c_size_t(0), ctypes.c_uint(1)))


def under(rules: Landlock, *lines: str, cwd: Path) -> list[int]:
    assert list(rules.problems("")) == []
    for needs in (1, 2, 3, 4, 5, 6, 9, 10):
        wanted = ruleset(rules, needs, best_effort=True)
        if not wanted.degraded:
            break
    if needs > abi():
        pytest.skip(f"HostFact: Landlock of ABI {abi()}, and {needs} is asked for")
    numbers = ruleset(rules, abi())
    wish = {
        "handled": [numbers.handled_fs, numbers.handled_net, numbers.scoped],
        "size": numbers.size,
        "paths": numbers.paths,
        "ports": numbers.ports,
        "on_a_file": ON_A_FILE,
        "lines": lines,
    }
    argv = [sys.executable, "-I", "-c", CHILD]
    done = subprocess.run(argv, input=json.dumps(wish), capture_output=True, text=True, timeout=30, cwd=cwd)
    assert done.returncode == 0, done.stderr
    found: list[int] = json.loads(done.stdout)
    return found


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("in", "out", "in/sub"):
        (tmp_path / name).mkdir()
    for name in ("in/file", "out/file", "out/script"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_reading_is_where_it_is_granted(tree: Path) -> None:
    rules = Landlock(paths=(Access(f"{tree}/in", ("read",)),), restrict=("read", "modify", "create", "remove"))
    lines = (
        "open('in/file')",
        "os.listdir('in')",
        "open('in/file', 'r+')",
        "open('in/new', 'w')",
        "os.unlink('in/file')",
        "os.truncate('in/file', 0)",
        "open('out/file')",
        "os.listdir('out')",
        "os.stat('out/file')",
    )
    assert under(rules, *lines, cwd=tree) == [0, 0, EACCES, EACCES, EACCES, EACCES, EACCES, EACCES, 0]


def test_writing_is_all_that_changes_a_tree_but_devices(tree: Path) -> None:
    rules = Landlock(paths=(Access(f"{tree}/in", ("read", "write")), Access(f"{tree}/out/script", ("read", "write"))))
    lines = (
        "open('in/new', 'w').write('x')",
        "os.mkdir('in/folder')",
        "os.symlink('x', 'in/link')",
        "os.mkfifo('in/fifo')",
        "os.rename('in/new', 'in/sub/new')",
        "os.unlink('in/link')",
        "os.rmdir('in/folder')",
        "os.truncate('in/file', 0)",
        "open('out/script', 'r+').truncate(0)",
        "open('out/file')",
        "os.rename('in/file', 'out/other')",
        "os.execv('in/sub/new', ['x'])",
    )
    assert under(rules, *lines, cwd=tree) == [0] * 9 + [EACCES, EACCES, EACCES]


def test_running_is_a_right_of_its_own(tree: Path) -> None:
    rules = Landlock(paths=(Access("/", ("read",)), Access(f"{tree}/out", ("execute",))), restrict=("read", "execute"))
    line = "os.waitpid(os.posix_spawn('{}', ['x'], {{}}), 0)"
    assert under(rules, line.format("in/file"), cwd=tree) == [EACCES]


def test_ports(tree: Path) -> None:
    rules = Landlock(bind=(0,), connect=(1,))
    lines = (
        "socket.socket().bind(('127.0.0.1', 0))",
        "socket.socket().bind(('127.0.0.1', 61234))",
        "socket.socket().connect(('127.0.0.1', 1))",
        "socket.socket().connect(('127.0.0.1', 2))",
        "open('in/file', 'r+')",
    )
    assert under(rules, *lines, cwd=tree) == [0, EACCES, REFUSED, EACCES, 0]


def test_scopes(tree: Path) -> None:
    rules = Landlock(scopes=("signal",))
    assert under(rules, "os.kill(os.getppid(), 0)", "os.kill(os.getpid(), 0)", cwd=tree) == [EPERM, 0]


@pytest.mark.parametrize("name", FILE_RIGHTS)
def test_the_kernel_knows_each_right(tree: Path, name: str) -> None:
    rules = Landlock(paths=(Access(f"{tree}/in", (name,)), Access(f"{tree}/in/file", (name,))), restrict=(name,))
    if not ruleset(rules, 10).paths[0][1] & ON_A_FILE:
        rules = Landlock(paths=rules.paths[:1], restrict=(name,))
    assert under(rules, "os.getpid()", cwd=tree) == [0]

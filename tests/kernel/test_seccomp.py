"""Filters in the kernel: it takes what isolib assembles, and calls get what the profile says."""

import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from isolib.launch.seccomp import assemble
from isolib.spec import syscalls
from isolib.spec.capabilities import CAPABILITIES, Capabilities
from isolib.spec.seccomp import Arg, Rule, SeccompProfile
from isolib.spec.seccomp_default import DEFAULT, STRICT

MACHINE = os.uname().machine
EPERM, ENOSYS, ENOTTY, NO_FAMILY = -errno.EPERM, -errno.ENOSYS, -errno.ENOTTY, -errno.EAFNOSUPPORT
HIGH = 1 << 32
pytestmark = pytest.mark.skipif(MACHINE not in ("x86_64", "aarch64"), reason=f"HostFact: a {MACHINE} machine")


def filtered(
    profile: SeccompProfile | None,
    calls: Sequence[tuple[int, ...]],
    *,
    capabilities: frozenset[str] = Capabilities().names(),
    wide: bool = True,
    run: list[str] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Calls, or a program, in a process under a profile's filter."""
    kernel = tuple(map(int, os.uname().release.split("-")[0].split(".")[:2]))
    program = profile and assemble(profile, arch=MACHINE, capabilities=capabilities, kernel=(kernel[0], kernel[1]))
    code, flags = (program.code.hex(), program.flags) if program else (None, 0)
    wish = {"code": code, "flags": flags, "calls": calls, "wide": wide, "exec": run}
    script = Path(__file__).with_name("filtered.py")
    argv = [sys.executable, "-I", str(script)]
    return subprocess.run(argv, input=json.dumps(wish), capture_output=True, text=True, timeout=60)


def results(profile: SeccompProfile | None, calls: Sequence[tuple[int, ...]], *, wide: bool = True) -> list[int]:
    done = filtered(profile, calls, wide=wide)
    assert done.returncode == 0, done.stderr
    found: list[int] = json.loads(done.stdout)
    return found


def number(name: str, machine: str = MACHINE) -> int:
    return syscalls.numbers(machine)[name]


# The calls, and what they get: of most, what no kernel would answer to these arguments by itself.
DENIED = [
    ("mount", (), EPERM),
    ("setns", (HIGH - 1,), EPERM),
    ("keyctl", (0xFFFF,), EPERM),
    ("add_key", (), EPERM),
    ("clone3", (), ENOSYS),
    ("unshare", (0x1000_0000,), EPERM),
    ("personality", (0x40_0000,), EPERM),
    ("ioctl", (0, 0x5412), EPERM),
    ("ioctl", (0, HIGH + 0x5412), EPERM),
    ("socket", (40, 77), NO_FAMILY),
    ("socket", (HIGH + 40, 77), NO_FAMILY),
    ("socket", (HIGH + 38, 77), NO_FAMILY),
    ("fanotify_init", (HIGH - 1,), EPERM),
    ("open_by_handle_at", (HIGH - 1,), EPERM),
]


@pytest.mark.parametrize("profile", [DEFAULT, STRICT], ids=["default", "strict"])
def test_what_is_denied_is_denied_by_the_filter(profile: SeccompProfile) -> None:
    calls = [(number(name), *args) for name, args, _ in DENIED]
    assert list(zip(DENIED, results(profile, calls), strict=True)) == [(row, row[2]) for row in DENIED]
    by_itself = dict(zip([row[:2] for row in DENIED], results(None, calls), strict=True))
    own = ("mount", "setns", "keyctl", "clone3", "personality", "ioctl")
    assert {row[:2] for row in DENIED if row[0] in own and by_itself[row[:2]] == row[2]} == set()


@pytest.mark.parametrize("profile", [DEFAULT, STRICT], ids=["default", "strict"])
def test_what_is_allowed_comes_to_the_kernel(profile: SeccompProfile) -> None:
    calls = [
        (number("getpid"),),
        (number("unshare"), 0x200),
        (number("personality"), 0xFFFF_FFFF),
        (number("ioctl"), 0, 0x5401),
        (number("socket"), 1, 1),
        (number("socket"), 16, 3, 0),
        (number("memfd_create"), 0),
        (number("read"), HIGH - 1),
    ]
    found = results(profile, calls)
    assert found[0] > 1
    assert found[1:4] == [0, 0, ENOTTY]
    assert min(found[4:6]) >= 3
    assert found[6:] == [-errno.EFAULT, -errno.EBADF]


@pytest.mark.parametrize("profile", [DEFAULT, STRICT], ids=["default", "strict"])
def test_newer_calls_are_not_there(profile: SeccompProfile) -> None:
    assert results(profile, [(n,) for n in (472, 600, 5000, (1 << 30) - 1)]) == [ENOSYS] * 4


@pytest.mark.skipif(MACHINE != "x86_64", reason="HostFact: no x86-64 machine, so no x32 calls")
def test_x32_calls_do_not_pass() -> None:
    allow_all = SeccompProfile(default_action="allow", rules=(Rule(("getppid",), "errno"),))
    for profile in (DEFAULT, STRICT, allow_all):
        assert results(profile, [(1 << 30 | n,) for n in (39, 110, 512, 520, 545)]) == [ENOSYS] * 5


@pytest.fixture
def compat() -> None:
    """A kernel that runs 32-bit programs."""
    if MACHINE != "x86_64":
        pytest.skip("HostFact: no x86-64 machine, so no int 0x80")
    done = filtered(None, [(number("getpid", "i386"),)], wide=False)
    if done.returncode:
        pytest.skip("HostFact: a kernel without 32-bit calls (CONFIG_IA32_EMULATION)")


@pytest.mark.usefixtures("compat")
def test_32_bit_calls_have_numbers_of_their_own() -> None:
    names = ("getpid", "mount", "keyctl", "clone3")
    found = results(DEFAULT, [*((number(n, "i386"),) for n in names), (number("socketcall", "i386"), 1)], wide=False)
    assert found[0] > 1
    assert found[1:] == [EPERM, EPERM, ENOSYS, NO_FAMILY]


@pytest.mark.usefixtures("compat")
def test_32_bit_calls_end_the_process_where_they_are_not_listed() -> None:
    done = filtered(STRICT, [(number("getpid", "i386"),)], wide=False)
    assert done.returncode == -signal.SIGSYS


@pytest.mark.parametrize(
    ("action", "ends"), [("kill_process", -signal.SIGSYS), ("trap", -signal.SIGSYS), ("log", 0), ("allow", 0)]
)
def test_actions(action: str, ends: int) -> None:
    profile = SeccompProfile(default_action="allow", rules=(Rule(("getppid",), action),))  # type: ignore[arg-type]
    assert filtered(profile, [(number("getppid"),)]).returncode == ends


def test_an_errno_of_0_is_success_without_the_call() -> None:
    profile = SeccompProfile(default_action="allow", rules=(Rule(("close",), "errno", 0, (Arg(0, "eq", 12345),)),))
    assert results(profile, [(number("close"), 12345), (number("close"), 12346)]) == [0, -errno.EBADF]


def test_conditions_see_64_bits() -> None:
    rules = (
        Rule(("lseek",), "errno", 40, (Arg(1, "gt", 5 << 32),)),
        Rule(("lseek",), "errno", 41, (Arg(1, "masked_eq", 1 << 33, 1 << 33), Arg(2, "lt", 7))),
    )
    calls = [(number("lseek"), 12345, offset, 0) for offset in (5 << 32, (5 << 32) + 1, 6 << 32, 2 << 32, 1)]
    found = results(SeccompProfile(default_action="allow", rules=rules), calls)
    assert found == [-errno.EBADF, -40, -40, -41, -errno.EBADF]


@pytest.mark.parametrize("flags", [(), ("tsync",), ("log",), ("spec_allow",), ("tsync", "log", "spec_allow")])
def test_the_kernel_takes_the_flags(flags: tuple[str, ...]) -> None:
    profile = SeccompProfile(default_action="allow", rules=(Rule(("getppid",), "errno", 7),), flags=flags)  # type: ignore[arg-type]
    assert results(profile, [(number("getppid"),)]) == [-7]


def test_the_kernel_takes_the_longest_filter() -> None:
    """As long as may be, with jumps of every length."""
    rules = tuple(Rule(("lseek",), "errno", n, (Arg(1, "eq", n << 20),)) for n in range(1, 816))
    profile = SeccompProfile(default_action="allow", rules=rules)
    program = assemble(profile, arch=MACHINE, capabilities=frozenset(), kernel=(6, 1))
    assert 4000 < program.count <= 4096
    calls = [(number("lseek"), 12345, n << 20) for n in (1, 500, 815, 816)]
    assert results(profile, calls) == [-1, -500, -815, -errno.EBADF]


PROGRAM = """
import ctypes, multiprocessing.dummy, os, socket, subprocess, sys, tempfile, threading, time
answers = []
threads = [threading.Thread(target=answers.append, args=(n,)) for n in range(8)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
assert sorted(answers) == list(range(8))
assert subprocess.run([sys.executable, "-I", "-c", "print(6 * 7)"], capture_output=True).stdout == b"42\\n"
one, two = socket.socketpair()
one.sendall(b"x"), two.recv(1)
server = socket.create_server(("127.0.0.1", 0))
socket.create_connection(server.getsockname()).close()
with tempfile.TemporaryDirectory() as folder:
    os.mkfifo(folder + "/fifo"), os.link(folder + "/fifo", folder + "/link"), os.scandir(folder).close()
os.sched_yield(), time.sleep(0.001), os.getrandom(8), os.memfd_create("x"), os.sched_getaffinity(0)
print("all there")
"""


@pytest.mark.parametrize("profile", [DEFAULT, STRICT], ids=["default", "strict"])
@pytest.mark.parametrize("names", [(), CAPABILITIES], ids=["no capabilities", "all"])
def test_an_ordinary_program_misses_nothing(profile: SeccompProfile, names: tuple[str, ...]) -> None:
    """Threads, processes, sockets, files: clone3 is not there, and libc falls back."""
    done = filtered(profile, [], capabilities=frozenset(names), run=[sys.executable, "-I", "-c", PROGRAM])
    assert (done.returncode, done.stdout) == (0, "all there\n"), done.stderr


NOTIFY = """
import ctypes, fcntl, json, os, select, struct, sys, threading
sys.path.insert(0, sys.argv[1])
import filtered
wish = json.load(sys.stdin)
answers, found = [], []
def under_the_filter():
    found.append(filtered.install(bytes.fromhex(wish["code"]), wish["flags"]))
    ready.set()
    answers.append(filtered.call(wish["number"], 11, 22))
ready = threading.Event()
thread = threading.Thread(target=under_the_filter)
thread.start()
ready.wait(10)
listener = found[0]
assert select.select([listener], [], [], 10)[0]
notice = bytearray(80)  # struct seccomp_notif
fcntl.ioctl(listener, 0xC0502100, notice)
cookie, pid, _, number, _, _, first, second = struct.unpack_from("<QIIiIQQQ", notice)
fcntl.ioctl(listener, 0xC0182101, struct.pack("<QqiI", cookie, 4711, 0, 0))
thread.join(10)
print(json.dumps([number == wish["number"], first, second, answers]))
"""


def test_a_notified_call_waits_for_its_answer() -> None:
    profile = SeccompProfile(default_action="allow", rules=(Rule(("kcmp",), "notify"),))
    program = assemble(profile, arch=MACHINE, capabilities=frozenset(), kernel=(5, 10))
    assert program.notify
    wish = {"code": program.code.hex(), "flags": program.flags, "number": number("kcmp")}
    argv = [sys.executable, "-I", "-c", NOTIFY, str(Path(__file__).parent)]
    done = subprocess.run(argv, input=json.dumps(wish), capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout or "0") == [True, 11, 22, [4711]], done.stderr

"""Tests that leave something behind, one of each kind; the first line of each is what must be said of it.

Not collected by name: tests/kernel/test_harness.py runs this file by its path, in a pytest and namespaces of its own.
"""

import atexit
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import leaks

kept: list[object] = []
spare = os.open("/dev/zero", os.O_RDONLY)


def test_clean(tmp_path: Path) -> None:
    with open("/dev/null"), tempfile.TemporaryFile():
        subprocess.run(["true"], check=True)
    (tmp_path / "kept").touch()


def test_skip_without_fact() -> None:
    pytest.skip("no time today")


def test_skip_with_fact() -> None:
    pytest.skip("HostFact: no such thing")


@pytest.mark.needs_root
@pytest.mark.needs_ordinary_user
def test_of_nobody() -> None:
    raise AssertionError("a marker did not hold")


def test_descriptor() -> None:
    r"""file descriptors: \+ \d+ -> /dev/null"""
    os.open("/dev/null", os.O_RDONLY)


def test_pipe() -> None:
    r"""file descriptors: \+ \d+ -> pipe:"""
    os.pipe()


def test_namespace_held() -> None:
    r"""file descriptors: \+ \d+ -> net:"""
    os.open("/proc/self/ns/net", os.O_RDONLY)


def test_closed_descriptor() -> None:
    r"""file descriptors: - \d+ -> /dev/zero"""
    os.close(spare)


def test_thread() -> None:
    r"""threads: \+ \d+"""
    threading.Thread(target=time.sleep, args=(2,), daemon=True).start()


def test_child() -> None:
    r"""children: \+ \d+ sleep"""
    kept.append(subprocess.Popen(["sleep", "2"]))


def test_zombie() -> None:
    r"""children: \+ \d+ .*\(zombie\)"""
    kept.append(subprocess.Popen(["true"]))


def test_orphan() -> None:
    r"""orphaned containers: \+ \d+ isolib-init"""
    name_me = "ctypes.CDLL(None).prctl(15, b'isolib-init')"
    code = f"import ctypes, os, time; {name_me}; os.fork() and os._exit(0); time.sleep(2)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_temporary_file() -> None:
    r"""temporary files: \+ tmp"""
    os.close(tempfile.mkstemp()[0])


def test_shared_memory() -> None:
    r"""shared memory: \+ isolib-leak"""
    path = Path(f"/dev/shm/isolib-leak-{os.getpid()}")
    path.touch()
    atexit.register(path.unlink)


def test_signal_mask() -> None:
    r"""process: \+ SigBlk: 0000000000000200"""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])


def test_signal_ignored() -> None:
    r"""process: \+ SigIgn:"""
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)


def test_signal_handler() -> None:
    r"""process: \+ SigCgt:"""
    signal.signal(signal.SIGUSR2, print)


def test_umask() -> None:
    r"""process: \+ Umask: 0070"""
    os.umask(0o070)


def test_working_directory() -> None:
    r"""process: \+ cwd: /"""
    os.chdir("/")


def test_subreaper() -> None:
    r"""process: \+ child_subreaper: 1"""
    leaks.libc.prctl(36, 1, 0, 0, 0)


def test_death_signal() -> None:
    r"""process: \+ pdeathsig: 15"""
    leaks.libc.prctl(1, 15, 0, 0, 0)


def test_oom_score() -> None:
    r"""process: \+ oom_score_adj: 500"""
    Path("/proc/self/oom_score_adj").write_text("500")


def test_resource_limit() -> None:
    r"""resource limits: \+ Max open files \d+"""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft - 1, hard))


def test_niceness() -> None:
    r"""process: \+ nice: \d"""
    os.nice(1)


def test_environment() -> None:
    r"""environment: \+ LEAKED=1"""
    os.environ["LEAKED"] = "1"


def test_state() -> None:
    r"""state directory: \+ .*/web/record"""
    folder = Path(os.environ["ISOLIB_ROOT"], "web")
    folder.mkdir(parents=True)
    (folder / "record").touch()


def test_no_new_privs() -> None:
    r"""process: \+ NoNewPrivs: 1"""
    leaks.libc.prctl(38, 1, 0, 0, 0)


def test_dumpable() -> None:
    r"""process: \+ dumpable: 0"""
    # late: an ordinary user may not write to its own /proc/self from here on
    leaks.libc.prctl(4, 0, 0, 0, 0)


@pytest.mark.needs_root
def test_mount() -> None:
    r"""mounts: \+ .* /mnt .* tmpfs leak"""
    leaks.libc.mount(b"leak", b"/mnt", b"tmpfs", 0, None)


@pytest.mark.needs_root
def test_network_device() -> None:
    r"""network devices: \+ leak0"""
    subprocess.run(["ip", "link", "add", "leak0", "type", "bridge"], check=True)


@pytest.mark.needs_root
def test_control_group() -> None:
    r"""control groups: \+ .*/isolib/leak@0\.\d+\.0"""
    group = Path(leaks.group_folders()[-1], f"leak@0.{os.getpid()}.0")
    group.mkdir(parents=True)
    atexit.register(group.rmdir)


@pytest.mark.needs_root
def test_namespace_entered() -> None:
    r"""namespaces: \+ uts uts:\[\d+\]"""
    leaks.libc.unshare(0x04000000)


@pytest.mark.needs_root
def test_capability() -> None:
    r"""process: \+ CapBnd:"""
    leaks.libc.prctl(24, 1, 0, 0, 0)


# What each test above must be told of; those without such a line leave nothing behind.
LEAKS: list[Callable[..., None]] = [
    test for name, test in list(globals().items()) if name.startswith("test_") and test.__doc__
]

"""Sixty ways out of a container, each tried alone: the errno that it meets, and the host as it was."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import isolib
from isolib import Capabilities, Inject, Security
from tests.security import escapes

pytestmark = pytest.mark.slow

SCRIPT = Inject("/escapes.py", Path(escapes.__file__).read_bytes())

# What stands in the way by default; "nothing": the call works and gives nothing of the host's.
DEFAULT = {
    "nothing": "chroot_dotdot kernel_keys kallsyms shared_memory_of_the_host kill_1 processes_of_the_host",
    "EACCES": "proc_1_root proc_1_cwd proc_1_fd proc_1_exe proc_1_mem proc_1_environ own_exe_overwritten "
    "host_shadow setns_of_1 priority",
    "ENOENT": "host_canary kernel_memory kcore",
    "ESRCH": "host_process host_process_by_pidfd",
    "ECONNREFUSED": "abstract_socket_of_the_host loopback_of_the_host",
    "ENETUNREACH": "metadata_service",
    "EAFNOSUPPORT": "virtual_machine_sockets kernel_cryptography",
    "ENOSYS": "new_user_namespace_by_clone3",
    "EPERM": "device_made device_of_characters_made handle_of_the_host mount_proc mount_sysfs mount_cgroup "
    "mount_debugfs mount_overlay remount_proc_sys unmount_a_mask new_mount_calls tree_of_a_mask "
    "mount_attributes pivot propagation new_user_namespace new_mount_namespace host_name trace_1 memory_of_1 "
    "descriptor_of_1 keyring key_added kernel_log performance_events bpf userfaultfd io_uring kexec reboot "
    "module swap accounting clock time_of_day pushed_input console_selection audit packets",
    # Read-only, or not there, as the kernel is configured.
    "EROFS EACCES ENOENT": "core_pattern modprobe_path sysrq uevent_helper sys_power binfmt_misc",
}
EXPECTED = {name: words.split() for words, names in DEFAULT.items() for name in names.split()}

# What user namespaces alone withhold from root inside, with every capability and without a filter.
NEVER = """
    chroot_dotdot proc_1_root proc_1_cwd proc_1_fd proc_1_exe proc_1_mem proc_1_environ own_exe_overwritten
    core_pattern modprobe_path sysrq uevent_helper sys_power host_shadow host_canary kernel_memory kcore
    device_made device_of_characters_made handle_of_the_host shared_memory_of_the_host mount_debugfs trace_1
    memory_of_1 descriptor_of_1 kill_1 host_process host_process_by_pidfd processes_of_the_host setns_of_1 kexec
    module swap accounting clock time_of_day abstract_socket_of_the_host loopback_of_the_host metadata_service
    audit
""".split()


@pytest.fixture(scope="module")
def host() -> Iterator[list[str]]:
    """What the ways are pointed at: a canary beside /, this process, an abstract socket, a port; and it must not be
    touched.
    """
    name = f"isolib-canary-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket() as tcp:
        abstract.bind(f"\0{name}")
        abstract.listen()
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        yield [name, str(os.getpid()), name, str(tcp.getsockname()[1])]


def attempt(way: str, words: list[str], security: Security | None = None) -> str:
    command = ["/usr/bin/python3", "-S", "/escapes.py", way, *words]
    result = isolib.run(command, mounts=[SCRIPT], cwd="/", timeout=100, security=security)
    assert result.exit_code == 0, result.stderr.decode()
    return result.text().strip()


def test_every_way_has_an_answer() -> None:
    assert set(EXPECTED) == set(escapes.WAYS)
    assert set(NEVER) <= set(escapes.WAYS)
    assert len(escapes.WAYS) >= 60


@pytest.mark.parametrize("way", escapes.WAYS)
def test_by_default(way: str, host: list[str]) -> None:
    assert attempt(way, host) in EXPECTED[way]


@pytest.mark.parametrize("way", NEVER)
def test_by_namespaces_alone(way: str, host: list[str]) -> None:
    """Each layer stands alone: here the filter and the small set of capabilities are away."""
    bare = Security(capabilities=Capabilities.of("ALL"), seccomp="unconfined", masked=(), read_only=())
    assert not attempt(way, host, bare).startswith("escaped")


@pytest.mark.parametrize("way", ["mount_proc", "bpf", "keyring", "performance_events", "io_uring", "pushed_input"])
def test_the_filter_alone(way: str, host: list[str]) -> None:
    """The filter without no_new_privs and with every capability still refuses what is no container's business."""
    full = Security(capabilities=Capabilities.of("ALL").drop("SYS_ADMIN", "BPF", "PERFMON"))
    assert attempt(way, host, full) in ("EPERM", "EACCES")


def test_a_way_that_is_open_is_seen(host: list[str]) -> None:
    """The attempts can succeed: with the host's network namespace, its loopback answers."""
    command = ["/usr/bin/python3", "-S", "/escapes.py", "loopback_of_the_host", *host]
    result = isolib.run(command, mounts=[SCRIPT], cwd="/", network="host", timeout=100)
    assert result.text().startswith("escaped")

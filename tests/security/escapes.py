"""Run inside a container: tries one way out of it, by name, and prints the errno it met, or "escaped" and what it got.

The ways are those of the field's papers and advisories; what stands in front of each differs: a namespace, a mask, a
missing capability, the filter. Each is called alone, so that none spoils the next.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import platform
import signal
import socket
import struct
import sys
from collections.abc import Callable

libc = ctypes.CDLL(None, use_errno=True)
ARM = platform.machine() == "aarch64"
NR = {
    "ptrace": 117 if ARM else 101,
    "bpf": 280 if ARM else 321,
    "perf_event_open": 241 if ARM else 298,
    "userfaultfd": 282 if ARM else 323,
    "io_uring_setup": 425,
    "keyctl": 219 if ARM else 250,
    "add_key": 217 if ARM else 248,
    "kexec_load": 104 if ARM else 246,
    "reboot": 142 if ARM else 169,
    "init_module": 105 if ARM else 175,
    "swapon": 224 if ARM else 167,
    "open_by_handle_at": 265 if ARM else 304,
    "name_to_handle_at": 264 if ARM else 303,
    "process_vm_readv": 270 if ARM else 310,
    "pidfd_getfd": 438,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "mount_setattr": 442,
    "clone3": 435,
    "acct": 89 if ARM else 163,
    "settimeofday": 170 if ARM else 164,
    "clock_settime": 112 if ARM else 227,
    "syslog": 116 if ARM else 103,
    "quotactl": 60 if ARM else 179,
    "lookup_dcookie": 18 if ARM else 212,
    "pivot_root": 41 if ARM else 155,
    "nfsservctl": 42 if ARM else 180,
    "vhangup": 58 if ARM else 153,
}
CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWTIME = 0x10000000, 0x20000, 0x40000000, 0x80
WAYS: dict[str, Callable[[], object]] = {}


def way(function: Callable[[], object]) -> Callable[[], object]:
    WAYS[function.__name__] = function
    return function


def checked(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def call(name: str, *arguments: object) -> int:
    ctypes.set_errno(0)
    words = [ctypes.c_long(value) if isinstance(value, int) else value for value in arguments]
    return checked(libc.syscall(ctypes.c_long(NR[name]), *words))


def write(path: str, text: bytes = b"x") -> int:
    fd = os.open(path, os.O_WRONLY)
    try:
        return os.write(fd, text)
    finally:
        os.close(fd)


def read(path: str, most: int = 1000) -> bytes:
    with open(path, "rb") as file:
        return file.read(most)


def mount(source: str, target: str, kind: str | None, flags: int = 0) -> int:
    word = kind.encode() if kind else None
    return checked(libc.mount(source.encode(), target.encode(), word, flags, None))


# Files


@way
def chroot_dotdot() -> object:
    os.makedirs("/tmp/jail", exist_ok=True)
    outside = os.open("/", os.O_RDONLY)
    os.chroot("/tmp/jail")
    os.fchdir(outside)
    for _ in range(50):
        os.chdir("..")
    os.chroot(".")
    return os.path.exists("/" + sys.argv[2]) and "the host's canary"


@way
def kallsyms() -> object:
    with open("/proc/kallsyms") as file:
        addresses = {line.split()[0] for line in file}
    return addresses - {"0000000000000000"}


@way
def device_made() -> object:
    os.mknod("/tmp/disk", 0o600 | 0o060000, os.makedev(254, 0))
    return os.open("/tmp/disk", os.O_RDONLY)


@way
def device_of_characters_made() -> object:
    os.mknod("/tmp/mem", 0o600 | 0o020000, os.makedev(1, 1))
    return os.open("/tmp/mem", os.O_RDONLY)


@way
def handle_of_the_host() -> object:
    """Opening a file by its handle, whoever's it is ("shocker")."""
    handle = ctypes.create_string_buffer(struct.pack("<Ii", 8, 1) + struct.pack("<II", 2, 0), 144)
    root = os.open("/usr", os.O_RDONLY)
    return call("open_by_handle_at", root, handle, os.O_RDONLY)


# Mounts


@way
def mount_proc() -> object:
    os.makedirs("/tmp/p", exist_ok=True)
    return mount("proc", "/tmp/p", "proc")


@way
def mount_sysfs() -> object:
    os.makedirs("/tmp/p", exist_ok=True)
    return mount("sysfs", "/tmp/p", "sysfs")


@way
def mount_cgroup() -> object:
    os.makedirs("/tmp/p", exist_ok=True)
    return mount("cgroup", "/tmp/p", "cgroup2")


@way
def mount_debugfs() -> object:
    os.makedirs("/tmp/p", exist_ok=True)
    return mount("debugfs", "/tmp/p", "debugfs")


@way
def mount_overlay() -> object:
    os.makedirs("/tmp/p", exist_ok=True)
    return mount("overlay", "/tmp/p", "overlay")


# Namespaces


@way
def setns_of_1() -> object:
    fd = os.open("/proc/1/ns/mnt", os.O_RDONLY)
    return checked(libc.setns(fd, 0))


@way
def new_user_namespace_by_clone3() -> object:
    arguments = ctypes.create_string_buffer(struct.pack("<11Q", CLONE_NEWUSER, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0))
    if call("clone3", arguments, 88) == 0:
        os._exit(0)
    return "cloned"


@way
def host_name() -> object:
    socket.sethostname("hacked")
    return "named"


# Processes


@way
def memory_of_1() -> object:
    buffer = ctypes.create_string_buffer(16)
    mine = struct.pack("<QQ", ctypes.addressof(buffer), 8)
    theirs = struct.pack("<QQ", 0x400000, 8)
    return call("process_vm_readv", 1, mine, 1, theirs, 1, 0)


@way
def kill_1() -> object:
    """PID 1 ignores what it has no handler for, from inside (pid_namespaces(7)): it lives on."""
    os.kill(1, signal.SIGKILL)
    os.kill(1, signal.SIGSTOP)
    return open("/proc/1/stat").read().split()[2] in "TZX" and "init is stopped"


@way
def host_process() -> object:
    os.kill(int(sys.argv[3]), 0)
    return "the host's process"


@way
def priority() -> object:
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    return "raised"


# The kernel


# Terminals and sockets


@way
def abstract_socket_of_the_host() -> object:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + sys.argv[4])
    return "connected"


@way
def loopback_of_the_host() -> object:
    with socket.socket() as sock:
        sock.settimeout(2)
        sock.connect(("127.0.0.1", int(sys.argv[5])))
    return "connected"


@way
def metadata_service() -> object:
    with socket.socket() as sock:
        sock.settimeout(2)
        sock.connect(("169.254.169.254", 80))
    return "connected"


@way
def audit() -> object:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9) as sock:
        sock.bind((0, 1))
    return "bound"


@way
def packets() -> object:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        return sock.getsockname()[0] or "opened in its own network namespace"


# One call each.
ONE_CALL: dict[str, Callable[[], object]] = {
    "proc_1_root": lambda: os.listdir("/proc/1/root/"),
    "proc_1_cwd": lambda: os.listdir("/proc/1/cwd/"),
    "proc_1_fd": lambda: os.listdir("/proc/1/fd"),
    "proc_1_exe": lambda: os.open("/proc/1/exe", os.O_RDONLY),
    "proc_1_mem": lambda: os.open("/proc/1/mem", os.O_RDONLY),
    "proc_1_environ": lambda: read("/proc/1/environ"),
    "own_exe_overwritten": lambda: os.open("/proc/self/exe", os.O_WRONLY),
    "core_pattern": lambda: write("/proc/sys/kernel/core_pattern", b"|/tmp/x"),
    "modprobe_path": lambda: write("/proc/sys/kernel/modprobe", b"/tmp/x"),
    "sysrq": lambda: write("/proc/sysrq-trigger", b"h"),
    "uevent_helper": lambda: write("/sys/kernel/uevent_helper", b"/tmp/x"),
    "sys_power": lambda: write("/sys/power/state", b"on"),
    "binfmt_misc": lambda: write("/proc/sys/fs/binfmt_misc/register", b":x:M::x::/tmp/x:"),
    "host_shadow": lambda: read("/etc/shadow", 10),
    "host_canary": lambda: read("/" + sys.argv[2]),
    "kernel_memory": lambda: os.open("/dev/mem", os.O_RDONLY),
    "kcore": lambda: read("/proc/kcore", 4) == b"\x7fELF" and "kcore",
    "kernel_keys": lambda: read("/proc/keys", 10),
    "shared_memory_of_the_host": lambda: "canary" in os.listdir("/dev/shm") and "the host's /dev/shm",
    "remount_proc_sys": lambda: mount("none", "/proc/sys", None, 32 | 4096),
    "unmount_a_mask": lambda: checked(libc.umount2(b"/proc/keys", 2)),
    "new_mount_calls": lambda: call("fsopen", b"tmpfs", 0),
    "tree_of_a_mask": lambda: call("open_tree", -100, b"/proc/kcore", 1),
    "mount_attributes": lambda: call("mount_setattr", -100, b"/proc/sys", 0, ctypes.create_string_buffer(32), 32),
    "pivot": lambda: call("pivot_root", b"/tmp", b"/tmp"),
    "propagation": lambda: mount("none", "/", None, 1 << 20 | 0x4000),
    "new_user_namespace": lambda: checked(libc.unshare(CLONE_NEWUSER)),
    "new_mount_namespace": lambda: checked(libc.unshare(CLONE_NEWNS)),
    "trace_1": lambda: call("ptrace", 0x4206, 1, 0, 0),
    "descriptor_of_1": lambda: [call("pidfd_getfd", os.pidfd_open(1), number, 0) for number in range(3, 10)],
    "host_process_by_pidfd": lambda: os.pidfd_open(int(sys.argv[3])),
    "processes_of_the_host": lambda: [pid for pid in os.listdir("/proc") if pid.isdigit() and int(pid) > 1000],
    "keyring": lambda: call("keyctl", 1, 0),
    "key_added": lambda: call("add_key", b"user", b"x", b"x", 1, -3),
    "performance_events": lambda: call("perf_event_open", ctypes.create_string_buffer(128), 0, -1, -1, 0),
    "bpf": lambda: call("bpf", 0, ctypes.create_string_buffer(128), 128),
    "userfaultfd": lambda: call("userfaultfd", 0),
    "io_uring": lambda: call("io_uring_setup", 8, ctypes.create_string_buffer(256)),
    "kexec": lambda: call("kexec_load", 0, 0, 0, 0),
    "reboot": lambda: call("reboot", 0xFEE1DEAD, 672274793, 0x89ABCDEF, 0),
    "module": lambda: call("init_module", b"x", 1, b""),
    "swap": lambda: call("swapon", b"/tmp/x", 0),
    "accounting": lambda: call("acct", b"/tmp/x"),
    "clock": lambda: call("clock_settime", 0, struct.pack("<qq", 0, 0)),
    "time_of_day": lambda: call("settimeofday", struct.pack("<qq", 0, 0), 0),
    "kernel_log": lambda: call("syslog", 3, ctypes.create_string_buffer(64), 64),
    "pushed_input": lambda: fcntl.ioctl(0, 0x5412, b"x"),
    "console_selection": lambda: fcntl.ioctl(0, 0x541C, b"\x02"),
    "virtual_machine_sockets": lambda: socket.socket(40, socket.SOCK_STREAM),
    "kernel_cryptography": lambda: socket.socket(38, socket.SOCK_SEQPACKET),
}
WAYS.update(ONE_CALL)


def main() -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir("/tmp")
    try:
        got = WAYS[sys.argv[1]]()
    except OSError as error:
        print(errno.errorcode.get(error.errno or 0, str(error)))
    else:
        print(f"escaped: {got!r}" if got not in (False, None, b"", [], set()) else "nothing")


if __name__ == "__main__":
    main()

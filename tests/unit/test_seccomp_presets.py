"""What the presets say of each call: a table, checked against the assembled filters, and against the kernel's list."""

import errno

import pytest

from isolib.launch.seccomp import assemble
from isolib.spec import syscalls
from isolib.spec.capabilities import CAPABILITIES, Capabilities
from isolib.spec.seccomp import SeccompProfile
from isolib.spec.seccomp_default import DEFAULT, STRICT, families_but
from tests.unit.seccomp_oracle import ALLOW, KILL, X32, Call, run

EPERM, ENOSYS, NO_FAMILY = -errno.EPERM, -errno.ENOSYS, -errno.EAFNOSUPPORT
NO_PROTOCOL = -errno.EPROTONOSUPPORT
OK = 0
HIGH = 1 << 32  # a bit that the kernel does not see in an int

# The call, its arguments, the capability that changes it, and what it gets: DEFAULT without and with it, and STRICT.
TABLE: list[tuple[str, tuple[int, ...], str, int, int, int]] = [
    # reading and writing, processes, time: nobody can do without
    *(
        (name, (), "", OK, OK, OK)
        for name in ("read", "openat2", "execve", "futex", "kill", "clock_gettime", "seccomp")
    ),
    *((name, (), "", OK, OK, OK) for name in ("landlock_restrict_self", "memfd_create", "mseal", "rseq_slice_yield")),
    # mounts
    *((name, (), "SYS_ADMIN", EPERM, OK, EPERM) for name in ("mount", "umount2", "pivot_root", "fsopen", "move_mount")),
    *((name, (), "SYS_ADMIN", EPERM, OK, EPERM) for name in ("open_tree", "open_tree_attr", "mount_setattr", "fspick")),
    *((name, (), "SYS_ADMIN", EPERM, OK, EPERM) for name in ("setns", "sethostname", "fanotify_init", "listns")),
    ("statmount", (), "SYS_ADMIN", OK, OK, EPERM),
    # namespaces: the seven that clone knows, and time, which only unshare does
    ("clone", (0x11,), "SYS_ADMIN", OK, OK, OK),
    *(("clone", (flag | 0x11,), "SYS_ADMIN", EPERM, OK, EPERM) for flag in (1 << 17, 1 << 25, 1 << 26, 1 << 27)),
    *(("clone", (flag | 0x11,), "SYS_ADMIN", EPERM, OK, EPERM) for flag in (1 << 28, 1 << 29, 1 << 30)),
    ("clone3", (), "SYS_ADMIN", ENOSYS, OK, ENOSYS),
    ("unshare", (0x200,), "SYS_ADMIN", OK, OK, OK),
    ("unshare", (0x1000_0000,), "SYS_ADMIN", EPERM, OK, EPERM),
    ("unshare", (0x80,), "SYS_ADMIN", EPERM, OK, EPERM),
    # sockets: what is not there is not supported, however an int is dressed up
    *(("socket", (family, 1, 0), "NET_ADMIN", OK, OK, OK) for family in (0, 1, 2, 10)),
    ("socket", (16, 3, 0), "NET_ADMIN", OK, OK, OK),
    ("socket", (16, 3, 9), "NET_ADMIN", OK, OK, NO_PROTOCOL),
    ("socket", (HIGH + 16, 3, 12), "NET_ADMIN", OK, OK, NO_PROTOCOL),
    ("socket", (17, 3, 0), "NET_ADMIN", OK, OK, NO_FAMILY),
    *(("socket", (family,), "ALL", NO_FAMILY, NO_FAMILY, NO_FAMILY) for family in (38, 40, HIGH + 38, HIGH + 40)),
    *(("socket", (family,), "NET_ADMIN", NO_FAMILY, OK, NO_FAMILY) for family in (3, 9, 15, 21, 29, 30, 44, 45, 63)),
    # typing into the terminal (CVE-2017-5226, and with a bit more CVE-2019-10063)
    *(("ioctl", (0, cmd), "ALL", EPERM, EPERM, EPERM) for cmd in (0x5412, 0x541C, HIGH + 0x5412, 3 * HIGH + 0x541C)),
    ("ioctl", (0, 0x5423), "SYS_ADMIN", EPERM, OK, EPERM),
    ("ioctl", (0, 0x5401), "", OK, OK, OK),
    # personality
    *(("personality", (who,), "", OK, OK, OK) for who in (0, 0xFFFF_FFFF)),
    *(("personality", (who,), "", OK, OK, EPERM) for who in (8, 0x20000, 0x20008, 0x40000)),
    *(("personality", (who,), "ALL", EPERM, EPERM, EPERM) for who in (0x40_0000, 0x10_0000, HIGH, HIGH + 8)),
    # looking into other processes
    *((name, (), "SYS_PTRACE", OK, OK, EPERM) for name in ("ptrace", "process_vm_writev", "pidfd_getfd")),
    ("kcmp", (), "SYS_PTRACE", EPERM, OK, EPERM),
    ("userfaultfd", (), "SYS_PTRACE", EPERM, OK, EPERM),
    # one capability each
    ("bpf", (), "BPF", EPERM, OK, EPERM),
    ("bpf", (), "SYS_ADMIN", EPERM, OK, EPERM),
    ("perf_event_open", (), "PERFMON", EPERM, OK, EPERM),
    ("open_by_handle_at", (), "DAC_READ_SEARCH", EPERM, OK, EPERM),
    ("syslog", (), "SYSLOG", EPERM, OK, EPERM),
    ("reboot", (), "SYS_BOOT", EPERM, OK, EPERM),
    ("chroot", (), "SYS_CHROOT", EPERM, OK, EPERM),
    ("finit_module", (), "SYS_MODULE", EPERM, OK, EPERM),
    ("mbind", (), "SYS_NICE", EPERM, OK, EPERM),
    ("acct", (), "SYS_PACCT", EPERM, OK, EPERM),
    ("iopl", (), "SYS_RAWIO", EPERM, OK, EPERM),
    ("clock_settime", (), "SYS_TIME", EPERM, OK, EPERM),
    ("vhangup", (), "SYS_TTY_CONFIG", EPERM, OK, EPERM),
    # nobody's
    *((name, (), "ALL", EPERM, EPERM, EPERM) for name in ("keyctl", "add_key", "request_key", "modify_ldt", "swapon")),
    *((name, (), "ALL", EPERM, EPERM, EPERM) for name in ("io_uring_setup", "io_uring_enter", "io_uring_register")),
    *((name, (), "ALL", EPERM, EPERM, EPERM) for name in ("kexec_load", "kexec_file_load", "swapoff")),
    *((name, (), "ALL", ENOSYS, ENOSYS, ENOSYS) for name in ("_sysctl", "uselib", "sysfs", "nfsservctl", "ustat")),
]


def answer(profile: SeccompProfile, call: Call, *caps: str) -> int:
    """0 for an allowed call, its errno below 0, the filter's own value for anything else."""
    host = "aarch64" if call.machine in ("aarch64", "arm") else "x86_64"
    program = assemble(profile, arch=host, capabilities=Capabilities.of(*caps).names(), kernel=(6, 1))
    value, _ = run(program.code, call)
    return OK if value == ALLOW else -(value & 0xFFFF) if value >> 16 == 5 else value


@pytest.mark.parametrize("machine", ["x86_64", "i386", "aarch64"])
@pytest.mark.parametrize(
    ("name", "args", "cap", "without", "with_it", "strict"), TABLE, ids=[f"{row[0]}{row[1]}{row[2]}" for row in TABLE]
)
def test_a_call(
    machine: str, name: str, args: tuple[int, ...], cap: str, without: int, with_it: int, strict: int
) -> None:
    if name not in syscalls.numbers(machine):
        return  # aarch64 never had the oldest calls
    if machine == "i386" and any(arg >= HIGH for arg in args):
        return  # its registers have 32 bits
    call = Call(machine, syscalls.numbers(machine)[name], args)
    assert answer(DEFAULT, call) == without
    assert answer(DEFAULT, call, *filter(None, [cap])) == with_it
    assert answer(STRICT, call, "ALL") == (KILL if machine == "i386" else strict)


def test_the_default_knows_every_call_of_linux() -> None:
    """Those that other calls stand for on i386 follow from them."""
    named = {name for rule in DEFAULT.rules for name in rule.names}
    known = {name for machine in syscalls.COLUMNS for name in syscalls.numbers(machine)}
    assert known - named == {"socketcall", "ipc"}
    assert named <= known


def test_the_strict_one_allows_nothing_that_the_default_denies() -> None:
    for name, number in syscalls.numbers("x86_64").items():
        for args in ((), (2,), (16, 0, 9), (1 << 28,), (0, 0x5412)):
            if answer(STRICT, Call("x86_64", number, args), "ALL") == OK:
                assert answer(DEFAULT, Call("x86_64", number, args)) == OK, name


def test_no_capability_opens_the_strict_one() -> None:
    codes = {
        assemble(STRICT, arch="x86_64", capabilities=frozenset(caps), kernel=(6, 1)).code for caps in ((), CAPABILITIES)
    }
    assert len(codes) == 1


@pytest.mark.parametrize("profile", [DEFAULT, STRICT], ids=["default", "strict"])
@pytest.mark.parametrize(
    "number", [472, 500, 547, 1000, 100000, X32 - 1, X32, X32 + 39, X32 + 512, 2 * X32, (1 << 32) - 2]
)
def test_what_linux_7_2_does_not_know_is_not_there(profile: SeccompProfile, number: int) -> None:
    assert answer(profile, Call("x86_64", number), "ALL") == ENOSYS


@pytest.mark.parametrize(
    ("call", "args", "gets"),
    [
        ("socketcall", (1,), NO_FAMILY),  # socket: its family lies in memory
        ("socketcall", (2,), OK),  # bind
        ("socketcall", (8,), OK),  # socketpair
        ("socketcall", (20,), OK),  # sendmmsg
        ("socketcall", (0,), EPERM),
        ("socketcall", (21,), EPERM),
        ("ipc", (1,), OK),  # semop
        ("ipc", (0x1_0001,), OK),  # the same, of another version
        ("ipc", (24,), OK),  # shmctl
        ("ipc", (5,), EPERM),
        ("ipc", (25,), EPERM),
    ],
)
def test_calls_of_i386_that_stand_for_others(call: str, args: tuple[int, ...], gets: int) -> None:
    number = syscalls.numbers("i386")[call]
    assert answer(DEFAULT, Call("i386", number, args)) == gets


def test_32_bit_programs_get_their_sockets_when_asked_for() -> None:
    socketcall = Call("i386", syscalls.numbers("i386")["socketcall"], (1,))
    assert answer(DEFAULT.allow("socketcall"), socketcall) == OK
    assert answer(DEFAULT.allow("socketcall").deny("connect"), socketcall._replace(args=(3,))) == EPERM


def test_arms_own_calls_are_there() -> None:
    for name in ("set_tls", "cacheflush", "sync_file_range2"):
        assert answer(DEFAULT, Call("arm", syscalls.numbers("arm")[name])) == OK
    assert answer(DEFAULT, Call("arm", 0xF0007)) == ENOSYS


@pytest.mark.parametrize("allowed", [set(), {0}, {1, 2, 10, 16, 17}, {63}, set(range(64)), {31, 32}])
def test_blocks_of_families_cover_all_others_and_no_more(allowed: set[int]) -> None:
    blocks = families_but(allowed)
    covered = [{n for n in range(64) if n & block.mask == block.value} for block in blocks]
    assert set().union(*covered) == set(range(64)) - allowed
    assert sum(map(len, covered)) == 64 - len(allowed)

"""The seccomp profiles that isolib brings: DEFAULT for containers, STRICT for code that nobody trusts.

Every call that Linux 7.2 knows is named, in the group it belongs to: allowed, allowed with a capability, denied, or
gone. What is in none of them is newer, and gets ENOSYS. docs/explanation/seccomp.md gives the reasons.
"""

import errno
from collections.abc import Iterable

from isolib.spec.seccomp import ArchMap, Arg, Rule, SeccompProfile, When

_FILES = """
access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
fadvise64_64 arm_fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64
fdatasync fgetxattr file_getattr file_setattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs
fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat ioctl lchown lchown32
lgetxattr link linkat listxattr listxattrat llistxattr lremovexattr _llseek lseek lsetxattr lstat lstat64 mkdir mkdirat
mknod mknodat name_to_handle_at newfstatat oldfstat oldlstat oldstat open openat openat2 pread64 preadv preadv2 pwrite64
pwritev pwritev2 read readahead readdir readlink readlinkat readv removexattr removexattrat rename renameat renameat2
rmdir sendfile sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statx symlink symlinkat sync
sync_file_range sync_file_range2 arm_sync_file_range syncfs tee truncate truncate64 umask unlink unlinkat utime
utimensat utimensat_time64 utimes vmsplice write writev
"""
_MOUNTS_READ = "listmount statmount"
_WAITING = """
epoll_create epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 fanotify_mark
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch _newselect pipe pipe2 poll ppoll ppoll_time64 pselect6
pselect6_time64 select io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit
"""
_MEMORY = """
brk cachestat madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mlock mlock2 mlockall mmap mmap2
mprotect mremap mseal msync munlock munlockall munmap pkey_alloc pkey_free pkey_mprotect remap_file_pages
"""
_PROCESSES = """
arch_prctl breakpoint cacheflush capget capset execve execveat exit exit_group fork get_robust_list get_thread_area
get_tls getcpu getpgid getpgrp getpid getppid getpriority getrlimit getrusage getsid gettid ioprio_get ioprio_set kill
nice pidfd_open pidfd_send_signal prctl prlimit64 process_mrelease restart_syscall rseq rseq_slice_yield
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
sched_yield set_robust_list set_thread_area set_tid_address set_tls setpgid setpriority setrlimit setsid times tgkill
tkill ugetrlimit uprobe uretprobe usr26 usr32 vfork wait4 waitid waitpid futex futex_requeue futex_time64 futex_wait
futex_waitv futex_wake
"""
_DEBUGGING = "pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"
_SIGNALS = """
alarm pause rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_sigtimedwait_time64 rt_tgsigqueueinfo sgetmask sigaction sigaltstack signal signalfd signalfd4 sigpending sigprocmask
sigreturn sigsuspend ssetmask
"""
_TIME = """
adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
clock_nanosleep_time64 getitimer gettimeofday nanosleep setitimer time timer_create timer_delete timer_getoverrun
timer_gettime timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64
timerfd_settime timerfd_settime64
"""
_IDENTITY = """
getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getresgid getresgid32 getresuid getresuid32
getuid getuid32 setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32
setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setuid setuid32
"""
# On i386 these also come through socketcall and ipc, which therefore stand nowhere here: see launch/seccomp/table.py.
_MESSAGES = """
accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg
send sendmmsg sendmsg sendto setsockopt shutdown socket socketpair mq_getsetattr mq_notify mq_open mq_timedreceive
mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd semctl semget semop
semtimedop semtimedop_time64 shmat shmctl shmdt shmget
"""
_SYSTEM = """
getrandom landlock_add_rule landlock_create_ruleset landlock_restrict_self lsm_get_self_attr lsm_list_modules
lsm_set_self_attr oldolduname olduname seccomp sysinfo uname
"""

_ADMIN = """
clone clone3 fanotify_init fsconfig fsmount fsopen fspick listns mount mount_setattr move_mount open_tree open_tree_attr
perf_event_open bpf pivot_root quotactl quotactl_fd setdomainname sethostname setns umount umount2 unshare
"""
_WITH_CAPABILITY = {
    "CAP_SYS_ADMIN": _ADMIN,
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYSLOG": "syslog",
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module finit_module init_module",
    "CAP_SYS_NICE": "get_mempolicy mbind migrate_pages move_pages set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp userfaultfd",
    "CAP_SYS_RAWIO": "ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write",
    "CAP_SYS_TIME": "clock_settime clock_settime64 settimeofday stime",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}

_WITH = {name for text in _WITH_CAPABILITY.values() for name in text.split()} - {"clone", "clone3", "unshare"}

_NEVER = {
    "keyrings belong to a user, not to a container": "add_key keyctl request_key",
    "io_uring's requests pass no filter": "io_uring_enter io_uring_register io_uring_setup",
    "the machine's own kernel and swap": "kexec_file_load kexec_load swapoff swapon",
    "descriptor tables and 16-bit code, a source of holes in the kernel": "modify_ldt vm86 vm86old",
}
_GONE = """
_sysctl afs_syscall bdflush break create_module epoll_ctl_old epoll_wait_old ftime get_kernel_syms getpmsg gtty idle
lock lookup_dcookie mpx nfsservctl prof profil putpmsg query_module security stty sysfs tuxcall ulimit uselib ustat
vserver
"""

# What STRICT takes away besides: the tools for looking into other processes, and what hardly any program needs.
_NOT_STRICT = f"{_MOUNTS_READ} {_DEBUGGING} fanotify_mark memfd_secret name_to_handle_at remap_file_pages vmsplice"

INT = 0xFFFF_FFFF  # the half of an argument that the kernel reads of an int
# NEWNS NEWCGROUP NEWUTS NEWIPC NEWUSER NEWPID NEWNET; NEWTIME is a signal's bit to clone(2) (uapi/linux/sched.h)
NEW_NAMESPACES, NEW_TIME = 0x7E02_0000, 0x80
TIOCSTI, TIOCLINUX, TIOCSETD = 0x5412, 0x541C, 0x5423
AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET, AF_ALG, AF_VSOCK = 0, 1, 2, 10, 16, 17, 38, 40
FAMILIES = 64  # a power of two above the newest of Linux (AF_MCTP, 45); what lies above it no kernel has
PERSONALITIES = {
    0x0: "Linux",
    0x8: "32-bit Linux",
    0x2_0000: "uname says 2.6",
    0x2_0008: "both",
    0x4_0000: "addresses not random: debuggers, sanitizers",
    0xFFFF_FFFF: "the question which it is",
}
NEVER = When()
ADMIN, NET_ADMIN = When(caps=("CAP_SYS_ADMIN",)), When(caps=("CAP_NET_ADMIN",))


def _int_is(index: int, value: int, mask: int = INT) -> tuple[Arg]:
    return (Arg(index, "masked_eq", value, mask),)


def families_but(allowed: set[int]) -> tuple[Arg, ...]:
    """Conditions that hold, one or another, for every family of addresses below FAMILIES but the allowed.

    A condition covers a block of 2ⁿ families, for a rule cannot hold two conditions on one argument (a range).
    """
    blocks = []
    start = 0
    while start < FAMILIES:
        size = start & -start or FAMILIES  # the largest block that may start here
        while size > 1 and allowed & set(range(start, start + size)):
            size //= 2
        if start not in allowed:
            blocks.append(Arg(0, "masked_eq", start, INT & ~(size - 1)))
        start += size
    return tuple(blocks)


def _denied(name: str, args: tuple[Arg, ...], why: str, number: int = errno.EPERM, unless: When = NEVER) -> Rule:
    return Rule((name,), "errno", number, args, excludes=unless, comment=why)


def _namespace_rules(unless: When) -> tuple[Rule, ...]:
    why = "new namespaces open kernel code that only root could reach"
    return (
        Rule(("clone",), args=_int_is(0, 0, NEW_NAMESPACES), excludes=unless, comment=why),
        Rule(("unshare",), args=_int_is(0, 0, NEW_NAMESPACES | NEW_TIME), excludes=unless, comment=why),
        _denied("clone3", (), "its flags lie in memory: libc falls back to clone", errno.ENOSYS, unless),
    )


def _ioctl_rules(unless: When) -> tuple[Rule, ...]:
    why = "types into the caller's terminal (CVE-2017-5226)"
    return (
        *(_denied("ioctl", _int_is(1, request), why) for request in (TIOCSTI, TIOCLINUX)),
        _denied("ioctl", _int_is(1, TIOCSETD), "loads modules with a history of holes: n_gsm, n_hdlc", unless=unless),
    )


def _socket_rules(allowed: set[int], unless: When) -> tuple[Rule, ...]:
    never = {AF_ALG: "the kernel's cryptography (CVE-2026-31431)", AF_VSOCK: "no network namespace holds it"}
    return (
        *(_denied("socket", _int_is(0, n), why, errno.EAFNOSUPPORT) for n, why in never.items()),
        *(_denied("socket", (arg,), "loads modules", errno.EAFNOSUPPORT, unless) for arg in families_but(allowed)),
    )


def _personality_rules(allowed: Iterable[int]) -> tuple[Rule, ...]:
    return tuple(Rule(("personality",), args=(Arg(0, "eq", n),), comment=PERSONALITIES[n]) for n in allowed)


def _allowed(without: str = "") -> Rule:
    groups = (_FILES, _MOUNTS_READ, _WAITING, _MEMORY, _PROCESSES, _DEBUGGING, _SIGNALS, _TIME, _IDENTITY, _MESSAGES)
    names = (name for group in (*groups, _SYSTEM) for name in group.split())
    return Rule(tuple(name for name in names if name not in without.split()))


_NO_RULES = (
    *(Rule(tuple(text.split()), "errno", errno.EPERM, comment=why) for why, text in _NEVER.items()),
    Rule(tuple(_GONE.split()), "errno", errno.ENOSYS, comment="gone from Linux, never in it, or obsolete"),
)

DEFAULT = SeccompProfile(
    default_errno=errno.EPERM,
    arch_map=(ArchMap("x86_64", ("i386",)), ArchMap("aarch64", ("arm",))),
    flags=("spec_allow",),
    rules=(
        _allowed(),
        *_namespace_rules(ADMIN),
        *_ioctl_rules(ADMIN),
        *_socket_rules({AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET}, NET_ADMIN),
        *_personality_rules(PERSONALITIES),
        *(Rule(tuple(text.split()), includes=When(caps=(cap,))) for cap, text in _WITH_CAPABILITY.items()),
        *_NO_RULES,
    ),
)

# No 32-bit calls, no namespaces, no mounts, no debugging, of netlink only routes: whatever the capabilities.
STRICT = SeccompProfile(
    default_errno=errno.EPERM,
    rules=(
        _allowed(without=_NOT_STRICT),
        *_namespace_rules(NEVER),
        *_ioctl_rules(NEVER),
        *_socket_rules({AF_UNSPEC, AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}, NEVER),
        _denied("socket", (*_int_is(0, AF_NETLINK), Arg(2, "ne", 0)), "but NETLINK_ROUTE", errno.EPROTONOSUPPORT),
        *_personality_rules((0x0, 0xFFFF_FFFF)),
        Rule(tuple(sorted(_WITH.union(_NOT_STRICT.split()))), "errno", errno.EPERM),
        *_NO_RULES,
    ),
)

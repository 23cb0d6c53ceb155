"""Sentences for errors: what a failed call most often means, by (call, errno), and what to do about it."""

import errno

HINTS: dict[tuple[str, int], str] = {
    ("dup3", errno.EBADF): "a standard stream is closed in the caller, or a number is above the limit of open files",
    ("dup3", errno.EINVAL): "a number in process.fds is above the limit of open files (RLIMIT_NOFILE)",
    ("keyctl", errno.EDQUOT): "too many keyrings of this user (keyrings(7), /proc/sys/kernel/keys)",
    ("execve", errno.ENOENT): "there is no such program inside, or its interpreter or loader is missing",
    ("execve", errno.ENOTDIR): "a part of the program's path is no directory",
    ("execve", errno.EACCES): "the file is not executable for this user, or its mount is noexec",
    ("execve", errno.ENOEXEC): "not a program of this machine: a script needs a first line as '#!/bin/sh'",
    ("execve", errno.E2BIG): "arguments and environment together are too large (execve(2))",
    ("execve", errno.ELOOP): "too many symbolic links or interpreters on the way to the program",
    ("clone3", errno.EPERM): "user namespaces are switched off on this host: isolib doctor says by what",
    ("clone3", errno.ENOSPC): "too many namespaces: raise user.max_*_namespaces (namespaces(7))",
    ("clone3", errno.EUSERS): "user namespaces are nested too deep (32), or too many: user.max_user_namespaces",
    ("clone3", errno.EAGAIN): "too many processes: the limit of this user (RLIMIT_NPROC) or of a cgroup (pids.max)",
    ("clone3", errno.ENOMEM): "no memory, or the PID namespace of the caller is dying",
    ("chdir", errno.ENOENT): "the working directory does not exist inside: give another cwd",
    ("chdir", errno.EACCES): "this user may not enter the working directory",
    ("chdir", errno.EXDEV): "the working directory lies outside the root",
    ("open_tree", errno.ENOENT): "the source does not exist on the host: create it, or use optional=True",
    ("open_tree", errno.EACCES): "the caller may not reach the source",
    ("open_tree", errno.EINVAL): "a mount below the source is locked in this user namespace: bind it recursively",
    (
        "move_mount",
        errno.ENOENT,
    ): "the mount point does not exist and cannot be made: its root is read-only, or a link dangles",
    ("move_mount", errno.EROFS): "the mount point does not exist, and the filesystem there is read-only",
    ("move_mount", errno.EACCES): "the mount point does not exist, and its directory is not the container's to write",
    ("move_mount", errno.EOVERFLOW): "the mount point would be made in a directory whose owner is not mapped",
    ("move_mount", errno.ELOOP): "a magic link or too many links on the way to the mount point",
    ("move_mount", errno.EINVAL): "a file can be mounted on a file only, and a directory on a directory",
    ("move_mount", errno.ENOTDIR): "a file can be mounted on a file only, and a directory on a directory",
    (
        "mount",
        errno.EINVAL,
    ): "upperdir is on a filesystem that cannot hold it (overlay, network), or a mount below lowerdir is locked",
    ("mount", errno.EPERM): "this kernel does not mount overlay in a user namespace (Linux 5.11)",
    ("mount", errno.ELOOP): "the layers overlap, or one is the upper directory",
    ("mount", errno.ENOENT): "a layer does not exist",
    ("mount_setattr", errno.EINVAL): "an attribute that this kernel or filesystem does not know",
    (
        "mount_setattr",
        errno.EPERM,
    ): "noatime, nodiratime and what an ordinary user's own mounts have are locked in a user "
    "namespace (mount_namespaces(7)): leave the option out",
    ("mount_setattr", errno.ENOSYS): "needs Linux 5.12",
    (
        "fsmount",
        errno.EPERM,
    ): "the kernel hides parts of the caller's /proc or /sys (mount_too_revealing): unmask them, or bind them",
    ("fsmount", errno.EINVAL): "an option that this kernel's filesystem does not know",
    ("setresuid", errno.EINVAL): "this user is not in the container's id map: ask for ids='auto' (needs sub-ids)",
    ("setresgid", errno.EINVAL): "this group is not in the container's id map: ask for ids='auto' (needs sub-ids)",
    ("setgroups", errno.EPERM): "a self map has no right to supplementary groups (user_namespaces(7))",
    ("setgroups", errno.EINVAL): "a group is not in the container's id map",
    ("prlimit", errno.EPERM): "raising a hard limit needs CAP_SYS_RESOURCE on the host: ask for less",
    ("sethostname", errno.EINVAL): "at most 64 bytes",
    (
        "seccomp",
        errno.EINVAL,
    ): "the kernel refuses the filter: too long (4,096 instructions), or a flag it does not know",
    ("seccomp", errno.EACCES): "installing a filter needs no_new_privs, or CAP_SYS_ADMIN",
    ("capset", errno.EPERM): "a capability was asked for that the caller does not have",
    ("sched_setattr", errno.EPERM): "real-time scheduling needs CAP_SYS_NICE on the host, or RLIMIT_RTPRIO",
    ("setpriority", errno.EACCES): "a nice value below the caller's needs CAP_SYS_NICE on the host, or RLIMIT_NICE",
    ("ioprio_set", errno.EPERM): "this I/O class needs CAP_SYS_ADMIN on the host",
    (
        "write",
        errno.EACCES,
    ): "this value needs more rights on the host (oom_score_adj below the caller's: CAP_SYS_RESOURCE)",
    (
        "setns",
        errno.EPERM,
    ): "joining needs CAP_SYS_ADMIN in the namespace's owner and in one's own user namespace (setns(2))",
    ("setns", errno.EINVAL): "not a namespace of this kind, or one that init cannot join (setns(2))",
    ("pivot_root", errno.EINVAL): "the caller's / is no mount (a chroot): use change_root='chroot'",
    ("landlock_restrict_self", errno.EPERM): "needs no_new_privs, or CAP_SYS_ADMIN",
    ("landlock_restrict_self", errno.E2BIG): "more than 16 rule sets on each other (landlock(7))",
}


def hint(call: str, number: int) -> str:
    """The sentence, or nothing."""
    return HINTS.get((call, number), "")

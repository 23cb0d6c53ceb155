"""What a host can do, as found by doing it (launch/facts.py); a value, so that compile() stays pure."""

import msgspec


class HostMount(msgspec.Struct, frozen=True):
    """A line of mountinfo (proc(5)): where, what kind of filesystem, and whether everybody may go there."""

    path: str
    kind: str
    reachable: bool = True


class Entry(msgspec.Struct, frozen=True):
    """A name in a directory of the host, with its whole path; kind "dir", "file" or "link" (then ``to`` its target)."""

    path: str
    kind: str
    to: str = ""


class HostFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts about one host and caller. Each boolean was tried out in a throw-away child, not derived from a version."""

    uid: int
    gid: int
    kernel: tuple[int, int]
    arch: str = "x86_64"
    home: str = "/"  # the caller's, where it is a directory that he may enter
    cwd: str = "/"
    cwd_is_open: bool = True  # everybody may go there
    privileged: bool = False  # may mount outside a user namespace: CAP_SYS_ADMIN in the caller's own
    first_user_namespace: bool = True  # the caller is in the host's own user namespace
    user_namespace: bool = True  # may be made, and mounts work in it (Ubuntu 24.04 allows the first only)
    proc: bool = True  # procfs can be mounted in a new PID namespace
    sysfs: bool = True
    mqueue: bool = True
    overlay: bool = True  # overlay mounts in a user namespace (Linux 5.11)
    overlay_on_tmpfs: bool = True  # tmpfs holds the overlay's user.* attributes (Linux 6.6)
    root_maps_ids: bool = False  # the host's / can be id-mapped (its filesystem, and privilege)
    time_namespace: bool = True
    subids: bool = False  # sub-ids and newuidmap, or privilege
    landlock: int = 0
    seccomp_notify: bool = True
    cgroup_namespace: bool = True
    unified: str = ""  # where cgroup2 is mounted and usable, for the container's own mount of it
    scratch: str = ""  # a directory on disk for overlay's upper, where tmpfs cannot hold it
    resolver: str = ""  # the file that /etc/resolv.conf is, links followed
    mounts: tuple[HostMount, ...] = ()
    entries: tuple[Entry, ...] = ()  # of /, and of the home and the working directory where mounts lie below them
    devices: tuple[str, ...] = ("full", "null", "random", "tty", "urandom", "zero")
    missing: tuple[tuple[str, str], ...] = ()  # (what, why and remedy), for doctor and for Unavailable

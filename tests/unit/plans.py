"""Specs, hosts and identities as hypothesis makes them, and a reading of Plans: what a step does to the registers."""

from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import strategies as st

from isolib.launch import steps
from isolib.launch.compile import Identity, compile
from isolib.launch.plan import Plan
from isolib.launch.steps import HOST, NONE, Step
from isolib.spec.capabilities import Capabilities
from isolib.spec.container import KINDS, ContainerSpec, Scratch
from isolib.spec.host import Entry, HostFacts, HostMount
from isolib.spec.idrows import IdMap
from isolib.spec.ids import IdMaps, Ids
from isolib.spec.landlock import Access, Landlock
from isolib.spec.limits import Limits
from isolib.spec.mounts import OPTIONS, Bind, Device, Inject, Symlink, Tmpfs
from isolib.spec.process import RLIMITS, ProcessOptions, Scheduling
from isolib.spec.root import DirectoryRoot, HostRoot
from isolib.spec.security import Security

names = st.text(st.sampled_from("abcé:,%\\ \n\udcff-"), min_size=1, max_size=6)
paths = st.lists(names, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
inside = paths | st.sampled_from(
    ["/proc/x", "/sys/fs/cgroup", "/dev/shm", "/dev/console", "/dev/a/b", "/tmp", "/etc/hosts", "/etc/resolv.conf"]
)
sizes = st.none() | st.integers(1, 2**40) | st.sampled_from(["64M", "1.5G"])
options = st.lists(st.sampled_from(sorted(OPTIONS)), max_size=3, unique=True).map(tuple)
sources = paths | st.sampled_from([".", "a/b", "../x", "/"])

mounts = st.one_of(
    st.builds(
        Bind,
        sources,
        inside,
        readonly=st.booleans(),
        recursive=st.booleans(),
        owner=st.sampled_from([None, "inside", "host"]),
        options=options,
        propagation=st.sampled_from(["private", "slave", "shared", "unbindable"]),
    ),
    st.builds(Bind, st.sampled_from(["/proc", "/sys", "/dev", "/x"])),
    st.builds(Device, st.just("/dev/fuse"), st.none() | inside),
    st.builds(Tmpfs, inside, size=sizes, inodes=st.none() | st.integers(1, 9), options=options),
    st.builds(Inject, inside, st.binary(max_size=99) | st.text(max_size=9)),
    st.builds(Symlink, inside, names),
)
roots = st.one_of(
    st.builds(HostRoot, st.sampled_from(["user", "root"])),
    st.builds(
        DirectoryRoot, st.lists(sources, min_size=1, max_size=70).map(tuple), st.sampled_from(["discard", "deny"])
    ),
    st.builds(DirectoryRoot, st.tuples(sources), st.just("keep")),
)
landlocks = st.builds(
    Landlock,
    paths=st.lists(st.builds(Access, paths), max_size=3).map(tuple),
    bind=st.none() | st.just((80,)),
    scopes=st.sampled_from([(), ("signal",)]),
)
securities = st.builds(
    Security,
    capabilities=st.sampled_from(
        [Capabilities(), Capabilities().drop("ALL"), Capabilities().with_ambient("NET_ADMIN")]
    ),
    seccomp=st.sampled_from(["default", "unconfined"]),
    landlock=st.none() | landlocks,
    no_new_privs=st.booleans(),
    best_effort=st.booleans(),
    masked=st.lists(inside | st.just("/proc/kcore"), max_size=3).map(tuple),
)
processes = st.builds(
    ProcessOptions,
    rlimits=st.dictionaries(st.sampled_from(sorted(RLIMITS)), st.integers(0, 9) | st.just("unlimited"), max_size=2),
    groups=st.lists(st.integers(0, 9), max_size=2).map(tuple),
    umask=st.none() | st.integers(0, 0o777),
    oom_score_adj=st.none() | st.integers(-1000, 1000),
    scheduling=st.none()
    | st.builds(Scheduling, nice=st.none() | st.integers(-20, 19), cpus=st.sampled_from([(), (0, 3)])),
    personality=st.sampled_from([None, "linux", "linux32"]),
    domainname=st.none() | st.just("here"),
    fds=st.dictionaries(st.integers(3, 99), st.integers(3, 99), max_size=40),
)
spaces = st.dictionaries(st.sampled_from(KINDS), st.sampled_from(["new", "host", 77]), max_size=4)
ids = st.sampled_from(
    [None, Ids("auto"), Ids("self"), Ids("auto", 1), Ids("maps", maps=IdMaps((IdMap(0, 5, 9),), (IdMap(0, 5, 9),)))]
)
specs = st.builds(
    ContainerSpec,
    argv=st.lists(names, min_size=1, max_size=3).map(tuple),
    root=roots,
    env=st.dictionaries(names, names, max_size=2),
    cwd=st.none() | paths,
    user=st.none() | st.integers(0, 9),
    hostname=st.none() | st.just("h"),
    mounts=st.lists(mounts, max_size=6).map(tuple),
    limits=st.none() | st.just(Limits(pids=9)),
    security=securities,
    process=processes,
    namespaces=spaces,
    ids=ids,
    offsets=st.sampled_from([{}, {}, {"boottime": 1.5}]),
    sysctls=st.sampled_from([{}, {}, {"net.core.somaxconn": "9", "kernel.shmmax": "1"}]),
    scratch=st.sampled_from([Scratch(), Scratch(size="1M"), Scratch(directory="/s")]),
    shm_size=sizes,
    terminal=st.booleans(),
    change_root=st.sampled_from(["pivot", "chroot"]),
)

features = (
    "user namespace",
    "procfs",
    "overlay",
    "overlay on tmpfs",
    "cgroup namespace",
    "time namespace",
    "seccomp",
    "mount_setattr",
)
filesystems = st.builds(
    HostMount,
    st.sampled_from(
        ["/", "/home", "/home/u/mnt", "/var/lib/x", "/tmp", "/tmp/x/y", "/proc", "/sys/fs/cgroup", "/mnt/a b", "/w"]
    ),
    st.sampled_from(["ext4", "tmpfs", "proc", "cgroup2", "fuse"]),
    st.booleans(),
)
entries = st.sampled_from(
    [
        Entry("/usr", "dir"),
        Entry("/bin", "link", "usr/bin"),
        Entry("/home", "dir"),
        Entry("/tmp", "dir"),
        Entry("/run", "dir"),
        Entry("/var", "dir"),
        Entry("/proc", "dir"),
        Entry("/w", "dir"),
        Entry("/file", "file"),
        Entry("/home/u/a", "dir"),
        Entry("/home/u/mnt", "dir"),
        Entry("/home/u/.rc", "file"),
    ]
)
places = st.sampled_from(
    ["/", "/home/u", "/home/u/p", "/tmp", "/tmp/x", "/tmp/x/y/z", "/w/x", "/etc", "/proc/1", "/run/x", "/root"]
)


@st.composite
def hosts(draw: st.DrawFn) -> HostFacts:
    missing = draw(st.lists(st.sampled_from(features), unique=True, max_size=2) | st.just([]))
    return HostFacts(
        uid=1000,
        gid=1000,
        kernel=draw(st.sampled_from([(5, 10), (6, 18)])),
        home=draw(places),
        cwd=draw(places),
        privileged=draw(st.booleans()),
        first_user_namespace=draw(st.booleans()),
        sysfs=draw(st.booleans()),
        mqueue=draw(st.booleans()),
        overlay="overlay" not in missing,
        overlay_on_tmpfs="overlay" not in missing and "overlay on tmpfs" not in missing,
        root_maps_ids=draw(st.booleans()),
        landlock=draw(st.sampled_from([0, 1, 6])),
        unified=draw(st.sampled_from(["", "/sys/fs/cgroup"])),
        scratch=draw(st.sampled_from(["", "/var/lib/s"])),
        resolver=draw(st.sampled_from(["", "/etc/resolv.conf", "/run/systemd/resolve/stub-resolv.conf"])),
        mounts=tuple(draw(st.lists(filesystems, max_size=4, unique_by=lambda mount: mount.path))),
        entries=tuple(draw(st.lists(entries, max_size=12, unique_by=lambda entry: entry.path))),
        missing=tuple((name, "for a test") for name in missing),
    )


identities = st.builds(
    Identity,
    uid=st.sampled_from([0, 0, 7]),
    gid=st.sampled_from([0, 7]),
    groups=st.sampled_from([(), (5,)]),
    has_root=st.booleans(),
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A Plan, of a spec and a host that allow one."""
    from hypothesis import assume

    from isolib.errors import SpecError, Unavailable

    spec, host = draw(specs), draw(hosts())
    if not draw(st.booleans()):
        spec = msgspec.structs.replace(spec, namespaces={}, root=draw(roots), scratch=Scratch())
    try:
        return compile(spec, host, draw(identities), enterable=draw(st.booleans()))
    except (SpecError, Unavailable):
        assume(False)
        raise


# Which integers of a step are registers that it fills, that it uses, and that it closes.
FILLS = {"open": (2,), "reopen": (1,), "mount_new": (0,), "open_tree": (2,), "pty": (1, 2)}
USES = {
    "reopen": (0,),
    "send": (0,),
    "setns": (0,),
    "open": (0,),
    "open_tree": (0,),
    "set_attributes": (0,),
    "attach": (0, 1),
    "mkdir": (0,),
    "file": (0,),
    "symlink": (0,),
    "mknod": (0,),
    "write": (0,),
    "mask": (0, 1, 2),
    "read_only": (0,),
    "pivot": (0, 1),
    "chroot": (0,),
    "fork": (0,),
    "pty": (0,),
    "controlling": (0,),
    "chown": (0,),
}


def filled(step: Step) -> list[int]:
    if step.word == "sync":
        return list(range(step.n[0], step.n[0] + step.n[1]))
    return [step.n[i] for i in FILLS.get(step.word, ())]


def used(step: Step) -> Iterator[int]:
    yield from (step.n[i] for i in USES.get(step.word, ()))
    if step.word == "fds":
        yield from (int.from_bytes(step.s[0][i : i + 4], "little", signed=True) for i in range(0, len(step.s[0]), 8))
    if step.word == "landlock":
        yield from (
            int.from_bytes(step.s[0][i + 8 : i + 12], "little", signed=True) for i in range(0, len(step.s[0]), 16)
        )
    if step.word == "mount":
        yield from expanded(step.s[0].split(b"\0", 1)[1] + b" " + step.s[1])


def expanded(text: bytes) -> Iterator[int]:
    """The registers of ``%N`` in a text."""
    parts = text.replace(b"%%", b"").split(b"%")[1:]
    yield from (int(part[: len(part) - len(part.lstrip(b"0123456789"))]) for part in parts)


def open_at_the_end(plan: Plan, first_free: int) -> set[int]:
    """Walks the registers as init does; fails where one is used that is empty, or filled that is not."""
    live = set(range(first_free))
    for i, step in enumerate(plan.steps):
        for register in used(step):
            assert register in live or register in (HOST, NONE), (i, step)
        if step.word == "close":
            live.remove(step.n[0])
        for register in filled(step):
            assert register not in live, (i, step)
            assert 0 <= register < steps.EXEC_PIPE, (i, step)
            live.add(register)
    return live


def words(plan: Plan) -> list[str]:
    return [step.word for step in plan.steps]


def junk() -> st.SearchStrategy[Any]:
    """A value of any type, plausible or not."""
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
    values = [
        Ids("auto"),
        Scratch(),
        Security(),
        HostRoot(),
        DirectoryRoot(("/a",)),
        ProcessOptions(),
        Limits(),
        Tmpfs("/a"),
    ]
    return st.recursive(
        scalars | st.sampled_from([*values, "/a", "new", "net", b"/a", object()]),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.lists(inner, max_size=2).map(tuple)
            | st.dictionaries(st.sampled_from(["a", "net", 7, "boottime", "nofile"]), inner, max_size=2)
        ),
        max_leaves=4,
    )

"""What a Plan says for specs and hosts of one kind: degrees of effort, settings, what is bound, what is refused."""

from typing import Any

import msgspec
import pytest

from isolib.errors import SpecError, Unavailable
from isolib.launch.compile import Identity, compile
from isolib.launch.plan import Plan, named
from isolib.launch.steps import Step
from isolib.spec.container import ContainerSpec, Scratch
from isolib.spec.host import Entry, HostFacts, HostMount
from isolib.spec.ids import Ids
from isolib.spec.landlock import Access, Landlock
from isolib.spec.mounts import Bind, Inject, Symlink, Tmpfs
from isolib.spec.root import DirectoryRoot, HostRoot
from isolib.spec.security import Security

DIRECTORY = DirectoryRoot(("/srv/root",))
USER = HostFacts(
    uid=1000,
    gid=1000,
    kernel=(6, 18),
    home="/home/u",
    cwd="/home/u/p",
    landlock=6,
    entries=tuple(Entry(f"/{name}", "dir") for name in ("etc", "home", "tmp", "usr", "var")),
)
ROOT = msgspec.structs.replace(USER, uid=0, gid=0, privileged=True, root_maps_ids=True, home="/root", cwd="/work/p")


def plan(host: HostFacts = USER, identity: Identity = Identity(), **fields: Any) -> Plan:  # noqa: B008
    return compile(ContainerSpec(**{"argv": ("true",), "root": DIRECTORY, **fields}), host, identity)


def subjects(plan: Plan, word: str) -> list[str]:
    return [step.subject for step in named(plan.steps, word)]


def at(plan: Plan, step: Step) -> int:
    return plan.steps.index(step)


def lacking(host: HostFacts, *features: str, **fields: object) -> HostFacts:
    return msgspec.structs.replace(host, missing=tuple((feature, "why; remedy") for feature in features), **fields)


@pytest.mark.parametrize(
    "feature",
    ["user namespace", "mount calls", "openat2", "mount_setattr", "procfs", "overlay", "seccomp", "cgroup namespace"],
)
def test_what_is_missing_is_named_with_its_remedy(feature: str) -> None:
    with pytest.raises(Unavailable, match="remedy") as caught:
        plan(lacking(USER, feature))
    assert caught.value.feature == feature


@pytest.mark.parametrize(
    ("feature", "fields"),
    [
        ("user namespace", {"namespaces": {"user": "host"}}),
        ("procfs", {"namespaces": {"pid": "host"}}),
        ("overlay", {"root": DirectoryRoot(("/a",), "keep")}),
        ("seccomp", {"security": Security(seccomp="unconfined")}),
        ("cgroup namespace", {"namespaces": {"cgroup": "host"}}),
        ("time namespace", {}),
        ("mqueue", {}),
        ("Landlock", {}),
    ],
)
def test_what_is_missing_and_not_needed(feature: str, fields: dict[str, Any]) -> None:
    assert plan(lacking(ROOT, feature), **fields).left_out == ()


def test_best_effort_leaves_out_and_says_so() -> None:
    host = lacking(USER, "time namespace", "cgroup namespace", "seccomp", landlock=0)
    security = Security(best_effort=True, landlock=Landlock(paths=(Access("/"),)))
    done = plan(host, security=security, offsets={"boottime": 1})
    assert {"time namespace", "cgroup namespace", "seccomp"} <= set(done.left_out)
    assert any(word.startswith("Landlock's ") for word in done.left_out)
    assert not {"landlock", "seccomp"} & {step.word for step in done}
    assert not any("NEWTIME" in step.subject or "NEWCGROUP" in step.subject for step in done)


def test_best_effort_leaves_nothing_out_that_is_there() -> None:
    security = Security(best_effort=True, landlock=Landlock(paths=(Access("/"),), scopes=("signal",)))
    done = plan(security=security, offsets={"boottime": 1})
    assert done.left_out == ()
    assert {"landlock", "seccomp"} <= {step.word for step in done}


def test_best_effort_of_a_part() -> None:
    """Landlock of an older kernel: the rights that it knows are restricted, the others named."""
    security = Security(best_effort=True, landlock=Landlock(paths=(Access("/"),), bind=(80,)))
    done = plan(msgspec.structs.replace(USER, landlock=1), security=security)
    assert named(done.steps, "landlock")
    assert "Landlock's port right bind" in done.left_out
    with pytest.raises(Unavailable):
        plan(msgspec.structs.replace(USER, landlock=1), security=msgspec.structs.replace(security, best_effort=False))


def test_no_effort_without_a_user_namespace() -> None:
    """It is never root of the host who runs instead."""
    with pytest.raises(Unavailable):
        plan(lacking(ROOT, "user namespace"), security=Security(best_effort=True))


@pytest.mark.parametrize(
    ("host", "fields"),
    [
        (USER, {"namespaces": {"user": "host"}}),
        (USER, {"root": HostRoot("root")}),
        (ROOT, {"root": HostRoot("root"), "namespaces": {"user": "host"}}),
        (USER, {"ids": Ids("auto"), "mounts": (Bind("/x", "/y", owner="inside"),)}),
        (msgspec.structs.replace(USER, overlay_on_tmpfs=False), {}),
        (msgspec.structs.replace(USER, overlay_on_tmpfs=False, scratch="/s"), {"scratch": Scratch(size="1M")}),
    ],
)
def test_what_a_host_cannot_do(host: HostFacts, fields: dict[str, Any]) -> None:
    with pytest.raises(Unavailable) as caught:
        plan(host, **fields)
    assert caught.value.remedy


def test_groups_and_a_self_map() -> None:
    from isolib.spec.process import ProcessOptions

    with pytest.raises(SpecError, match="auto"):
        plan(process=ProcessOptions(groups=(7,)))
    assert subjects(plan(ids=Ids("auto"), identity=Identity(groups=(7,))), "groups") == ["", "7"]
    assert subjects(plan(), "groups") == []


def test_settings_are_written_before_proc_is_read_only() -> None:
    done = plan(sysctls={"net.core.somaxconn": "9"})
    (write,) = [step for step in done if "somaxconn" in step.subject]
    protected = next(step for step in done if step.word == "read_only" and step.subject.endswith("sys"))
    assert at(done, write) < at(done, protected)


def test_masks_are_reached_through_the_kernels_own_mounts() -> None:
    """By the descriptor of procfs, not by a name in a root that others may write to."""
    done = plan()
    (proc,) = [step.n[0] for step in done if step.word == "mount_new" and step.s[0] == b"proc"]
    hidden = [step for step in done if step.word == "mask"]
    assert hidden
    assert all(step.n[0] == proc and not step.s[0].startswith(b"/") for step in hidden if b"kcore" in step.s[0])


def test_masks_elsewhere_come_after_the_users_mounts() -> None:
    done = plan(mounts=(Tmpfs("/data"),), security=Security(masked=("/data/x", "/proc/kcore")))
    data, kcore = (next(s for s in done if s.word == "mask" and s.s[0].endswith(name)) for name in (b"x", b"kcore"))
    mounted = next(step for step in done if step.word == "attach" and step.subject == "/data")
    assert at(done, kcore) < at(done, mounted) < at(done, data)


@pytest.mark.parametrize(("writes", "made"), [("discard", True), ("deny", True), ("keep", False)])
def test_files_in_etc(writes: str, made: bool) -> None:
    done = plan(root=DirectoryRoot(("/a",), writes), hostname="here")  # type: ignore[arg-type]
    files = {step.s[0].split(b"/", 1)[-1]: step.s[1] for step in named(done.steps, "file")}
    assert (b"etc/hosts" in files) == made
    if made:
        assert b"here" in files[b"etc/hosts"]
        assert files[b"etc/hostname"] == b"here\n"
    else:
        assert all(step.n[2] == 2 for step in done if step.word == "attach" and step.subject.startswith("/etc/"))


def test_files_in_etc_that_the_user_brings() -> None:
    done = plan(mounts=(Inject("/etc/hosts", "x"), Bind("/x", "/etc/hostname")))
    assert not any(b"/etc/" in step.s[0] for step in named(done.steps, "file"))


def test_the_hosts_resolver_is_for_its_network_alone() -> None:
    host = msgspec.structs.replace(USER, resolver="/run/systemd/resolve/stub-resolv.conf")
    shared = {"net": "host"}
    assert not any("resolv" in step.subject for step in plan(host))
    assert any(step.subject == "/etc/resolv.conf" and step.word == "attach" for step in plan(host, namespaces=shared))
    hidden = plan(host, root=HostRoot(), namespaces=shared)  # /run is empty there
    assert any(step.subject == host.resolver and step.word == "attach" for step in hidden)


def test_read_only_is_said_last() -> None:
    done = plan(root=DirectoryRoot(("/a",), "deny"), mounts=(Tmpfs("/x"),))
    flagged = next(step for step in done if step.subject.startswith("/, MOUNT_ATTR_RDONLY"))
    assert all(at(done, step) < at(done, flagged) for step in done if step.word in ("attach", "mask", "file"))


def test_what_is_joined_comes_first() -> None:
    """With the rights at hand: the user namespace first for an ordinary caller, last for a privileged one."""
    joined = {"net": 7, "user": 8, "uts": 9}
    orders = [
        [step.subject for step in plan(host, namespaces=joined) if step.word in ("setns", "clone", "sync")]
        for host in (USER, ROOT)
    ]
    assert orders[0][:3] == ["user", "net", "uts"]
    assert orders[1][:3] == ["net", "uts", "user"]
    for order in orders:
        assert order[3] == "NEWIPC|NEWNS|NEWPID"[: len(order[3])] or "NEWPID" in order[3]
        assert order[4] == "identity"
    assert plan(namespaces=joined).flags == 0


def test_the_home_and_the_working_directory() -> None:
    """An ordinary user's are overlays of their own where the root does not have them already."""
    shown = [step.subject for step in plan(root=HostRoot()) if step.word == "attach"]
    assert "/home" in shown
    assert "/home/u" not in shown
    below = msgspec.structs.replace(USER, home="/tmp/h", cwd="/var/tmp/w", entries=USER.entries)
    shown = [step.subject for step in plan(below, root=HostRoot()) if step.word == "attach"]
    assert shown.index("/tmp") < shown.index("/tmp/h")
    assert shown.index("/var/tmp") < shown.index("/var/tmp/w")


def test_a_privileged_callers_working_directory() -> None:
    trees = named(plan(ROOT, root=HostRoot()).steps, "sync")[0].trees
    assert [(tree.path, tree.owner) for tree in trees] == [("/", "host"), ("/work/p", None)]
    for cwd in ("/", "/root", "/etc/x", "/usr/src", "/var/lib", "/run/x", "/proc"):
        host = msgspec.structs.replace(ROOT, cwd=cwd)
        assert [tree.path for tree in named(plan(host, root=HostRoot()).steps, "sync")[0].trees] == ["/"]


def test_other_filesystems_of_the_host() -> None:
    mounts = (
        HostMount("/data", "ext4"),
        HostMount("/data/in", "ext4"),
        HostMount("/closed/x", "ext4", False),
        HostMount("/sys/fs/bpf", "bpf"),
    )
    host = msgspec.structs.replace(ROOT, mounts=mounts)
    bound = [
        step.subject
        for step in plan(host, root=HostRoot())
        if step.word == "open_tree" and step.subject.startswith("/")
    ]
    assert [path for path in bound if not path.startswith("/dev/")] == ["/data"]


def test_a_relative_path_is_the_callers() -> None:
    done = plan(root=DirectoryRoot(("r",)), mounts=(Bind("x", "/y"), Bind("../z")))
    assert subjects(done, "symlink")[0].endswith(" -> /home/u/p/r")
    opened = subjects(done, "open_tree")
    assert {"/home/u/p/x", "/home/u/p/../z"} <= set(opened)
    assert "/home/u/z" in subjects(done, "attach")


def test_links_replace_only_what_is_thrown_away() -> None:
    for writes, replaced in (("discard", 1), ("deny", 1), ("keep", 0)):
        done = plan(root=DirectoryRoot(("/a",), writes), mounts=(Symlink("/x", "y"),))  # type: ignore[arg-type]
        assert [step.n[1] for step in done if step.word == "symlink" and step.subject.startswith("/x")] == [replaced]


def test_a_kernel_without_groups_of_version_two() -> None:
    assert not any(step.s[:1] == (b"cgroup2",) for step in plan())
    shown = plan(msgspec.structs.replace(USER, unified="/sys/fs/cgroup"))
    (step,) = [step for step in shown if step.s[:1] == (b"cgroup2",)]
    assert step.n[1] & 1  # read-only
    hidden = plan(msgspec.structs.replace(USER, unified="/sys/fs/cgroup"), namespaces={"cgroup": "host"})
    assert not any(step.s[:1] == (b"cgroup2",) for step in hidden)


def test_a_bound_sys_hides_the_hosts_groups() -> None:
    done = plan(namespaces={"net": "host"})
    assert any(step.word == "mask" and step.subject.endswith("fs/cgroup") for step in done)

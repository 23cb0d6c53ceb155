"""What bad input gets: a row an input, each answered with one typed problem that names the place; nothing is raised."""

# Values of the wrong type are what it is about.
# mypy: disable-error-code="arg-type"

from collections.abc import Iterable
from typing import Any

import pytest

from isolib.spec.container import ContainerSpec, Scratch
from isolib.spec.ids import Ids
from isolib.spec.mounts import Bind, Device, Inject, Symlink, Tmpfs
from isolib.spec.process import ProcessOptions, Scheduling
from isolib.spec.root import DirectoryRoot, HostRoot
from isolib.spec.security import Security

LONG = "x" * (128 * 1024)
HALF = "\ud800"  # half of a surrogate pair: no bytes stand for it


def places(spec: ContainerSpec) -> list[str]:
    return [problem.where for problem in spec.problems()]


def rows(place: str, *values: object) -> Iterable[Any]:
    return [pytest.param(place, value, id=f"{place}-{n}") for n, value in enumerate(values)]


def spec(**fields: Any) -> ContainerSpec:
    return ContainerSpec(**{"argv": ("true",), **fields})


def test_a_plain_spec_has_no_problem() -> None:
    assert places(spec()) == []


@pytest.mark.parametrize(
    ("place", "argv"),
    [
        *rows("argv", (), [], "true", b"true", None, 7, {"true"}, ("x",) * 30_001),
        *rows("argv[0]", ("",), ("a\0b",), (b"true",), (None,), (LONG,), (HALF,), ("é" * 65536,)),
        *rows("argv[1]", ("true", "a\0"), ("true", 7), ("true", LONG), ("true", ("a",)), ("true", HALF)),
    ],
)
def test_words_of_the_command(place: str, argv: Any) -> None:
    assert places(spec(argv=argv)) == [place]


@pytest.mark.parametrize("argv", [("true", ""), ("true", "\udcff"), ("tr ue",), ("./-x",), ("true", LONG[:-1])])
def test_words_that_are_fine(argv: tuple[str, ...]) -> None:
    assert places(spec(argv=argv)) == []


@pytest.mark.parametrize(
    ("place", "env"),
    [
        *rows("env", None, ["A=1"], "A=1", (("A", "1"),), {f"A{n}": "" for n in range(30_001)}),
        *rows("env['']", {"": "x"}),
        *rows("env['A=B']", {"A=B": "x"}),
        *rows("env['A']", {"A": None}, {"A": 1}, {"A": b"x"}, {"A": "x\0"}, {"A": LONG}, {"A": HALF}),
        *rows("env['A\\x00']", {"A\0": "x"}),
        *rows("env[b'A']", {b"A": "x"}),
        *rows("env[1]", {1: "x"}),
    ],
)
def test_environment(place: str, env: Any) -> None:
    assert places(spec(env=env)) == [place]


PATHS = ("", "relative", "./x", "a/..", "/a/../b", "/..", "/a\0b", "/" + "a" * 256, "/a" * 2048, HALF, b"/a", 7, ["/a"])


@pytest.mark.parametrize("path", PATHS)
def test_paths_inside(path: Any) -> None:
    """Absolute, without "..", of names and a length that the kernel takes, wherever one is given."""
    assert "cwd" in places(spec(cwd=path))
    assert "mounts[0].target" in places(spec(mounts=(Tmpfs(path),)))
    assert "mounts[0].target" in places(spec(mounts=(Bind("/x", path),)))
    assert "mounts[0].target" in places(spec(mounts=(Inject(path, b""),)))
    assert "mounts[0].target" in places(spec(mounts=(Symlink(path, "x"),)))
    assert "mounts[0].target" in places(spec(mounts=(Device("/dev/fuse", path),)))
    assert "security.masked[0]" in places(spec(security=Security(masked=(path,))))
    assert "security.read_only[0]" in places(spec(security=Security(read_only=(path,))))
    assert "scratch.directory" in places(spec(scratch=Scratch(directory=path)))


@pytest.mark.parametrize("path", ["", "/a\0b", "/" + "a" * 256, "/a" * 2048, HALF, b"/a", 7, None])
def test_paths_of_the_host(path: Any) -> None:
    assert places(spec(mounts=(Bind(path, "/x"),))) == ["mounts[0].source"]
    assert places(spec(mounts=(Device(path, "/x"),))) == ["mounts[0].source"]
    assert places(spec(root=DirectoryRoot((path,)))) == ["root.layers[0]"]
    assert places(spec(mounts=(Symlink("/x", path),))) == ["mounts[0].to"]


@pytest.mark.parametrize("path", ["/a/", "//a//b", "/a/./b", "/ä", "/a b", "/a\nb", "/-", "/\udcff", "/" + "a" * 255])
def test_paths_that_are_fine(path: str) -> None:
    assert places(spec(cwd=path, mounts=(Bind("../x", path),))) == []


@pytest.mark.parametrize(
    ("place", "mounts"),
    [
        *rows("mounts", None, {}, "x", Bind("/a")),
        *rows("mounts[0]", ("/a:/b",), (None,), (("/a", "/b"),)),
        *rows(
            "mounts[0].target",
            (Tmpfs("/"),),
            (Bind("/"),),
            (Bind("/x/.."),),
            (Bind("/etc", "/./"),),
            (Inject("//", ""),),
        ),
        *rows(
            "mounts[0].target", (Tmpfs("/proc"),), (Inject("/dev", ""),), (Symlink("/sys", "/x"),), (Device("/dev"),)
        ),
        *rows(
            "mounts[1].target",
            (Tmpfs("/a"), Tmpfs("/a/")),
            (Bind("/a"), Inject("/a", "")),
            (Bind("/a", "/b"), Tmpfs("//b")),
        ),
        *rows("mounts[0].options[0]", (Bind("/a", options=("rw",)),), (Tmpfs("/a", options=("size=1",)),)),
        *rows("mounts[0].options[1]", (Bind("/a", options=("nodev", 7)),)),
        *rows("mounts[0].options", (Bind("/a", options="nodev"),), (Tmpfs("/a", options=None),)),
        *rows("mounts[0].propagation", (Bind("/a", propagation="rshared"),), (Bind("/a", propagation=None),)),
        *rows("mounts[0].owner", (Bind("/a", owner="root"),), (Bind("/a", owner=0),)),
        *rows("mounts[0].readonly", (Bind("/a", readonly=1),), (Bind("/a", readonly="ro"),)),
        *rows("mounts[0].recursive", (Bind("/a", recursive=None),)),
        *rows("mounts[0].optional", (Bind("/a", optional=0),), (Device("/a", optional="no"),)),
        *rows(
            "mounts[0].size", *((Tmpfs("/a", size=s),) for s in (0, -1, "0", "max", "1.5", "1X", "", True, 2**63, 1.5))
        ),
        *rows("mounts[0].mode", *((Tmpfs("/a", mode=m),) for m in (-1, 0o10000, "755", None, True, 7.0))),
        *rows("mounts[0].mode", (Inject("/a", "", mode=0o20000),), (Inject("/a", "", mode="r"),)),
        *rows("mounts[0].inodes", *((Tmpfs("/a", inodes=n),) for n in (0, -1, "9", True, 2**63))),
        *rows(
            "mounts[0].content",
            (Inject("/a", None),),
            (Inject("/a", 7),),
            (Inject("/a", HALF),),
            (Inject("/a", ["x"]),),
        ),
    ],
)
def test_mounts(place: str, mounts: Any) -> None:
    assert places(spec(mounts=mounts)) == [place]


@pytest.mark.parametrize(
    ("place", "namespaces"),
    [
        *rows("namespaces", None, ["net"], "net"),
        *rows("namespaces['ne']", {"ne": "new"}),
        *rows("namespaces[7]", {7: "new"}),
        *rows("namespaces['net']", *({"net": v} for v in ("none", "", None, True, -1, 2**31, 1.0, "container:x"))),
        *rows("namespaces['mnt']", {"mnt": "host"}, {"mnt": 5}),
        *rows("namespaces['pid']", {"pid": 7}),
    ],
)
def test_namespaces(place: str, namespaces: Any) -> None:
    assert places(spec(namespaces=namespaces)) == [place]


@pytest.mark.parametrize(
    ("place", "fields"),
    [
        *rows("offsets['realtime']", {"offsets": {"realtime": 1}}),
        *rows(
            "offsets['boottime']",
            *({"offsets": {"boottime": v}} for v in ("1", None, True, float("nan"), float("inf"), 1e10)),
        ),
        *rows("offsets", {"offsets": [1]}, {"offsets": {"boottime": 1}, "namespaces": {"time": "host"}}),
        *rows(
            "hostname", *({"hostname": h} for h in ("", "-a", "a-", "a b", "a\n", "ä", "a" * 65, "a/b", 7, "a\0", ".a"))
        ),
        *rows("hostname", {"hostname": "a", "namespaces": {"uts": "host"}}),
        *rows("terminal", {"terminal": 1}, {"terminal": "yes"}),
        *rows("change_root", {"change_root": "move"}, {"change_root": None}),
        *rows("root", {"root": None}, {"root": "/srv/x"}, {"root": ("/",)}),
        *rows("root.rights", {"root": HostRoot("all")}),
        *rows(
            "root.layers",
            {"root": DirectoryRoot(())},
            {"root": DirectoryRoot("/srv")},
            {"root": DirectoryRoot(("/a",) * 129)},
        ),
        *rows("root.writes", {"root": DirectoryRoot(("/a",), "yes")}, {"root": DirectoryRoot(("/a", "/b"), "keep")}),
        *rows("limits", {"limits": {"memory": 1}}, {"limits": "512M"}),
        *rows("security", {"security": None}, {"security": "unconfined"}),
        *rows("process", {"process": None}),
        *rows("ids", {"ids": "auto"}, {"ids": 7}),
        *rows("ids.word", {"ids": Ids("all")}),
        *rows("scratch", {"scratch": None}, {"scratch": "64M"}),
        *rows(
            "scratch.size",
            *({"scratch": Scratch(size=s)} for s in (0, -1, "lots", True)),
            {"scratch": Scratch(size=1, directory="/x")},
        ),
        *rows("shm_size", *({"shm_size": s} for s in (0, -1, "max", "lots", True, 1.5))),
        *rows("security.seccomp", {"security": Security(seccomp="off")}, {"security": Security(seccomp=None)}),
        *rows("security.capabilities", {"security": Security(capabilities=("ALL",))}),
        *rows("security.landlock", {"security": Security(landlock="yes")}),
        *rows("security.no_new_privs", {"security": Security(no_new_privs=None)}),
        *rows("security.best_effort", {"security": Security(best_effort="yes")}),
        *rows("security.masked", {"security": Security(masked="/proc/kcore")}, {"security": Security(masked=None)}),
    ],
)
def test_the_rest(place: str, fields: Any) -> None:
    assert places(spec(**fields)) == [place]


@pytest.mark.parametrize(
    ("place", "process"),
    [
        *rows("rlimits['files']", {"rlimits": {"files": 1}}),
        *rows(
            "rlimits['nofile']",
            *({"rlimits": {"nofile": v}} for v in (-1, "10", None, True, 1.5, (1,), (1, 2, 3), (2, 1), 2**64)),
        ),
        *rows("rlimits", {"rlimits": [("nofile", 1)]}),
        *rows("groups[0]", {"groups": (-1,)}, {"groups": ("a b",)}, {"groups": (None,)}, {"groups": (2**32 - 1,)}),
        *rows("groups", {"groups": "tty"}, {"groups": None}, {"groups": tuple(range(65537))}),
        *rows("umask", {"umask": -1}, {"umask": 0o1000}, {"umask": "022"}, {"umask": True}),
        *rows("oom_score_adj", *({"oom_score_adj": n} for n in (-1001, 1001, "0", 1.5, True))),
        *rows("personality", {"personality": "bsd"}, {"personality": 8}),
        *rows("domainname", {"domainname": ""}, {"domainname": "a b"}, {"domainname": 7}),
        *rows("fds[2]", {"fds": {2: 5}}),
        *rows("fds[1024]", {"fds": {1024: 5}}),
        *rows("fds[5]", {"fds": {5: -1}}, {"fds": {5: None}}, {"fds": {5: "5"}}, {"fds": {5: True}}),
        *rows("fds", {"fds": [5]}, {"fds": dict.fromkeys(range(3, 60), 5)}),
        *rows("scheduling", {"scheduling": "idle"}),
        *rows("scheduling.policy", {"scheduling": Scheduling(policy="fair")}, {"scheduling": Scheduling(runtime=5)}),
        *rows("scheduling.priority", *({"scheduling": Scheduling(policy="fifo", priority=p)} for p in (0, 100, "1"))),
        *rows("scheduling.priority", {"scheduling": Scheduling(priority=1)}),
        *rows("scheduling.nice", *({"scheduling": Scheduling(nice=n)} for n in (-21, 20, "0"))),
        *rows("scheduling.io", {"scheduling": Scheduling(io="fast")}),
        *rows("scheduling.io_level", {"scheduling": Scheduling(io_level=8)}),
        *rows("scheduling.cpus[0]", *({"scheduling": Scheduling(cpus=(c,))} for c in (-1, 8192, "0", True))),
        *rows(
            "scheduling.runtime", {"scheduling": Scheduling(policy="deadline")}, {"scheduling": Scheduling(runtime=-1)}
        ),
    ],
)
def test_process_options(place: str, process: dict[str, Any]) -> None:
    assert places(spec(process=ProcessOptions(**process))) == [f"process.{place}"]


@pytest.mark.parametrize(
    ("place", "sysctls", "namespaces"),
    [
        ("sysctls", ["net.ipv4.ip_forward=1"], {}),
        ("sysctls['kernel.core_pattern']", {"kernel.core_pattern": "|/x"}, {}),
        ("sysctls['vm.swappiness']", {"vm.swappiness": "1"}, {}),
        ("sysctls['kernel.hostname']", {"kernel.hostname": "x"}, {}),
        ("sysctls['kernel.shmall_x']", {"kernel.shmall_x": "1"}, {}),
        ("sysctls['net.../../kernel/core_pattern']", {"net.../../kernel/core_pattern": "1"}, {}),
        ("sysctls['net..ipv4']", {"net..ipv4": "1"}, {}),
        ("sysctls['/net/ipv4']", {"/net/ipv4": "1"}, {}),
        ("sysctls['net.ipv4.x y']", {"net.ipv4.x y": "1"}, {}),
        ("sysctls['']", {"": "1"}, {}),
        ("sysctls[7]", {7: "1"}, {}),
        ("sysctls['net.ipv4.ip_forward']", {"net.ipv4.ip_forward": "1"}, {"net": "host"}),
        ("sysctls['net.ipv4.ip_forward']", {"net.ipv4.ip_forward": "1"}, {"net": 5}),
        ("sysctls['fs.mqueue.msg_max']", {"fs.mqueue.msg_max": "1"}, {"ipc": "host"}),
        ("sysctls['user.max_user_namespaces']", {"user.max_user_namespaces": "0"}, {"user": "host"}),
        ("sysctls['net.ipv4.ip_forward']", {"net.ipv4.ip_forward": 1}, {}),
        ("sysctls['net.ipv4.ip_forward']", {"net.ipv4.ip_forward": "1\0"}, {}),
        ("sysctls['net.ipv4.ip_forward']", {"net.ipv4.ip_forward": "1" * 4096}, {}),
    ],
)
def test_settings(place: str, sysctls: Any, namespaces: Any) -> None:
    assert places(spec(sysctls=sysctls, namespaces=namespaces)) == [place]


def test_all_problems_at_once() -> None:
    wrong = spec(argv=("",), env={"": "x"}, cwd="x", user="+1", hostname="-", mounts=(Tmpfs("/"), Tmpfs("/a", mode=-1)))
    assert len(places(wrong)) == 7


def test_a_word_nearly_right() -> None:
    (problem,) = spec(process=ProcessOptions(rlimits={"nofiles": 1})).problems()
    assert "did you mean 'nofile'" in problem.what


@pytest.mark.parametrize("mounts", [(Tmpfs("/a"),) * 1 + tuple(Tmpfs(f"/a/{n}") for n in range(1000))])
def test_a_thousand_mounts(mounts: tuple[Tmpfs, ...]) -> None:
    assert places(spec(mounts=mounts)) == []

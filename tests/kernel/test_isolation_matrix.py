"""Each namespace, new, the host's, or one that is joined, alone and in pairs: read back from inside and outside."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import combinations, product
from pathlib import Path

import pytest

import isolib
from isolib import Image, Namespace
from isolib.spec.container import Where
from tests.kernel.inside import sh

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
JOINABLE = tuple(kind for kind in KINDS if kind != "mnt")
LINKS = "for kind in cgroup ipc mnt net pid time user uts; do readlink /proc/self/ns/$kind || echo none:0; done"


@pytest.fixture
def image(busybox_root: Path) -> Image:
    return Image.directory(busybox_root)


def own() -> dict[str, str]:
    """This process's namespaces; a kernel without time namespaces has none of that kind."""
    return {kind: os.readlink(path) if os.path.exists(path := f"/proc/self/ns/{kind}") else "none:0" for kind in KINDS}


def inside(**wishes: object) -> dict[str, str]:
    return dict(zip(KINDS, sh(LINKS, **wishes).split(), strict=True))


def is_here(kind: str) -> None:
    if kind == "time" and not os.path.exists("/proc/self/ns/time"):
        pytest.skip("HostFact: no time namespaces")


def mine(kind: str) -> None:
    """A namespace of the host's own can be shared by who owns it."""
    if kind == "user" and os.geteuid() != 0:
        pytest.skip("HostFact: not root")


@pytest.mark.parametrize("kind", KINDS)
def test_new(image: Image, kind: str) -> None:
    is_here(kind)
    seen = inside(image=image, namespaces={kind: "new"})
    assert seen[kind] != own()[kind]
    assert len(set(seen.values())) == 8


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "mnt"])
def test_the_hosts(image: Image, kind: str) -> None:
    mine(kind)
    seen, outside = inside(image=image, namespaces={kind: "host"}), own()
    assert seen[kind] == outside[kind]
    assert all(seen[other] != outside[other] for other in KINDS if other not in (kind, "time"))


@pytest.mark.parametrize(("one", "two"), list(combinations([kind for kind in KINDS if kind != "mnt"], 2)))
def test_two_of_the_hosts(image: Image, one: str, two: str) -> None:
    mine(one)
    mine(two)
    seen, outside = inside(image=image, namespaces={one: "host", two: "host"}), own()
    assert (seen[one], seen[two]) == (outside[one], outside[two])
    assert all(seen[other] != outside[other] for other in KINDS if other not in (one, two, "time"))


def test_all_of_the_hosts_that_can_be(image: Image) -> None:
    wanted: dict[str, Where] = {kind: "host" for kind in JOINABLE if kind != "user" or os.geteuid() == 0}
    seen, outside = inside(image=image, namespaces=wanted), own()
    assert {kind: seen[kind] for kind in wanted} == {kind: outside[kind] for kind in wanted}
    assert seen["mnt"] != outside["mnt"]


class Other:
    """A container to share with: its namespaces by descriptor, all owned by its user namespace."""

    def __init__(self, image: Image) -> None:
        self.container = isolib.Container(
            image, ["/bin/cat"], stdin=isolib.PIPE, offsets={"monotonic": 5000} if has_time() else {}
        )

    def __enter__(self) -> "Other":
        self.container.start()
        self.fds = {
            name.removeprefix("ns/"): fd
            for name, fd in self.container.process.received.items()
            if name.startswith("ns/")
        }
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    def links(self) -> dict[str, str]:
        return dict(zip(KINDS, self.container.exec(["/bin/sh", "-c", LINKS]).text().split(), strict=True))


def has_time() -> bool:
    return os.path.exists("/proc/self/ns/time")


@pytest.fixture
def other(image: Image) -> Iterator[Other]:
    with Other(image) as other:
        yield other


@pytest.mark.parametrize("kind", JOINABLE)
def test_one_of_another_containers(image: Image, other: Other, kind: str) -> None:
    """Whoever calls: with the user namespace that owns it, which gives the right."""
    is_here(kind)
    wanted: dict[str, Where] = {kind: other.fds[kind], "user": other.fds["user"]}
    seen, theirs, outside = inside(image=image, namespaces=wanted), other.links(), own()
    assert (seen[kind], seen["user"]) == (theirs[kind], theirs["user"])
    for rest in KINDS:
        if rest not in wanted and rest != "time":
            assert seen[rest] not in (theirs[rest], outside[rest]), rest


@pytest.mark.parametrize(("one", "two"), list(combinations([kind for kind in JOINABLE if kind != "user"], 2)))
def test_two_of_another_containers(image: Image, other: Other, one: str, two: str) -> None:
    is_here(one)
    is_here(two)
    wanted: dict[str, Where] = {kind: other.fds[kind] for kind in (one, two, "user")}
    seen, theirs = inside(image=image, namespaces=wanted), other.links()
    assert {kind: seen[kind] for kind in wanted} == {kind: theirs[kind] for kind in wanted}


def test_all_of_another_containers(image: Image, other: Other) -> None:
    """As the containers of a pod: everything but the root is shared."""
    wanted: dict[str, Where] = {kind: fd for kind, fd in other.fds.items() if kind != "mnt"}
    seen, theirs = inside(image=image, namespaces=wanted), other.links()
    assert {kind: seen[kind] for kind in wanted} == {kind: theirs[kind] for kind in wanted}
    assert seen["mnt"] != theirs["mnt"]
    processes = sh("cat /proc/1/comm; cat /proc/2/comm", image=image, namespaces=wanted).split()
    assert processes == ["isolib-init", "cat"]


@pytest.mark.needs_root
@pytest.mark.parametrize("kind", [kind for kind in JOINABLE if kind not in ("pid", "user")])
def test_one_that_the_host_owns(image: Image, kind: str) -> None:
    """A privileged caller's right, used before the user namespace takes it: as for the network of `ip netns add`."""
    is_here(kind)
    with Namespace.create(kind) as space:
        seen = inside(image=image, namespaces={kind: space.fileno()})
        assert seen[kind] == f"{kind}:[{space.id.inode}]"
        assert seen["user"] != own()["user"]


@pytest.mark.needs_root
def test_a_pid_namespace_without_its_user_namespace(image: Image) -> None:
    with Namespace.create("pid") as space:
        with pytest.raises(isolib.SpecError, match="owner") as caught:
            sh("true", image=image, namespaces={"pid": space.fileno()})
        assert caught.value.where == "namespaces['pid']"
        seen = sh(
            "readlink /proc/self/ns/pid; cat /proc/1/comm; echo $$",
            image=image,
            namespaces={"pid": space.fileno(), "user": "host"},
        )
        assert seen.split()[:2] == [f"pid:[{space.id.inode}]", "isolib-init"]


@pytest.mark.needs_ordinary_user
def test_one_that_is_not_the_callers(image: Image) -> None:
    """The host's own are not to be joined by a descriptor either."""
    for kind in ("net", "uts", "ipc"):
        with open(f"/proc/self/ns/{kind}") as space, pytest.raises(isolib.StepError, match="setns") as caught:
            sh("true", image=image, namespaces={kind: space.fileno()})
        assert caught.value.hint


@pytest.mark.parametrize("kind", KINDS)
def test_descriptors_that_are_none(image: Image, kind: str, tmp_path: Path) -> None:
    other = "uts" if kind != "uts" else "ipc"
    with ExitStack() as held:
        files = [
            held.enter_context(open(path)) for path in (f"/proc/self/ns/{other}", "/dev/null", "/proc/self/status")
        ]
        for fd in (*(file.fileno() for file in files), 9999):
            with pytest.raises(isolib.SpecError) as caught:
                sh("true", image=image, namespaces={kind: fd})
            assert f"namespaces['{kind}']" in {problem.where for problem in caught.value.problems}


def test_the_callers_own_user_namespace_by_descriptor(image: Image) -> None:
    with open("/proc/self/ns/user") as space, pytest.raises(isolib.SpecError, match="own"):
        sh("true", image=image, namespaces={"user": space.fileno()})


@pytest.mark.parametrize(("hosts", "name"), list(product([True, False], ["a", None])))
def test_host_names(image: Image, hosts: bool, name: str | None) -> None:
    if hosts and name:
        with pytest.raises(isolib.SpecError, match="hostname"):
            sh("true", image=image, hostname=name, namespaces={"uts": "host"})
        return
    expected = os.uname().nodename if hosts else name or "isolib"
    assert sh("hostname", image=image, hostname=name, namespaces={"uts": "host"} if hosts else {}) == f"{expected}\n"


def test_what_each_one_is_for(image: Image) -> None:
    """A change inside is seen by nobody else."""
    before = os.uname().nodename, sorted(os.listdir("/sys/class/net")), Path("/proc/sysvipc/shm").read_text()
    script = "ip link add dummy0 type dummy 2>/dev/null; ifconfig lo 127.0.0.5; mkdir /tmp/x; kill -9 -1 || true"
    isolib.run(["/bin/sh", "-c", script], image=image)
    assert before == (os.uname().nodename, sorted(os.listdir("/sys/class/net")), Path("/proc/sysvipc/shm").read_text())


def test_loopback_is_up(image: Image) -> None:
    assert "127.0.0.1" in sh("ifconfig lo", image=image)
    sh("ping -c 1 -W 5 127.0.0.1 >/dev/null || nc -z 127.0.0.1 1 || true", image=image)

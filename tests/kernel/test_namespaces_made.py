"""Namespaces newly made, and what runs inside one: the matrix of kinds and ways, and what each kind is for."""

import os
import queue
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Literal

import pytest

import isolib
from isolib import ContainerSpec, Namespace, SpecError, StepError, Unavailable
from isolib.linux.ns import KINDS
from tests.harness.facts import has

pytestmark = pytest.mark.needs_user_namespace

LINKS = ["sh", "-c", f"for kind in {' '.join(KINDS)}; do readlink /proc/self/ns/$kind; done"]
SAME = ("cgroup", "ipc", "mnt", "net", "pid", "time", "uts")


def inodes(process: object = "self") -> dict[str, int]:
    """Kind -> inode, as the kernel shows it."""
    return {kind: os.stat(f"/proc/{process}/ns/{kind}").st_ino for kind in KINDS}


def seen_inside(text: str) -> dict[str, int]:
    """The same from the output of LINKS."""
    rows = (line.partition(":[") for line in text.splitlines())
    return {kind: int(rest.rstrip("]")) for kind, _, rest in rows}


def made(kind: str) -> Namespace:
    if kind == "time" and not has("time_namespace"):
        pytest.skip("HostFact: no time namespaces")
    return Namespace.create(kind)


@pytest.fixture(params=KINDS)
def space(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    """A new namespace of each kind in turn."""
    with made(request.param) as one:
        yield one


# The ways to join one namespace: each gives another handle of it.
WAYS: dict[str, Callable[[Namespace, int], Namespace]] = {
    "as made": lambda space, pid: Namespace.from_fd(os.dup(space.fileno())),
    "by path": lambda space, pid: Namespace.open(f"/proc/self/fd/{space.fileno()}"),
    "by pid": lambda space, pid: Namespace.of(pid, space.kind),
    "by pidfd": lambda space, pid: by_pidfd(pid, space.kind),
}


def by_pidfd(pid: int, kind: str) -> Namespace:
    pidfd = os.pidfd_open(pid)
    try:
        return Namespace.of_pidfd(pidfd, kind)
    finally:
        os.close(pidfd)


@pytest.fixture
def resident(space: Namespace) -> Iterator[int]:
    """The outside pid of a process that is in the namespace."""
    said: queue.Queue[bytes] = queue.Queue()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            space.run, ["sh", "-c", "echo $(cut -d' ' -f4 /proc/self/stat); exec sleep 60"], stdout=said.put
        )
        pid = int(said.get(timeout=20))
        yield pid
        os.kill(pid, signal.SIGKILL)
        assert running.result().signal == signal.SIGKILL


@pytest.mark.parametrize("way", WAYS)
def test_a_command_is_in_it_and_nowhere_else(space: Namespace, resident: int, way: str) -> None:
    """Read from inside and from outside; all other kinds are the caller's own (an ordinary user's owner aside)."""
    with WAYS[way](space, resident) as joined:
        assert joined == space
        inside = seen_inside(joined.run(LINKS, check=True).text())
    assert inside[space.kind] == space.id.inode == inodes(resident)[space.kind]
    outside = inodes()
    assert inside[space.kind] != outside[space.kind]
    for kind in set(SAME) - {space.kind}:
        assert inside[kind] == outside[kind], kind
    if os.geteuid() == 0 and space.kind != "user":
        assert inside["user"] == outside["user"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_own_one_changes_nothing(kind: str) -> None:
    if os.geteuid() != 0 and kind != "user":
        with Namespace.current(kind) as own, pytest.raises(StepError, match="CAP_SYS_ADMIN"):
            own.run(["true"])
        return
    with Namespace.current(kind) as own:
        assert seen_inside(own.run(LINKS, check=True).text()) == inodes()


def test_making_one_leaves_the_caller_where_he_is(space: Namespace) -> None:
    assert inodes("thread-self") == inodes("self")
    assert space.id.inode not in inodes().values()


def test_its_owner(space: Namespace) -> None:
    with space.owner() as owner, Namespace.current("user") as own:
        assert space.owner_uid() == os.geteuid()
        if os.geteuid() == 0 or space.kind == "user":
            assert owner == own
        else:
            parent = owner.parent()
            assert parent is not None
            with parent:
                assert parent == own


@pytest.mark.parametrize(("one", "other"), list(combinations(("cgroup", "ipc", "net", "pid", "time", "uts"), 2)))
@pytest.mark.needs_root
def test_a_container_joins_two_of_them(one: str, other: str) -> None:
    with made(one) as first, made(other) as second:
        joined: dict[str, Literal["host"] | int]
        joined = {one: first.fileno(), other: second.fileno()}
        if "pid" in joined:  # its /proc can be shown to its owner only
            joined["user"] = "host"
        command = ContainerSpec(argv=tuple(LINKS), namespaces=joined)
        inside = seen_inside(isolib.run(command, check=True).text())
    outside = inodes()
    assert (inside[one], inside[other]) == (first.id.inode, second.id.inode)
    for kind in {"ipc", "mnt", "net", "pid", "user", "uts"} - {*joined}:
        assert inside[kind] != outside[kind], kind


def test_uts_has_a_name_of_its_own() -> None:
    before = socket.gethostname()
    with Namespace.create("uts") as space:
        space.run(socket.sethostname, "inside")
        assert space.run(["uname", "-n"]).text() == "inside\n"
    assert socket.gethostname() == before


def test_net_has_its_own_loopback_up() -> None:
    def talk() -> tuple[list[str], bytes]:
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
            client.sendall(b"heard")
            connection, _ = server.accept()
            with connection:
                return [name for _, name in socket.if_nameindex()], connection.recv(5)

    with Namespace.create("net") as space:
        names, heard = space.run(talk)
    assert "lo" in names
    assert heard == b"heard"
    assert len(names) <= len(socket.if_nameindex())


def test_mnt_keeps_its_mounts_to_itself(tmp_path: Path) -> None:
    with Namespace.create("mnt") as space:
        script = f"mount -t tmpfs inside '{tmp_path}' && touch '{tmp_path}/file' && ls '{tmp_path}'"
        result = space.run(["sh", "-c", script])
        assert result.stdout == b"file\n", result
        assert space.run(["ls", str(tmp_path)]).stdout == b"file\n"
    assert list(tmp_path.iterdir()) == []
    assert "inside" not in Path("/proc/self/mountinfo").read_text()


def test_ipc_has_its_own_objects() -> None:
    with Namespace.create("ipc") as space:
        space.run(["sh", "-c", "ipcmk -Q"], check=True)
        assert len(space.run(["cat", "/proc/sysvipc/msg"]).text().splitlines()) == 2
    with Namespace.create("ipc") as space:
        assert len(space.run(["cat", "/proc/sysvipc/msg"]).text().splitlines()) == 1


def test_cgroup_begins_where_the_caller_is() -> None:
    with Namespace.create("cgroup") as space:
        paths = [line.split(":")[2] for line in space.run(["cat", "/proc/self/cgroup"]).text().splitlines()]
    assert set(paths) == {"/"}


@pytest.mark.needs_time_namespace
@pytest.mark.parametrize(
    "offsets", [{"boottime": 86400.5}, {"monotonic": 1000, "boottime": 2000}, {"monotonic": -0.25}]
)
def test_time_has_its_offsets(offsets: dict[str, float]) -> None:
    def clocks() -> tuple[float, float]:
        return time.clock_gettime(time.CLOCK_MONOTONIC), time.clock_gettime(time.CLOCK_BOOTTIME)

    with Namespace.create("time", offsets=offsets) as space:
        monotonic, boottime = space.run(clocks)
    now = clocks()
    assert abs(monotonic - now[0] - offsets.get("monotonic", 0)) < 5
    assert abs(boottime - now[1] - offsets.get("boottime", 0)) < 5
    text = Path("/proc/self/timens_offsets").read_text().split()
    assert text[1:3] == ["0", "0"]


def test_pid_has_its_own_numbers_and_a_first_process_that_reaps() -> None:
    with Namespace.create("pid") as space:
        assert space.run(os.getpid) < 10
        space.run(["sh", "-c", "(sleep 0.01 &) ; (true &)"], check=True)
        deadline = time.monotonic() + 10
        while children_of_first(space) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert children_of_first(space) == []


def children_of_first(space: Namespace) -> list[str]:
    assert space._first is not None
    return Path(f"/proc/{space._first.pid}/task/{space._first.pid}/children").read_text().split()


def test_user_has_the_rows_asked_for() -> None:
    with Namespace.create("user", ids=f"7:{os.geteuid()}:1;8:{os.getegid()}:1") as space:
        assert space.run(["sh", "-c", "id -u; id -g; cat /proc/self/uid_map"]).text().split() == [
            *("7", "8", "7", str(os.geteuid()), "1")
        ]


@pytest.mark.needs_sub_ids
def test_user_with_a_range_has_root_and_no_groups_of_the_caller() -> None:
    with Namespace.create("user", ids="auto") as space:
        text = space.run(["sh", "-c", "id -u; id -g; id -G; cat /proc/self/setgroups"]).text()
        assert text.split() == ["0", "0", "0", "allow"]


def test_rows_of_ones_own_own_other_kinds_too() -> None:
    with Namespace.create("net", ids="self") as space:
        with space.owner() as owner, Namespace.current("user") as own:
            assert owner != own
        assert space.run(["readlink", "/proc/self/ns/net"]).text() == f"net:[{space.id.inode}]\n"


@pytest.mark.parametrize(
    ("kind", "ids", "offsets", "place"),
    [
        ("nets", None, {}, "kind"),
        ("net", None, {"boottime": 1}, "offsets"),
        ("time", None, {"realtime": 1}, "offsets['realtime']"),
        ("time", None, {"boottime": float("nan")}, "offsets['boottime']"),
        ("user", "everybody", {}, "ids"),
        ("user", "0:0:0", {}, "ids.uids[0].size"),
    ],
)
def test_what_cannot_be_made_is_said_before(kind: str, ids: str | None, offsets: dict[str, float], place: str) -> None:
    with pytest.raises(SpecError) as caught:
        Namespace.create(kind, ids=ids, offsets=offsets)
    assert caught.value.where == place


@pytest.mark.needs_ordinary_user
def test_a_map_that_may_not_be_written_leaves_nothing() -> None:
    with pytest.raises(Unavailable):
        Namespace.create("user", ids="0:0:10")


def test_a_killed_caller_takes_the_first_process_along() -> None:
    code = (
        "import time\nfrom isolib import ContainerSpec, Namespace\n"
        "space = Namespace.create('pid')\nprint(space._first.pid, flush=True)\ntime.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        pidfd = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
    assert select.select([pidfd], [], [], 10)[0]
    os.close(pidfd)


def test_many_at_once_from_threads() -> None:
    def one(number: int) -> tuple[int, int]:
        with Namespace.create("uts") as space:
            return space.id.inode, int(space.run(["readlink", "/proc/self/ns/uts"]).text()[5:-2])

    with ThreadPoolExecutor(8) as pool:
        assert all(made == seen for made, seen in pool.map(one, range(40)))

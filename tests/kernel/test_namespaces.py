"""Namespaces held by a descriptor: found in every way, compared, followed to owner and parent, entered, pinned."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from isolib import Namespace
from isolib.errors import AlreadyExists, Conflict, Denied, KernelError, NotFound, SpecError
from isolib.linux.ns import KINDS
from tests.harness.facts import PATH

ENTERABLE = ("cgroup", "ipc", "net", "uts")


def inode(kind: str, process: object = "self") -> int:
    """The kernel's own word on which namespace a process (or thread-self) is in."""
    return os.stat(f"/proc/{process}/ns/{kind}").st_ino


@pytest.fixture
def stranger() -> Iterator[int]:
    """The pid of a process in new namespaces of most kinds."""
    argv = ["unshare", "--user", "--map-root-user", "--net", "--uts", "--ipc", "--mount", "--cgroup", "sleep", "60"]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env={"PATH": PATH})
    while "sleep" not in Path(f"/proc/{process.pid}/comm").read_text():
        assert process.poll() is None
        time.sleep(0.001)
    yield process.pid
    process.kill()
    process.wait()


@pytest.mark.parametrize("kind", KINDS)
def test_the_ways_to_one_namespace(kind: str) -> None:
    pidfd = os.pidfd_open(os.getpid())
    link = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
    try:
        with (
            Namespace.of(os.getpid(), kind) as by_pid,
            Namespace.open(f"/proc/self/ns/{kind}") as by_path,
            Namespace.from_fd(os.dup(link)) as by_fd,
            Namespace.of_pidfd(pidfd, kind) as by_pidfd,
            Namespace.current(kind) as by_thread,
        ):
            spaces = [by_pid, by_path, by_fd, by_pidfd, by_thread]
            assert {space.kind for space in spaces} == {kind}
            assert {space.id.inode for space in spaces} == {inode(kind)}
            assert {space.id.device for space in spaces} == {os.stat(f"/proc/self/ns/{kind}").st_dev}
            assert len(set(spaces)) == 1
            assert not any(os.get_inheritable(space.fileno()) for space in spaces)
            assert repr(by_pid) == f"<Namespace {kind}:[{inode(kind)}]>"
    finally:
        os.close(link)
        os.close(pidfd)


@pytest.mark.needs_user_namespace
@pytest.mark.parametrize("kind", ["net", "uts", "ipc", "mnt", "user"])
def test_another_one_is_not_equal(kind: str, stranger: int) -> None:
    with Namespace.of(stranger, kind) as other, Namespace.current(kind) as own:
        assert other.id.inode == inode(kind, stranger)
        assert other != own
        assert other != object()


@pytest.mark.needs_user_namespace
def test_a_namespace_outlives_its_processes(stranger: int) -> None:
    with Namespace.of(stranger, "net") as space:
        os.kill(stranger, 9)
        os.waitid(os.P_PID, stranger, os.WEXITED | os.WNOWAIT)
        with pytest.raises(NotFound):
            Namespace.of(stranger, "net")
        with space.owner() as owner:
            assert owner.kind == "user"


@pytest.mark.parametrize("kind", ["", "pid_for_children", "NET", "network", "../fd", "mount"])
def test_kinds_are_named_as_in_proc(kind: str) -> None:
    with pytest.raises(SpecError, match="is none of cgroup, ipc, mnt, net, pid, time, user, uts"):
        Namespace.of(os.getpid(), kind)


def test_no_such_process() -> None:
    process = subprocess.Popen(["true"], env={"PATH": PATH})
    pidfd = os.pidfd_open(process.pid)
    process.wait()
    with pytest.raises(NotFound, match=f"process {process.pid} does not exist"):
        Namespace.of(process.pid, "net")
    with pytest.raises(NotFound, match="has ended"):
        Namespace.of_pidfd(pidfd, "net")
    os.close(pidfd)


def test_what_is_no_pidfd_is_none() -> None:
    read, write = os.pipe()
    with pytest.raises(SpecError, match="not a pidfd"):
        Namespace.of_pidfd(read, "net")
    os.close(read)
    os.close(write)


@pytest.mark.needs_ordinary_user
def test_somebody_else_s_are_denied() -> None:
    with pytest.raises(Denied, match="not the caller's to open"):
        Namespace.of(1, "net")


def test_what_is_no_namespace_is_refused_unopened(tmp_path: Path) -> None:
    """Opening a fifo would block for ever."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").touch()
    for path in ("fifo", "file", "."):
        with pytest.raises(SpecError, match="not that of a namespace"):
            Namespace.open(tmp_path / path)
    with pytest.raises(SpecError, match="not that of a namespace"):
        Namespace.open("/dev/zero")
    with pytest.raises(NotFound):
        Namespace.open(tmp_path / "nothing")


def test_a_descriptor_of_something_else_stays_the_caller_s() -> None:
    fd = os.open("/", os.O_RDONLY)
    with pytest.raises(SpecError):
        Namespace.from_fd(fd)
    os.close(fd)


def test_a_closed_one_says_so() -> None:
    space = Namespace.current("uts")
    space.close()
    space.close()
    assert space.closed
    assert "closed" in repr(space)
    with pytest.raises(ValueError, match="closed"):
        space.owner()


def test_a_forgotten_one_warns() -> None:
    with pytest.warns(ResourceWarning, match="unclosed <Namespace uts"):
        Namespace.current("uts")


@pytest.mark.needs_user_namespace
@pytest.mark.parametrize("kind", ["net", "uts", "ipc", "mnt"])
def test_the_owner_is_the_user_namespace_it_was_made_in(kind: str, stranger: int) -> None:
    with Namespace.of(stranger, kind) as space, space.owner() as owner, Namespace.of(stranger, "user") as user:
        assert owner == user
        assert space.owner_uid() == user.owner_uid() == os.geteuid()


@pytest.mark.needs_user_namespace
def test_parents_lead_to_the_first_of_all(stranger: int) -> None:
    with Namespace.of(stranger, "user") as inner, Namespace.current("user") as outer:
        parent = inner.parent()
        assert parent is not None
        with parent:
            assert parent == outer
        with inner.owner() as owner:
            assert owner == outer


def test_only_pid_and_user_have_parents() -> None:
    with Namespace.current("net") as space, pytest.raises(SpecError, match="only pid and user have"):
        space.parent()


def test_the_first_of_all_has_no_parent_in_sight() -> None:
    space: Namespace | None = Namespace.current("pid")
    for _ in range(33):  # user and PID namespaces nest no deeper
        if space is None:
            break
        with space:
            space = space.parent()
    assert space is None


@pytest.mark.needs_root
@pytest.mark.parametrize("kind", ENTERABLE)
def test_a_thread_enters_and_is_back(kind: str, stranger: int) -> None:
    before = inode(kind, "thread-self")
    with Namespace.of(stranger, kind) as space:
        with space.entered():
            assert inode(kind, "thread-self") == space.id.inode
            assert all(inode(other, "thread-self") == inode(other) for other in KINDS if other != kind)
        assert inode(kind, "thread-self") == before
        with pytest.raises(ZeroDivisionError), space.entered():
            raise ZeroDivisionError
        assert inode(kind, "thread-self") == before


@pytest.mark.needs_root
def test_entering_again_while_inside(stranger: int) -> None:
    with Namespace.of(stranger, "net") as net, Namespace.of(stranger, "uts") as uts, Namespace.current("net") as own:
        with net.entered(), uts.entered(), own.entered():
            assert inode("net", "thread-self") == own.id.inode
            assert inode("uts", "thread-self") == uts.id.inode
        assert inode("net", "thread-self") == own.id.inode


@pytest.mark.needs_root
def test_threads_enter_each_its_own() -> None:
    """Twenty threads, each in and out of its own two namespaces: no one ever sees another's."""
    wrong: list[str] = []

    def visit(space: Namespace, name: str) -> None:
        for _ in range(20):
            with space.entered():
                socket.sethostname(name)
                time.sleep(0)
                if socket.gethostname() != name or inode("uts", "thread-self") != space.id.inode:
                    wrong.append(name)
            if inode("uts", "thread-self") != inode("uts"):
                wrong.append(f"{name} did not come back")

    before = socket.gethostname()
    spaces = [Namespace.create("uts") for _ in range(20)]
    threads = [threading.Thread(target=visit, args=(space, f"t{n}")) for n, space in enumerate(spaces)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for space in spaces:
        space.close()
    assert wrong == []
    assert socket.gethostname() == before


@pytest.mark.needs_root
def test_leaving_on_another_thread_is_refused(stranger: int) -> None:
    with Namespace.of(stranger, "uts") as space:
        entered = space.entered()
        entered.__enter__()
        raised: list[Exception] = []

        def leave() -> None:
            try:
                entered.__exit__(None, None, None)
            except Conflict as error:
                raised.append(error)

        thread = threading.Thread(target=leave)
        thread.start()
        thread.join()
        with pytest.raises(Conflict, match="entered already"):
            entered.__enter__()
        entered.__exit__(None, None, None)
    assert "entered on another thread" in str(raised[0])
    assert inode("uts", "thread-self") == inode("uts")


@pytest.mark.parametrize(
    ("kind", "instead"),
    [("user", "use ns.run"), ("pid", "use ns.run"), ("time", "use ns.run"), ("mnt", "use ns.run_in_thread")],
)
def test_what_a_thread_cannot_enter_names_the_other_way(kind: str, instead: str) -> None:
    with Namespace.current(kind) as space, pytest.raises(SpecError, match=instead):
        space.entered()


@pytest.mark.needs_ordinary_user
@pytest.mark.needs_user_namespace
def test_an_ordinary_user_is_told_what_to_use(stranger: int) -> None:
    with Namespace.of(stranger, "net") as space, pytest.raises(KernelError, match="an ordinary user has ns"):
        space.entered().__enter__()
    assert inode("net", "thread-self") == inode("net")


@pytest.mark.needs_root
@pytest.mark.parametrize("kind", [*ENTERABLE, "mnt"])
def test_a_thread_of_its_own(kind: str, stranger: int) -> None:
    with Namespace.of(stranger, kind) as space:
        assert space.run_in_thread(inode, kind, "thread-self") == space.id.inode
        with pytest.raises(ZeroDivisionError):
            space.run_in_thread(divmod, 1, 0)
    assert inode(kind, "thread-self") == inode(kind)


@pytest.mark.needs_root
def test_modules_are_not_imported_from_a_mount_namespace() -> None:
    def imports() -> None:
        import this  # noqa: F401

    with Namespace.create("mnt") as space, pytest.raises(ImportError, match="import it before"):
        space.run_in_thread(imports)
    assert not any("ImportsRefused" in type(finder).__name__ for finder in sys.meta_path)


@pytest.mark.needs_root
@pytest.mark.parametrize("kind", ["net", "uts", "ipc", "user", "cgroup", "time"])
def test_a_pin_keeps_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "pins" / "one"
    with Namespace.create(kind, ids="0:1000000:65536" if kind == "user" else None) as space:
        space.pin(path)
        made = space.id
        with pytest.raises(AlreadyExists):
            space.pin(path)
    with Namespace.open(path) as again:
        assert (again.kind, again.id) == (kind, made)
        assert again.run(["readlink", f"/proc/self/ns/{kind}"]).text() == f"{kind}:[{made.inode}]\n"
    Namespace.unpin(path)
    assert not path.exists()
    with pytest.raises(NotFound):
        Namespace.unpin(path)


@pytest.mark.needs_root
def test_a_pin_that_would_be_empty_is_refused(tmp_path: Path) -> None:
    with Namespace.create("pid") as space, pytest.raises(Conflict, match="its PID 1 ends with this object"):
        space.pin(tmp_path / "pid")
    with Namespace.create("user") as space, pytest.raises(Conflict, match="leased by this object"):
        space.pin(tmp_path / "user")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.needs_ordinary_user
def test_pinning_without_the_right_leaves_nothing(tmp_path: Path) -> None:
    with Namespace.current("net") as space, pytest.raises(KernelError, match="keep the Namespace object"):
        space.pin(tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_pin_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "empty").touch()
    (tmp_path / "link").symlink_to("/proc/self/ns/net")
    for name in ("file", "empty", "link", "."):
        with pytest.raises(Conflict):
            Namespace.unpin(tmp_path / name)
    assert len(list(tmp_path.iterdir())) == 3


def test_the_rest_of_a_pin_that_was_killed_halfway(tmp_path: Path) -> None:
    (tmp_path / "rest").touch(0o444)
    with Namespace.current("net") as space, pytest.raises(AlreadyExists):
        space.pin(tmp_path / "rest")
    Namespace.unpin(tmp_path / "rest")
    assert list(tmp_path.iterdir()) == []

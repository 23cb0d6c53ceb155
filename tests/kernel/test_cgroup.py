"""A group of real processes: made, filled, frozen, killed, removed; on whichever version of cgroups this host has."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from isolib.errors import AlreadyExists, Conflict, NotFound, SpecError, Unavailable
from isolib.handles.cgroup import CGroup, applying, ending, hierarchy, home
from isolib.spec.limits import Limits
from tests.unit.test_cgroup_names import BAD as BAD_NAMES

pytestmark = pytest.mark.needs_groups

# Each forks as fast as it can, never waits, and ignores what can be ignored.
FORK_BOMB = """
import os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    try:
        os.fork()
    except OSError:
        pass
"""


HOSTS = ["as mounted", "v1 alone"] if hierarchy.hierarchies().version == "hybrid" else ["as mounted"]


@pytest.fixture(params=HOSTS, autouse=True)
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test once more on a hybrid host whose v2 is not looked at: as hosts of v1 alone are."""
    if request.param == "as mounted":
        yield
        return
    old = [found for found in hierarchy.hierarchies().all if found.version == 1]
    with monkeypatch.context() as patch:
        patch.setattr(hierarchy, "_found", hierarchy.Hierarchies(old))
        patch.setattr(applying, "_orders", {})
        home.forget()
        yield
    home.forget()


@pytest.fixture
def cat() -> Iterator[subprocess.Popen[bytes]]:
    """A process that waits, and ends with the test."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def until(true: Callable[[], object], patience: float = 20) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + patience
    while not (found := bool(true())) and time.monotonic() < deadline:
        time.sleep(0.005)
    return found


def directories(group: CGroup) -> list[Path]:
    return [Path(path) for path in group.paths.values()]


def test_a_block_makes_a_group_and_removes_it() -> None:
    with CGroup.create("block") as group:
        places = directories(group)
        assert places
        assert all(place.is_dir() for place in places)
        assert group.exists()
    assert not any(place.exists() for place in places)
    assert not group.exists()


def test_an_exception_removes_it_too() -> None:
    with pytest.raises(ZeroDivisionError), CGroup.create("block") as group:
        raise ZeroDivisionError
    assert not group.exists()


def test_a_process_is_moved_in(cat: subprocess.Popen[bytes]) -> None:
    with CGroup.create("moved", Limits(pids=10)) as group:
        group.add(cat.pid)
        assert group.pids() == [cat.pid]
        assert CGroup.of(cat.pid).path == group.path
        for place in directories(group):
            assert (place / "cgroup.procs").read_text() == f"{cat.pid}\n"
        group.kill()
        assert (group.pids(), cat.wait(10)) == ([], -signal.SIGKILL)


def test_its_children_are_in_it(cat: subprocess.Popen[bytes]) -> None:
    with CGroup.create("children") as group, subprocess.Popen(["sh"], stdin=subprocess.PIPE) as shell:
        assert shell.stdin
        group.add(shell.pid)
        shell.stdin.write(b"sleep 100 & setsid sleep 100 & wait\n")
        shell.stdin.flush()
        assert until(lambda: len(group.pids()) == 3)
        group.kill()
        assert group.pids() == []


def test_the_same_name_twice() -> None:
    with CGroup.create("twice") as group:
        with pytest.raises(AlreadyExists, match="twice"):
            CGroup.create("twice")
        assert group.exists()


def test_the_parents_that_a_name_implies_come_and_go() -> None:
    with CGroup.create("tests/a", Limits(pids=5)) as a:
        parent = Path(a.path).parent
        with CGroup.create("tests/b", Limits(pids=5)) as b:
            assert Path(b.path).parent == parent
        assert parent.is_dir()
    assert not parent.exists()


def test_a_parent_that_was_made_stays() -> None:
    with CGroup.create("outer") as outer:
        with outer.child("inner", Limits(pids=5)) as inner:
            assert Path(inner.path).parent == Path(outer.path)
            assert outer.children() == ["inner"]
        assert outer.exists()
        assert outer.children() == []


def test_a_group_in_a_group_that_is_gone() -> None:
    with CGroup.create("outer", controllers=()) as outer:
        pass
    with pytest.raises(NotFound, match="outer"):
        outer.child("inner", Limits(pids=5))


def test_a_child_may_need_a_controller_that_its_parent_has_not() -> None:
    with CGroup.create("outer", controllers=()) as outer, outer.child("inner", Limits(pids=7)) as inner:
        assert inner["pids.max"] == "7"


def test_deep_groups(cat: subprocess.Popen[bytes]) -> None:
    with CGroup.create("/".join(f"d{i}" for i in range(25)), Limits(pids=3)) as group:
        group.add(cat.pid)
        assert group.stats().pids is not None
        top = Path(group.path).parents[23]
        assert top.name.startswith("d0@")
    assert not top.exists()


def test_removing_the_outer_removes_the_inner(cat: subprocess.Popen[bytes]) -> None:
    outer = CGroup.create("outer")
    inner = outer.child("a").child("b")
    inner.add(cat.pid)
    outer.remove()
    assert (inner.exists(), cat.wait(10)) == (False, -signal.SIGKILL)
    inner.remove()
    inner.close()


def test_a_group_by_its_path(cat: subprocess.Popen[bytes]) -> None:
    with CGroup.create("reached", Limits(pids=9)) as group:
        group.add(cat.pid)
        with CGroup.open(group.path) as same:
            assert (same.pids(), same["pids.max"], same.paths) == ([cat.pid], "9", group.paths)
        assert group.exists(), "leaving its block leaves it"


def test_a_kept_group_is_found_by_its_name() -> None:
    name = f"kept-{os.getpid()}"
    CGroup.create(name, Limits(pids=4), kept=True)
    with CGroup.open(name) as group:
        assert group["pids.max"] == "4"
    group.remove()
    with pytest.raises(NotFound, match=name):
        CGroup.open(name)


@pytest.mark.parametrize("path", ["", "/", "..", "a/../b", "/sys/fs/cgroup/../../..", "/\0", "."])
def test_no_path(path: str) -> None:
    with pytest.raises(SpecError):
        CGroup.open(path)


@pytest.mark.parametrize("path", ["/nowhere", "/sys/fs/cgroup/nowhere", "nothing", "/etc"])
def test_no_group(path: str) -> None:
    with pytest.raises(NotFound):
        CGroup.open(path)


@pytest.mark.parametrize("name", BAD_NAMES, ids=repr)
def test_a_bad_name_has_no_effect(name: str) -> None:
    with pytest.raises(SpecError) as caught:
        CGroup.create(name, Limits(pids=0))
    assert [problem.where for problem in caught.value.problems] == ["name", "limits.pids"]


@pytest.mark.parametrize("parent", ["../../x", "/..", "a/../../b", "a\0", "memory.max", "a//b"])
def test_a_parent_may_not_lead_out(parent: str) -> None:
    with pytest.raises(SpecError, match="parent"):
        CGroup.create("x", parent=parent)


@pytest.mark.parametrize("pid", [0, -1, True, "1", None, 1.0])
def test_no_process(pid: int) -> None:
    with CGroup.create("processes") as group, pytest.raises(SpecError):
        group.add(pid)


def test_a_process_that_is_gone(cat: subprocess.Popen[bytes]) -> None:
    cat.kill()
    cat.wait()
    with CGroup.create("gone") as group, pytest.raises(NotFound, match=str(cat.pid)):
        group.add(cat.pid)
    with pytest.raises(NotFound):
        CGroup.of(cat.pid)


def test_files_by_their_own_names() -> None:
    with CGroup.create("files", Limits(pids=8)) as group:
        group["pids.max"] = 9
        assert (group["pids.max"], "pids.max" in group.files()) == ("9", True)
        for name in ("no.such", "memory.nothing", "tasks2"):
            with pytest.raises(NotFound, match=name):
                group[name]
            with pytest.raises(NotFound, match=name):
                group[name] = 1
        for name in ("", "..", "../pids.max", "/etc/passwd", "a\0"):
            with pytest.raises(SpecError):
                group[name]
        fd = group.open_file("pids.max")
        assert os.read(fd, 10) == b"9\n"
        os.close(fd)


def test_what_a_group_has_used(cat: subprocess.Popen[bytes]) -> None:
    code = "import time; input(); x = bytearray(8 << 20)\n"
    code += "while time.process_time() < 0.3: pass\nprint(flush=True); input()"
    argv = [sys.executable, "-S", "-c", code]
    with CGroup.create("used", Limits(pids=5)) as group:
        with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin
            assert process.stdout
            group.add(process.pid)
            process.stdin.write(b"\n")
            process.stdin.flush()
            process.stdout.readline()
            stats = group.stats()
            group.kill()
        assert stats.pids is not None
        assert stats.pids.current == 1
        assert stats.memory is None or stats.memory.current >= 8 << 20
        assert stats.cpu is not None
        assert 0.1 < stats.cpu.seconds < 30
        after = group.stats()
        assert after.cpu is not None
        assert after.cpu.seconds >= stats.cpu.seconds, "of those that are gone, too"


def test_freezing_stops_and_thawing_goes_on() -> None:
    with CGroup.create("frozen") as group, subprocess.Popen(["yes"], stdout=subprocess.PIPE) as process:
        assert process.stdout
        group.add(process.pid)
        os.set_blocking(process.stdout.fileno(), False)
        group.freeze()
        assert group.frozen
        while process.stdout.read(65536):
            pass
        time.sleep(0.05)
        assert process.stdout.read(1) is None
        group.thaw()
        assert not group.frozen
        assert until(lambda: process.stdout and process.stdout.read(1))
        group.freeze()
        group.kill()
        assert process.wait(10) == -signal.SIGKILL, "a frozen process dies as well"


@pytest.mark.parametrize("one_by_one", [False, True], ids=["as the kernel can", "one by one"])
def test_a_fork_bomb_ends(one_by_one: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if one_by_one:  # as kernels below 5.14 have it
        monkeypatch.setattr(ending, "_has_kill", lambda place: False)
    argv = [sys.executable, "-S", "-c", f"input()\n{FORK_BOMB}"]
    with CGroup.create("bomb", Limits(pids=40)) as group, subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        assert process.stdin
        group.add(process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
        assert until(lambda: len(group.pids()) >= 35)
        group.kill(timeout=60)
        assert group.pids() == []
        assert group["pids.max"] == "40", "as it was before"


def test_removing_kills_what_is_left(cat: subprocess.Popen[bytes]) -> None:
    group = CGroup.create("left")
    group.add(cat.pid)
    group.remove()
    assert (group.exists(), cat.wait(10)) == (False, -signal.SIGKILL)
    group.remove()


def test_this_process_is_never_killed_by_itself() -> None:
    with pytest.raises(Conflict, match="this process itself"):
        CGroup.of(os.getpid()).kill()
    with pytest.raises(Conflict, match="this process itself"):
        CGroup.of(os.getpid()).remove()


def test_a_copy_in_a_fork_tears_nothing_down() -> None:
    with CGroup.create("fork") as group:
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                with group:
                    pass
                group.remove()
            except Conflict:
                status = 0 if group.exists() else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert group.exists()


def test_a_group_that_is_dropped_warns() -> None:
    group = CGroup.create("dropped")
    path = group.path
    held = [group]
    del group
    with pytest.warns(ResourceWarning, match="dropped"):
        held.clear()
    CGroup.open(path).remove()


def test_a_handle_holds_no_descriptor() -> None:
    with CGroup.create("first"):
        before = len(os.listdir("/proc/self/fd"))
        groups = [CGroup.create(f"many{i}") for i in range(20)]
        assert len(os.listdir("/proc/self/fd")) == before
        for group in groups:
            group.remove()


@pytest.mark.parametrize("made_again", [False, True])
def test_a_folder_that_another_process_tidied_away(made_again: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "FOLDER", f"isolib-tidied-{os.getpid()}")
    home.forget()
    folders: set[Path] = set()
    try:
        for name in ("before", "after"):
            try:
                group = CGroup.create(name, Limits(cpus=0.5))
            except Unavailable as lack:
                pytest.skip(f"HostFact: {lack}")
            with group:
                assert group.limits.cpus == 0.5
                folders |= {path.parent for path in directories(group)}
            for folder in folders:
                folder.rmdir()
                if made_again:
                    folder.mkdir()
    finally:
        home.forget()
        for folder in folders:
            if folder.exists():
                folder.rmdir()


def test_two_threads_with_one_parent() -> None:
    from threading import Thread

    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(30):
                CGroup.create(f"shared/t{number}-{i}", Limits(pids=3)).remove()
        except BaseException as error:
            failed.append(error)

    threads = [Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


@pytest.mark.needs_v1
def test_stepping_aside_is_for_v2() -> None:
    with pytest.raises(Unavailable, match="cgroup v2"):
        CGroup.step_aside()

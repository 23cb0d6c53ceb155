"""Leases of ids between real processes: never the same one twice, and free again whatever ends their holder."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from isolib.errors import SpecError, Unavailable
from isolib.handles.ids import subids
from isolib.handles.ids.lease import Lease, lease
from isolib.handles.ids.wish import hold
from isolib.spec.ids import Ids

SLOTS, UNIT = 16, 10  # what 160 sub-ids come to

# Leases what its arguments say, prints the first host ids, and holds them until its input ends.
HOLDER = """
import os, sys
from isolib.handles.ids import subids
from isolib.handles.ids.lease import lease
subids.SUBUID = subids.SUBGID = sys.argv[1]
held = [lease() for _ in range(int(sys.argv[2]))]
if sys.argv[3:] == ["fork"] and os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print(*(one.uids[0].host for one in held), flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """160 sub-ids, which are sixteen slots, and a file of locks of our own."""
    path = tmp_path / "sub"
    path.write_text(f"{os.geteuid()}:100000:{SLOTS * UNIT}\n")
    monkeypatch.setattr(subids, "SUBUID", str(path))
    monkeypatch.setattr(subids, "SUBGID", str(path))
    monkeypatch.setenv("ISOLIB_ROOT", str(tmp_path))
    return path


class Holders:
    """Processes that hold leases; all ended with the test."""

    def __init__(self, few: Path) -> None:
        self.few = few
        self.processes: list[subprocess.Popen[str]] = []

    def start(self, count: int, *words: str) -> "subprocess.Popen[str]":
        argv = [sys.executable, "-c", HOLDER, str(self.few), str(count), *words]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        pipe = subprocess.PIPE
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, env=environment, text=True)
        self.processes.append(process)
        return process

    def starts(self, process: "subprocess.Popen[str]") -> list[int]:
        assert process.stdout is not None
        return [int(word) for word in process.stdout.readline().split()]

    def close(self) -> None:
        for process in self.processes:
            with process:
                process.kill()


@pytest.fixture
def holders(few: Path) -> Iterator[Holders]:
    group = Holders(few)
    yield group
    group.close()


def lease_all() -> list[Lease]:
    """Every slot that nobody has."""
    held: list[Lease] = []
    try:
        while True:
            held.append(lease())
    except Unavailable:
        return held


def all_left() -> int:
    """How many slots nobody has."""
    held = lease_all()
    for one in held:
        one.close()
    return len(held)


def test_a_lease_is_its_holder_s_until_it_is_closed() -> None:
    with lease() as one, lease() as two:
        assert one.uids[0].host != two.uids[0].host
        assert all_left() == SLOTS - 2
    assert all_left() == SLOTS
    one.close()


def test_processes_that_lease_at_once_never_get_the_same(holders: Holders) -> None:
    started = [holders.start(4) for _ in range(4)]
    starts = [start for process in started for start in holders.starts(process)]
    assert sorted(starts) == [100000 + UNIT * n for n in range(SLOTS)]
    assert all_left() == 0


def test_threads_never_get_the_same() -> None:
    import threading

    held: list[Lease] = []
    threads = [threading.Thread(target=lambda: held.append(lease())) for _ in range(SLOTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one.uids[0].host for one in held}) == SLOTS
    for one in held:
        one.close()


def test_a_full_range_is_said_with_the_remedy(holders: Holders) -> None:
    holders.starts(holders.start(SLOTS))
    with pytest.raises(Unavailable, match="all are leased: close a container, or give user"):
        lease()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_holder_holds_nothing(holders: Holders, number: int) -> None:
    process = holders.start(SLOTS)
    holders.starts(process)
    process.send_signal(number)
    process.wait()
    assert all_left() == SLOTS


def test_a_fork_does_not_prolong_the_leases_of_a_killed_holder(holders: Holders) -> None:
    process = holders.start(SLOTS, "fork")
    holders.starts(process)
    assert all_left() == 0
    process.kill()
    process.wait()
    assert all_left() == SLOTS
    assert process.stdin is not None
    process.stdin.close()  # the fork reads it, and ends


def test_a_fork_gives_nothing_back(holders: Holders) -> None:
    with lease() as one:
        pid = os.fork()
        if pid == 0:
            one.close()
            with pytest.raises(ValueError, match="nothing is locked by this process"):
                one.fileno()
            os._exit(all_left())
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == SLOTS - 1
        assert all_left() == SLOTS - 1


def test_a_descriptor_that_is_handed_on_holds_the_ids() -> None:
    with lease() as one:
        keeper = subprocess.Popen(["sleep", "60"], pass_fds=[one.fileno()], env={"PATH": "/usr/bin:/bin"})
    assert all_left() == SLOTS - 1
    keeper.kill()
    keeper.wait()
    assert all_left() == SLOTS


def test_one_lease_may_take_several_slots(holders: Holders) -> None:
    with lease(2 * UNIT + 1) as one:
        assert sum(row.size for row in one.uids) == 2 * UNIT + 1
        assert all_left() == SLOTS - 3
    holders.starts(holders.start(SLOTS - 2))
    with pytest.raises(Unavailable, match="all are leased"):
        lease(3 * UNIT)
    assert all_left() == 2


def test_what_is_more_than_there_is_is_unavailable() -> None:
    with pytest.raises(Unavailable, match="a range of 161 ids"):
        lease(SLOTS * UNIT + 1)


@pytest.mark.parametrize("size", [0, -1])
def test_no_ids_are_no_range(size: int) -> None:
    with pytest.raises(SpecError):
        lease(size)


def test_no_sub_ids_are_unavailable(few: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("HostFact: root, who has a range without a line in /etc/subuid")
    few.write_text("")
    with pytest.raises(Unavailable, match=f"{os.geteuid()}:100000:65536 in "):
        lease()


def test_ranges_are_known_by_their_ids_not_by_their_place_in_the_file(few: Path) -> None:
    """Somebody edits the file while leases are out: slots are cut anew, and what is leased stays leased."""
    with lease() as one:
        start = one.uids[0].host
        few.write_text(f"{os.geteuid()}:{100000 - 7}:{SLOTS * 16}\n")
        held = lease_all()
        taken = [number for other in held for row in other.uids for number in range(row.host, row.host + row.size)]
        for other in held:
            other.close()
        assert not {*range(start, start + UNIT)} & {*taken}
        assert len(held) in (SLOTS - 1, SLOTS - 2)


def test_a_forgotten_lease_warns_and_is_freed() -> None:
    with pytest.warns(ResourceWarning, match="unclosed <Lease"):
        lease()
    assert all_left() == SLOTS


def test_wishes_without_a_lock_have_nothing_to_close() -> None:
    ids = hold(Ids("self"))
    with pytest.raises(ValueError, match="nothing is locked"):
        ids.fileno()
    ids.close()


def test_the_file_of_locks_is_the_caller_s_alone(tmp_path: Path) -> None:
    lease().close()
    assert (tmp_path / "run" / "ids.lock").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "run").stat().st_mode & 0o777 == 0o700

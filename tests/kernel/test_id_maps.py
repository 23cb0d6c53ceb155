"""Id maps as the real kernel takes them, written by who may: the caller, or newuidmap for him."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from isolib.errors import KernelError, Unavailable
from isolib.handles.ids import tools
from isolib.handles.ids.subids import sub_ids
from isolib.handles.ids.wish import hold
from isolib.handles.ids.write import maps_of, write_maps
from isolib.spec.idrows import rows_text
from isolib.spec.ids import IdMap, IdMaps, Ids
from tests.harness.facts import PATH
from tests.id_rows import BAD, GOOD, TAKEN, BadRows

OWN = IdMaps.one(os.geteuid(), os.getegid())
SOUND = (IdMap(0, 100000, 1),)


@pytest.fixture
def waiting() -> Iterator[int]:
    """The pid of a process in a new user namespace, which has no map yet."""
    argv = ["unshare", "--user", "sleep", "60"]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, env={"PATH": PATH})
    here = os.stat("/proc/self/ns/user").st_ino
    while os.stat(f"/proc/{process.pid}/ns/user").st_ino == here:
        assert process.poll() is None
        time.sleep(0.001)
    yield process.pid
    process.kill()
    process.wait()


def text_of(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text().strip()


@pytest.mark.needs_root
@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_the_kernel_on_bad_rows(bad: BadRows, waiting: int) -> None:
    """What isolib calls a problem the kernel refuses, or takes for something else than was written."""
    if bad.kernel == TAKEN:
        Path(f"/proc/{waiting}/uid_map").write_text(rows_text(bad.rows))
        assert maps_of(waiting).uids != bad.rows or not bad.rows  # no row at all: written, and nobody exists
        return
    with pytest.raises(KernelError) as caught:
        write_maps(waiting, IdMaps(bad.rows, SOUND))
    assert caught.value.errno == bad.kernel
    assert caught.value.hint
    assert maps_of(waiting) == IdMaps((), ())


@pytest.mark.needs_root
@pytest.mark.parametrize("rows", GOOD, ids=len)
def test_the_kernel_on_good_rows(rows: tuple[IdMap, ...], waiting: int) -> None:
    write_maps(waiting, IdMaps(rows, rows))
    assert {*maps_of(waiting).uids} == {*rows} == {*maps_of(waiting).gids}
    assert text_of(waiting, "setgroups") == "allow"


@pytest.mark.needs_root
def test_a_map_is_written_only_once(waiting: int) -> None:
    write_maps(waiting, IdMaps(SOUND, SOUND))
    with pytest.raises(KernelError, match="has a map already"):
        write_maps(waiting, IdMaps(SOUND, SOUND))


@pytest.mark.needs_user_namespace
def test_the_own_id_alone(waiting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "PLACES", ())  # an ordinary user needs no setuid program for it
    write_maps(waiting, OWN)
    assert maps_of(waiting) == OWN


@pytest.mark.needs_ordinary_user
@pytest.mark.needs_user_namespace
def test_the_own_group_alone_costs_setgroups(waiting: int) -> None:
    write_maps(waiting, OWN)
    assert text_of(waiting, "setgroups") == "deny"


@pytest.mark.needs_user_namespace
def test_the_own_id_by_another_number(waiting: int) -> None:
    maps = IdMaps.one(os.geteuid(), os.getegid(), inside_uid=1234, inside_gid=4321)
    write_maps(waiting, maps)
    assert maps_of(waiting) == maps


@pytest.mark.needs_ordinary_user
@pytest.mark.needs_sub_ids
@pytest.mark.parametrize("word", ["auto", "auto:1", "auto:5000", "keep-id", "nomap"])
def test_sub_ids_by_newuidmap(word: str, waiting: int) -> None:
    with hold(Ids.parse(word)) as ids:
        write_maps(waiting, ids.maps)
        assert maps_of(waiting) == ids.maps
    assert text_of(waiting, "setgroups") == "allow"


@pytest.mark.needs_ordinary_user
@pytest.mark.needs_sub_ids
def test_sub_ids_where_sigchld_is_ignored(waiting: int) -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        with hold(Ids("auto")) as ids:
            write_maps(waiting, ids.maps)
            assert maps_of(waiting) == ids.maps
    finally:
        signal.signal(signal.SIGCHLD, before)


@pytest.mark.needs_ordinary_user
@pytest.mark.needs_sub_ids
@pytest.mark.parametrize("kind", ["uid", "gid"])
def test_what_the_files_do_not_give_is_named(kind: str, waiting: int) -> None:
    rows = {"uid": OWN.uids, "gid": OWN.gids} | {kind: (IdMap(0, 7, 2),)}
    with pytest.raises(Unavailable) as caught:
        write_maps(waiting, IdMaps(rows["uid"], rows["gid"]))
    assert f"/etc/sub{kind} does not give 7:2 to user {os.geteuid()}" in str(caught.value)


@pytest.mark.needs_ordinary_user
@pytest.mark.needs_user_namespace
def test_a_missing_newuidmap_is_named(waiting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "PLACES", ())
    with pytest.raises(Unavailable, match="newuidmap is missing: install it"):
        write_maps(waiting, IdMaps(SOUND, OWN.gids))
    assert maps_of(waiting).uids == ()


def test_newuidmap_is_not_found_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "newuidmap").write_text("#!/bin/sh\n")
    (tmp_path / "newuidmap").chmod(0o4755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(tools, "PLACES", ("/nonexistent",))
    with pytest.raises(Unavailable, match="missing"):
        tools.find_tool("newuidmap")


@pytest.mark.parametrize("mode", [0o755, 0o4777, 0o4775])
def test_a_newuidmap_of_doubtful_rights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    (tmp_path / "newuidmap").touch()
    (tmp_path / "newuidmap").chmod(mode)
    monkeypatch.setattr(tools, "PLACES", (str(tmp_path),))
    with pytest.raises(Unavailable, match="must be root's, and setuid"):
        tools.find_tool("newuidmap")


@pytest.mark.needs_root
def test_root_has_its_own_reason_told(waiting: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a user namespace of few ids, the others do not exist."""
    code = (
        "import os, sys\n"
        "from isolib.errors import KernelError\n"
        "from isolib.handles.ids.write import write_maps\n"
        "from isolib.spec.ids import IdMaps\n"
        "try: write_maps(int(sys.argv[1]), IdMaps.parse('0:5000:1'))\n"
        "except KernelError as error: print(error)\n"
    )
    inner = "unshare --user sleep 60 & p=$!; while test /proc/$p/ns/user -ef /proc/$$/ns/user; do :; done; "
    inner += '"$0" -c "$1" $p; kill $p'
    argv = ["unshare", "--user", "--map-root-user", "sh", "-c", inner, sys.executable, code]
    done = subprocess.run(argv, env={"PATH": PATH, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True)
    assert b"not mapped in the caller's user namespace" in done.stdout, done


def test_a_process_that_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    process = subprocess.Popen(["true"], env={"PATH": PATH})
    process.wait()
    with pytest.raises(KernelError, match="the process has ended"):
        write_maps(process.pid, OWN)


@pytest.mark.needs_ordinary_user
def test_sub_ids_of_this_user_are_read_as_shadow_reads_them() -> None:
    if not Path("/usr/bin/getsubids").exists():
        pytest.skip("HostFact: no getsubids(1) to compare with")
    done = subprocess.run(["/usr/bin/getsubids", pwd.getpwuid(os.geteuid()).pw_name], capture_output=True, text=True)
    listed = [line.split() for line in done.stdout.splitlines()]
    assert sum(part.count for part in sub_ids(os.geteuid()).uids) == sum(int(fields[-1]) for fields in listed)

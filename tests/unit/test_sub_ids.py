"""Who may give which ids away: the files, the slots cut from them, and the rows of keep-id."""

import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from isolib.errors import SpecError, Unavailable
from isolib.handles.ids import caller, subids, wish
from isolib.handles.ids.area import NOBODY, ROOT_DEFAULT, WHOLE, Area, area_of, keep_rows
from isolib.handles.ids.place import locks_path
from isolib.handles.ids.subids import SubIds, sub_ids
from isolib.spec.idrows import ID_END, IdRange, joined, rows_problems
from isolib.spec.ids import IdMap, IdMaps, Ids

ALL = IdMaps((IdMap(0, 0, ID_END),), (IdMap(0, 0, ID_END),))
NONE = SubIds((), ())
DEBIAN = IdRange(100000, 65536)


def both(*parts: IdRange) -> SubIds:
    return SubIds(parts, parts)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Files of our own in place of /etc/subuid and /etc/subgid."""
    paths = tmp_path / "subuid", tmp_path / "subgid"
    monkeypatch.setattr(subids, "SUBUID", str(paths[0]))
    monkeypatch.setattr(subids, "SUBGID", str(paths[1]))
    return paths


def test_lines_with_the_name_or_the_number_count(files: tuple[Path, Path]) -> None:
    files[0].write_text("root:500:10\n0:100:10\nother:300:10\n0:110:10\n")
    files[1].write_text("# groups\n\nroot:7:1\n")
    assert sub_ids(0) == SubIds((IdRange(100, 20), IdRange(500, 10)), (IdRange(7, 1),))
    assert sub_ids(0, others=True) == SubIds((IdRange(300, 10),), ())


def test_no_file_is_no_sub_ids(files: tuple[Path, Path]) -> None:
    assert sub_ids(0) == NONE


def test_a_changed_file_is_read_again(files: tuple[Path, Path]) -> None:
    files[0].write_text("0:100:10\n")
    assert sub_ids(0).uids == (IdRange(100, 10),)
    files[0].write_text("0:100:10\n0:200:10\n")
    assert sub_ids(0).uids == (IdRange(100, 10), IdRange(200, 10))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "0",
        "0:1",
        "0:1:2:3",
        ":1:2",
        "0:x:2",
        "0:1:x",
        "0:-1:2",
        "0:1:-2",
        "0:1:0",
        "0:+1:2",
        "0:0x1:2",
        "0: 1:2",
        "#0:1:2",
    ],
)
def test_nonsense_gives_nothing(line: str) -> None:
    assert subids.parse(f"{line}\n7:1:1\n") == (("7", IdRange(1, 1)),)


def test_root_without_a_line_leases_from_the_default() -> None:
    area = area_of(0, NONE, both(DEBIAN), ALL)
    assert (area.unit, len(area)) == (WHOLE, 2245)
    assert area[0].uid == ROOT_DEFAULT.start
    assert area[2244].gid + WHOLE == ROOT_DEFAULT.end


def test_root_keeps_off_what_the_files_give_to_others() -> None:
    other = IdRange(ROOT_DEFAULT.start + WHOLE, 1)
    area = area_of(0, NONE, SubIds((other,), ()), ALL)
    assert not any(slot.uid <= other.start < slot.uid + area.unit for slot in map(area.__getitem__, range(len(area))))
    assert len(area) == 2244


def test_root_with_a_line_leases_from_it() -> None:
    area = area_of(0, both(IdRange(1_000_000, 1_000_000_000)), both(DEBIAN), ALL)
    assert (area.unit, len(area), area[1].uid) == (WHOLE, 15258, 1_065_536)


def test_an_ordinary_user_has_sixteen_slots_of_what_is_usual() -> None:
    area = area_of(1000, both(DEBIAN), NONE, ALL)
    assert (area.unit, len(area), area[15]) == (4096, 16, (100000 + 15 * 4096, 100000 + 15 * 4096))


def test_an_ordinary_user_without_a_line_has_none() -> None:
    assert len(area_of(1000, NONE, both(DEBIAN), ALL)) == 0


def test_only_what_the_own_user_namespace_maps_is_there() -> None:
    parent = IdMaps((IdMap(0, 5, 65536), IdMap(65536, 9_000_000, 65536 * 20)), (IdMap(0, 5, 65536 * 21),))
    area = area_of(0, both(IdRange(60000, 65536 * 30)), NONE, parent)
    assert area.unit == WHOLE
    assert [area[n].uid for n in range(len(area))] == [65536 * n for n in range(1, 21)]
    assert len(area_of(0, NONE, NONE, IdMaps((IdMap(0, 5, 65536),), (IdMap(0, 5, 65536),)))) == 0


def test_users_and_groups_need_not_be_the_same_numbers() -> None:
    area = area_of(1000, SubIds((IdRange(10, 160),), (IdRange(900, 160), IdRange(2000, 160))), NONE, ALL)
    assert (area.unit, len(area), area[3]) == (10, 16, (40, 930))


def test_a_small_range_ends_with_nobody() -> None:
    area = area_of(1000, both(DEBIAN), NONE, ALL)
    assert area.maps([area[1]], 4096).uids == (IdMap(0, 104096, 4095), IdMap(NOBODY, 108191, 1))
    assert area.maps([area[1]], 2).uids == (IdMap(0, 104096, 1), IdMap(NOBODY, 104097, 1))
    assert area.maps([area[1]], 1).uids == (IdMap(0, 104096, 1),)


def test_neighbouring_slots_become_one_row() -> None:
    area = area_of(1000, both(DEBIAN), NONE, ALL)
    assert area.maps([area[n] for n in range(16)], 65536).uids == (IdMap(0, 100000, 65536),)
    assert area.maps([area[0], area[2]], 5000).uids == (
        *(IdMap(0, 100000, 4096), IdMap(4096, 108192, 903), IdMap(NOBODY, 109095, 1)),
    )


parts = st.lists(st.builds(IdRange, st.integers(0, 10_000), st.integers(1, 3000)), max_size=5).map(joined)


@given(parts, parts, st.data())
def test_maps_of_slots_are_sound_and_stay_in_their_slots(
    uids: tuple[IdRange, ...], gids: tuple[IdRange, ...], data: st.DataObject
) -> None:
    area = Area(uids, gids)
    if not len(area):
        return
    slots = sorted(
        area[n] for n in data.draw(st.sets(st.integers(0, len(area) - 1), min_size=1, max_size=4), label="slots")
    )
    size = data.draw(st.integers((len(slots) - 1) * area.unit + 1, len(slots) * area.unit), label="size")
    maps = area.maps(slots, size)
    assert list(maps.problems("ids")) == []
    for rows, starts in ((maps.uids, [slot.uid for slot in slots]), (maps.gids, [slot.gid for slot in slots])):
        assert sum(row.size for row in rows) == size
        own = joined(IdRange(start, area.unit) for start in starts)
        assert all(any(part.covers(row.host, row.size) for part in own) for row in rows)


@pytest.mark.parametrize(
    ("own", "size", "rows"),
    [
        (1000, 1, "1000:1000:1"),
        (1000, 65537, "0:100000:1000,1000:1000:1,1001:101000:64536"),
        (1000, 500, "0:100000:499,1000:1000:1"),
        (1000, 1001, "0:100000:1000,1000:1000:1"),
        (0, 3, "0:0:1,1:100000:2"),
        (70000, 65537, "0:100000:65536,70000:70000:1"),
    ],
)
def test_keep_id_leaves_the_caller_his_number(own: int, size: int, rows: str) -> None:
    assert ",".join(map(str, keep_rows(own, [DEBIAN], size))) == rows


@given(st.integers(0, 3000), parts, st.data())
def test_keep_id_rows_are_sound(own: int, subs: tuple[IdRange, ...], data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 1 + sum(part.count for part in subs)), label="size")
    free = [part for part in subs if not part.covers(own)]
    size = min(size, 1 + sum(part.count for part in free))
    rows = keep_rows(own, free, size)
    assert list(rows_problems(rows, "ids")) == []
    assert sum(row.size for row in rows) == size
    assert IdMap(own, own, 1) in rows


def as_user(monkeypatch: pytest.MonkeyPatch, uid: int, subs: SubIds) -> None:
    """The ids of somebody else, as far as a wish looks at them."""
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "getegid", lambda: uid)
    monkeypatch.setattr(wish, "sub_ids", lambda _: subs)


def test_wishes_of_an_ordinary_user(monkeypatch: pytest.MonkeyPatch) -> None:
    as_user(monkeypatch, 1000, both(DEBIAN))
    assert wish.hold(Ids("self")).maps == IdMaps.parse("0:1000")
    assert wish.hold(Ids("keep-id", 1)).maps == IdMaps.parse("1000:1000")
    assert wish.hold(Ids("keep-id")).maps == IdMaps.parse("0:100000:1000,1000:1000:1,1001:101000:64536")
    assert wish.hold(Ids("nomap")).maps == IdMaps.parse("0:100000:65536")


@pytest.mark.parametrize("text", ["keep-id", "keep-id:2", "nomap"])
def test_wishes_without_sub_ids_say_what_to_add(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    as_user(monkeypatch, 1000, NONE)
    with pytest.raises(Unavailable, match=r"1000:100000:65536 in /etc/subuid and in /etc/subgid"):
        wish.hold(Ids.parse(text))


@pytest.mark.parametrize("text", ["keep-id", "nomap"])
def test_root_has_no_sub_ids_of_his_own_to_share(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    as_user(monkeypatch, 0, both(DEBIAN))
    with pytest.raises(SpecError, match="as root, ask for auto"):
        wish.hold(Ids.parse(text))


def test_rows_outside_the_own_user_namespace_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wish, "own_maps", lambda: IdMaps.parse("0:100000:65536"))
    with pytest.raises(SpecError) as caught:
        wish.hold(Ids.parse("0:65000:1000"))
    assert [problem.where for problem in caught.value.problems] == ["ids.uids[0].host", "ids.gids[0].host"]


def test_the_remedy_in_a_container_is_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(caller, "own_maps", lambda: IdMaps.parse("0:100000:65536"))
    assert "the container that this runs in" in caller.remedy(65536)


def test_locks_lie_where_isolib_root_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISOLIB_ROOT", "/somewhere")
    assert locks_path() == "/somewhere/run/ids.lock"


def test_locks_lie_in_the_runtime_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("ISOLIB_ROOT", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_000)
    assert locks_path() == f"{tmp_path}/isolib/ids.lock"
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert locks_path() == "/run/isolib/ids.lock"

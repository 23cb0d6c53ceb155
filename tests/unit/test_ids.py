"""Id maps as values: what they say, what is wrong with them, and how people write them."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given, strategies as st

from isolib.errors import SpecError
from isolib.spec import idrows
from isolib.spec.idrows import IdRange, joined, range_rows, read_rows, rows_text, to_container, to_host, without
from isolib.spec.ids import IdMap, IdMaps, Ids
from tests.id_rows import BAD, GOOD, BadRows

ROWS = (IdMap(0, 100000, 1000), IdMap(1000, 1000, 1), IdMap(1001, 101000, 500))


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_rows_are_problems_at_their_place(bad: BadRows) -> None:
    found = list(IdMaps(bad.rows, ROWS).problems("ids"))
    assert sorted(problem.where for problem in found) == sorted(f"ids.uids{place}" for place in bad.places)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_rows_are_problems_for_groups_too(bad: BadRows) -> None:
    found = list(IdMaps(ROWS, bad.rows).problems("ids"))
    assert sorted(problem.where for problem in found) == sorted(f"ids.gids{place}" for place in bad.places)


@pytest.mark.parametrize("rows", GOOD)
def test_good_rows_are_none(rows: tuple[IdMap, ...]) -> None:
    assert list(IdMaps(rows, rows).problems("ids")) == []


def test_the_problem_says_which_row_has_the_id_already() -> None:
    (problem,) = IdMaps((IdMap(0, 5, 10), IdMap(10, 14)), ROWS).problems("")
    assert str(problem) == ".uids[1].host: id 14 is in uids[0] already"


def test_what_is_no_row_is_a_problem_not_a_traceback() -> None:
    (problem,) = IdMaps(((0, 1, 2),), ROWS).problems("ids")  # type: ignore[arg-type]
    assert problem.where == "ids.uids[0]"


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("0:100000:65536", (IdMap(0, 100000, 65536),)),
        ("0:1000", (IdMap(0, 1000, 1),)),
        ("0:100000:1000,1000:1000:1", (IdMap(0, 100000, 1000), IdMap(1000, 1000, 1))),
        ("00:0100000:065536", (IdMap(0, 100000, 65536),)),
    ],
)
def test_rows_are_read_as_people_write_them(text: str, rows: tuple[IdMap, ...]) -> None:
    assert IdMaps.parse(text) == IdMaps(rows, rows)


def test_groups_may_differ() -> None:
    assert IdMaps.parse("0:1:2;0:3:4") == IdMaps((IdMap(0, 1, 2),), (IdMap(0, 3, 4),))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "0",
            "0:",
            ":0",
            "0:1:2:3",
            "a:b:c",
            "-1:0:1",
            "+1:0:1",
            "0x0:0:1",
            "0: 1:1",
            " 0:1:1",
            "0:1:1\n",
            "1_0:0:1",
        ),
        *("0:1:", "0:1:2,", ",0:1:2", "0:1:2;", ";0:1:2", "0,1,2", "٣:0:1", "²:0:1", "1e3:0:1", "0:1:1.5", "9" * 5000),
    ],
)
def test_other_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SpecError, match="write CONTAINER:HOST:SIZE, as 0:100000:65536"):
        IdMaps.parse(text, "ids")


def test_a_row_that_cannot_be_read_is_named() -> None:
    with pytest.raises(SpecError) as caught:
        IdMaps.parse("0:1:2;0:1:2,x", "ids")
    assert caught.value.where == "ids.gids[1]"


def test_ids_are_translated_both_ways() -> None:
    assert [to_host(ROWS, inside) for inside in (0, 999, 1000, 1001, 1500, 1501)] == [
        *(100000, 100999, 1000, 101000, 101499, None)
    ]
    assert [to_container(ROWS, outside) for outside in (100000, 100999, 1000, 101000, 101499, 0)] == [
        *(0, 999, 1000, 1001, 1500, None)
    ]


def test_the_text_is_the_kernel_files() -> None:
    assert rows_text(ROWS) == "0 100000 1000\n1000 1000 1\n1001 101000 500\n"
    assert read_rows("         0     100000       1000\n      1000       1000          1\n") == ROWS[:2]


def test_users_that_are_not_mapped_are_named() -> None:
    maps = IdMaps(ROWS, (IdMap(0, 5, 10),))
    assert [p.what.partition(" of")[0] for p in maps.user_problems("user", 5000, 50, [9, 10])] == [
        *("uid 5000", "gid 50", "group 10")
    ]
    assert list(maps.user_problems("user", 1000, 9, [])) == []


def test_a_row_lies_in_one_row_of_the_parent() -> None:
    parent = IdMaps((IdMap(0, 7, 10), IdMap(10, 99, 10)), (IdMap(0, 0, 100),))
    inside = IdMaps((IdMap(0, 0, 10),), (IdMap(0, 0, 100),))
    across = IdMaps((IdMap(0, 5, 10),), (IdMap(0, 50, 51),))
    assert list(inside.parent_problems("ids", parent)) == []
    assert [p.where for p in across.parent_problems("ids", parent)] == ["ids.uids[0].host", "ids.gids[0].host"]


@pytest.mark.parametrize(
    ("uids", "gids", "places"),
    [
        ("0:1000", "0:1000", []),
        ("0:1000", "0:1001", ["ids.gids[0].host"]),
        ("0:0", "0:1000", ["ids.uids[0].host"]),
        ("0:100000:65536", "0:100000:65536", []),
        ("0:100000:65537", "0:100000:65536", ["ids.uids[0].host"]),
        ("0:99999:2", "0:1000", ["ids.uids[0].host"]),
        ("0:1000,1:100000:65536", "0:100000:10,10:1000", []),
        ("0:1000:2", "0:1000", ["ids.uids[0].host"]),
    ],
)
def test_what_an_ordinary_user_may_map(uids: str, gids: str, places: list[str]) -> None:
    halves = (IdRange(100000, 32768), IdRange(132768, 32768))  # neighbours count as one, as newuidmap does
    maps = IdMaps.parse(f"{uids};{gids}")
    assert [problem.where for problem in maps.caller_problems("ids", 1000, 1000, halves, halves)] == places


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("self", Ids("self")),
        ("auto", Ids("auto")),
        ("auto:1024", Ids("auto", 1024)),
        ("keep-id", Ids("keep-id")),
        ("keep-id:1", Ids("keep-id", 1)),
        ("nomap", Ids("nomap")),
        ("0:1000:1", Ids("maps", maps=IdMaps.one(1000, 1000))),
    ],
)
def test_wishes_are_read(text: str, wish: Ids) -> None:
    assert Ids.parse(text) == wish
    assert list(wish.problems("ids")) == []


@pytest.mark.parametrize(
    "text", ["", "host", "maps", "Self", "auto:", "auto:x", "auto:-1", "self:1", "nomap:9", " auto"]
)
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(SpecError):
        Ids.parse(text, "ids")


@pytest.mark.parametrize(
    ("wish", "place"),
    [
        (Ids("auto", 0), "ids.size"),
        (Ids("auto", -5), "ids.size"),
        (Ids("auto", 2**32), "ids.size"),
        (Ids("auto", True), "ids.size"),
        (Ids("self", 5), "ids.size"),
        (Ids("maps"), "ids.maps"),
        (Ids("self", maps=IdMaps(ROWS, ROWS)), "ids.maps"),
        (Ids("maps", maps=IdMaps((), ROWS)), "ids.uids"),
        (Ids("private"), "ids.word"),  # type: ignore[arg-type]
    ],
)
def test_wishes_that_contradict_themselves(wish: Ids, place: str) -> None:
    assert [problem.where for problem in wish.problems("ids")] == [place]


def test_values_survive_json() -> None:
    wish = Ids.parse("0:100000:1000,1000:1000:1;0:5:1")
    assert msgspec.json.decode(msgspec.json.encode(wish), type=Ids) == wish


ranges = st.builds(IdRange, st.integers(0, 300), st.integers(1, 60))


def ids_of(parts: tuple[IdRange, ...]) -> set[int]:
    return {number for part in parts for number in range(part.start, part.end)}


@given(st.lists(ranges), st.lists(ranges))
def test_ranges_are_sets_of_ids(parts: list[IdRange], holes: list[IdRange]) -> None:
    whole, left = joined(parts), without(parts, holes)
    assert ids_of(whole) == ids_of(tuple(parts))
    assert ids_of(left) == ids_of(tuple(parts)) - ids_of(tuple(holes))
    for result in (whole, left):
        assert all(a.end < b.start for a, b in pairwise(result))


@given(st.lists(ranges, min_size=1, max_size=20))
def test_rows_of_ranges_are_sound_and_translate_back(parts: list[IdRange]) -> None:
    rows = range_rows(joined(parts))
    assert list(idrows.rows_problems(rows, "ids")) == []
    for inside in range(sum(row.size for row in rows)):
        outside = to_host(rows, inside)
        assert outside is not None
        assert to_container(rows, outside) == inside


@given(st.lists(st.builds(IdMap, *[st.integers(-2, 2**32 + 2) | st.integers(0, 40)] * 3), max_size=6))
def test_rows_are_sound_or_said_to_be_not(rows: list[IdMap]) -> None:
    sound = not list(idrows.rows_problems(tuple(rows), "ids"))
    exact = bool(rows) and all(
        0 <= row.container <= row.container + row.size - 1 < 2**32 - 1
        and 0 <= row.host <= row.host + row.size - 1 < 2**32 - 1
        and not any(
            overlap(a, b, row.size, other.size)
            for other in rows[index + 1 :]
            for a, b in ((row.container, other.container), (row.host, other.host))
        )
        for index, row in enumerate(rows)
    )
    assert sound == exact


def overlap(a: int, b: int, size_a: int, size_b: int) -> bool:
    return a < b + size_b and b < a + size_a

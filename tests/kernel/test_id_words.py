"""What each word for ids comes to inside a container."""

import os

import pytest

import isolib
from isolib import SpecError, StepError
from isolib.spec.idrows import read_rows
from isolib.spec.ids import IdMap

pytestmark = pytest.mark.needs_user_namespace

SCRIPT = "id -u; cat /proc/self/uid_map"
UID, GID = os.geteuid(), os.getegid()


def inside(ids: str | None) -> tuple[int, tuple[IdMap, ...]]:
    """The user a command runs as, and the rows of its map as it sees them."""
    text = isolib.run(["sh", "-c", SCRIPT], ids=ids, check=True).text()
    first, _, rest = text.partition("\n")
    return int(first), read_rows(rest)


def test_self_is_the_caller_alone() -> None:
    assert inside("self") == (0, (IdMap(0, UID),))


def test_without_a_word() -> None:
    uid, rows = inside(None)
    assert uid == 0
    assert rows == ((IdMap(0, rows[0].host, 65536),) if UID == 0 else (IdMap(0, UID),))


@pytest.mark.needs_sub_ids
@pytest.mark.parametrize("word", ["auto", "auto:1000", "auto:1"])
def test_auto_is_a_range_of_its_own(word: str) -> None:
    uid, rows = inside(word)
    size = int(word.partition(":")[2] or 0)
    assert uid == 0
    assert UID not in {row.host for row in rows}
    assert not size or sum(row.size for row in rows) == size


@pytest.mark.needs_sub_ids
def test_two_at_once_have_nothing_in_common() -> None:
    script = "cat /proc/self/uid_map; exec sleep 60"
    with isolib.spawn(["sh", "-c", script], ids="auto") as one, isolib.spawn(["sh", "-c", script], ids="auto") as two:
        ranges = []
        for process in (one, two):
            assert process.stdout is not None
            row = read_rows(os.read(process.stdout, 4096).decode())[0]
            ranges.append(range(row.host, row.host + row.size))
        assert not set(ranges[0]) & set(ranges[1])


@pytest.mark.needs_ordinary_user
def test_keep_id_alone() -> None:
    assert inside("keep-id:1") == (UID, (IdMap(UID, UID),))


@pytest.mark.needs_ordinary_user
@pytest.mark.needs_sub_ids
def test_keep_id_among_sub_ids() -> None:
    uid, rows = inside("keep-id")
    assert IdMap(UID, UID) in rows
    assert sum(row.size for row in rows) > 1
    assert uid in (0, UID)


@pytest.mark.needs_ordinary_user
@pytest.mark.needs_sub_ids
def test_nomap_is_every_sub_id() -> None:
    uid, rows = inside("nomap")
    assert uid == 0
    assert UID not in {row.host for row in rows}


@pytest.mark.needs_root
def test_rows_as_given() -> None:
    assert inside("0:700000:10,50:800000:5") == (0, (IdMap(0, 700000, 10), IdMap(50, 800000, 5)))


@pytest.mark.parametrize("ids", ["", "everybody", "0:0:0", "0:5:10,9:100:1", "auto:0", "maps"])
def test_what_makes_no_sense_starts_nothing(ids: str) -> None:
    with pytest.raises(SpecError) as caught:
        isolib.run(["true"], ids=ids)
    assert caught.value.where.startswith("ids")


@pytest.mark.needs_root
def test_a_user_without_a_row_is_named() -> None:
    with pytest.raises((SpecError, StepError), match="id map"):
        isolib.run(["true"], ids="0:700000:10", user=12)

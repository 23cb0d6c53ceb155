"""Sizes, counts and lists as text: what is understood, and what is refused, with a sentence that helps."""

import pytest
from hypothesis import given, strategies as st

from isolib.spec.units import HIGHEST, format_list, format_size, parse_count, parse_list, parse_size

GOOD = [
    *((0, 0), (1, 1), ("0", 0), ("1", 1), (HIGHEST, HIGHEST), (str(HIGHEST), HIGHEST), ("max", "max")),
    *(("512M", 512 << 20), ("512m", 512 << 20), ("512MB", 512 << 20), ("512mb", 512 << 20), ("512MiB", 512 << 20)),
    *(
        ("1G", 1 << 30),
        ("1GiB", 1 << 30),
        ("1K", 1024),
        ("1k", 1024),
        ("2T", 2 << 40),
        ("3P", 3 << 50),
        ("7E", 7 << 60),
    ),
    *(("1.5G", 3 << 29), ("0.5k", 512), ("1.25M", 5 << 18), ("0.1K", 102), ("10B", 10), ("10b", 10), ("007", 7)),
]

# Every one of these has been written by somebody into a compose file, a unit or a shell.
BAD_SIZES: list[object] = [
    *(-1, -(2**70), 2**63, 2**64, 10**30, True, False, None, 1.5, 0.0, float("nan"), float("inf"), b"512M", [], {}, ()),
    *("", " ", "\t", "\n", "512 M", " 512M", "512M ", "512M\n", "5 12M", "-1", "-512M", "+512M", "--", "M", "B", "iB"),
    *(
        "1,5G",
        "1_000",
        "1e9",
        "1e3M",
        "0x10",
        "0b1",
        "1.5",
        "1.",
        ".5G",
        "1..5G",
        "1.5.5G",
        "1.5B",
        "1iB",
        "1Gi",
        "1GB/s",
    ),
    *(
        "512X",
        "512MM",
        "512MBB",
        "512KM",
        "G512",
        "512%",
        "½G",
        "٣M",
        "512Ｍ",
        "Max",
        "MAX",
        "max ",
        "infinity",
        "unlimited",
    ),
    *(
        "none",
        "nan",
        "0M0",
        "8E",
        "16E",
        "9223372036854775808",
        "9" * 31,
        "1." + "0" * 40 + "G",
        "512M;",
        "512M\0",
        "∞",
    ),
]


@pytest.mark.parametrize(("value", "size"), GOOD)
def test_a_size(value: object, size: object) -> None:
    assert parse_size(value) == size


@pytest.mark.parametrize("value", BAD_SIZES, ids=repr)
def test_no_size(value: object) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+") as caught:
        parse_size(value)
    assert repr(value)[:20] in str(caught.value), "the sentence names what was given"


def test_there_are_sixty_bad_sizes() -> None:
    assert len(BAD_SIZES) >= 60


@given(st.integers(0, HIGHEST))
def test_an_int_is_itself_and_so_is_its_text(value: int) -> None:
    assert parse_size(value) == parse_size(str(value)) == value


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_a_value_error(text: str) -> None:
    try:
        size = parse_size(text)
    except ValueError:
        return
    assert size == "max" or 0 <= size <= HIGHEST


@given(st.integers(0, 7 << 60))
def test_a_size_is_shown_within_half_a_percent(size: int) -> None:
    shown = parse_size(format_size(size))
    assert shown != "max"
    assert abs(shown - size) <= max(1, size * 0.006)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0"), (1023, "1023"), (1024, "1K"), (1500, "1.46K"), (512 << 20, "512M"), (1001 << 20, "1001M")],
)
def test_a_size_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize("value", [0, 1, 100, HIGHEST, "max"])
def test_a_count(value: object) -> None:
    assert parse_count(value) == value


@pytest.mark.parametrize(
    "value", [-1, True, None, 1.0, "5", "1.5G", "", "MAX", HIGHEST + 1, float("nan"), [1]], ids=repr
)
def test_no_count(value: object) -> None:
    with pytest.raises(ValueError, match=r"no count|out of range"):
        parse_count(value)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0", (0,)),
        ("0-3", (0, 1, 2, 3)),
        ("0-3,7", (0, 1, 2, 3, 7)),
        ("7,0-1", (0, 1, 7)),
        ("2-2", (2,)),
        ("1,1,0-1", (0, 1)),
    ],
)
def test_a_list(text: str, numbers: tuple[int, ...]) -> None:
    assert parse_list(text) == numbers


BAD_LISTS = [
    "",
    " ",
    "a",
    "0-",
    "-1",
    "3-1",
    "0,",
    ",0",
    "0,,1",
    "0 1",
    "0-1-2",
    "0:1",
    "1.5",
    "٣",
    "0\n",
    "100000",
    0,
    None,
    [0],
]


@pytest.mark.parametrize("text", BAD_LISTS, ids=repr)
def test_no_list(text: object) -> None:
    with pytest.raises(ValueError, match=r"list|backwards"):
        parse_list(text)


@given(st.sets(st.integers(0, 300), min_size=1))
def test_a_list_and_its_text(numbers: set[int]) -> None:
    assert parse_list(format_list(tuple(numbers))) == tuple(sorted(numbers))

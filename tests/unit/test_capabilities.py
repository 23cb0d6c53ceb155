"""Capabilities as names and bits: spelling, arithmetic, and what the kernel would not have."""

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from isolib.errors import SpecError
from isolib.spec.capabilities import CAPABILITIES, DEFAULT, NUMBER, Capabilities, canonical, names_of

ALL = (1 << 41) - 1
NAMES = st.sampled_from(CAPABILITIES)


def test_there_are_41_in_the_kernels_order() -> None:
    assert len(CAPABILITIES) == len(set(CAPABILITIES)) == 41
    some = {"CAP_CHOWN": 0, "CAP_NET_ADMIN": 12, "CAP_SYS_ADMIN": 21, "CAP_SETFCAP": 31, "CAP_CHECKPOINT_RESTORE": 40}
    assert {name: NUMBER[name] for name in some} == some


def test_numbers_are_those_of_the_headers_here() -> None:
    header = Path("/usr/include/linux/capability.h")
    if not header.exists():
        pytest.skip("HostFact: no headers of the kernel (linux-libc-dev)")
    found = re.findall(r"^#define (CAP_[A-Z_]+)\s+(\d+)$", header.read_text(), re.MULTILINE)
    assert dict(NUMBER) == {name: int(number) for name, number in found}


@pytest.mark.parametrize("word", ["CAP_NET_ADMIN", "net_admin", "NET_ADMIN", "cap_net_admin", "Cap_Net_Admin"])
def test_any_spelling_is_understood(word: str) -> None:
    assert canonical(word) == "CAP_NET_ADMIN"
    assert Capabilities.of(word).masks().bounding == 1 << 12


BAD_WORDS = [
    *(
        "",
        " ",
        "CAP_",
        "CAP",
        "NET",
        "NET-ADMIN",
        "NET ADMIN",
        " NET_ADMIN",
        "NET_ADMIN ",
        "NET_ADMIN\n",
        "NET_ADMIN\0",
    ),
    *("CAP_CAP_NET_ADMIN", "SYS_ADMN", "CAP_SYS_ADMN", "ΝET_ADMIN", "12", "0x1000", "+NET_ADMIN", "-NET_ADMIN", "*"),
    *("NET_ADMIN,SYS_ADMIN", "CAP_ALL", "ALL,", "none", "CAP_41", "ſys_admin", "kıll", "x" * 5000),
]


@pytest.mark.parametrize("word", BAD_WORDS)
def test_a_word_that_names_none_is_a_problem(word: str) -> None:
    (problem,) = Capabilities.of("CHOWN", word).problems("capabilities")
    assert problem.where == "capabilities.bounding[1]"
    assert "is no capability" in problem.what


@pytest.mark.parametrize("word", BAD_WORDS)
def test_a_word_that_names_none_changes_nothing_silently(word: str) -> None:
    for change in (Capabilities().add, Capabilities().drop, Capabilities().with_ambient):
        with pytest.raises(SpecError, match="is no capability"):
            change("CHOWN", word)
    for add, drop in (((word,), ()), ((), (word,)), (("ALL",), (word,)), ((word,), ("ALL",))):
        with pytest.raises(SpecError, match="is no capability"):
            Capabilities().adjust(add, drop)


@pytest.mark.parametrize(
    ("word", "close"), [("SYS_ADMN", "SYS_ADMIN"), ("cap_netraw", "NET_RAW"), ("SETUDI", "SETUID")]
)
def test_what_was_meant_is_said(word: str, close: str) -> None:
    (problem,) = Capabilities.of(word).problems("c")
    assert problem.what.endswith(f"did you mean {close!r}?")


@pytest.mark.parametrize("bad", [None, 5, "NET_ADMIN", {"CHOWN": 1}, [3], (None,), (("CHOWN",),)])
@pytest.mark.parametrize("name", ["bounding", "permitted", "effective", "inheritable", "ambient"])
def test_no_list_of_names_is_a_problem_and_no_traceback(name: str, bad: object) -> None:
    value = Capabilities(**{name: bad})  # type: ignore[arg-type]
    if bad is None and name in ("permitted", "effective"):
        assert list(value.problems("c")) == []
    else:
        assert {problem.where.partition("[")[0] for problem in value.problems("c")} >= {f"c.{name}"}
    value.masks()


def test_the_default_is_few_and_none_of_it_is_inherited() -> None:
    masks = Capabilities().masks()
    assert masks.bounding == masks.permitted == masks.effective
    assert names_of(masks.bounding) == DEFAULT
    assert masks.inheritable == masks.ambient == 0
    assert {"CAP_SYS_ADMIN", "CAP_NET_RAW", "CAP_MKNOD", "CAP_SYS_PTRACE"} & set(DEFAULT) == set()


def test_all_and_none() -> None:
    assert Capabilities.of("all").masks() == (ALL, ALL, ALL, 0, 0)
    assert Capabilities.of().masks() == (0, 0, 0, 0, 0)
    assert Capabilities.of("ALL").names() == set(CAPABILITIES)


@given(st.sets(NAMES), st.sets(NAMES))
def test_add_and_drop_are_sets(have: set[str], other: set[str]) -> None:
    caps = Capabilities.of(*have)
    assert caps.add(*other).names() == have | other
    assert caps.drop(*other).names() == have - other
    for value in (caps, caps.add(*other), caps.drop(*other), caps.with_ambient(*other)):
        assert list(value.problems("")) == []


@given(st.lists(NAMES, min_size=1, unique=True))
def test_ambient_ones_are_in_all_five(names: list[str]) -> None:
    masks = Capabilities.of().with_ambient(*names).masks()
    assert len(set(masks)) == 1
    assert set(names_of(masks.ambient)) == set(names)


def test_dropped_is_dropped_from_all_five() -> None:
    caps = Capabilities.of("KILL").with_ambient("KILL", "CHOWN").drop("kill")
    assert caps.masks() == (1, 1, 1, 1, 1)


def test_added_to_sets_that_were_narrowed() -> None:
    caps = Capabilities(bounding=("CHOWN", "KILL"), permitted=(), effective=None).add("KILL")
    assert caps.masks() == (0b100001, 0b100000, 0b100000, 0, 0)


@pytest.mark.parametrize(
    ("add", "drop", "names"),
    [
        ((), (), set(DEFAULT)),
        (("NET_RAW",), (), {*DEFAULT, "CAP_NET_RAW"}),
        ((), ("KILL",), set(DEFAULT) - {"CAP_KILL"}),
        ((), ("ALL",), set()),
        (("KILL",), ("ALL",), {"CAP_KILL"}),
        (("ALL",), (), set(CAPABILITIES)),
        (("ALL",), ("KILL",), set(CAPABILITIES) - {"CAP_KILL"}),
        (("all", "KILL"), (), set(CAPABILITIES)),
        (("KILL",), ("SYS_ADMIN",), set(DEFAULT)),
    ],
)
def test_dockers_two_options(add: tuple[str, ...], drop: tuple[str, ...], names: set[str]) -> None:
    assert Capabilities().adjust(add, drop).names() == names


@pytest.mark.parametrize(
    ("add", "drop"), [(("KILL",), ("KILL",)), (("kill",), ("CAP_KILL", "CHOWN")), (("ALL",), ("ALL",))]
)
def test_added_and_dropped_is_an_error(add: tuple[str, ...], drop: tuple[str, ...]) -> None:
    with pytest.raises(SpecError, match="both added and dropped"):
        Capabilities().adjust(add, drop)


@pytest.mark.parametrize(
    ("value", "place", "text"),
    [
        (Capabilities(permitted=("SYS_ADMIN",)), "c.permitted", "CAP_SYS_ADMIN: not in bounding"),
        (Capabilities(permitted=(), effective=("KILL",)), "c.effective", "CAP_KILL: not in permitted"),
        (Capabilities(inheritable=("NET_RAW",)), "c.inheritable", "not in bounding"),
        (Capabilities(ambient=("KILL",)), "c.ambient", "both permitted and inheritable"),
        (Capabilities(permitted=(), inheritable=("KILL",), ambient=("KILL",)), "c.ambient", "both permitted and"),
    ],
)
def test_sets_that_the_kernel_would_not_have(value: Capabilities, place: str, text: str) -> None:
    (problem,) = value.problems("c")
    assert problem.where == place
    assert text in problem.what


def test_names_of_bits_that_are_not_known_are_numbers() -> None:
    assert names_of(1 << 40 | 1 << 45) == ("CAP_CHECKPOINT_RESTORE", "45")

"""Limits as values: all that is wrong is said at once, each with its place; a good value says nothing."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, strategies as st

from isolib.spec.device_rules import STANDARD_DEVICES, DeviceRule
from isolib.spec.limits import IoLimit, Limits

NAN, INF = float("nan"), float("inf")
disk: Any = IoLimit  # wrong types on purpose
rule: Any = DeviceRule

GOOD = [
    Limits(),
    Limits(memory="512M", memory_high="480M", memory_low=0, memory_min=0, swap=0, oom_group=True),
    Limits(memory="max", swap="max", pids="max", cpus="max"),
    Limits(cpus=1.5, cpu_burst=0.5, cpu_period=50_000, cpu_weight=1, cpu_idle=False, cpuset="0-1", mems="0"),
    Limits(cpus=0.01),
    Limits(cpus=1, cpu_period=1000),
    Limits(pids=1, io_weight=10_000, hugetlb={"2MB": "4M", "1GB": 0, "64KB": "max"}),
    Limits(io=(IoLimit("8:0", rbps="1M", wiops=100), IoLimit("/dev/sda", weight=50))),
    Limits(devices=()),
    Limits(devices=("a", "c *:* m", "b 8:* r", DeviceRule("c", 1, 3, allow=False), *STANDARD_DEVICES)),
    Limits(unified={"memory.high": "32M", "cpu.uclamp.min": 20, "hugetlb.2MB.rsvd.max": "max", "cgroup.max.depth": 3}),
]

# What is asked for, and the place of the one problem.
BAD: list[tuple[dict[str, Any], str]] = [
    *(
        ({"memory": v}, "memory")
        for v in (0, 1, 4095, "1K", -1, 2**63, NAN, 1.5, True, "", "1,5G", "lots", b"1G", ["1G"])
    ),
    *(({"memory_high": v}, "memory_high") for v in (0, "0", -1, False)),
    *(({"memory_low": v}, "memory_low") for v in (-1, "-1", 0.5)),
    ({"memory_min": "1.5"}, "memory_min"),
    *(({"swap": v}, "swap") for v in (-1, "none", True)),
    *(({"oom_group": v}, "oom_group") for v in (1, 0, "yes")),
    *(({"cpus": v}, "cpus") for v in (0, -1, 0.009, 8193, 10**9, NAN, INF, -INF, True, "1.5", "", [1])),
    *(({"cpus": 1, "cpu_period": v}, "cpu_period") for v in (0, 999, 1_000_001, 1.5, "100000", True)),
    ({"cpu_period": 100_000}, "cpu_period"),
    ({"cpus": 0.5, "cpu_period": 1000}, "cpus"),
    ({"cpu_burst": 0.5}, "cpu_burst"),
    ({"cpus": "max", "cpu_burst": 0.5}, "cpu_burst"),
    *(({"cpus": 1, "cpu_burst": v}, "cpu_burst") for v in (1.01, -0.1, NAN, "1", True)),
    *(({"cpu_weight": v}, "cpu_weight") for v in (0, 10_001, -1, 1.0, "100", True)),
    ({"cpu_idle": 1}, "cpu_idle"),
    *(({"cpuset": v}, "cpuset") for v in ("", "a", "3-1", "0,", 0, -1)),
    ({"mems": "0-"}, "mems"),
    *(({"pids": v}, "pids") for v in (0, -1, True, 1.5, "1.5G", "100", "", NAN)),
    *(({"io_weight": v}, "io_weight") for v in (0, 10_001, "5", NAN)),
    *(({"io": v}, "io") for v in ("8:0", 5, None)),
    ({"io": ("8:0",)}, "io[0]"),
    ({"io": (disk("8:0"),)}, "io[0]"),
    *(({"io": (disk(v, rbps=1),)}, "io[0].device") for v in ("", "sda", "8", "8:", ":0", "8:0 ", "/dev/\0", None, 8)),
    *(({"io": (disk("8:0", rbps=v),)}, "io[0].rbps") for v in (0, -1, "x", True)),
    *(({"io": (disk("8:0", wiops=v),)}, "io[0].wiops") for v in (0, -1, "1K", 1.5)),
    ({"io": (disk("8:0", weight=0),)}, "io[0].weight"),
    *(({"hugetlb": {v: 0}}, "hugetlb") for v in ("", "2M", "2mb", "0MB", "2MB ", "huge", 2, "../2MB")),
    ({"hugetlb": {"2MB": -1}}, "hugetlb['2MB']"),
    *(({"hugetlb": v}, "hugetlb") for v in ("2MB", None, ["2MB"])),
    *(({"devices": v}, "devices") for v in ("c 1:3 rwm", 5)),
    *(
        ({"devices": (v,)}, "devices[0]")
        for v in ("", "c", "d 1:3 rwm", "c 1:3 rwx", "c 1 3 rwm", "c -1:3 r", "C 1:3 r", "c 1:3  r", 5)
    ),
    *(({"devices": (rule("c", v),)}, "devices[0].major") for v in (-1, 4096, True, "1")),
    ({"devices": (rule("c", 1, 2**20),)}, "devices[0].minor"),
    *(({"devices": (rule("c", 1, 3, v),)}, "devices[0].access") for v in ("", "x", "rr", "rwmx", None)),
    ({"devices": (rule("a", 1),)}, "devices[0]"),
    ({"devices": (rule("z"),)}, "devices[0].kind"),
    *(
        ({"unified": {v: "1"}}, f"unified[{v!r}]")
        for v in ("", "memory", "memory/high", "../memory.high", "Memory.high", "a.b\n", 5)
    ),
    *(
        ({"unified": {f"cgroup.{v}": "1"}}, f"unified['cgroup.{v}']")
        for v in ("procs", "threads", "kill", "freeze", "type")
    ),
    *(
        ({"unified": {"memory.high": v}}, "unified['memory.high']")
        for v in ("", " ", "1\n2", "\0", "x" * 5000, True, None, 1.5)
    ),
    *(({"unified": v}, "unified") for v in ("memory.high", None, ["memory.high"])),
]


@pytest.mark.parametrize("limits", GOOD, ids=repr)
def test_good_limits(limits: Limits) -> None:
    assert list(limits.problems()) == []


@pytest.mark.parametrize(("fields", "place"), BAD, ids=repr)
def test_bad_limits(fields: dict[str, Any], place: str) -> None:
    found = list(Limits(**fields).problems())
    assert [problem.where for problem in found] == [f"limits.{place}"]
    assert len(found[0].what) > 10


def test_there_are_sixty_bad_limits() -> None:
    assert len(BAD) >= 60


def test_all_problems_at_once_where_they_are() -> None:
    limits = Limits(memory=-1, cpus=NAN, pids=0, io=(IoLimit("x", rbps=-1),), unified={"x": "1"})
    found = [problem.where for problem in limits.problems("spec.limits")]
    assert found == [
        f"spec.limits.{n}" for n in ("memory", "cpus", "pids", "io[0].device", "io[0].rbps", "unified['x']")
    ]


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="memry"):
        msgspec.json.decode(b'{"memry": 5}', type=Limits)


@pytest.mark.parametrize("limits", GOOD, ids=repr)
def test_limits_survive_json(limits: Limits) -> None:
    again = msgspec.json.decode(msgspec.json.encode(limits), type=Limits)
    assert (again, list(again.problems())) == (limits, [])


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=6),
    st.binary(max_size=3),
    st.lists(st.text(max_size=3), max_size=2),
)


@given(st.dictionaries(st.sampled_from(Limits.__struct_fields__), ANYTHING))
def test_problems_never_raises(fields: dict[str, Any]) -> None:
    for problem in Limits(**fields).problems():
        assert problem.where.startswith("limits.")


def test_updated_takes_what_is_set() -> None:
    before = Limits(memory="1G", pids=5, hugetlb={"2MB": 1}, unified={"a.b": 1})
    after = before.updated(Limits(pids="max", hugetlb={"1GB": 2}, unified={"a.b": 2}))
    assert after == Limits(memory="1G", pids="max", hugetlb={"2MB": 1, "1GB": 2}, unified={"a.b": 2})


@pytest.mark.parametrize("text", ["a *:* rwm", "c 1:3 rwm", "b 8:* r", "c *:* m"])
def test_a_rule_and_its_text(text: str) -> None:
    assert str(DeviceRule.of(text)) == text


def test_a_rule_without_access_allows_all() -> None:
    assert (DeviceRule.of("a"), DeviceRule.of("c 1:3")) == (DeviceRule(), DeviceRule("c", 1, 3))

"""Names of groups: what is refused, and why."""

import pytest
from hypothesis import given, strategies as st

from isolib.handles.cgroup.names import problems

GOOD = [
    "a",
    "tests/a",
    "a/b/c",
    "Web_1",
    "web.example",
    "ä",
    "a b",
    "1",
    "x@y",
    "a" * 200,
    "/".join("a" * 64),
    "mycpu.max",
    "tasks2",
]
BAD = [
    *(None, 5, b"a", True, ["a"], "", " / ", "/", "//", "/a", "a/", "a//b", "a///b", "/a/"),
    *(".", "..", "../x", "../../x", "a/..", "a/../b", "./a", "a/.", "a/./b", ".hidden", "a/.hidden", "-x", "a/-x"),
    *("\0", "a\0", "a\nb", "a\n", "\t", "a\rb", "a\x7f", "a\u2028b", "a\u202eb", "\udc80"),
    *(
        "cgroup.procs",
        "cgroup.x",
        "memory.max",
        "a/memory.max",
        "cpu.max",
        "io.max",
        "pids.max",
        "devices.allow",
        "tasks",
    ),
    *(
        "notify_on_release",
        "release_agent",
        "a/tasks",
        "hugetlb.2MB.max",
        "irq.pressure",
        "a" * 201,
        "ä" * 101,
        "/".join("a" * 65),
    ),
]


@pytest.mark.parametrize("name", GOOD)
def test_a_name(name: str) -> None:
    assert list(problems(name)) == []


@pytest.mark.parametrize("name", BAD, ids=repr)
def test_no_name(name: object) -> None:
    found = list(problems(name, "group"))
    assert len(found) == 1
    assert (found[0].where, len(found[0].what) > 20) == ("group", True)


def test_there_are_forty_bad_names() -> None:
    assert len(BAD) >= 40


@given(st.text(max_size=40))
def test_a_name_without_problems_stays_below_its_folder(name: str) -> None:
    if not list(problems(name)):
        parts = name.split("/")
        assert all(part and part not in (".", "..") and "\0" not in part and "\n" not in part for part in parts)

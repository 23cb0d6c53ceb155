"""The short Plans of Namespace, as data: what is made and joined, in which order, and as whom."""

import pytest

from isolib.launch.namespace import WHO, Inside, create_plan, inside_plan, offsets_text
from isolib.launch.plan import NAMESPACE_FLAGS, Plan
from isolib.launch.steps import FIRST_FREE, NONE
from isolib.linux.ns import KINDS

COMMAND = Inside(["true"], {"A": "b"}, (0, 1, 2))
USER = NAMESPACE_FLAGS["user"]


def words(plan: Plan) -> list[str]:
    return [step.word for step in plan.steps]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("owned", [False, True])
def test_one_namespace_is_made_and_handed_over(kind: str, owned: bool) -> None:
    plan = create_plan(kind, owned)
    wanted = {NAMESPACE_FLAGS[kind]} - {NAMESPACE_FLAGS["time"]} | ({USER} if owned else set())
    assert plan.flags == sum(wanted)
    (opened,) = (step for step in plan.steps if step.word == "open")
    link = "time_for_children" if kind == "time" else kind
    assert opened.subject == f"/proc/thread-self/ns/{link}"
    assert [step.subject for step in plan.steps if step.word == "send"] == ["namespace"]
    assert ("sync" in words(plan)) == owned
    assert plan.encoded


def test_the_first_process_of_a_pid_namespace_stays_out_of_reach() -> None:
    assert create_plan("pid", True).steps[-1].word == "stay"
    assert [step.subject for step in create_plan("pid", True).steps if step.word == "prctl"] == [
        *("PR_SET_DUMPABLE, 1", "PR_SET_DUMPABLE, 0")
    ]
    assert "stay" not in words(create_plan("net", True))


@pytest.mark.parametrize("kind", KINDS)
def test_the_owner_is_joined_first_and_all_in_the_caller_s_sight_is_opened_before(kind: str) -> None:
    plan = inside_plan(kind, kind != "user", COMMAND, WHO[0])
    joins = [step.subject for step in plan.steps if step.word == "setns"]
    assert joins == (["user"] if kind == "user" else ["user", kind])
    order = words(plan)
    assert ("open" in order) == (kind != "pid")
    if kind != "pid":
        assert order.index("open") < order.index("setns")
    assert max(i for i, word in enumerate(order) if word == "setns") < order.index("fork")
    assert order[-1] == "exec"
    assert order.count("exec") == 1


def test_the_caller_s_groups_go_before_his_ids() -> None:
    order = words(inside_plan("net", True, COMMAND, WHO[0]))
    assert order[order.index("setns") + 1 : order.index("setns") + 4] == ["groups", "gid", "uid"]
    assert "groups" not in words(inside_plan("net", False, COMMAND, ()))


def test_registers_do_not_meet() -> None:
    """The caller's descriptors, then the namespace, its owner, and the list of children."""
    plan = inside_plan("net", True, COMMAND._replace(fds=(0, 1, 2, 9, 10)), ())
    spaces = {step.subject: step.n[0] for step in plan.steps if step.word == "setns"}
    (children,) = (step.n[2] for step in plan.steps if step.word == "open")
    assert (spaces["net"], spaces["user"], children) == (FIRST_FREE + 2, FIRST_FREE + 3, FIRST_FREE + 4)
    assert next(step for step in plan.steps if step.word == "fork").n == (children,)
    assert next(step for step in plan.steps if step.word == "fds").subject == "0, 1, 2, 3, 4"
    assert next(step for step in inside_plan("pid", True, COMMAND, ()).steps if step.word == "fork").n == (NONE,)


def test_what_joins_by_itself_is_not_joined_for_it() -> None:
    assert "setns" not in words(inside_plan("mnt", False, COMMAND, (), join=False))


@pytest.mark.parametrize(
    ("offsets", "text"),
    [
        ({}, ""),
        ({"boottime": 1}, "boottime 1 0"),
        ({"monotonic": 1.5, "boottime": 2}, "boottime 2 0\nmonotonic 1 500000000"),
        ({"monotonic": -0.25}, "monotonic -1 750000000"),
        ({"monotonic": 0.9999999999}, "monotonic 1 0"),
    ],
)
def test_offsets_are_whole_seconds_and_what_is_left(offsets: dict[str, float], text: str) -> None:
    assert offsets_text(offsets) == text

"""`isolib plan`."""

from typing import TYPE_CHECKING

from isolib.cli.help import Page
from isolib.cli.options import Section, parse
from isolib.cli.output import print_json, wants_json, width
from isolib.cli.words import ELSEWHERE, JSON, RUN
from isolib.errors import SpecError

if TYPE_CHECKING:
    from isolib.launch.plan import Plan

PAGE = Page(
    "plan",
    ("isolib plan [OPTIONS] -- COMMAND [WORD…]", "isolib plan [OPTIONS] IMAGE COMMAND [WORD…]"),
    "show what a run would do, without doing it",
    """
    It takes what run takes, and prints the start as it would happen: a line for each system call, in order, with its
    reason. What run would refuse, plan refuses.
    """,
    (Section("Output", JSON), *RUN),
    (
        ("all of a start", "isolib plan -- sh"),
        ("what an option adds", "diff <(isolib plan -- sh) <(isolib plan -v .:/src -- sh)"),
        ("for a program", "isolib plan --json -- sh"),
    ),
)


def main(words: list[str]) -> int:
    """Prints the plan."""
    given = parse(words, PAGE.options, ELSEWHERE)
    if given.on("help"):
        print(PAGE.render(width()))
        return 0
    from isolib.cli.request import request
    from isolib.launch.start import prepare

    as_json = wants_json(given)
    asked = request(given)
    try:
        plan = prepare(asked.spec).plan
    except SpecError as error:
        raise asked.told(error) from None
    if as_json:
        print_json(_objects(plan))
    else:
        print(plan.describe())
    return 0


def _objects(plan: "Plan") -> dict[str, object]:
    from isolib.launch.plan import flag_words

    steps = [
        {"step": step.word, "call": step.call, "subject": step.subject, "why": step.why or None} for step in plan.steps
    ]
    return {"clone": [word for word in flag_words(plan.flags).split("|") if word != "0"], "steps": steps}

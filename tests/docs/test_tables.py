"""The tables of the reference name what there is, and nothing else."""

import re

import isolib
from isolib import errors
from isolib.launch.steps import OPS
from tests.arch.source import ROOT


def rows(page: str) -> dict[str, list[str]]:
    """The rows of a page's tables whose first cell is code, by that code."""
    found = re.findall(r"^\| `([^`]+)` \| (.*) \|$", (ROOT / "docs/reference" / page).read_text(), flags=re.M)
    return {name: [cell.strip() for cell in rest.split(" | ")] for name, rest in found}


def test_every_step_is_in_the_table_with_its_call() -> None:
    assert {word: cells[0] for word, cells in rows("steps.md").items()} == {word: op.call for word, op in OPS.items()}


def test_every_error_is_in_the_table() -> None:
    public = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.IsolibError) and value is not errors.IsolibError
    }
    assert set(rows("errors.md")) == public
    assert public <= set(isolib.__all__)


def test_the_changelog_begins_with_what_is_coming_and_knows_this_version() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert versions[0] == "Unreleased"
    assert isolib.__version__ in versions

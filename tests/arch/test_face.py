"""The package root: every public name is there, is loaded at its first use only, and costs what is used of it."""

import ast
import json
import subprocess
import sys

import pytest

import isolib
from tests.arch.source import SRC, parse

# Each costs 5 to 20 ms, where the whole package may cost 30. What msgspec itself loads is not ours to choose.
HEAVY = {
    "asyncio",
    "dataclasses",
    "logging",
    "subprocess",
    "inspect",
    "typing_extensions",
    "urllib",
    "email",
    "tempfile",
}


def fresh(code: str) -> str:
    """What a new interpreter prints; only the environment's site-packages in it, no user site."""
    return subprocess.run(
        [sys.executable, "-s", "-c", code], check=True, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.mark.parametrize("name", isolib.__all__)
def test_each_name_is_there(name: str) -> None:
    assert getattr(isolib, name) is not None


def test_what_type_checkers_see_is_what_there_is() -> None:
    (block,) = (node for node in parse(SRC / "isolib/__init__.py").body if isinstance(node, ast.If))
    seen = {
        alias.asname or alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert seen - {"aio"} == set(isolib.__all__) - {"__version__"}


def test_all_is_sorted_and_listed() -> None:
    assert set(isolib.__all__) <= set(dir(isolib))


def test_no_other_name_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'runn'"):
        isolib.runn  # noqa: B018


def test_the_import_alone_loads_nothing() -> None:
    loaded = json.loads(fresh("import sys, json, isolib; print(json.dumps([m for m in sys.modules if 'isolib' in m]))"))
    assert [name for name in loaded if not name.startswith("__editable__")] == ["isolib.version", "isolib"]


def test_the_first_run_loads_nothing_heavy() -> None:
    code = "import sys, json; import msgspec; bare = set(sys.modules); import isolib; isolib.run; isolib.Limits; "
    loaded = set(json.loads(fresh(code + "print(json.dumps(sorted(set(sys.modules) - bare)))")))
    assert loaded & HEAVY == set()

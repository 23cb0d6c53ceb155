"""Imports point down only, siblings never import each other, and the compiled module has one door."""

import ast

import pytest

from tests.arch.source import PACKAGE, Import, imports_of, modules, package_imports

# From the ground up. Those in one row are siblings: each answers a question of its own and knows nothing of the other.
FLOORS = (
    ("errors", "version"),
    ("linux", "spec"),
    ("oci",),
    ("handles",),
    ("launch",),
    ("image", "registry", "network", "volume", "state"),
    ("engine",),
    ("build",),
    ("compose",),
    ("cli", "runtime", "api", "testing", "aio"),
)
DOORS = {"_isolib": "linux"}  # a compiled module: the one folder that may import it
FACE = {"", "__main__"}  # the package root re-exports, `python -m isolib` starts the command line: neither has a floor

FLOOR_OF = {name: floor for floor, row in enumerate(FLOORS) for name in row}


def folder(module: str) -> str:
    """``isolib.spec.mounts`` -> ``spec``; the root itself is the empty name."""
    return module.split(".")[1] if "." in module else ""


def complaint(found: Import) -> str | None:
    """What is wrong with one import, in words; None where nothing is."""
    target = found.target.split(".")
    if target[0] != PACKAGE:
        return None
    here, there = folder(found.importer), target[1] if len(target) > 1 else ""
    if there in DOORS:
        return None if here == DOORS[there] else f"{found}: only {DOORS[there]}/ imports the compiled module"
    if here in FACE:
        return None
    if there not in FLOOR_OF:
        return f"{found}: the package root is never imported from inside; name the module that has it"
    if here == there:
        return None
    if FLOOR_OF[here] == FLOOR_OF[there]:
        return f"{found}: siblings meet through values that a higher floor hands over"
    if FLOOR_OF[here] < FLOOR_OF[there]:
        return f"{found}: imports point down only"
    return None


def test_every_import_points_down() -> None:
    assert list(filter(None, map(complaint, package_imports()))) == []


def test_every_module_stands_on_a_floor() -> None:
    assert {folder(name) for name in modules()} - FACE <= set(FLOOR_OF)


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("isolib.spec.mounts", "import isolib.linux.mount"),
        ("isolib.spec.mounts", "from isolib.handles import namespace"),
        ("isolib.spec.mounts", "def f():\n    from ..launch import plan"),
        ("isolib.spec.mounts", "import isolib"),
        ("isolib.engine.run", "from isolib import run"),
        ("isolib.handles.cgroup", "from isolib._isolib import lib"),
        ("isolib.handles.cgroup", "import importlib\nimportlib.import_module('isolib.engine.run')"),
        ("isolib.errors", "try:\n    import isolib.spec\nexcept ImportError:\n    pass"),
        ("isolib.cli.main", "import isolib.aio"),
    ],
)
def test_a_wrong_import_is_seen(importer: str, source: str) -> None:
    assert list(filter(None, map(complaint, imports_of(importer, ast.parse(source)))))


@pytest.mark.parametrize(
    ("importer", "source"),
    [
        ("isolib.linux.mount", "from isolib._isolib import lib"),
        ("isolib.engine.run", "from isolib.spec import mounts\nfrom isolib import errors\nimport os"),
        ("isolib.engine.run", "from . import verbs\nfrom .verbs import start"),
        ("isolib.errors", "if TYPE_CHECKING:\n    from isolib.engine.result import Result"),
    ],
)
def test_a_right_import_is_not(importer: str, source: str) -> None:
    assert list(filter(None, map(complaint, imports_of(importer, ast.parse(source))))) == []

"""The tree as the tests of architecture read it: modules, what they import and define. Nothing is imported or run."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"
PACKAGE = "isolib"


class Import(NamedTuple):
    """One import: the importing module, the full name of what it asks for, and where it stands."""

    importer: str
    target: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.target}"


def module_name(path: Path, top: Path = SRC) -> str:
    """``src/isolib/spec/mounts.py`` -> ``isolib.spec.mounts``."""
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> dict[str, Path]:
    """Every Python module of the package, by its full name."""
    return {module_name(path): path for path in sorted((SRC / PACKAGE).rglob("*.py"))}


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def imports_of(name: str, tree: ast.AST, *, package: bool = False) -> Iterator[Import]:
    """Every import in a module, those inside functions too; not those that only type checkers see."""
    for node in walk_run(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            origin = absolute(name, node, package)
            for alias in node.names:
                yield Import(name, f"{origin}.{alias.name}", node.lineno)
        elif isinstance(node, ast.Call) and (target := imported_by_call(node)):
            yield Import(name, target, node.lineno)


def walk_run(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that can run: ``if TYPE_CHECKING:`` bodies left out, their ``else`` not."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting.extend(node.orelse)
        else:
            waiting.extend(ast.iter_child_nodes(node))


def absolute(importer: str, node: ast.ImportFrom, package: bool) -> str:
    """The module that a ``from`` names, dots resolved."""
    if not node.level:
        return node.module or ""
    parts = importer.split(".")
    parts = parts[: len(parts) - node.level + package]
    return ".".join([*parts, *([node.module] if node.module else [])])


def imported_by_call(node: ast.Call) -> str | None:
    """``import_module("isolib.x")`` and ``__import__("isolib.x")`` are imports as well."""
    called = ast.unparse(node.func).rpartition(".")[2]
    first = node.args[0] if node.args else None
    if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
        return str(first.value)
    return None


def package_imports() -> Iterator[Import]:
    """Every import of the whole package."""
    for name, path in modules().items():
        yield from imports_of(name, parse(path), package=path.name == "__init__.py")


def classes() -> Iterator[tuple[Path, ast.ClassDef]]:
    for path in modules().values():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ClassDef):
                yield path, node


def functions() -> Iterator[tuple[Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for path in modules().values():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield path, node

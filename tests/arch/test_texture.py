"""Sizes and names: what keeps a file readable in one sitting, and a class named after what it is."""

import ast
import re
import statistics

from tests.arch.source import ROOT, classes, functions, modules, parse

MAX_LINES = 400  # of a file, in any language
LONG_FUNCTION = 60  # lines that nineteen functions of twenty stay below
C_BUDGETS = {  # lines, blank ones not counted: past its budget, C is doing something that Python could decide
    ("csrc/lib_*.c", "csrc/init_*.c", "csrc/*.h"): 2000,
    ("csrc/monitor_*.c",): 1000,
}
BANNED_WORDS = {"Manager", "Handler", "Helper", "Helpers", "Util", "Utils", "Context", "Info", "Base"}
OURS = ("csrc/*.[ch]", "src/**/*.py", "tests/**/*.py", "tests/**/*.c", "tools/*", "examples/*", "benchmarks/*.*")


def lines(*patterns: str, blank: bool = True) -> dict[str, int]:
    """How many lines each file has that one of the patterns matches, blank ones too unless told."""
    paths = [path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file() and path.suffix != ".pyc"]
    return {
        str(path.relative_to(ROOT)): sum(blank or bool(line.strip()) for line in path.read_bytes().splitlines())
        for path in paths
    }


def test_no_file_is_longer_than_one_sitting() -> None:
    assert {name: count for name, count in lines(*OURS).items() if count > MAX_LINES} == {}


def test_the_c_stays_within_its_budget() -> None:
    spent = {patterns: sum(lines(*patterns, blank=False).values()) for patterns in C_BUDGETS}
    assert {patterns: count for patterns, count in spent.items() if count > C_BUDGETS[patterns]} == {}


def test_functions_are_short() -> None:
    sizes = [(node.end_lineno or node.lineno) - node.lineno + 1 for _, node in functions()]
    assert statistics.quantiles([*sizes, 1, 1], n=20)[-1] < LONG_FUNCTION


def test_classes_are_named_after_what_they_are() -> None:
    wordy = {node.name for _, node in classes() if BANNED_WORDS & set(re.findall("[A-Z][a-z]*", node.name))}
    assert wordy == set()


def test_no_function_takes_whatever_it_is_given() -> None:
    """Keywords that are spelled out once, as a TypedDict, and unpacked (PEP 692) are none of these."""
    loose = [(path, node) for path, node in functions() if (kw := node.args.kwarg) and not is_unpacked(kw.annotation)]
    assert [f"{path.name}:{node.name}" for path, node in loose] == []


def is_unpacked(annotation: ast.expr | None) -> bool:
    return isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) == "Unpack"


def test_every_module_opens_with_what_lives_there() -> None:
    trees = {name: parse(path) for name, path in modules().items()}
    assert [name for name, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


def test_declarations_for_the_c_stand_once() -> None:
    callers = [
        name for name, path in modules().items() if re.search(r"\.(cdef|dlopen)\(|import ctypes", path.read_text())
    ]
    assert callers == []

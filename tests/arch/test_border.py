"""The border between Python and C: both halves count the same steps, every declaration is used, C allocates nothing."""

import re

import pytest

from isolib.launch import steps, wire
from tests.arch.source import ROOT, SRC

WIRE = (ROOT / "csrc/wire.h").read_text()
HEADER = (ROOT / "csrc/isolib.h").read_text().partition("/* ---- cffi ---- */")[2]
LINUX = "\n".join(path.read_text() for path in sorted((SRC / "isolib/linux").glob("*.py")))

# C borrows memory for one call and says what failed by a number.
FORBIDDEN = "malloc calloc realloc free strdup printf fprintf perror strerror exit abort".split()
NOT_OURS = rf"\b({'|'.join(FORBIDDEN)})\s*\("


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/", " ", text, flags=re.S)


def enum(name: str) -> dict[str, int]:
    """The constants of an enum in wire.h, in its order."""
    body = re.search(rf"enum {name} \{{(.*?)\}}", without_comments(WIRE), flags=re.S)
    assert body, name
    values: dict[str, int] = {}
    for entry in filter(None, map(str.strip, body[1].split(","))):
        word, _, number = entry.partition("=")
        values[word.strip()] = int(number) if number else max(values.values()) + 1
    return values


def test_both_halves_number_the_steps_alike() -> None:
    ops = enum("op")
    assert ops.pop("OP_END") == len(steps.OPS) + 1
    assert ops == {f"OP_{word.upper()}": op.number for word, op in steps.OPS.items()}


def test_both_halves_know_the_same_sizes() -> None:
    constants = {name: int(number, 0) for name, number in re.findall(r"(WIRE_\w+) = (\w+)", WIRE)}
    assert constants["WIRE_MAGIC"] == wire.MAGIC
    assert constants["WIRE_REGISTERS"] == steps.REGISTERS
    assert f"sizeof(struct wire_step) == {wire._STEP.size}" in WIRE


def declared() -> list[str]:
    return re.findall(r"^\w[\w\s*]*?\b(iso_\w+)\(", without_comments(HEADER), flags=re.M)


@pytest.mark.parametrize("function", declared())
def test_every_function_of_the_header_is_called_from_python(function: str) -> None:
    assert f"lib.{function}(" in LINUX


def test_every_function_of_the_extension_is_declared() -> None:
    sources = "\n".join(path.read_text() for path in ROOT.glob("csrc/lib_*.c"))
    defined = re.findall(r"^(?!static)\w[\w\s*]*?\b(\w+)\([^;{]*\)\s*\{", without_comments(sources), flags=re.M)
    assert set(defined) == set(declared())


def test_the_c_allocates_nothing_and_says_nothing() -> None:
    found = {path.name: re.findall(NOT_OURS, without_comments(path.read_text())) for path in ROOT.glob("csrc/*.[ch]")}
    assert {name: calls for name, calls in found.items() if calls} == {}

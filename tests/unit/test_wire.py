"""The Plan as it crosses into init: written here, read as csrc/wire.h says, and the words in the order of its ops."""

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from isolib.launch import steps
from isolib.launch.plan import Plan
from isolib.launch.steps import OPS, Step
from isolib.launch.wire import encode
from tests.unit.plans import plans

HEADER = Path(__file__).resolve().parents[2] / "csrc/wire.h"
HEAD, STEP = struct.Struct("<4I"), struct.Struct("<HHI5q4I")


def decode(buffer: bytes) -> list[tuple[int, tuple[int, ...], tuple[bytes, bytes]]]:
    """(op, integers, byte strings) of each step, with the checks of csrc/init_plan.c."""
    magic, size, count, slots = HEAD.unpack_from(buffer)
    assert (magic, size, slots) == (0x314F5349, len(buffer), 128)
    found = []
    for i in range(count):
        op, _, _, *rest = STEP.unpack_from(buffer, HEAD.size + i * STEP.size)
        texts = []
        for at, length in (rest[5:7], rest[7:9]):
            assert at % 8 == 0
            assert at <= size
            assert length < size - at
            assert buffer[at + length] == 0
            texts.append(buffer[at : at + length])
        found.append((op, tuple(rest[:5]), (texts[0], texts[1])))
    return found


def padded(step: Step) -> tuple[int, tuple[int, ...], tuple[bytes, bytes]]:
    numbers = (*step.n, 0, 0, 0, 0, 0)[:5]
    texts = (*step.s, b"", b"")
    return OPS[step.word].number, numbers, (texts[0], texts[1])


@settings(max_examples=40)
@given(plans())
def test_any_plan_reads_back(plan: Plan) -> None:
    assert decode(plan.encoded) == [padded(step) for step in plan.steps]


numbers = st.integers(-(2**63), 2**63 - 1)
any_step = st.builds(
    Step,
    st.sampled_from(sorted(OPS)),
    st.lists(numbers, max_size=5).map(tuple),
    st.lists(st.binary(max_size=40), max_size=2).map(tuple),
)


@given(st.lists(any_step, max_size=20))
def test_any_steps_read_back(story: list[Step]) -> None:
    assert decode(encode(story)) == [padded(step) for step in story]


def header_words(enum: str) -> list[str]:
    found = re.search(rf"enum {enum} {{(.*?)}};", HEADER.read_text(), re.DOTALL)
    assert found
    return re.findall(r"\b(?:OP|REG)_(\w+)", found[1])


def test_the_words_have_the_numbers_of_the_header() -> None:
    *ops, end = header_words("op")
    assert end == "END"
    assert [word.upper() for word in OPS] == ops
    assert [op.number for op in OPS.values()] == list(range(1, len(OPS) + 1))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REG_CHANNEL", steps.CHANNEL),
        ("REG_CALLER", steps.CALLER),
        ("REG_STDIN", steps.STDIN),
        ("REG_STDOUT", steps.STDOUT),
        ("REG_STDERR", steps.STDERR),
        ("REG_EXEC_PIPE", steps.EXEC_PIPE),
        ("REG_NONE", steps.NONE),
        ("REG_HOST", steps.HOST),
        ("WIRE_REGISTERS", steps.REGISTERS),
    ],
)
def test_the_registers_have_the_numbers_of_the_header(name: str, value: int) -> None:
    assert re.search(rf"\b{name} = (-?\w+)", HEADER.read_text())[1] == str(value)  # type: ignore[index]


def test_each_word_has_its_function() -> None:
    """A step is made by the function of its name; where Python has the name already, with an underscore."""
    for word in OPS:
        made = getattr(steps, word, None) or getattr(steps, f"{word}_")
        assert callable(made)


def test_a_step_takes_five_integers_and_two_strings() -> None:
    with pytest.raises(struct.error):
        encode([Step("umask", (2**63,))])

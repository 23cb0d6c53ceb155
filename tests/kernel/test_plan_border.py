"""The border between Python and init: what is no Plan is refused, and nothing outside the buffer is ever read."""

import struct
import subprocess
from pathlib import Path

import pytest

import isolib
from isolib.errors import KernelError, StepError
from isolib.launch import steps
from isolib.launch.plan import Plan
from isolib.launch.spawn import spawn
from isolib.launch.wire import MAGIC

CSRC = Path(__file__).parents[2] / "csrc"
HEAD = struct.Struct("<4I")
ROUNDS = 50_000


class Raw(Plan):
    """A Plan whose buffer is any bytes."""

    def __init__(self, content: bytes) -> None:
        super().__init__(0, [])
        self.content = content

    @property
    def encoded(self) -> bytes:
        return self.content


def step(op: int, *places: int) -> bytes:
    at = (*places, 0, 0, 0, 0)[:4]
    return struct.pack("<HHI5q4I", op, 0, 0, 0, 0, 0, 0, 0, *at)


def buffer(count: int, body: bytes, magic: int = MAGIC, size: int | None = None) -> bytes:
    return HEAD.pack(magic, HEAD.size + len(body) if size is None else size, count, 128) + body


BAD = {
    "nothing": b"",
    "a byte": b"x",
    "another magic": buffer(0, b"\0", magic=MAGIC + 1),
    "another size": buffer(0, b"\0", size=1 << 20),
    "more steps than bytes": buffer(1000, b"\0"),
    "as many steps as numbers go": buffer(0xFFFFFFFF, b"\0"),
    "no such step": buffer(1, step(0, 80, 0, 80, 0) + b"\0"),
    "a step past the last": buffer(1, step(len(steps.OPS) + 1, 80, 0, 80, 0) + b"\0"),
    "bytes past the end": buffer(1, step(1, 80, 100, 80, 0) + b"\0"),
    "bytes that wrap around": buffer(1, step(1, 0xFFFFFFFF, 2, 80, 0) + b"\0"),
    "bytes without an end": buffer(1, step(1, 16, 1, 80, 0) + b"x"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_plan_is_refused(name: str) -> None:
    with pytest.raises((StepError, KernelError)) as caught:
        spawn(Raw(BAD[name]), []).close()
    if isinstance(caught.value, StepError):
        assert caught.value.index == -1


def test_a_register_is_filled_once_and_read_only_where_it_is_filled() -> None:
    for story in (
        [steps.open_(steps.HOST, "/", 0, 10), steps.open_(steps.HOST, "/", 0, 10)],
        [steps.open_(steps.HOST, "/", 0, 128)],
        [steps.open_(steps.HOST, "/", 0, -5)],
        [steps.close(steps.CHANNEL)],
        [steps.close(100)],
        [steps.send(100, "nothing")],
    ):
        with pytest.raises(StepError) as caught:
            spawn(Plan(0, story), []).close()
        assert caught.value.index == len(story) - 1


@pytest.mark.slow
@pytest.mark.needs_compiler
def test_mutated_plans_under_the_sanitizers(tmp_path: Path) -> None:
    program, plan = tmp_path / "fuzz", tmp_path / "plan"
    plan.write_bytes(isolib.plan(["sh", "-c", "true"]).encoded)
    sources = [path for path in CSRC.glob("init_*.c") if path.name != "init_main.c"]
    flags = ["-std=gnu11", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", f"-I{CSRC}"]
    here = Path(__file__).with_name("fuzz_plan.c")
    build = subprocess.run(["cc", *flags, "-o", program, here, *sources], capture_output=True, text=True, check=False)
    if "cannot find" in build.stderr and "asan" in build.stderr:
        pytest.skip("HostFact: no sanitizers of the compiler's")
    assert build.returncode == 0, build.stderr
    done = subprocess.run([program, plan, "1", str(ROUNDS)], capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    refused, taken = int(words[0]), int(words[2])
    assert refused > ROUNDS / 100
    assert taken > ROUNDS / 100

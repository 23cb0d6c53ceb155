"""Every code block of the documentation runs, and prints what the page says it prints."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.arch.source import ROOT
from tests.docs.facts import missing, path
from tests.docs.pages import NAMES, Block, commands, matches, script, split_output, with_outputs

KNOWN = {"python", "console", "text", "json", "toml", "ini"}
CONSOLE = [
    pytest.param(block, id=f"{name}:{block.line}")
    for name in NAMES
    for block, _ in with_outputs((ROOT / name).read_text())
    if block.language == "console"
]


def environment() -> dict[str, str]:
    """The environment of a reader who activated the virtual environment; nothing of the caller's PATH."""
    return {**os.environ, "PATH": path(Path(sys.executable).parent), "COLUMNS": "120", "NO_COLOR": "1"}


def run(argv: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, cwd=folder, env=environment(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100
    )


def not_possible(block: Block) -> str | None:
    return missing(block.fact) if block.fact else None


@pytest.mark.parametrize("name", NAMES)
def test_the_python_of_a_page(name: str, tmp_path: Path) -> None:
    outputs = {b: out for b, out in with_outputs((ROOT / name).read_text()) if b.language == "python"}
    steps = [block for block in outputs if not not_possible(block)]
    program = tmp_path / f"page_{Path(name).stem}.py"  # no name that a module has
    program.write_text(script(steps))
    done = run([sys.executable, str(program)], tmp_path)
    assert done.returncode == 0, f"{name}, which lines are the page's:\n{done.stderr}"
    printed = split_output(done.stdout, steps)
    for block in steps:
        expected = outputs[block]
        assert expected is None or matches(expected, printed[block.line]), f"{name}:{block.line}: {printed[block.line]}"
    if left_out := {block.fact: not_possible(block) for block in outputs if block not in steps}:
        pytest.skip(f"HostFact: {name} ran in part only: {'; '.join(map(str, left_out.values()))}")


@pytest.mark.parametrize("block", CONSOLE)
def test_a_console_block(block: Block, tmp_path: Path) -> None:
    if reason := not_possible(block):
        pytest.skip(f"HostFact: {reason}")
    for command, expected in commands(block.text):
        if made := re.match(r"make (\S+)$", command):  # the tests are one of make's targets: they cannot run make
            assert re.search(rf"^{made[1]}:", (ROOT / "Makefile").read_text(), flags=re.M), command
            continue
        done = run(["sh", "-c", command], tmp_path)
        assert done.returncode == 0, f"{command}{done.stderr}"
        assert expected is None or matches(expected, done.stdout + done.stderr), f"{command}{done.stdout}{done.stderr}"


@pytest.mark.parametrize("name", NAMES)
def test_no_block_hides_behind_its_language(name: str) -> None:
    seen = {block.language for block, _ in with_outputs((ROOT / name).read_text())}
    assert {language for language in seen if not language.startswith("{")} <= KNOWN


@pytest.mark.parametrize("name", NAMES)
def test_data_blocks_can_be_read(name: str) -> None:
    for block, _ in with_outputs((ROOT / name).read_text()):
        if block.language in ("json", "toml"):
            {"json": json.loads, "toml": tomllib.loads}[block.language](block.text)


PAGE = """# A page

```python
a = 1
print(a, "one")
```

```text
1 …
```

Text.

% HostFact: kernel
```python
print(a + 1)
```

```console
$ echo a \\
  b
a b
$ true
```
"""


def test_blocks_are_found_with_their_lines_and_outputs() -> None:
    first, second, third = with_outputs(PAGE)
    assert (first[0].line, first[1]) == (4, "1 …\n")
    assert (second[0].line, second[0].fact, second[1]) == (16, "kernel", None)
    assert list(commands(third[0].text)) == [("echo a \\\n  b\n", "a b\n"), ("true\n", None)]


def test_a_page_is_a_script_with_the_same_lines() -> None:
    steps = [block for block, _ in with_outputs(PAGE) if block.language == "python"]
    (call,) = (node for node in ast.parse(script(steps)).body if "a + 1" in ast.unparse(node))
    assert call.lineno == 16
    assert split_output(
        "1 one\n---- the block of line 4 ends ----\n2\n---- the block of line 16 ends ----\n", steps
    ) == {
        4: "1 one\n",
        16: "2\n",
    }


@pytest.mark.parametrize(
    ("expected", "printed", "verdict"),
    [
        ("a…z\n", "a\nb z\n", True),
        ("a\n", "a", True),
        ("a\n", "ab\n", False),
        ("a.c\n", "abc\n", False),
        ("", "x", False),
    ],
)
def test_what_matches(expected: str, printed: str, verdict: bool) -> None:
    assert matches(expected, printed) is verdict

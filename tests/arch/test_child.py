"""The lines that run in memory shared with the caller: raw system calls alone, in the source and as compiled."""

import re
import shutil
import subprocess

import pytest

from tests.arch.source import ROOT
from tests.harness.facts import PATH

SOURCE = ROOT / "csrc" / "lib_spawn.c"
BEGIN, END = "/* child: begin */", "/* child: end */"
MAX_LINES = 40
NOT_CALLS = {"if", "for", "while", "switch", "return", "sizeof"}
ALLOWED = {"sys"}  # the macro of sys.h that issues one raw system call
# What the compiler may add: the check of the stack's guard word, which returns nowhere and touches no lock.
COMPILED_IN = {"__stack_chk_fail"}
RAW = {"sys6"}  # what the macro comes to where the compiler inlines nothing


def child_code(source: str) -> str:
    """The marked lines, comments and strings taken out."""
    _, begin, rest = source.partition(BEGIN)
    code, end, _ = rest.partition(END)
    assert begin, f"{SOURCE.name} has lost its mark {BEGIN}"
    assert end, f"{SOURCE.name} has lost its mark {END}"
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"', " ", code, flags=re.S)


def defined(code: str) -> set[str]:
    """Functions whose body stands in the marked lines."""
    return set(re.findall(r"^static [\w\s*]*?\b(\w+)\([^;{]*\)\s*\{", code, flags=re.M))


def foreign_calls(code: str) -> set[str]:
    return set(re.findall(r"\b([A-Za-z_]\w*)\s*\(", code)) - NOT_CALLS - ALLOWED - defined(code)


def test_the_child_calls_nothing_of_libc() -> None:
    assert foreign_calls(child_code(SOURCE.read_text())) == set()


def test_the_child_is_forty_lines() -> None:
    assert len([line for line in child_code(SOURCE.read_text()).splitlines() if line.strip()]) <= MAX_LINES


def test_the_child_knows_no_errno_and_no_environment() -> None:
    assert (
        set(re.findall(r"\b(errno|environ|stdin|stdout|stderr|pthread_\w+)\b", child_code(SOURCE.read_text()))) == set()
    )


def test_a_call_of_libc_would_be_seen() -> None:
    code = child_code(SOURCE.read_text().replace(END, "static void child_bad(void)\n{\n\tmemset(0, 0, 0);\n}\n" + END))
    assert foreign_calls(code) == {"memset"}


@pytest.mark.parametrize("level", ["-O0", "-O2"])
def test_nor_does_the_compiler_add_one(level: str) -> None:
    compiler = shutil.which("cc", path=PATH)
    if not compiler:
        pytest.skip("HostFact: no C compiler")
    flags = [
        "-std=gnu11",
        level,
        "-fPIC",
        "-fstack-protector-strong",
        "-fno-asynchronous-unwind-tables",
        "-S",
        "-o",
        "-",
    ]
    text = subprocess.run([compiler, *flags, SOURCE], check=True, capture_output=True, text=True, timeout=60).stdout
    names = defined(child_code(SOURCE.read_text()))
    calls = {call.partition(".")[0] for name in names for call in compiled_calls(text, name)}
    assert calls - names - COMPILED_IN - RAW == set()
    assert calls & (names | RAW) or level != "-O0", "the listing was not understood"


def compiled_calls(assembly: str, function: str) -> set[str]:
    """The symbols that a function of an assembly listing calls or jumps to; none where it was inlined."""
    body = re.search(rf"^{function}:\n(.*?)^\s*\.size\s+{function},", assembly, flags=re.S | re.M)
    found = re.findall(r"\b(?:call|jmp|bl|b)\s+\*?([A-Za-z_][\w.]*)(?:@PLT)?", body[1]) if body else []
    return {symbol for symbol in found if not symbol.startswith(".L")}

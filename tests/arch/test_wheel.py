"""What a release ships: one abi3 extension, static programs, nothing setuid, binaries hardened as the build says."""

import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.arch.source import ROOT
from tests.harness.facts import PATH

PROGRAMS = ("isolib/linux/init",)
EXTENSION = "isolib/_isolib.abi3.so"
NOT_SOURCES = shutil.ignore_patterns(".*", "build", "dist", "_build", "__pycache__", "*.so", "*.egg-info", "init")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel built from a copy of the sources, by the same hook that pip calls (PEP 517)."""
    for needed, name in ((("cc", "gcc"), "C compiler"), (("readelf",), "readelf")):
        if not any(shutil.which(tool, path=PATH) for tool in needed):
            pytest.skip(f"HostFact: no {name}")
    work = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, work / "source", ignore=NOT_SOURCES, symlinks=True)
    hook = f"from setuptools.build_meta import build_wheel; build_wheel({str(work)!r})"
    done = subprocess.run(
        [sys.executable, "-c", hook], cwd=work / "source", stdin=subprocess.DEVNULL, capture_output=True, timeout=110
    )
    assert done.returncode == 0, done.stderr.decode()
    (built,) = work.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(work / "unpacked")
    return built


def readelf(wheel: Path, name: str, *options: str) -> str:
    path = wheel.parent / "unpacked" / name
    return subprocess.run(["/usr/bin/readelf", "-W", *options, path], check=True, capture_output=True, text=True).stdout


def test_one_wheel_serves_every_python(wheel: Path) -> None:
    assert re.search(r"-cp311-abi3-linux_\w+\.whl$", wheel.name)


def test_it_holds_what_import_needs(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {EXTENSION, "isolib/py.typed", *PROGRAMS} <= names
    assert {name for name in names if name.endswith((".c", ".h", ".o"))} == set()


def test_nothing_in_it_is_setuid_and_the_programs_can_run(wheel: Path) -> None:
    modes = {entry.filename: entry.external_attr >> 16 for entry in zipfile.ZipFile(wheel).infolist()}
    assert [name for name, mode in modes.items() if mode & (stat.S_ISUID | stat.S_ISGID)] == []
    assert [name for name in PROGRAMS if modes[name] & 0o111 != 0o111] == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_programs_need_no_loader(wheel: Path, name: str) -> None:
    assert not re.search("INTERP|DYNAMIC", readelf(wheel, name, "-l"))


@pytest.mark.parametrize("name", [EXTENSION, *PROGRAMS])
def test_no_memory_is_both_written_and_run(wheel: Path, name: str) -> None:
    segments = readelf(wheel, name, "-l")
    assert re.search(r"GNU_STACK.* RW +0x", segments)
    assert not re.search(r"LOAD.* RWE ", segments)


def test_the_extension_is_bound_before_it_runs(wheel: Path) -> None:
    assert "GNU_RELRO" in readelf(wheel, EXTENSION, "-l")
    assert re.search(r"\bNOW\b", readelf(wheel, EXTENSION, "-d"))
    assert "__stack_chk_fail" in readelf(wheel, EXTENSION, "--dyn-syms")

"""Builds the two C halves: the abi3 extension ``isolib._isolib``, and the static programs shipped as package data."""

import os
import platform
import subprocess
import sysconfig
from pathlib import Path

from setuptools import setup
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

ROOT = Path(__file__).resolve().parent

# A static program a line: where it lies in the package, and the sources it is made of. They run in the container's
# first process, where neither the host's C library nor its loader may be relied on.
PROGRAMS = {"isolib/linux/init": "csrc/init_*.c"}

FREESTANDING = [
    *("-std=gnu11", "-O2", "-Wall", "-Wextra"),
    *("-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector", "-fno-pie", "-no-pie"),
    *("-Wl,-z,noexecstack,-z,max-page-size=4096", "-Wl,--build-id=none", "-s"),
]
# ISOLIB_SANITIZE=FILE (tools/sanitize sets it): the same sources as an ordinary program, which the sanitizers need;
# their reports go to FILE.pid. Their runtimes are linked in: init has no environment in which a preload could be named.
SANITIZED = [
    *("-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-DISO_HOSTED", "-fno-omit-frame-pointer"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-static-libasan", "-static-libubsan"),
]


def strict() -> list[str]:
    """Warnings are errors in a working copy only: a source release must build with next year's compiler too."""
    return ["-Werror"] if (ROOT / ".git").exists() else []


class BuildC(build_ext):
    """``build_ext``, and then the static programs beside the package's modules."""

    def run(self) -> None:
        super().run()
        for name, pattern in PROGRAMS.items():
            self.build_program(self.program_path(name), sorted(ROOT.glob(pattern)))

    def program_path(self, name: str) -> Path:
        return (ROOT / "src" if self.inplace else Path(self.build_lib)) / name

    def build_program(self, target: Path, sources: list[Path]) -> None:
        """Compile one program, when a source or a header is newer than it."""
        inputs = [*sources, *ROOT.glob("csrc/*.h"), Path(__file__)]
        if not sources or (not self.force and newest(target) > max(map(newest, inputs))):
            return
        compiler = os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")  # a rename never leaves half a program, nor ETXTBSY where one runs
        flags = FREESTANDING
        if reports := os.environ.get("ISOLIB_SANITIZE"):
            flags = [*SANITIZED, f'-DISO_REPORTS="{reports}"', "tools/sanitized.c"]
        command = [*compiler.split(), *flags, *strict(), "-o", str(part), *map(str, sources)]
        if subprocess.run(command, cwd=ROOT).returncode:
            raise CompileError(f"{target.name} does not compile: {' '.join(command)}")
        part.chmod(0o755)
        part.replace(target)

    def get_outputs(self) -> list[str]:
        return [*super().get_outputs(), *(str(self.program_path(name)) for name in PROGRAMS)]


def newest(path: Path) -> float:
    """When a file was last written; the beginning of time where there is none."""
    return path.stat().st_mtime if path.exists() else 0.0


if platform.system() != "Linux":
    raise SystemExit("isolib isolates processes with Linux namespaces and cgroups: it builds on Linux only")

setup(
    cffi_modules=["tools/cffi_build.py:ffi"],
    cmdclass={"build_ext": BuildC},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)

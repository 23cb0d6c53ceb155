"""Copies the interpreter, the virtual environment and the checkout to a folder that every user may read.

    .venv/bin/python tests/harness/kit.py DEST [FINAL]

DEST then holds ``python``, ``venv`` and ``isolib``, and ``DEST/venv/bin/python`` runs the tests in ``DEST/isolib``.
FINAL is where DEST will lie when used, if it becomes a disk image. A copy is needed because a checkout below /root is
out of an ordinary user's reach, and so may the interpreter be, and because 9p reads many files slowly.
"""

import shutil
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
VENV = Path(sys.prefix)
BASE = Path(sys.base_prefix).resolve()
VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"

# What no test needs and what makes the copy long, seen from the tree's top. A name that is not there costs nothing.
NOT_FROM_PYTHON = (
    "site-packages",
    "dist-packages",
    "test",
    "idlelib",
    "tkinter",
    "turtledemo",
    "config-*",
    "ensurepip",
)
NOT_FROM_VENV = (
    *("bin/ruff", "bin/clang-format", "lib/*/site-packages/pip", "lib/*/site-packages/mypy*"),
    *(f"lib/*/site-packages/{name}*" for name in ("babel", "clang_format", "fontTools", "matplotlib", "numpy", "PIL")),
    "lib/*/site-packages/*__mypyc.*",
)
NOT_FROM_TOP = (".git", ".venv", "build", "dist", "docs/_build", ".*_cache", ".hypothesis")


def copy(source: Path, target: Path, *, without: tuple[str, ...] = ()) -> None:
    """One tree, symbolic links as such, readable by everybody whatever the umask it was made under."""

    def unwanted(folder: str, names: list[str]) -> list[str]:
        below = [str(Path(folder, name).relative_to(source)) for name in names]
        return [Path(path).name for path in below if any(fnmatch(path, pattern) for pattern in without)]

    shutil.copytree(source, target, symlinks=True, ignore=unwanted, dirs_exist_ok=True)
    for path in [target, *target.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444))


def copy_python(target: Path) -> None:
    """The interpreter and its standard library; the interpreter finds the library from its own place."""
    (target / "bin").mkdir(parents=True)
    program = target / "bin" / VERSION
    copy(BASE / "lib" / VERSION, target / "lib" / VERSION, without=NOT_FROM_PYTHON)
    shutil.copy2(Path(sys.executable).resolve(), program)
    for library in (BASE / "lib").glob(f"lib{VERSION}*.so*"):
        shutil.copy2(library, target / "lib", follow_symlinks=False)
    rename(program, {f"{BASE}/lib\0": "$ORIGIN/../lib\0"})


def rename(path: Path, places: dict[str, str]) -> None:
    """Write new places for old ones into a file; into a program only where the new one fits (its run path)."""
    old = new = path.read_bytes()
    for before, after in places.items():
        wanted = after.encode()
        if before.endswith("\0"):
            wanted = wanted.ljust(len(before), b"\0") if len(wanted) <= len(before) else before.encode()
        new = new.replace(before.encode(), wanted)
    if new != old:
        path.write_bytes(new)


def with_places(venv: Path) -> Iterator[Path]:
    """The files of a virtual environment in which its own place, or the checkout's, is written."""
    yield venv / "pyvenv.cfg"
    yield from (p for p in (venv / "bin").iterdir() if p.is_file() and not p.is_symlink())
    packages = venv / "lib" / VERSION / "site-packages"
    yield from packages.glob("*.pth")
    yield from packages.glob("__editable__*.py")
    yield from packages.glob("isolib-*/direct_url.json")


def copy_venv(target: Path, final: Path) -> None:
    copy(VENV, target, without=NOT_FROM_VENV)
    places = {str(VENV): f"{final}/venv", str(TOP): f"{final}/isolib", str(BASE / "bin"): f"{final}/python/bin"}
    for path in with_places(target):
        rename(path, places)
    for link in (target / "bin").glob("python*"):
        link.unlink()
    (target / "bin" / "python").symlink_to(final / "python" / "bin" / VERSION)
    for name in ("python3", VERSION):
        (target / "bin" / name).symlink_to("python")


def main(dest: str, final: str | None = None) -> None:
    kit = Path(dest)
    copy_python(kit / "python")
    copy_venv(kit / "venv", Path(final or kit.resolve()))
    copy(TOP, kit / "isolib", without=NOT_FROM_TOP)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""The class of runc's CVE-2021-30465, CVE-2024-45310 and CVE-2025-52565: a mount point swapped for a link while it
is used.
"""

import ctypes
import os
import platform
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

import isolib
from isolib import Bind, Image, Inject, Tmpfs

RENAMEAT2 = 276 if platform.machine() == "aarch64" else 316
EXCHANGE = 2
STARTS = 60


@contextmanager
def exchanging(one: Path, other: Path) -> Iterator[None]:
    """Two names that change places as fast as a process can make them."""
    libc = ctypes.CDLL(None)
    names = os.fsencode(one), os.fsencode(other)
    pid = os.fork()
    if pid == 0:
        while True:
            libc.syscall(RENAMEAT2, -100, names[0], -100, names[1], EXCHANGE)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A directory of the host's, as writable for what starts as for us: nothing may ever be made in it."""
    place = tmp_path / "victim"
    place.mkdir(mode=0o777)
    place.chmod(0o777)
    return place


@pytest.fixture
def root(busybox_root: Path, tmp_path: Path, victim: Path) -> Path:
    """A root that keeps what is written, with a directory and a link to the host's one beside it."""
    place = tmp_path / "root"
    shutil.copytree(busybox_root, place, symlinks=True)
    (place / "swapped").mkdir()
    (place / "link").symlink_to(victim)
    return place


MOUNTS: dict[str, Callable[[Path], isolib.Bind | isolib.Tmpfs | isolib.Inject]] = {
    "bind": lambda source: Bind(source, "/swapped/a/b"),
    "tmpfs": lambda source: Tmpfs("/swapped/a/b"),
    "file": lambda source: Inject("/swapped/a/f", b"x"),
}


@pytest.mark.parametrize("kind", MOUNTS)
def test_nothing_is_made_behind_a_link(kind: str, root: Path, victim: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    image = Image.directory(root, writes="keep")
    with exchanging(root / "swapped", root / "link"):
        for _ in range(STARTS):
            with suppress(isolib.StepError, isolib.KernelError):
                isolib.run(["/bin/true"], image=image, mounts=[MOUNTS[kind](source)], cwd="/")
            assert os.listdir(victim) == []
            assert not Path("/swapped").exists()


@pytest.mark.parametrize("link", ["/", "../../../../..", "{victim}", "/proc/self/cwd", "/proc/1/root"])
def test_a_link_that_stands_still(link: str, root: Path, victim: Path) -> None:
    """The same without a race: the link is followed inside the root, or the start fails; never to the host."""
    (root / "still").symlink_to(link.format(victim=victim))
    with suppress(isolib.StepError):
        isolib.run(["/bin/true"], image=Image.directory(root), mounts=[Tmpfs("/still/made")], cwd="/")
    assert os.listdir(victim) == []
    assert not Path("/made").exists()

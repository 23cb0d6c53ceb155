"""The class of runc's CVE-2019-16884, CVE-2019-19921 and CVE-2025-52881: a /proc that is none, so that writes go
astray.
"""

import contextlib
import os
from pathlib import Path

import pytest

import isolib
from isolib import Bind, Image, Tmpfs

SHOW = ["/bin/sh", "-c", "cat /proc/self/comm; cat /proc/1/comm"]


@pytest.fixture
def root(busybox_root: Path, tmp_path: Path) -> Path:
    """A root of our own to spoil: busybox below, what the test puts there above."""
    (tmp_path / "spoilt").mkdir()
    return tmp_path / "spoilt"


@pytest.mark.parametrize("target", ["/tmp", "/etc", "../../../../tmp", "proc2", "/proc"])
def test_proc_as_a_link(busybox_root: Path, root: Path, target: str) -> None:
    """A link in place of /proc: the real procfs is mounted inside, or nothing starts; the host is not touched."""
    (root / "proc").symlink_to(target)
    (root / "proc2").mkdir()
    with contextlib.suppress(isolib.StepError):
        assert isolib.run(SHOW, image=Image.directory(busybox_root, root)).text() == "cat\nisolib-init\n"
    assert not Path("/proc2").exists()


@pytest.mark.parametrize("kind", ["file", "fifo"])
def test_proc_as_something_else(busybox_root: Path, root: Path, kind: str) -> None:
    """A directory lies over it, in the layer that is thrown away."""
    (root / "proc").touch() if kind == "file" else os.mkfifo(root / "proc")
    assert isolib.run(SHOW, image=Image.directory(busybox_root, root)).text() == "cat\nisolib-init\n"


@pytest.mark.parametrize("mount", [Tmpfs("/proc"), Bind("/tmp", "/proc/self"), Tmpfs("/proc/self/attr")])
def test_mounts_over_proc(busybox_root: Path, mount: isolib.Tmpfs | isolib.Bind) -> None:
    """Refused as a spec, or by a step; never a start on a false /proc."""
    with pytest.raises((isolib.SpecError, isolib.StepError)):
        isolib.run(["/bin/true"], image=Image.directory(busybox_root), mounts=[mount])

"""The class of runc's CVE-2025-31133: a mask that is itself replaced, so that what it should hide is shown or
written.
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import isolib
from isolib import Image

SHOW = ["/bin/sh", "-c", "cat /proc/keys /proc/timer_list 2>&1 | wc -c; ls -ld /dev/null"]


@pytest.fixture
def above(tmp_path: Path) -> Path:
    place = tmp_path / "above"
    (place / "dev").mkdir(parents=True)
    return place


@pytest.mark.parametrize("what", ["link", "file", "fifo", "directory"])
def test_a_dev_null_of_the_roots_own_is_never_used(what: str, busybox_root: Path, above: Path) -> None:
    """/dev is made anew, and the device that masks are made of is the host's, opened before."""
    null = above / "dev/null"
    make: dict[str, Callable[[], object]] = {
        "link": lambda: null.symlink_to("/proc/sys/kernel/core_pattern"),
        "file": lambda: null.write_text("the root's own"),
        "fifo": lambda: os.mkfifo(null),
        "directory": null.mkdir,
    }
    make[what]()
    result = isolib.run(SHOW, image=Image.directory(busybox_root, above), cwd="/")
    assert result.text().splitlines()[0] == "0"
    assert result.text().splitlines()[1].startswith("c")


@pytest.mark.parametrize("path", isolib.Security().masked)
def test_what_is_masked_is_empty(path: str) -> None:
    result = isolib.run(["/bin/sh", "-c", f"[ -e {path} ] || exit 0; cat {path} 2>/dev/null; ls -A {path}"], cwd="/")
    assert result.text().strip() in ("", path)


@pytest.mark.parametrize("path", isolib.Security().read_only)
def test_what_is_read_only_is_mounted_so(path: str) -> None:
    script = f"[ -e {path} ] || exit 0; grep -E ' {path} [^ ]*ro[, ]' /proc/self/mountinfo >/dev/null || echo writable"
    assert isolib.run(["/bin/sh", "-c", script], cwd="/").text() == ""

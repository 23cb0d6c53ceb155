"""The classes of CVE-2022-0492 and runc's CVE-2023-25809: the host's control groups, written from inside."""

from pathlib import Path

import pytest

import isolib
from isolib import CGroup, Limits

WRITABLE = [
    "/bin/sh",
    "-c",
    "find /sys/fs/cgroup -type f 2>/dev/null | while read f; do (: >>$f) 2>/dev/null && echo $f; done",
]


def test_no_file_of_a_group_can_be_opened_for_writing() -> None:
    result = isolib.run(WRITABLE, cwd="/")
    assert (result.stdout, result.stderr) == (b"", b"")


@pytest.mark.needs_groups
def test_nor_with_a_group_of_its_own() -> None:
    result = isolib.run(WRITABLE, cwd="/", limits=Limits(memory="128M", pids=100))
    assert (result.stdout, result.stderr) == (b"", b"")


@pytest.mark.slow
def test_no_release_agent_in_sight() -> None:
    result = isolib.run(["/bin/sh", "-c", "find /sys -name release_agent 2>/dev/null; ls /sys/fs/cgroup"], cwd="/")
    assert b"release_agent" not in result.stdout


def test_its_own_group_is_all_that_it_sees() -> None:
    result = isolib.run(["/bin/cat", "/proc/self/cgroup"], cwd="/")
    assert {line.split(":", 2)[2] for line in result.text().splitlines()} <= {"/"}


@pytest.mark.parametrize(
    "name", ["../x", "a/../../x", "/x", "a//b", ".", "..", "", "a\0b", "cgroup.procs", "a/", "a\nb"]
)
def test_no_name_leads_out_of_the_base_group(name: str) -> None:
    with pytest.raises((isolib.SpecError, isolib.Unavailable)):
        CGroup.create(name)
    assert not Path("/sys/fs/cgroup/x").exists()

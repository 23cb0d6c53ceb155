"""The class of runc's CVE-2024-21626: a descriptor of the host's that leaks in, and a working directory reached by
it.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import isolib
from isolib import Container

LIST = ["/bin/sh", "-c", "ls -l /proc/self/fd | sed 's/.* -> //;/^total/d' | sort"]


@contextmanager
def careless_caller(count: int = 200) -> Iterator[None]:
    """With so many descriptors of host directories that are not close-on-exec, at low and at high numbers."""
    fds = [os.open("/usr", os.O_RDONLY | os.O_DIRECTORY) for _ in range(count)]
    high = os.dup2(fds[0], 900)
    for fd in (*fds, high):
        os.set_inheritable(fd, True)
    try:
        yield
    finally:
        for fd in (*fds, high):
            os.close(fd)


def leaked(listing: str) -> list[str]:
    return [line for line in listing.splitlines() if not line.startswith(("/proc/", "pipe:", "/dev/null"))]


def test_nothing_leaks_into_a_start() -> None:
    with careless_caller():
        result = isolib.run(LIST, cwd="/")
    assert result.ok
    assert leaked(result.text()) == []


def test_nothing_leaks_into_what_enters() -> None:
    with careless_caller(), Container(None, ["/bin/sleep", "100"], cwd="/") as container:
        result = container.exec(LIST)
    assert result.ok
    assert leaked(result.text()) == []


def test_the_listing_would_show_a_leak() -> None:
    with open("/etc/hostname") as file:
        process = isolib.ProcessOptions(fds={7: file.fileno()})
        assert leaked(isolib.run(LIST, cwd="/", process=process).text())


def test_no_working_directory_by_a_descriptor() -> None:
    """``WORKDIR /proc/self/fd/N``: whatever the number, it is no directory of the host's."""
    with careless_caller():
        for number in (*range(24), 255, 900, 1023):
            with pytest.raises(isolib.StepError) as caught:
                isolib.run(["/bin/pwd"], cwd=f"/proc/self/fd/{number}")
            assert caught.value.call == "chdir"

"""Older kernels, and seccomp profiles around the caller: what is done without a call, or said where it cannot be."""

import pytest

from tests.kernel.refusing import evaluated

RUN = "isolib.run(['/bin/sh', '-c', 'echo $((6 * 7)); read x < /proc/self/mountinfo'], cwd='/').text()"
ENTER = "isolib.Container(None, ['/bin/sleep', '100'], cwd='/').start().exec(['/bin/sh', '-c', 'echo 42']).text()"
pytestmark = pytest.mark.slow

NUMBERS = ["ENOSYS", "EPERM"]

# What is done in another way: for each call, what it costs is in docs/reference/kernels.md.
DONE_WITHOUT = ["clone3", "close_range", "clone3,close_range", "landlock_create_ruleset", "keyctl", "pidfd_getfd"]

# What cannot be done safely without: the call -> words of the error.
NEEDED = {
    "openat2": "Unavailable: openat2",
    "mount_setattr": "Unavailable: mount_setattr",
    "open_tree": "Unavailable: mount calls",
    "fsopen": "Unavailable: mount calls",
    "fsmount": "Unavailable: mount calls",
    "move_mount": "Unavailable: mount calls",
    "mount": "Unavailable: user namespace",
    "unshare": "Unavailable: cgroup namespace",
    "memfd_create": "KernelError: memfd_create",
    "pidfd_open": "KernelError: pidfd_open",
    "seccomp": "StepError: seccomp",
    "pivot_root": "StepError: pivot_root",
}


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("call", DONE_WITHOUT)
def test_done_without(call: str, number: str) -> None:
    done = evaluated(call, number, RUN)
    assert (done.stdout, done.stderr) == ("42\n\n", "")


@pytest.mark.parametrize("number", NUMBERS)
def test_entered_without(number: str) -> None:
    done = evaluated("clone3,close_range", number, ENTER)
    assert done.stdout == "42\n\n", done.stderr


@pytest.mark.parametrize("number", NUMBERS)
@pytest.mark.parametrize("call", NEEDED)
def test_never_a_weaker_substitute(call: str, number: str) -> None:
    done = evaluated(call, number, RUN)
    assert done.stdout.startswith(NEEDED[call]), done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "42" not in done.stdout


def test_a_caller_without_anything_refused() -> None:
    """The harness itself refuses nothing else: the tests above mean what they say."""
    done = evaluated("vhangup", "EPERM", RUN)
    assert (done.stdout, done.stderr) == ("42\n\n", "")

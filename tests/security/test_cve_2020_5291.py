"""The class of bubblewrap's CVE-2020-5291 and lxc-user-nic's: no set-user-id helper of ours, and none that works
inside.
"""

import stat
from pathlib import Path

import pytest

import isolib
from isolib import Security

SETUID = [
    "/bin/sh",
    "-c",
    "cp /bin/cat /tmp/cat && chmod 4755 /tmp/cat && /tmp/cat /proc/self/status | grep -E '^(Uid|NoNewPrivs)'",
]


def test_the_package_ships_none() -> None:
    files = [path for path in Path(isolib.__file__).parent.rglob("*") if path.is_file()]
    assert files
    assert [path for path in files if path.stat().st_mode & (stat.S_ISUID | stat.S_ISGID)] == []


def test_new_privileges_are_off() -> None:
    assert b"NoNewPrivs:\t1" in isolib.run(SETUID, cwd="/").stdout


@pytest.mark.needs_sub_ids
def test_a_set_user_id_program_gives_nothing_to_another_user() -> None:
    command = ["/bin/sh", "-c", "cat /proc/self/status; su -c id 2>&1; exit 0"]
    result = isolib.run(command, user="65534:65534", ids="auto", cwd="/")
    assert b"Uid:\t65534\t65534\t65534\t65534" in result.stdout
    assert b"uid=0" not in result.stdout


@pytest.mark.needs_sub_ids
def test_it_would_without_no_new_privs() -> None:
    """The same with Security(no_new_privs=False): a set-user-id copy made by root inside works for another user
    inside.
    """
    make = ["/bin/sh", "-c", "cat /proc/self/status | grep NoNewPrivs"]
    assert b"NoNewPrivs:\t0" in isolib.run(make, security=Security(no_new_privs=False), cwd="/").stdout

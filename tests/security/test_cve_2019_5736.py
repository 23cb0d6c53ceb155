"""The class of runc's CVE-2019-5736: the runtime's own program, reached through /proc/self/exe and overwritten."""

import os
from pathlib import Path

import pytest

import isolib
from isolib import Capabilities, Container, Inject, Security
from isolib.linux import spawn

BARE = Security(capabilities=Capabilities.of("ALL"), seccomp="unconfined", masked=(), read_only=())


def test_a_script_that_is_init_itself() -> None:
    """``#!/proc/self/exe`` executes what runs at that moment; init's file is sealed, and not even readable inside."""
    trap = Inject("/trap", b"#!/proc/self/exe\n", mode=0o755)
    result = isolib.run(
        ["/bin/sh", "-c", "for i in 1 2 3; do /trap; done; echo done"], mounts=[trap], security=BARE, cwd="/"
    )
    assert result.text().endswith("done\n")


@pytest.mark.slow
def test_every_exe_in_sight_refuses_to_be_written() -> None:
    """A root with every capability tries for all processes while others enter."""
    script = (
        "i=0; while [ $i -lt 300 ]; do for p in /proc/[0-9]*; do"
        ' if [ "$(cat $p/comm 2>/dev/null)" = isolib-init ] && (: >$p/exe) 2>/dev/null; then echo written; fi;'
        " done; i=$((i+1)); done; echo done"
    )
    with Container(
        None, ["/bin/sh", "-c", script], security=BARE, cwd="/", stdout=(path := Path(os.environ["TMPDIR"]) / "o")
    ) as c:
        while c.process.poll() is None:
            try:
                c.exec(["/bin/true"])
            except (isolib.Conflict, isolib.KernelError):
                break
        c.wait(60)
    report = path.read_text()
    path.unlink()
    assert report == "done\n"


def test_the_program_is_sealed_for_the_caller_too() -> None:
    fd = os.open(f"/proc/self/fd/{spawn.init_program()}", os.O_PATH)
    try:
        assert os.fstat(fd).st_mode & 0o777 == 0o111
        for act in (lambda: os.pwrite(spawn.init_program(), b"x", 0), lambda: os.ftruncate(spawn.init_program(), 0)):
            try:
                act()
            except PermissionError:
                continue
            raise AssertionError("init's program could be changed")
    finally:
        os.close(fd)

"""newuidmap and newgidmap, shadow's setuid programs: the one way to sub-ids for an ordinary user (newuidmap(1))."""

import contextlib
import os
import select
import signal
import stat
from typing import NamedTuple

from isolib.errors import Unavailable
from isolib.handles.ids.subids import SUBGID, SUBUID, sub_ids
from isolib.spec.idrows import IdRange, Rows, read_rows, rows_text

# Never the caller's PATH: what is found there is given the container's map to write.
PLACES = ("/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/run/wrappers/bin")
PATIENCE = 30.0  # seconds: it may ask a directory service for the user's name


class Running(NamedTuple):
    """A tool at work, and the pipe that its complaints come through."""

    kind: str
    pid: int
    pidfd: int  # -1 where it ended, and was reaped by somebody else, at once
    pipe: int


def run_tools(pid: int, wanted: dict[str, Rows]) -> None:
    """Has the maps (by "uid" and "gid") of a process written. Raises Unavailable with the remedy."""
    programs = {kind: find_tool(f"new{kind}map") for kind in wanted}
    running: list[Running] = []
    try:
        for kind, rows in wanted.items():  # both at once: each takes a millisecond
            running.append(_start(pid, kind, rows, programs[kind]))
    finally:
        said = {tool.kind: _finish(tool) for tool in running}
    for kind, rows in wanted.items():
        # What the process has now is the answer: an exit status is lost where the caller ignores SIGCHLD.
        if _rows_of(pid, kind) != rows:
            raise Unavailable(f"the {kind} map {', '.join(map(str, rows))}", _remedy(kind, rows, said[kind]))


def find_tool(name: str) -> str:
    """The path of newuidmap or newgidmap, where it is root's and has its rights. Raises Unavailable with the remedy."""
    weak = []
    for folder in PLACES:
        path = f"{folder}/{name}"
        try:
            found = os.stat(path)
        except OSError:
            continue
        if found.st_uid == 0 and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and _has_rights(path, found):
            return path
        weak.append(path)
    if weak:
        raise Unavailable("id maps with sub-ids", f"{weak[0]} must be root's, and setuid: chown root, chmod u+s")
    remedy = f"{name} is missing: install it (package uidmap on Debian, shadow-utils on Fedora), or ask for ids 'self'"
    raise Unavailable("id maps with sub-ids", remedy)


def _has_rights(path: str, found: os.stat_result) -> bool:
    if found.st_mode & stat.S_ISUID:
        return True
    try:
        return bool(os.getxattr(path, "security.capability"))
    except OSError:
        return False


def _start(pid: int, kind: str, rows: Rows, program: str) -> Running:
    read, write = os.pipe()
    try:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDWR, 0),
            (os.POSIX_SPAWN_DUP2, 0, 1),
            (os.POSIX_SPAWN_DUP2, write, 2),
        ]
        argv = [program, str(pid), *rows_text(rows).split()]
        child = os.posix_spawn(program, argv, {}, file_actions=actions, setsigmask=(), setsigdef=(signal.SIGCHLD,))
    except BaseException:
        os.close(read)
        raise
    finally:
        os.close(write)
    try:
        pidfd = os.pidfd_open(child)
    except ProcessLookupError:
        pidfd = -1
    return Running(kind, child, pidfd, read)


def _finish(tool: Running) -> str:
    """What it said, once it has ended. The pipe's end alone tells nothing: a fork elsewhere may hold it open."""
    try:
        if tool.pidfd >= 0 and not _ends_within(tool.pidfd, PATIENCE):
            signal.pidfd_send_signal(tool.pidfd, signal.SIGKILL)
            _ends_within(tool.pidfd, PATIENCE)
        os.set_blocking(tool.pipe, False)
        text = os.read(tool.pipe, 4096).decode(errors="replace")
    except BlockingIOError:
        text = ""
    finally:
        os.close(tool.pipe)
        if tool.pidfd >= 0:
            os.close(tool.pidfd)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(tool.pid, 0)
    return " ".join(text.split())


def _ends_within(pidfd: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _rows_of(pid: int, kind: str) -> Rows:
    try:
        with open(f"/proc/{pid:d}/{kind}_map") as file:
            return read_rows(file.read())
    except OSError:
        return ()


def _remedy(kind: str, rows: Rows, said: str) -> str:
    """What would help, the likeliest cause first: no_new_privs, or a range that the files do not give."""
    program, path = f"new{kind}map", SUBUID if kind == "uid" else SUBGID
    with open("/proc/thread-self/status") as file:
        if "NoNewPrivs:\t1" in file.read():
            return f"this process has no_new_privs set, under which {program} has no rights: ask for ids 'self'"
    ranges = getattr(sub_ids(os.geteuid()), f"{kind}s")
    own = os.geteuid() if kind == "uid" else os.getegid()
    for row in rows:
        if not any(part.covers(row.host, row.size) for part in (*ranges, IdRange(own, 1))):
            return f"{path} does not give {row.host}:{row.size} to user {os.geteuid()}: add a line for it ({said})"
    return f"{program} said: {said}" if said else f"{program} failed without a word"

"""The id maps of a process that waits for them: written by the caller where he may, else by newuidmap and newgidmap."""

import errno
import os

from isolib.errors import KernelError
from isolib.spec.idrows import IdMap, Rows, read_rows, rows_text
from isolib.spec.ids import IdMaps

_HINTS = {
    errno.EINVAL: "rows overlap, are empty, too large or too many",
    errno.EPERM: "it has a map already; or the ids are not mapped in the caller's user namespace; or, for host id 0, "
    "CAP_SETFCAP is missing (Linux 5.12)",
    errno.ENOENT: "the process has ended",
    errno.ESRCH: "the process has ended",
}


def write_maps(pid: int, maps: IdMaps) -> None:
    """Writes uid_map and gid_map of a process whose user namespace has none yet (user_namespaces(7)).

    A caller with CAP_SETUID and CAP_SETGID writes any rows. An ordinary one writes the one row of his own id, which the
    kernel grants for a group only where setgroups is denied for good; other rows need newuidmap(1), newgidmap(1) and
    lines in /etc/subuid and /etc/subgid. Raises Unavailable with the remedy, or KernelError.
    """
    left = {kind: rows for kind, rows in (("uid", maps.uids), ("gid", maps.gids)) if not _write(pid, kind, rows)}
    if not left:
        return
    if os.geteuid() == 0:  # newuidmap would refuse for another reason, which misleads
        raise KernelError(errno.EPERM, "write", f"/proc/{pid}/{next(iter(left))}_map", _HINTS[errno.EPERM])
    from isolib.handles.ids.tools import run_tools

    run_tools(pid, left)


def maps_of(pid: int) -> IdMaps:
    """The rows a process has now, in the ids of the caller's user namespace."""
    return IdMaps(*(read_rows(_read(pid, kind)) for kind in ("uid", "gid")))


def _write(pid: int, kind: str, rows: Rows) -> bool:
    """True: written. False: the caller may not."""
    text = rows_text(rows)
    if _attempt(pid, f"{kind}_map", text):
        return True
    if kind == "gid" and len(rows) == 1 and _is_own(rows[0]) and _attempt(pid, "setgroups", "deny"):
        return _attempt(pid, "gid_map", text)
    return False


def _is_own(row: IdMap) -> bool:
    return row.host == os.getegid() and row.size == 1


def _attempt(pid: int, name: str, text: str) -> bool:
    path = f"/proc/{pid:d}/{name}"
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, text.encode())
        finally:
            os.close(fd)
    except OSError as error:
        if error.errno in (errno.EPERM, errno.EACCES):
            return False
        raise KernelError(error.errno or 0, "write", path, _HINTS.get(error.errno or 0, "")) from None
    return True


def _read(pid: int, kind: str) -> str:
    try:
        with open(f"/proc/{pid:d}/{kind}_map") as file:
            return file.read()
    except OSError as error:
        raise KernelError(
            error.errno or 0, "read", f"/proc/{pid}/{kind}_map", _HINTS.get(error.errno or 0, "")
        ) from None

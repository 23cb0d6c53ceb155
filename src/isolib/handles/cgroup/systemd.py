"""A group from a user's systemd: a scope with Delegate=yes, asked for over D-Bus (org.freedesktop.systemd1(5)).

One scope a process, kept alive by a ``holder`` that ends with the process: what isolib makes below it is the user's
own.
"""

import os
import time
from contextlib import suppress
from typing import Any, NamedTuple

from isolib.errors import Unavailable
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.hierarchy import Hierarchy, parse_groups, read_proc
from isolib.handles.cgroup.owner import own_mark
from isolib.handles.cgroup.sweep import sweep_folder

BOOTED = "/run/systemd/system"  # sd_booted(3)
TIMEOUT = 25.0  # seconds for an answer, D-Bus's own; it takes milliseconds where the bus has not to be started first
PATIENCE = 5.0  # seconds in which the holder is to be in its scope
HOLDER = "holder"

_SERVICE, _PATH, _FACE = "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"


class Scope(NamedTuple):
    """The unit, its group as /proc/PID/cgroup has it, and the process that it belongs to."""

    unit: str
    path: str
    pid: int


_scope: Scope | None = None
_lifelines: list[int] = []  # the holder reads its other end, and ends when this process does


def place_in_scope(hierarchy: Hierarchy) -> str:
    """This process's scope, made when it is first asked for, relative to the mount. Raises Unavailable, KernelError."""
    global _scope
    if _scope is None or _scope.pid != os.getpid():
        if not os.path.isdir(BOOTED):
            raise Unavailable("a systemd scope", "this machine was not booted with systemd")
        unit = f"isolib-{own_mark()[1:].replace('.', '-')}.scope"
        holder = start_holder()
        _scope = Scope(unit, start_scope(bus_address(), unit, holder), os.getpid())
        if (path := hierarchy.below(_scope.path)) is not None:
            make_room(Directory(hierarchy, path), holder)
    if (path := hierarchy.below(_scope.path)) is None:
        raise Unavailable("a systemd scope", f"{hierarchy.point} does not show {_scope.path}")
    return path


def bus_address() -> str:
    """Where the user's bus listens. Raises Unavailable."""
    if address := os.environ.get("DBUS_SESSION_BUS_ADDRESS"):
        return address
    path = os.path.join(os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}", "bus")
    if not os.path.exists(path):
        raise Unavailable("a systemd scope", f"there is no {path}: log in, or loginctl enable-linger")
    return f"unix:path={path}"


def start_holder() -> int:
    """A shell that waits until this process is gone, whose pipe it reads; no child of it, so nobody waits for it."""
    read, lifeline = os.pipe()  # close-on-exec
    _lifelines.append(lifeline)
    answer, said = os.pipe()
    script = "(read line <&3) >/dev/null 2>&1 & echo $!"
    actions = [(os.POSIX_SPAWN_DUP2, read, 3), (os.POSIX_SPAWN_DUP2, said, 1)]
    shell = os.posix_spawn("/bin/sh", ["sh", "-c", script], {}, file_actions=actions, setsigmask=[])
    for fd in (read, said):
        os.close(fd)
    with open(answer) as text:
        pid = int(text.read())
    with suppress(ChildProcessError):  # a SIGCHLD handler of the caller was faster
        os.waitpid(shell, 0)
    return pid


def start_scope(address: str, unit: str, holder: int) -> str:
    """Ask for a scope around the holder, and wait until it is in it. Its group's path. Raises Unavailable."""
    properties = [
        ("Description", ("s", "Control groups of isolib")),
        ("PIDs", ("au", [holder])),
        ("Delegate", ("b", True)),
        ("CollectMode", ("s", "inactive-or-failed")),
    ]
    call(address, "StartTransientUnit", "ssa(sv)a(sa(sv))", (unit, "fail", properties, []))
    deadline = time.monotonic() + PATIENCE
    while not (path := parse_groups(read_proc(f"/proc/{holder}/cgroup")).get("", "")).endswith(f"/{unit}"):
        if time.monotonic() >= deadline:
            raise Unavailable("a systemd scope", f"process {holder} is not in {unit}; see systemctl --user")
        time.sleep(0.002)
    return path


def make_room(scope: Directory, holder: int) -> None:
    """Put the holder into a group of its own: the scope may enable controllers then. And sweep scopes of the dead."""
    leaf = scope.below(HOLDER)
    with suppress(FileExistsError):
        leaf.make()
    leaf.write("cgroup.procs", str(holder))
    for name in scope.parent.children():
        if name.startswith("isolib-") and name.endswith(".scope"):
            sweep_folder(scope.parent.below(name).below("isolib"))


def attach(place: Directory, pid: int) -> bool:
    """Have systemd move a process into a group below the scope; False where the group is not there, or systemd refuses.

    The kernel lets users move a process only below a common group of theirs, which a session and their units lack.
    """
    if _scope is None or _scope.pid != os.getpid():
        return False
    top = place.hierarchy.below(_scope.path)
    if top is None or not place.path.startswith(f"{top}/"):
        return False
    below = place.path[len(top) :]
    try:
        call(bus_address(), "AttachProcessesToUnit", "ssau", (_scope.unit, below, [pid]))
    except Unavailable:
        return False
    return True


def call(address: str, method: str, signature: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """One call of the user's systemd. Raises Unavailable: no bus, no jeepney, or what systemd says against it."""
    try:
        from jeepney import DBusAddress, DBusErrorResponse, new_method_call
        from jeepney.io.blocking import open_dbus_connection
        from jeepney.wrappers import unwrap_msg
    except ImportError:
        raise Unavailable(
            "a systemd scope", "install jeepney, which speaks D-Bus: pip install 'isolib[systemd]'"
        ) from None
    message = new_method_call(DBusAddress(_PATH, _SERVICE, _FACE), method, signature, arguments)
    try:
        with open_dbus_connection(bus=address, auth_timeout=TIMEOUT) as connection:
            return tuple(unwrap_msg(connection.send_and_get_reply(message, timeout=TIMEOUT)))
    except DBusErrorResponse as error:
        raise Unavailable("a systemd scope", f"systemd answers {method} with {error}") from None
    except (OSError, RuntimeError, ValueError) as error:  # TimeoutError among them
        raise Unavailable("a systemd scope", f"no answer on {address}: {error}") from None

"""A scope from the user's systemd: the calls, over a real D-Bus, to one played by the test; and a real one's."""

import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jeepney import DBusAddress, HeaderFields, MessageType, new_error, new_method_call, new_method_return
from jeepney.io.blocking import DBusConnection, open_dbus_connection

from isolib.errors import Unavailable
from isolib.handles.cgroup import CGroup, systemd
from isolib.handles.cgroup.directory import Directory
from isolib.spec.limits import Limits
from tests.harness.facts import PATH

Call = tuple[str, str, tuple[Any, ...]]


@pytest.fixture
def bus() -> Iterator[str]:
    """The address of a bus of our own; an abstract one, since the path of a socket is 107 bytes at most (unix(7))."""
    program = shutil.which("dbus-daemon", path=PATH)
    if not program:
        pytest.skip("HostFact: no dbus-daemon")
    address = f"unix:abstract=isolib-test-{secrets.token_hex(8)}"
    argv = [program, "--session", "--nofork", "--nopidfile", f"--address={address}", "--print-address"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as daemon:
        try:
            assert daemon.stdout
            yield daemon.stdout.readline().strip()
        finally:
            daemon.terminate()


class Systemd:
    """Owns systemd's name on the bus, writes down what it is asked, and answers as it is told to."""

    def __init__(self, address: str, error: str = "") -> None:
        self.calls: list[Call] = []
        self.error = error
        self.connection = open_dbus_connection(bus=address)
        name = new_method_call(
            DBusAddress("/org/freedesktop/DBus", "org.freedesktop.DBus", "org.freedesktop.DBus"),
            "RequestName",
            "su",
            (systemd._SERVICE, 0),
        )
        assert self.connection.send_and_get_reply(name).body == (1,)
        self.thread = threading.Thread(target=self.serve, args=(self.connection,), daemon=True)
        self.thread.start()

    def serve(self, connection: DBusConnection) -> None:
        while True:
            try:
                message = connection.receive()
            except (OSError, EOFError):
                return
            if message.header.message_type is not MessageType.method_call:
                continue
            fields = message.header.fields
            member = fields[HeaderFields.member]
            self.calls.append((member, fields.get(HeaderFields.signature, ""), message.body))
            if member == "Stop":
                return
            if self.error:
                connection.send(new_error(message, self.error, "s", ("it says no",)))
            else:
                connection.send(new_method_return(message, "o", ("/org/freedesktop/systemd1/job/7",)))

    def close(self, address: str) -> None:
        with open_dbus_connection(bus=address) as other:
            other.send(new_method_call(DBusAddress("/", systemd._SERVICE, "x.y"), "Stop"))
            self.thread.join(10)
        self.connection.close()


@pytest.fixture
def played(bus: str) -> Iterator[Systemd]:
    found = Systemd(bus)
    yield found
    found.close(bus)


def test_a_scope_is_asked_for(bus: str, played: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "read_proc", lambda path: "0::/user.slice/app.slice/isolib-x.scope\n")
    assert systemd.start_scope(bus, "isolib-x.scope", 4711) == "/user.slice/app.slice/isolib-x.scope"
    ((member, signature, body),) = played.calls
    assert (member, signature) == ("StartTransientUnit", "ssa(sv)a(sa(sv))")
    unit, mode, properties, others = body
    assert (unit, mode, others) == ("isolib-x.scope", "fail", [])
    assert dict(properties)["PIDs"] == ("au", [4711])
    assert dict(properties)["Delegate"] == ("b", True)


def test_a_process_is_moved_by_systemd(bus: str, played: Systemd) -> None:
    systemd.call(bus, "AttachProcessesToUnit", "ssau", ("isolib-x.scope", "/isolib/web", [12]))
    assert played.calls == [("AttachProcessesToUnit", "ssau", ("isolib-x.scope", "/isolib/web", [12]))]


def test_a_refusal_is_told(bus: str) -> None:
    played = Systemd(bus, "org.freedesktop.DBus.Error.AccessDenied")
    with pytest.raises(Unavailable, match=r"StartTransientUnit with .*it says no"):
        systemd.start_scope(bus, "isolib-x.scope", 4711)
    played.close(bus)


def test_a_systemd_that_does_nothing_is_told(bus: str, played: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(systemd, "PATIENCE", 0.05)
    with pytest.raises(Unavailable, match=f"process {os.getpid()} is not in isolib-x"):
        systemd.start_scope(bus, "isolib-x.scope", os.getpid())


def test_nobody_there_is_told(bus: str) -> None:
    with pytest.raises(Unavailable, match="StartTransientUnit with"):  # the bus says that no such name has an owner
        systemd.start_scope(bus, "isolib-x.scope", 1)


@pytest.mark.parametrize("address", ["unix:path=/nowhere/bus", "tcp:host=localhost,port=1", "nonsense"])
def test_no_bus_is_told(address: str) -> None:
    with pytest.raises(Unavailable, match="no answer on"):
        systemd.call(address, "X", "", ())


def test_without_jeepney_the_way_to_get_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jeepney", None)
    with pytest.raises(Unavailable, match=r"pip install 'isolib\[systemd\]'"):
        systemd.call("unix:path=/nowhere", "X", "", ())


def test_where_the_bus_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/x")
    assert systemd.bus_address() == "unix:path=/x"
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(Unavailable, match="linger"):
        systemd.bus_address()
    (tmp_path / "bus").touch()
    assert systemd.bus_address() == f"unix:path={tmp_path}/bus"


def test_the_holder_ends_with_the_process() -> None:
    code = (
        "import sys; sys.path[:0] = sys.argv[1:]\n"
        "from isolib.handles.cgroup.systemd import start_holder\n"
        "print(start_holder(), flush=True); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", code, *sys.path]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        holder = int(process.stdout.readline())
        os.kill(holder, 0)
        process.kill()
    for _ in range(2000):
        if not Path(f"/proc/{holder}").exists() or "(zombie)" in Path(f"/proc/{holder}/status").read_text():
            return
        time.sleep(0.005)
    pytest.fail("the holder lives on")


SCOPE = """
import os, subprocess, sys
sys.path[:0] = sys.argv[1:]
from isolib.handles.cgroup import CGroup
from isolib.spec.limits import Limits
with CGroup.create("asked/a", Limits(memory="64M", pids=10)) as group:
    sleep = subprocess.Popen(["sleep", "1000"])
    group.add(sleep.pid)
    print(group.path, group.pids() == [sleep.pid], group.stats().pids.current, group["pids.max"], flush=True)
    group.kill()
    sleep.wait()
print(os.path.exists(group.path))
"""


@pytest.mark.needs_v2
@pytest.mark.needs_ordinary_user
def test_a_session_gets_groups_from_its_systemd() -> None:
    """In a login session, whose own group is root's."""
    own = Path("/sys/fs/cgroup" + Path("/proc/self/cgroup").read_text().strip().removeprefix("0::"))
    if not Path(systemd.BOOTED).is_dir() or os.access(own, os.W_OK):
        pytest.skip("HostFact: not in a session of systemd")
    done = subprocess.run([sys.executable, "-c", SCOPE, *sys.path], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    path, *rest = done.stdout.split()
    assert ".scope/isolib/asked@" in path
    assert rest == ["True", "1", "10", "False"]


def test_no_systemd_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from isolib.handles.cgroup.hierarchy import hierarchies

    monkeypatch.setattr(systemd, "BOOTED", "/nowhere")
    if hierarchies().unified is None:
        pytest.skip("HostFact: no cgroup v2 mount")
    with pytest.raises(Unavailable, match="not booted with systemd"):
        systemd.place_in_scope(hierarchies().unified)  # type: ignore[arg-type]


@pytest.mark.needs_groups
def test_a_group_elsewhere_is_not_systemds() -> None:
    with CGroup.create("own", Limits(pids=5)) as group:
        top = Directory(group._places[0].hierarchy, "")
        assert not systemd.attach(top, os.getpid())

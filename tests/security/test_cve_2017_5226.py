"""The class of bubblewrap's CVE-2017-5226: characters pushed into the caller's terminal (TIOCSTI), read there by a
shell.
"""

import fcntl
import os
import pty
import select
import termios
from collections.abc import Iterator

import pytest

import isolib
from isolib import Container, Security

PUSH = ["/usr/bin/python3", "-S", "-c", "import fcntl; [fcntl.ioctl(0, 0x5412, bytes([c])) for c in b'reboot\\n']"]
TIOCSTI = 0x5412


@pytest.fixture
def terminal() -> Iterator[int]:
    """A terminal of the caller's, given to the payload as it is."""
    master, slave = pty.openpty()
    yield slave
    os.close(master)
    os.close(slave)


def waiting(terminal: int) -> bytes:
    """What somebody who reads the terminal next would get."""
    os.set_blocking(terminal, False)
    ready, _, _ = select.select([terminal], [], [], 0.2)
    return os.read(terminal, 100) if ready else b""


@pytest.mark.parametrize("layer", ["default", "session alone"])
@pytest.mark.parametrize("how", ["start", "enter"])
def test_nothing_is_pushed(terminal: int, layer: str, how: str) -> None:
    """The filter forbids the call; the session of its own makes it fail without the filter."""
    security = Security() if layer == "default" else Security(seccomp="unconfined")
    if how == "start":
        result = isolib.run(PUSH, stdin=terminal, security=security, cwd="/")
    else:
        with Container(None, ["/bin/sleep", "100"], security=security, cwd="/") as container:
            result = container.exec(PUSH, stdin=terminal)
    assert result.exit_code != 0
    assert waiting(terminal) == b""


def test_whoever_has_the_terminal_could(terminal: int) -> None:
    """The attack works where nothing stands in its way, or the kernel forbids it to all (dev.tty.legacy_tiocsti=0)."""
    pid = os.fork()
    if pid == 0:
        try:
            os.setsid()
            fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
            fcntl.ioctl(terminal, TIOCSTI, b"x")
            os._exit(0)
        except OSError:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) in (0, 1)

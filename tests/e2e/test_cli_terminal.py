"""`isolib run -it` and `exec -it` at a terminal: keys, window, job control, and the terminal given back as it was."""

import os
import re
import signal
import subprocess
import termios

import pytest

from tests.e2e.line import PATIENCE, PROGRAM, environment, eventually, line, payload, ready, running, state
from tests.e2e.seat import Seat

pytestmark = pytest.mark.needs_user_namespace

RUN = (*PROGRAM, "run")
SHELL = 'echo ready; while read -r line; do eval "$line"; done'


def shell(*options: str) -> Seat:
    """A shell without a prompt in a container, at a terminal."""
    seat = Seat([*RUN, *options, "--", "sh", "-c", SHELL])
    seat.read_until(b"ready\r\n")
    return seat


def test_the_command_has_a_terminal_of_its_own() -> None:
    with shell("-it") as seat:
        assert seat.raw
        seat.type(b"tty; echo $TERM; ls -l /dev/console; echo done\r")
        shown = seat.read_until(b"\ndone\r\n").decode()
        assert re.search(r"^/dev/pts/0\r\n\w+\r\n", shown.partition("\r\n")[2]), shown
        seat.type(b"exit 7\r")
        assert seat.code() == 7
        assert seat.restored


def test_the_window() -> None:
    with shell("-it") as seat:
        seat.type(b"stty size\r")
        seat.read_until(b"\n33 77\r\n")
        seat.type(b"trap 'stty size' WINCH; echo set\r")
        seat.read_until(b"\nset\r\n")
        seat.resize(40, 100)
        seat.type(b"echo\r")
        seat.read_until(b"40 100\r\n")


@pytest.mark.parametrize("at", ["stdin", "stdout"])
def test_the_window_is_known_from_the_start(at: str) -> None:
    with open(os.devnull, "r+b") as null:
        stdin, stdout = (None, null.fileno()) if at == "stdin" else (null.fileno(), None)
        with Seat([*RUN, "-t", "--", "sh", "-c", 'test "$(stty size)" = "33 77"'], stdin, stdout) as seat:
            assert seat.code() == 0


def test_keys_are_the_commands() -> None:
    with shell("-it") as seat:
        seat.type(b"trap 'echo interrupted' INT; echo set\r")
        seat.read_until(b"\nset\r\n")
        seat.type(b"\x03")
        seat.read_until(b"interrupted\r\n")
        seat.type(b"\x04")
        assert seat.code() == 0


def test_job_control_inside() -> None:
    with Seat([*RUN, "-it", "--", "sh", "-i"]) as seat:
        seat.read_until(b"# ")
        seat.type(b"sleep 60\r")
        seat.read_until(b"sleep 60\r\n")
        eventually(lambda: len(descendants(seat.process.pid)) > 3)
        seat.type(b"\x1a")
        seat.read_until(b"Stopped")
        seat.type(b"kill %1; exit 3\r")
        seat.type(b"exit 3\r")
        assert seat.code() == 3


def descendants(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout.split("\n")[1:]
    parents = [tuple(map(int, row.split())) for row in found if row]
    tree = {pid}
    for child, parent in sorted(parents):
        if parent in tree:
            tree.add(child)
    return sorted(tree)


@pytest.mark.parametrize("end", ["killed inside", "SIGTERM", "SIGHUP", "timeout"])
def test_the_terminal_is_given_back(end: str) -> None:
    options = ("--timeout", "5") if end == "timeout" else ()
    with shell("-it", *options) as seat:
        assert seat.raw
        if end == "killed inside":
            seat.type(b"kill -9 $$\r")
        elif end != "timeout":
            seat.send_signal(signal.Signals[end])
        assert seat.code() == 128 + {"SIGTERM": 15, "SIGHUP": 1}.get(end, 9)
        assert seat.restored
        if end == "timeout":
            assert b"isolib: killed after 5 s (--timeout)" in seat.seen


def test_stopped_by_a_signal_the_terminal_is_given_back_and_taken_again() -> None:
    with shell("-it") as seat:
        seat.send_signal(signal.SIGTSTP)
        eventually(lambda: state(seat.process.pid) == "T")
        assert seat.restored
        seat.resize(20, 50)
        seat.send_signal(signal.SIGCONT)
        eventually(lambda: seat.raw)
        seat.type(b"stty size\r")
        seat.read_until(b"20 50\r\n")
        seat.type(b"exit\r")
        assert seat.code() == 0
        assert seat.restored


def test_the_start_fails_before_the_terminal_is_touched() -> None:
    with Seat([*RUN, "-it", "--", "no-such-program"]) as seat:
        assert seat.code() == 127
        assert seat.restored
        assert seat.seen.startswith(b"isolib: no-such-program: ")


def test_the_callers_terminal_is_not_handed_over() -> None:
    """Who holds a terminal can read what is typed on it, and write as if it were typed."""
    script = "test -t 0 -o -t 1 -o -t 2 || echo none; echo err >&2; ls -l /proc/self/fd/"
    with Seat([*RUN, "-i", "--", "sh", "-c", script]) as seat:
        assert seat.code() == 0
        assert seat.seen.startswith(b"none\r\nerr\r\n")
        assert os.ttyname(seat.terminal).encode() not in seat.seen
        assert seat.restored


def test_typed_lines_without_a_terminal_inside() -> None:
    with Seat([*RUN, "-i", "--", "cat"]) as seat:
        seat.type(b"a line\n")
        seat.read_until(b"a line\r\na line\r\n")
        seat.type(b"\x04")
        assert seat.code() == 0


def test_what_is_typed_is_not_taken_without_interactive() -> None:
    with Seat([*RUN, "--", "sh", "-c", "echo ready; cat; sleep 0.2"]) as seat:
        seat.read_until(b"ready\r\n")
        seat.type(b"for the shell\n")
        assert seat.code() == 0
        os.set_blocking(seat.terminal, False)
        assert os.read(seat.terminal, 100) == b"for the shell\n"


def test_ctrl_c_without_a_terminal_inside() -> None:
    script = "trap 'echo got; exit 5' INT; echo ready; while :; do sleep 0.02; done"
    with Seat([*RUN, "--", "sh", "-c", script]) as seat:
        seat.read_until(b"ready\r\n")
        seat.type(b"\x03")
        assert seat.code() == 5
        assert seat.seen.endswith(b"got\r\n")


@pytest.mark.parametrize("text", [b"a line\n", b"no end of line", b"", b"two\nlines\n"])
def test_input_from_a_pipe_to_a_terminal(text: bytes) -> None:
    """The end of the pipe is the end of the terminal's input."""
    done = line("run", "-it", "--", "sh", "-c", "stty -echo -onlcr; echo ready; cat", stdin=text)
    assert (done.code, done.err) == (0, "")
    assert text.decode() in done.out.replace("\r\n", "\n")


def test_a_reader_that_goes_away_hangs_up() -> None:
    command = " ".join((*RUN, "-t", "--", "yes"))
    shell = ["bash", "-c", f"{command} | head -n 1; echo ${{PIPESTATUS[0]}}"]
    done = subprocess.run(shell, env=environment(), capture_output=True, timeout=PATIENCE, check=True)
    assert (done.stdout, done.stderr) == (b"y\r\n129\n", b"")


def test_output_to_a_file_keeps_its_place(tmp_path: os.PathLike[str]) -> None:
    """The place to write at is shared with others who have the file open."""
    path = os.path.join(tmp_path, "out")
    shell = ["sh", "-c", 'echo before; "$@"; echo after', "sh", *RUN, "-t", "--", "echo", "inside"]
    with open(path, "wb") as out:
        subprocess.run(shell, stdout=out, env=environment(), timeout=PATIENCE, check=True)
    with open(path, "rb") as out:
        assert out.read() == b"before\ninside\r\nafter\n"


def test_a_command_beside_it_has_its_own_terminal() -> None:
    with running("run", "--", "sh", "-c", "echo ready; sleep 60") as process:
        ready(process)
        with Seat([*PROGRAM, "exec", "-it", str(payload(process)), "sh", "-c", SHELL]) as seat:
            seat.read_until(b"ready\r\n")
            seat.type(b"tty; stty size; ps -o args | grep -c '[s]leep 60'; echo $(($$ > 1))\r")
            seat.read_until(b"/dev/pts/0\r\n33 77\r\n")
            seat.type(b"exit 4\r")
            assert seat.code() == 4
            assert seat.restored


def test_a_terminal_that_hangs_up_ends_it() -> None:
    seat = shell("-it")
    inside = seat.process.pid
    os.close(seat.master)
    try:
        assert seat.process.wait(PATIENCE) == 128 + signal.SIGHUP
    finally:
        os.close(seat.terminal)
    assert not os.path.exists(f"/proc/{inside}")


def test_flow_control_is_the_commands() -> None:
    """In raw mode Ctrl-S is a byte like any other (termios(3), IXON)."""
    with shell("-it") as seat:
        assert not termios.tcgetattr(seat.terminal)[0] & termios.IXON

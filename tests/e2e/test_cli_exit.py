"""How `isolib run` ends: the command's exit code, 128 + a signal, 126, 127; and who hears of the caller's signals."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import isolib
from tests.e2e.line import PATIENCE, PROGRAM, complaint, environment, eventually, line, payload, ready, running, state

pytestmark = pytest.mark.needs_user_namespace


@pytest.mark.parametrize("code", [0, 1, 3, 124, 125, 126, 127, 255])
def test_the_exit_code_is_the_commands(code: int) -> None:
    assert line("run", "--", "sh", "-c", f"exit {code}") == (code, "", "")


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGPIPE, signal.SIGRTMIN + 2]
)
def test_128_and_the_signal(number: int) -> None:
    assert line("run", "--", "sh", "-c", f"kill -{int(number)} $$").code == 128 + number


NOT_THERE = [
    ("no-such-program", ()),
    ("/no/such/program", ()),
    ("/etc/passwd/program", ()),
    ("no-such-program", ("-e", "PATH=/no/such/folder:/etc/passwd:/proc/self/mem")),
    ("no-such-program", ("-e", "PATH=")),
    ("no-such-program", ("-e", "PATH=/closed:/usr/bin", "--cap-drop", "ALL", "--tmpfs", "/closed:mode=000")),
    ("sh", ("-e", "PATH=/nowhere")),
    ("sub/program", ("-w", "/usr")),
]


@pytest.mark.parametrize(("program", "options"), NOT_THERE, ids=[f"{p} {' '.join(o)}" for p, o in NOT_THERE])
def test_127_for_what_is_not_there(program: str, options: tuple[str, ...]) -> None:
    done = line("run", *options, "--", program)
    assert done.code == 127
    assert complaint(done).startswith(f"{program}: ")


@pytest.mark.parametrize("program", ["/etc/passwd", "/etc", "/tmp/program"])
def test_126_for_what_cannot_be_executed(program: str) -> None:
    options = ("--tmpfs", "/tmp:noexec") if program == "/tmp/program" else ()
    if options:
        script = "cp /bin/true /tmp/program && exec /tmp/program"
        assert line("run", *options, "--", "sh", "-c", script).code == 126
        return
    done = line("run", "--", program)
    assert done.code == 126
    assert complaint(done).startswith(f"{program}: ")


def test_a_closed_folder_before_the_right_one() -> None:
    """execvp(3) must not stop at a folder that may not be searched."""
    options = ("-e", "PATH=/closed:/usr/bin:/bin", "--cap-drop", "ALL", "--tmpfs", "/closed:mode=000")
    assert line("run", *options, "--", "echo", "found") == (0, "found\n", "")


@pytest.mark.path
def test_the_callers_path_is_the_commands() -> None:
    done = line("run", "--", "echo", "found", env={"PATH": os.environ["PATH"]})
    assert done == (0, "found\n", "")
    assert line("run", "--", "no-such-program", env={"PATH": os.environ["PATH"]}).code == 127


def test_a_timeout_kills_everything() -> None:
    script = "sleep 60 & setsid sleep 60 & echo said; sleep 60"
    done = line("run", "--timeout", "2.5", "--", "sh", "-c", script)
    assert done == (137, "said\n", "isolib: killed after 2.5 s (--timeout)\n")


PASSED_ON = ["HUP", "INT", "QUIT", "USR1", "USR2", "TERM", "ALRM", "RTMIN+5"]


@pytest.mark.parametrize("name", PASSED_ON)
def test_a_signal_is_the_commands(name: str) -> None:
    number = signal.SIGRTMIN + 5 if name.startswith("RT") else signal.Signals[f"SIG{name}"]
    script = f"trap 'echo got; exit 9' {int(number)}; echo ready; while :; do sleep 0.02; done"
    with running("run", "--", "sh", "-c", script) as process:
        ready(process)
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE)[0] == b"got\n"
        assert process.returncode == 9


def test_a_signal_that_ends_the_command() -> None:
    with running("run", "--", "sh", "-c", "echo ready; exec sleep 60") as process:
        ready(process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM


def test_an_ignored_signal_stays_ignored() -> None:
    """As under nohup(1): whoever started isolib did not want it to end by that."""
    script = "trap 'echo got; exit 9' HUP; echo ready; sleep 0.3; echo end"
    program = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *PROGRAM, "run", "--", "sh", "-c", script]
    with subprocess.Popen(program, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        ready(process)
        process.send_signal(signal.SIGHUP)
        assert process.communicate(timeout=PATIENCE) == (b"end\n", b"")
        assert process.returncode == 0


def test_killed_isolib_leaves_nothing() -> None:
    with running("run", "--", "sh", "-c", "echo ready; sleep 60 & sleep 60") as process:
        ready(process)
        inside = payload(process)
        process.kill()
        process.wait()
        eventually(lambda: not os.path.exists(f"/proc/{inside}"))


def test_stopped_and_continued_together() -> None:
    """Ctrl-Z at a shell: SIGTSTP to the job."""
    with running("run", "--", "sh", "-c", "echo ready; while :; do sleep 0.01; done") as process:
        ready(process)
        inside = payload(process)
        process.send_signal(signal.SIGTSTP)
        eventually(lambda: (state(process.pid), state(inside)) == ("T", "T"))
        process.send_signal(signal.SIGCONT)
        eventually(lambda: "T" not in (state(process.pid), state(inside)))
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 128 + signal.SIGTERM


def test_interrupted_before_the_start() -> None:
    """A FIFO that nobody writes to holds it up; no traceback, as a shell has it: 130."""
    script = 'trap - INT; mkfifo "$TMPDIR/fifo"; exec "$@" --env-file "$TMPDIR/fifo" -- true'
    program = ["sh", "-c", script, "sh", *PROGRAM, "run"]
    with subprocess.Popen(program, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        eventually(lambda: _waits_in_open(process.pid))
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=PATIENCE) == (b"", b"")
        assert process.returncode == 130
    os.unlink(f"{os.environ['TMPDIR']}/fifo")


def _waits_in_open(pid: int) -> bool:
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        if b"isolib" not in file.read():
            return False
    with open(f"/proc/{pid}/wchan") as file:
        return file.read().strip() in ("wait_for_partner", "fifo_open", "0") and state(pid) == "S"


# Streams


def test_streams_are_the_callers_own() -> None:
    done = line("run", "-i", "--", "sh", "-c", "cat; echo err >&2", stdin=b"a" * 300_000)
    assert done == (0, "a" * 300_000, "err\n")


def test_a_reader_that_goes_away() -> None:
    """The command gets SIGPIPE itself: it has the pipe, not a copy of it."""
    command = " ".join((*PROGRAM, "run", "--", "yes"))
    shell = ["bash", "-c", f"{command} | head -n 1; echo ${{PIPESTATUS[0]}}"]
    done = subprocess.run(shell, env=environment(), capture_output=True, timeout=PATIENCE, check=True)
    assert (done.stdout, done.stderr) == (b"y\n141\n", b"")


@pytest.mark.parametrize("words", [("plan", "--", "sh"), ("--help",), ("run", "--help"), ("doctor", "--json")])
def test_output_that_nobody_reads(words: tuple[str, ...]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([*PROGRAM, *words], stdout=write, stderr=subprocess.PIPE, env=environment(), timeout=PATIENCE)
    os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")


def test_output_that_cannot_be_written() -> None:
    with open("/dev/full", "wb") as full:
        command = [*PROGRAM, "plan", "--", "sh"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, env=environment(), timeout=PATIENCE)
    assert (done.returncode, done.stderr) == (125, b"isolib: No space left on device\n")


@pytest.mark.parametrize("closed", ["0", "1", "2", "0 1 2"])
def test_closed_streams(closed: str) -> None:
    """Nothing of isolib's gets the number of a stream that the caller has closed."""
    closing = " ".join(f"{fd}{'<' if fd == '0' else '>'}&-" for fd in closed.split())
    script = f'"$@" {closing}; echo $?'
    inside = "for fd in 0 1 2; do readlink /proc/self/fd/$fd; done > /out/seen"
    with_out = ("-v", f"{os.environ['TMPDIR']}:/out")
    program = ["sh", "-c", script, "sh", *PROGRAM, "run", "-i", *with_out, "--", "sh", "-c", inside]
    done = subprocess.run(program, env=environment(), capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE)
    seen = f"{os.environ['TMPDIR']}/seen"
    with open(seen) as file:
        links = file.read().split()
    os.unlink(seen)
    assert done.stdout == b"0\n"
    assert all(links[int(fd)] == "/dev/null" for fd in closed.split() if fd != "1"), links
    assert not [link for link in links if "isolib" in link or "pidfd" in link or "socket" in link]


# Bytes and locales


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C.UTF-8"},
        {"LC_ALL": "C"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "no_such.ISO-8859-1"},
    ],
    ids=["C.UTF-8", "C", "ascii", "unknown"],
)
def test_words_and_variables_are_bytes(locale: dict[str, str]) -> None:
    odd = b"\xff\xc3\xa9\xe9"
    words = (
        b"-e",
        b"ODD=" + odd,
        b"-e",
        b"CALLERS",
        b"--",
        b"sh",
        b"-c",
        b'printf "%s|" "$ODD" "$CALLERS" "$1"',
        b"sh",
        odd,
    )
    done = line("run", *words, env={"CALLERS": os.fsdecode(odd), **locale})
    text = odd.decode("utf-8", "surrogateescape")
    assert done == (0, f"{text}|{text}|{text}|", "")
    shown = line("plan", b"-v", b"/tmp:/" + odd, b"--", odd, env=locale)
    assert (shown.code, shown.err) == (0, "")
    assert "/\\udcff" in shown.out


def test_the_program_that_is_installed() -> None:
    program = Path(sys.executable).with_name("isolib")
    if not program.exists():
        pytest.skip("HostFact: isolib was not installed by pip here")
    assert line("--version", program=(str(program),)) == (0, f"isolib {isolib.__version__}\n", "")
    assert line("run", "--", "echo", "hi", program=(str(program),)) == (0, "hi\n", "")

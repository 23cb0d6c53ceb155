"""run() and spawn(): streams, exit codes, signals, timeouts, errors; all of it at once, on the machine's own root."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

import isolib
from isolib import DISCARD, PIPE, Security
from isolib.launch import facts, start
from tests.kernel.inside import TOP


def sh(script: str, **wishes: object) -> isolib.Result:
    return isolib.run(["/bin/sh", "-c", script], **wishes)  # type: ignore[arg-type]


def test_everything_at_once() -> None:
    result = sh("read word; echo out $word; echo err >&2; exit 3", stdin=b"from outside\n")
    assert (result.exit_code, result.signal) == (3, 0)
    assert (result.stdout, result.stderr) == (b"out from outside\n", b"err\n")
    assert result.text() == "out from outside\n"
    assert result.duration > 0
    assert result.usage.cpu_seconds >= 0
    assert result.usage.memory_peak > 100_000
    assert not any((result.ok, result.timed_out, result.oom_killed, result.truncated, result.degraded))


def test_what_the_readme_says() -> None:
    assert isolib.run(["sh", "-c", "echo hi; id -u"]).text() == "hi\n0\n"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGUSR1, signal.SIGPIPE])
def test_a_signal_is_told_apart(number: signal.Signals) -> None:
    result = sh(f"kill -{int(number)} $$; sleep 10")
    assert (result.signal, result.exit_code) == (number, 128 + number)


@pytest.mark.parametrize("code", [0, 1, 125, 126, 127, 128, 137, 255])
def test_an_exit_code_is_the_programs(code: int) -> None:
    result = sh(f"exit {code}")
    assert (result.exit_code, result.signal) == (code, 0)


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["no-such-program"], 127, "no such program"),
        (["/no/such/program"], 127, "no such program"),
        (["/etc/passwd/x"], 127, "no directory"),
        (["/etc/passwd"], 126, "not executable"),
        (["/etc"], 126, "not executable"),
    ],
)
def test_no_program(argv: list[str], code: int, words: str) -> None:
    with pytest.raises(isolib.StepError) as caught:
        isolib.run(argv)
    assert caught.value.call == "execve"
    assert caught.value.exit_code == code
    assert words in str(caught.value)


def test_a_script_without_its_interpreter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "script").write_text("#!/no/such/interpreter\n")
    (tmp_path / "script").chmod(0o755)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(isolib.StepError, match="interpreter"):
        isolib.run(["./script"])


def test_check_raises_with_the_result() -> None:
    with pytest.raises(isolib.ExitError, match=r"exit code 7(.|\n)*it went wrong") as caught:
        sh("echo it went wrong >&2; exit 7", check=True)
    assert caught.value.result.exit_code == 7
    assert sh("true", check=True).ok


def test_a_timeout_kills_the_whole_tree(tmp_path: Path) -> None:
    """Also what has left the session and ignores every signal."""
    pipe_read, pipe_write = os.pipe()
    began = time.monotonic()
    result = sh("trap '' TERM INT HUP; (setsid sleep 1000 &) ; sleep 1000", timeout=0.3, stderr=pipe_write)
    os.close(pipe_write)
    assert result.timed_out
    assert result.exit_code == 128 + signal.SIGKILL
    assert time.monotonic() - began < 20
    assert os.read(pipe_read, 1) == b""  # nobody holds its other end
    os.close(pipe_read)


def test_a_timeout_that_does_not_come() -> None:
    assert sh("echo quick", timeout=60).text() == "quick\n"


def test_what_is_left_behind_ends_with_the_command() -> None:
    """The namespace ends with its command, so that output is complete and nothing is waited for."""
    began = time.monotonic()
    assert sh("sleep 1000 & echo done").text() == "done\n"
    assert time.monotonic() - began < 20


def test_streams_to_and_from_files(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"from a file\n")
    with open(tmp_path / "err", "wb") as err:
        result = sh("cat; echo e >&2", stdin=tmp_path / "in", stdout=tmp_path / "out", stderr=err)
    assert (result.stdout, result.stderr) == (b"", b"")
    assert (tmp_path / "out").read_bytes() == b"from a file\n"
    assert (tmp_path / "err").read_bytes() == b"e\n"


def test_streams_to_a_callable_and_to_nowhere() -> None:
    chunks: list[bytes] = []
    result = sh("echo a; sleep 0.1; echo b; echo e >&2", stdout=chunks.append, stderr=DISCARD)
    assert b"".join(chunks) == b"a\nb\n"
    assert len(chunks) >= 2
    assert (result.stdout, result.stderr) == (b"", b"")


def test_no_input_is_an_empty_input() -> None:
    assert sh("cat; echo end").text() == "end\n"
    assert sh("cat; echo end", stdin=b"").text() == "end\n"


def test_a_megabyte_in_and_out() -> None:
    data = os.urandom(1 << 20)
    assert isolib.run(["cat"], stdin=data).stdout == data


def test_input_that_nobody_reads() -> None:
    assert sh("exit 0", stdin=b"x" * (1 << 20)).exit_code == 0


def test_standard_streams_can_be_opened_again() -> None:
    """As scripts do; a pipe is somebody else's file to them."""
    script = "echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin"
    for user in (None, 0):
        result = sh(script, stdin=b"in\n", user=user, check=True)
        assert (result.stdout, result.stderr) == (b"out\nin\n", b"err\n")


def test_an_exception_ends_the_tree() -> None:
    read, write = os.pipe()

    def fail(_chunk: bytes) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sh("echo x; sleep 1000", stdout=fail, stderr=write)
    os.close(write)
    assert os.read(read, 1) == b""
    os.close(read)


def test_spawn_returns_at_once() -> None:
    with isolib.spawn(["cat"], stdin=PIPE) as process:
        assert process.poll() is None
        assert process.stdin is not None
        assert process.stdout is not None
        os.write(process.stdin, b"echoed")
        assert os.read(process.stdout, 99) == b"echoed"
        process.send_signal(signal.SIGTERM)
        ended = process.wait(20)
    assert ended.signal == signal.SIGTERM


def test_wait_gives_up() -> None:
    with isolib.spawn(["sleep", "1000"]) as process:
        with pytest.raises(TimeoutError):
            process.wait(0.05)
        process.kill()
        assert process.wait(20).killed


def test_a_prepared_command_runs_again_and_again() -> None:
    ready = isolib.prepared(["sh", "-c", "echo $$; echo > /tmp/x; ls /tmp"])
    assert [isolib.run(ready).text() for _ in range(3)] == ["2\nx\n"] * 3


def test_a_prepared_command_in_threads() -> None:
    ready = isolib.prepared(["cat"])
    found: dict[int, bytes] = {}

    def work(number: int) -> None:
        found[number] = isolib.run(ready, stdin=str(number).encode()).stdout

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: str(number).encode() for number in range(8)}


def test_a_bad_spec_starts_nothing() -> None:
    with pytest.raises(isolib.SpecError) as caught:
        isolib.run([], cwd="relative", env={"": ""}, mounts=[isolib.Bind("/no/such/thing", "/")])
    assert {problem.where for problem in caught.value.problems} >= {"argv", "cwd", "env['']", "mounts[0].target"}


def test_arguments_as_they_are() -> None:
    words = ["", " ", "a b", "$HOME", "\n", "*", "-x", "é", "\udcff", "'\""]
    result = isolib.run(["/bin/sh", "-c", 'for word; do printf "<%s>" "$word"; done', "sh", *words])
    assert result.stdout.decode("utf-8", "surrogateescape") == "".join(f"<{word}>" for word in words)


def test_the_environment_is_what_was_asked_for() -> None:
    environment = isolib.run(["env"], env={"A": "1 2", "PATH": "/usr/bin:/bin", "É": "\udcff"}).stdout
    lines = environment.decode("utf-8", "surrogateescape").splitlines()
    assert {"A=1 2", "PATH=/usr/bin:/bin", "É=\udcff"} <= set(lines)
    allowed = {"A", "PATH", "É", "HOME", "LANG", "LANGUAGE", "TERM", "TZ"}
    assert {line.partition("=")[0] for line in lines if not line.startswith("LC_")} <= allowed


def test_too_much_for_one_exec() -> None:
    with pytest.raises(isolib.StepError, match="too large") as caught:
        isolib.run(["true", *(["x" * 100_000] * 100)])
    assert caught.value.exit_code == 126


def test_a_thousand_variables() -> None:
    env = {f"A{n}": str(n) for n in range(1000)}
    lines = sh("env", env=env, check=True).text().splitlines()
    assert {f"{name}={value}" for name, value in env.items()} <= set(lines)


def test_what_best_effort_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a host that lacks something: an error with the remedy, or without it and said so."""
    lacking = msgspec.structs.replace(facts.host_facts(), missing=(("time namespace", "why; remedy"),))
    monkeypatch.setattr(start, "host_facts", lambda: lacking)
    with pytest.raises(isolib.Unavailable, match="remedy"):
        sh("true", offsets={"boottime": 1})
    result = sh("cat /proc/self/timens_offsets", offsets={"boottime": 1}, security=Security(best_effort=True))
    assert result.degraded == ("time namespace",)
    with isolib.spawn(["true"], offsets={"boottime": 1}, security=Security(best_effort=True)) as process:
        assert process.wait(20).degraded == ("time namespace",)
    assert sh("true", security=Security(best_effort=True)).degraded == ()


def test_a_caller_without_standard_streams() -> None:
    """A daemon that closed them: what isolib opens is not taken for them."""
    program = "import os, sys; [os.close(fd) for fd in (0, 1, 2)]; import isolib; "
    program += "result = isolib.run(['/bin/sh', '-c', 'cat; echo err >&2; exit 3'], stdin=b'in'); "
    program += "os._exit(42 if (result.exit_code, result.stdout, result.stderr) == (3, b'in', b'err\\n') else 1)"
    assert subprocess.run([sys.executable, "-c", program], cwd=TOP, check=False).returncode == 42

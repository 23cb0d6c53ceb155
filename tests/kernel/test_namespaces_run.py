"""Running in a namespace: a command's Result, a function's value or exception, and the end of all that was started."""

import os
import pickle
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from isolib import ExitError, Namespace, SpecError, StepError, Unavailable
from isolib.engine import call
from isolib.launch import callee

pytestmark = pytest.mark.needs_user_namespace


@pytest.fixture
def space() -> Iterator[Namespace]:
    with Namespace.create("uts") as one:
        yield one


class Odd(Exception):
    """An exception with a shape of its own."""

    def __init__(self, number: int, text: str) -> None:
        super().__init__(number, text)
        self.number, self.text = number, text


def fail(number: int) -> None:
    raise Odd(number, "asked for")


def gone(pid: int) -> bool:
    """Whether a process has ended, within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False


def long_enough(space: Namespace) -> float:
    """Seconds in which a script of a few commands is through, however slow this machine is."""
    began = time.monotonic()
    space.run(["sh", "-c", "true; (true &); (true &)"])
    return 0.5 + 20 * (time.monotonic() - began)


def test_a_command_gives_a_result(space: Namespace) -> None:
    result = space.run(["sh", "-c", "cat; echo error >&2; exit 3"], stdin=b"input")
    assert (result.stdout, result.stderr, result.exit_code, result.signal) == (b"input", b"error\n", 3, 0)
    assert result.usage.cpu_seconds > 0
    result = space.run(["sh", "-c", "kill -TERM $$"])
    assert (result.exit_code, result.signal) == (128 + signal.SIGTERM, signal.SIGTERM)


def test_a_command_has_a_plain_environment_and_what_is_given(
    space: Namespace, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SECRET", "of the caller")
    result = space.run(["sh", "-c", "echo $SECRET-$GIVEN; pwd; umask"], env={"GIVEN": "g"}, cwd=str(tmp_path))
    assert result.text().split() == ["-g", str(tmp_path), "0022"]


def test_a_command_has_no_descriptor_of_the_caller_s(space: Namespace) -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    assert space.run(["ls", "/proc/self/fd"]).text().split() == ["0", "1", "2", "3"]
    os.close(read)
    os.close(write)


def test_check_raises(space: Namespace) -> None:
    with pytest.raises(ExitError, match="exit code 7"):
        space.run(["sh", "-c", "exit 7"], check=True)


def test_no_such_program(space: Namespace) -> None:
    with pytest.raises(StepError, match="no such program") as caught:
        space.run(["/nonexistent"])
    assert caught.value.exit_code == 127


@pytest.mark.parametrize("words", ["true", b"true", [], ()])
def test_what_is_no_list_of_words(space: Namespace, words: object) -> None:
    with pytest.raises(SpecError, match="a list of words"):
        space.run(words)  # type: ignore[call-overload]


def test_arguments_are_for_functions(space: Namespace) -> None:
    with pytest.raises(SpecError, match="stand in its list"):
        space.run(["echo"], "word")  # type: ignore[call-overload]


def test_a_function_returns_what_it_returns(space: Namespace) -> None:
    secret = object
    assert space.run(divmod, 17, 5) == (3, 2)
    assert space.run(lambda number: {number: secret.__name__}, 4) == {4: "object"}
    assert len(space.run(bytes, 20_000_000)) == 20_000_000
    assert space.run(os.getpid) != os.getpid()
    assert space.run(lambda: None) is None


def test_what_it_raises_is_raised_here_with_the_place(space: Namespace) -> None:
    with pytest.raises(Odd) as caught:
        space.run(fail, 42)
    assert (caught.value.number, caught.value.text) == (42, "asked for")
    (note,) = caught.value.__notes__
    assert "raised in another interpreter" in note
    assert ", in fail" in note


def test_what_cannot_be_handed_over_is_said(space: Namespace) -> None:
    with pytest.raises(RuntimeError, match="cannot be handed over"):
        space.run(lambda: (number for number in [1]))
    with pytest.raises(Unavailable, match="pass what can be pickled"):
        space.run(print, (number for number in [1]))


def test_a_function_that_ends_its_process_is_an_exit_error(space: Namespace) -> None:
    with pytest.raises(ExitError) as caught:
        space.run(os._exit, 9)
    assert caught.value.result.exit_code == 9
    with pytest.raises(ExitError) as caught:
        space.run(sys.exit, 8)
    assert caught.value.result.exit_code == 8
    with pytest.raises(ExitError) as caught:
        space.run(lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert caught.value.result.signal == signal.SIGKILL


def test_its_output_goes_where_it_is_sent(space: Namespace, capfd: pytest.CaptureFixture[str]) -> None:
    chunks: list[bytes] = []
    space.run(print, "to a callable", stdout=chunks.append)
    space.run(print, "inherited")
    assert b"".join(chunks) == b"to a callable\n"
    assert capfd.readouterr().out == "inherited\n"


def test_stdout_and_stderr_in_one_file(space: Namespace, tmp_path: Path) -> None:
    with open(tmp_path / "both", "wb") as file:
        space.run(os.system, "echo out; echo err >&2", stdout=file, stderr=file)
    assert (tmp_path / "both").read_bytes() == b"out\nerr\n"


def test_it_has_the_caller_s_environment_and_more(space: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLERS", "c")
    assert space.run(lambda: (os.environ["CALLERS"], os.environ["GIVEN"]), env={"GIVEN": "g"}) == ("c", "g")


def test_without_cloudpickle_named_functions_still_go(space: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    assert space.run(divmod, 17, 5) == (3, 2)
    with pytest.raises(Unavailable, match="install cloudpickle"):
        space.run(lambda: 1)


def test_a_program_without_an_interpreter(space: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(Unavailable, match="embeds Python"):
        space.run(os.getpid)


def test_in_a_mount_namespace_nothing_is_imported(tmp_path: Path) -> None:
    """A module of the name lies where the caller's modules are, once it is mounted over."""

    def imports() -> None:
        import this  # noqa: F401

    with Namespace.create("mnt") as space:
        with pytest.raises(ModuleNotFoundError):
            space.run(imports)
        assert space.run(os.listdir, str(tmp_path)) == []


@pytest.mark.parametrize("kind", ["net", "mnt", "user"])
def test_a_function_begins_in_the_directory_given(kind: str) -> None:
    with Namespace.create(kind) as space:
        assert space.run(os.getcwd, cwd="/usr") == "/usr"
        assert space.run(os.getcwd) == ("/" if kind == "mnt" else os.getcwd())


@pytest.mark.needs_sub_ids
def test_in_a_user_namespace_nobody_inside_may_trace_it() -> None:
    """It is executed outside and joins afterwards, so its memory belongs to the outer namespace (ptrace(2))."""
    with Namespace.create("user", ids="auto") as space:
        uid, owner = space.run(lambda: (os.getuid(), os.stat("/proc/self/stat").st_uid))
    assert uid == 0
    assert owner == 65534  # not dumpable: the files of its /proc are the outer root's


@pytest.mark.parametrize("kind", ["net", "uts", "user"])
def test_a_timeout_ends_all_that_was_started(kind: str) -> None:
    script = "setsid sleep 60 & echo $!; (setsid sh -c 'echo $$; exec sleep 60' &) ; sleep 60"
    with Namespace.create(kind) as space:
        result = space.run(["sh", "-c", script], timeout=long_enough(space))
    assert result.timed_out
    pids = [int(word) for word in result.text().split()]
    assert len(pids) == 2
    assert all(map(gone, pids))


@pytest.mark.needs_groups
def test_a_timeout_in_a_pid_namespace_ends_what_is_left_behind() -> None:
    with Namespace.create("pid") as space:
        script = "cat /proc/self/stat; (setsid sleep 60 &); exec sleep 60"
        result = space.run(["sh", "-c", script], timeout=long_enough(space))
        assert result.timed_out
        assert space._first is not None
        children = Path(f"/proc/{space._first.pid}/task/{space._first.pid}/children")
        deadline = time.monotonic() + 10
        while children.read_text() and time.monotonic() < deadline:
            time.sleep(0.01)
        assert children.read_text() == ""


def test_a_timeout_of_a_function_is_an_exit_error(space: Namespace) -> None:
    began = time.monotonic()
    with pytest.raises(ExitError, match="timed out"):
        space.run(time.sleep, 60, timeout=1)
    assert time.monotonic() - began < 20


def test_what_is_left_behind_ends_with_the_command(space: Namespace) -> None:
    result = space.run(["sh", "-c", "setsid sleep 60 >/dev/null 2>&1 & echo $!"])
    assert gone(int(result.text()))


def test_outcomes_there_and_back() -> None:
    assert pickle.loads(callee.pack_outcome(callee.Outcome(3))) == (3, None, "")
    with pytest.raises(ZeroDivisionError) as caught:
        call._unpacked(callee.pack_outcome(callee.call(divmod, (1, 0))))
    assert caught.value.__notes__

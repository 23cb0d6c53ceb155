"""Whether a floor makes the system calls that isolib makes: both under strace, their calls compared as a multiset."""

import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.contenders import HERE
from benchmarks.enter import joined
from benchmarks.start import floors, held_group
from benchmarks.worker import starts

# What isolib does beside the floor, and why. Each is a pattern for calls as `headed` writes them.
BESIDE = {
    r"memfd_create .*|write ISO1.*|fcntl F_ADD_SEALS": "the Plan travels in a sealed file",
    r"mmap STACK|mprotect|munmap": "a stack for the child that shares the caller's memory",
    r"capget|capset|prctl PR_CAP_AMBIENT_RAISE": "rights kept over the exec of init",
    r"fcntl F_(SETFD|DUPFD_CLOEXEC)|close_range|execveat": "the exec of init, and its descriptors alone in it",
    r"prctl (isolib-init )?PR_SET_(DUMPABLE|NAME).*": "init cannot be traced, and has a name",
    r"rt_sigaction": "what the caller ignores is not ignored in the container",
    r"lseek|mmap": "init maps the Plan",
    r"close|poll|read": "the descriptors of all these; news that come one by one, or together",
    r"getpid|geteuid|getcwd( /)?": "Python asks who and where it is: a fork of the caller owns nothing",
    r"newfstatat (/etc/sub.id|/proc/thread-self/ns/user|GROUP.*)": "what was read before is read again when it changed",
    r"newfstatat (isolib/.*|/|/etc|/etc/resolv.conf)|access .*": "for an exec: whether all is as it was",
    r"openat .*/ids\.lock|fcntl F_OFD_SETLK": "the lease of a range of ids; the floor has a fixed one",
}
_ALONE = {"close", "munmap", "mprotect", "lseek", "execveat", "sendmsg", "recvmsg", "capset", "read", "rt_sigaction"}
_WORDS = {"prctl", "unshare", "umount2", "mount_setattr", "open_tree", "keyctl", "setns", "clone", "clone3", "fcntl"}
_NOISE = re.compile(r"futex|brk|madvise|restart_syscall|sched_yield|gettid|clock_\w+|exit_group|exit|rt_sigreturn")
_LINE = re.compile(r"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$")


class Call(NamedTuple):
    """One system call: of whom, its name, and the rest of strace's line."""

    pid: int
    name: str
    rest: str


class Verdict(NamedTuple):
    """How many calls the floor makes; those that isolib alone makes and nobody explained; those of the floor alone."""

    total: int
    unexplained: Counter[str]
    lacking: Counter[str]

    @property
    def same(self) -> bool:
        return not self.unexplained and not self.lacking


def traced(command: Sequence[str | Path]) -> list[Call]:
    """The calls of a command and all it starts, in the order in which they began."""
    with tempfile.NamedTemporaryFile("r", suffix=".strace", errors="replace") as file:
        words = ["strace", "-f", "-s", "80", "-o", file.name, *map(str, command)]
        subprocess.run(words, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, cwd=HERE.parent)
        lines = file.read().splitlines()
    calls: list[Call] = []
    waiting: dict[int, int] = {}
    for line in lines:
        if not (match := _LINE.match(line)):
            continue
        pid, name, rest, resumed, more = match.groups()
        if resumed:
            if (at := waiting.pop(int(pid), None)) is not None:
                calls[at] = calls[at]._replace(rest=calls[at].rest + more)
            continue
        if rest.endswith("<unfinished ...>"):
            waiting[int(pid)] = len(calls)
            rest = rest.removesuffix("<unfinished ...>").rstrip()
        calls.append(Call(int(pid), name, rest))
    return calls


def one_start(calls: Sequence[Call]) -> Iterator[Call]:
    """The calls between the two marks, the payload's own after its exec left out."""
    marks = [i for i, call in enumerate(calls) if "/isolib-mark" in call.rest]
    executed: set[int] = set()
    for call in calls[marks[0] + 1 : marks[1]]:
        if call.pid in executed or _NOISE.fullmatch(call.name):
            continue
        if call.name == "execve" and call.rest.endswith("= 0"):
            executed.add(call.pid)
        yield call


def headed(call: Call) -> str:
    """A call and what it acts on, without what differs from run to run: numbers of processes, descriptors, names."""
    name, rest = call.name.replace("ppoll", "poll"), call.rest
    if name in _ALONE or name == "poll":
        return name
    if name == "mmap":
        return "mmap STACK" if "MAP_STACK" in rest else "mmap"
    strings = [_plain(text) for text in re.findall(r'"((?:[^"\\]|\\.)*)"', rest)]
    words = re.findall(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b", rest.rpartition(" = ")[0]) if name in _WORDS else []
    if name in ("clone", "clone3"):
        words = sorted(word for word in words if word.startswith("CLONE_NEW"))
    if "PR_CAP_AMBIENT" in words or name == "fcntl":
        words = [word for word in words if word != "PR_CAP_AMBIENT"][:1]
    if name == "write":
        strings = [strings[0][:24]]
    return " ".join((name, *strings[:3], *words))


def _plain(text: str) -> str:
    text = re.sub(r"\b(?:isolib/)?(?:run|floor|exec)-[\w@.-]+", "GROUP", text)
    return re.sub(r"/\d+\b|\b\d{4,}\b", "/N", re.sub(r"(GROUP/)+GROUP", "GROUP", text))


def compared(program: Path, mode: str, *words: str) -> Verdict:
    """A floor and isolib's start of the same ``mode`` (as worker.py names them)."""
    ours = Counter(map(headed, one_start(traced([sys.executable, "-m", "benchmarks.same_calls", "--mark", mode]))))
    theirs = Counter(map(headed, one_start(traced([program, "mark", *words]))))
    beside, lacking = ours - theirs, theirs - ours
    unexplained = {call: n for call, n in beside.items() if not any(re.fullmatch(why, call) for why in BESIDE)}
    del lacking["poll"], lacking["read"]
    return Verdict(theirs.total(), Counter(unexplained), lacking)


def verdicts() -> dict[str, Verdict]:
    """Of every floor, by its row."""
    with held_group():
        modes = ("prepared", "limits")
        found = {row: compared(program, mode) for mode, (row, program) in zip(modes, floors().items(), strict=True)}
        with joined() as (program, pid):
            return found | {"entering": compared(program, "exec", str(pid))}


def marked(mode: str) -> None:
    """One start between two marks that strace sees."""
    start = starts("prepared" if mode == "limits" else mode, mode != "prepared")
    start()
    for _ in range(2):
        os.path.exists("/isolib-mark")
        start()


def main() -> int:
    if sys.argv[1:2] == ["--mark"]:
        os.chdir("/")
        marked(sys.argv[2])
        return 0
    found = verdicts()
    for name, verdict in found.items():
        print(f"{name}: {verdict.total} calls, {'the same' if verdict.same else 'NOT the same'}")
        for title, calls in (("only isolib", verdict.unexplained), ("only the floor", verdict.lacking)):
            for call, count in calls.items():
                print(f"  {title}: {count} x {call}")
    return not all(verdict.same for verdict in found.values())


if __name__ == "__main__":
    raise SystemExit(main())

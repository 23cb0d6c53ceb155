"""Whether the floor makes the system calls that isolib makes: both under strace, their calls compared as a multiset."""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.contenders import HERE

# What a start by isolib does beside the floor, and why. Each is a pattern for calls as `headed` writes them.
BESIDE = {
    r"memfd_create .*|write fd ISO1.*|fcntl fd F_ADD_SEALS": "the Plan travels in a sealed file",
    r"mmap .*STACK|mprotect|munmap": "a stack for the child that shares the caller's memory",
    r"capget|capset|prctl PR_CAP_AMBIENT_RAISE": "rights kept over the exec of init",
    r"fcntl fd F_(SETFD|DUPFD_CLOEXEC)|close_range|execveat": "the exec of init, and nothing but its descriptors in it",
    r"prctl PR_SET_DUMPABLE SUID_DUMP_DISABLE|prctl isolib-init PR_SET_NAME": "init cannot be traced, and has a name",
    r"rt_sigaction": "signals that the caller ignores are not ignored in the container",
    r"lseek|mmap PROT_READ": "init maps the Plan",
    r"close": "the descriptors of all these",
    r"getpid|geteuid|getcwd": "Python asks who and where it is: a fork of the caller owns nothing",
    r"newfstatat /etc/sub.id|newfstatat /proc/thread-self/ns/user": "sub-ids are read again when they have changed",
    r"openat .*/ids\.lock|fcntl fd F_OFD_SETLK": "the lease of a range of ids; the floor has a fixed one",
    r"poll|read fd ": "how often news of the payload comes one by one, or together",
}
NOISE = re.compile(r"futex|brk|madvise|restart_syscall|sched_yield|gettid|clock_\w+|exit_group|exit|rt_sigreturn")
_LINE = re.compile(r"(\d+) +(?:(\w+)\((.*)|<\.\.\. (\w+) resumed>(.*))$")


def traced(command: Sequence[str | Path], stdin: bytes = b"") -> list[tuple[int, str, str]]:
    """(pid, call, the rest of the line) of a command and all it starts, in the order in which the calls began."""
    with tempfile.NamedTemporaryFile("r", suffix=".strace", errors="replace") as file:
        words = ["strace", "-f", "-s", "80", "-o", file.name, *map(str, command)]
        subprocess.run(words, check=True, input=stdin, stdout=subprocess.DEVNULL, cwd=HERE.parent)
        text = file.read()
    calls: list[tuple[int, str, str]] = []
    waiting: dict[int, int] = {}
    for line in text.splitlines():
        if not (match := _LINE.match(line)):
            continue
        pid, name, rest, resumed, more = match.groups()
        if resumed:
            at = waiting.pop(int(pid), None)
            if at is not None:
                calls[at] = (*calls[at][:2], calls[at][2] + more)
            continue
        if rest.endswith("<unfinished ...>"):
            waiting[int(pid)] = len(calls)
            rest = rest.removesuffix("<unfinished ...>").rstrip()
        calls.append((int(pid), name, rest))
    return calls


def one_start(calls: Sequence[tuple[int, str, str]]) -> Iterator[tuple[str, str]]:
    """The calls between the two marks, the payload's own after its exec left out."""
    marks = [i for i, (_, _, rest) in enumerate(calls) if "/isolib-mark" in rest]
    assert len(marks) == 2, f"{len(marks)} marks"
    executed: set[int] = set()
    for pid, name, rest in calls[marks[0] + 1 : marks[1]]:
        if pid in executed or NOISE.fullmatch(name):
            continue
        if name == "execve" and rest.endswith("= 0"):
            executed.add(pid)
        yield name, rest


def headed(name: str, rest: str) -> str:
    """A call and what it acts on, without what differs from run to run: numbers of processes, descriptors, names."""
    strings = [s for s in re.findall(r'"((?:[^"\\]|\\.)*)"', rest)]
    words = re.findall(r"\b(?:[A-Z]+[A-Z0-9]*_[A-Z0-9_]+|STACK)\b", rest.split("= ")[0] if name != "mmap" else rest)
    if name in ("poll", "ppoll"):
        return "poll"
    if name == "prctl" and "PR_CAP_AMBIENT" in words:
        return f"prctl {words[1]}"
    if name in ("read", "write"):
        return f"{name} fd {_plain(strings[0][:24]) if strings and name == 'write' else ''}"
    if name == "fcntl":
        return f"fcntl fd {words[0] if words else ''}"
    if name in ("close", "munmap", "mprotect", "lseek", "rt_sigaction", "rt_sigprocmask", "execveat", "sendmsg", "recvmsg", "capset"):
        return name
    if name == "mmap":
        return f"mmap {'STACK' if 'MAP_STACK' in rest else 'PROT_READ'}"
    if name in ("clone3", "clone"):
        return f"{name} {' '.join(sorted(w for w in words if w.startswith('CLONE_NEW')))}"
    return " ".join((name, *map(_plain, strings[:3]), *(words if name in ("prctl", "unshare", "fsopen", "fsmount", "umount2", "mount", "mount_setattr", "open_tree", "keyctl", "memfd_create") else ())))


def _plain(text: str) -> str:
    text = re.sub(r"\b(?:isolib|floor)?/?(?:run|floor)-[\w@.-]+", "GROUP", text)
    return re.sub(r"/\d+\b|\b\d{4,}\b", "/N", text)


def compare(first: Counter[str], second: Counter[str]) -> tuple[Counter[str], Counter[str]]:
    """(only isolib makes, of which nobody said why; only the floor makes)."""
    beside = first - second
    unexplained = Counter({call: n for call, n in beside.items() if not any(re.fullmatch(p, call) for p in BESIDE)})
    lacking = Counter({call: n for call, n in (second - first).items() if call not in ("poll", "read fd ")})
    return unexplained, lacking


def check(program: Path, groups: bool) -> tuple[Counter[str], Counter[str], int]:
    """As `compare`, for a floor and the same start by isolib; and how many calls the floor makes."""
    code = "from benchmarks.same_calls import marked; marked(%r)" % groups
    ours = Counter(headed(*call) for call in one_start(traced([sys.executable, "-c", code])))
    theirs = Counter(headed(*call) for call in one_start(traced([program, "mark"])))
    return *compare(ours, theirs), theirs.total()


def marked(groups: bool) -> None:
    """One start between two marks that strace sees."""
    import os

    import isolib
    from benchmarks.worker import LIMITS, TRUE

    os.chdir("/")
    ready = isolib.prepared([TRUE], limits=LIMITS if groups else None)
    isolib.run(ready)
    os.path.exists("/isolib-mark")
    isolib.run(ready)
    os.path.exists("/isolib-mark")


def main() -> int:
    import isolib
    from benchmarks.start import floors
    from benchmarks.worker import LIMITS

    status = 0
    with isolib.CGroup.create("benchmark", LIMITS):
        for name, program in floors().items():
            unexplained, lacking, total = check(program, "groups" in name)
            status |= bool(unexplained or lacking)
            print(f"{name}: {total} calls, {'the same' if not unexplained and not lacking else 'NOT the same'}")
            for title, calls in (("only isolib", unexplained), ("only the floor", lacking)):
                for call, count in calls.items():
                    print(f"  {title}: {count} x {call}")
    return status


if __name__ == "__main__":
    raise SystemExit(main())

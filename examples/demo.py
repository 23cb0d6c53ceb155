"""Shows what isolib does, on this machine: isolation, limits, and the plan behind a run. `make demo` runs it."""

import os
import subprocess
import sys
import time
from collections.abc import Callable

import isolib
from isolib import Bind, Limits, Result

PROBE = r"""
echo "I am $(id -un) (uid $(id -u)), process $$ on host '$(cat /proc/sys/kernel/hostname)'"
echo "processes I see: $(ls -d /proc/[0-9]* | wc -l); network devices: $(ls /sys/class/net | xargs)"
echo "capabilities: $(grep CapEff /proc/self/status | cut -f2)"
echo "seccomp mode: $(grep Seccomp: /proc/self/status | cut -f2)"
touch /tmp/isolib-demo && echo "I made $(ls /tmp/isolib-demo)"
"""


def title(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}\n{'-' * len(text)}")


def show(result: Result) -> None:
    print(result.text().rstrip())
    if result.stderr:
        print(result.stderr.decode(errors="replace").rstrip())


def isolation() -> None:
    """The machine's own root, thrown away afterwards."""
    show(isolib.run(["sh", "-c", PROBE], check=True))
    print(f"On the machine itself, /tmp/isolib-demo is there: {os.path.exists('/tmp/isolib-demo')}")


def sharing() -> None:
    """A directory of the host, read-only."""
    script = "ls /src | head -3; touch /src/file"
    show(isolib.run(["sh", "-c", script], mounts=[Bind(".", "/src", readonly=True)]))


def limits() -> None:
    """200 MB where 64 are allowed; 100 processes where 20 are."""
    limited = Limits(memory="64M", swap=0, pids=20)
    result = isolib.run(["python3", "-c", "b'x' * 200_000_000"], limits=limited)
    print(f"200 MB under a limit of 64 MB: out of memory: {result.oom_killed}, signal {result.signal}")
    result = isolib.run(["sh", "-c", "for i in $(seq 100); do sleep 5 & done"], limits=limited, timeout=10)
    print(f"100 processes where 20 may be: {result.stderr.decode().splitlines()[-1]}")


def timeout() -> None:
    """A tree of processes that ends together."""
    result = isolib.run(["sh", "-c", "sleep 60 & sleep 60 & sleep 60"], timeout=0.5)
    print(f"three sleeping processes ended after {result.duration:.2f} s; timed out: {result.timed_out}")


def command_line() -> None:
    """The same by words, Docker's where Docker has them."""
    words = ["run", "--hostname", "box", "--", "sh", "-c", "echo hello from $(hostname)"]
    print("$ isolib", " ".join(f"'{word}'" if " " in word else word for word in words), flush=True)
    subprocess.run([sys.executable, "-m", "isolib", *words], check=False)


def speed() -> None:
    """How long a start takes."""
    plan = isolib.plan(["true"])
    begin = time.perf_counter()
    for _ in range(20):
        isolib.run(["true"])
    each = (time.perf_counter() - begin) / 20
    print(f"{each * 1000:.1f} ms for a start, a run and an end, of {len(plan)} steps")


def plan() -> None:
    """What a start does, before it does it."""
    print(isolib.plan(["sh", "-c", "echo hi"]).describe())


PARTS: list[tuple[str, Callable[[], None]]] = [
    ("What this host can do", lambda: print(isolib.doctor())),
    ("Isolation: what a command sees, and what stays of what it does", isolation),
    ("A directory of yours, for reading only", sharing),
    ("Limits of memory and processes", limits),
    ("A timeout ends the whole tree", timeout),
    ("The command line", command_line),
    ("The plan: every system call of a start, in words", plan),
    ("Speed", speed),
]


def main() -> None:
    for text, part in PARTS:
        title(text)
        try:
            part()
        except isolib.Unavailable as missing:
            print(f"{missing.feature} cannot be had here. {missing.remedy}")


if __name__ == "__main__":
    main()

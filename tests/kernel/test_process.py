"""The payload's own process, read back from inside: limits, scheduling, descriptors, session, rights, terminal."""

import os
import signal
import struct
import termios
from pathlib import Path

import msgspec
import pytest

import isolib
from isolib import Capabilities, Image, ProcessOptions, Scheduling, Security
from tests.kernel.inside import sh, started


@pytest.fixture
def image(busybox_root: Path) -> Image:
    return Image.directory(busybox_root)


def status(image: Image, **wishes: object) -> dict[str, str]:
    """/proc/self/status of a command."""
    lines = isolib.run(["/bin/cat", "/proc/self/status"], image=image, check=True, **wishes).text().splitlines()  # type: ignore[arg-type]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


RLIMITS = {
    "cpu": "Max cpu time",
    "fsize": "Max file size",
    "data": "Max data size",
    "stack": "Max stack size",
    "core": "Max core file size",
    "rss": "Max resident set",
    "nproc": "Max processes",
    "nofile": "Max open files",
    "memlock": "Max locked memory",
    "as": "Max address space",
    "locks": "Max file locks",
    "sigpending": "Max pending signals",
    "msgqueue": "Max msgqueue size",
    "nice": "Max nice priority",
    "rtprio": "Max realtime priority",
    "rttime": "Max realtime timeout",
}


@pytest.mark.parametrize("name", RLIMITS)
def test_each_limit(image: Image, name: str) -> None:
    import resource

    number = getattr(resource, f"RLIMIT_{name.upper()}", None)
    hard = resource.getrlimit(number)[1] if number is not None else -1
    low = {
        "stack": 1 << 20,
        "as": 1 << 30,
        "data": 1 << 30,
        "nofile": 64,
        "cpu": 100,
        "rttime": 10**6,
        "nproc": 50,
    }.get(name, 0)
    soft, most = (low, low + 4096 if hard < 0 or hard > low + 4096 else hard)
    limits = sh("cat /proc/self/limits", image=image, process=ProcessOptions(rlimits={name: (soft, most)}))
    (line,) = [line for line in limits.splitlines() if line.startswith(RLIMITS[name])]
    assert line[len(RLIMITS[name]) :].split()[:2] == [str(soft), str(most)]


def test_a_limit_above_the_callers(image: Image) -> None:
    with pytest.raises(isolib.StepError, match="nofile") as caught:
        sh("true", image=image, process=ProcessOptions(rlimits={"nofile": 2**31}))
    assert caught.value.call == "prlimit"
    assert caught.value.hint


def test_limits_bite(image: Image) -> None:
    options = ProcessOptions(rlimits={"fsize": 4096})
    script = "head -c 9000 /dev/zero > /tmp/x; stat -c %s /tmp/x"
    assert isolib.run(["/bin/sh", "-c", script], image=image, process=options).text() == "4096\n"


def test_the_callers_limits_by_default(image: Image) -> None:
    assert sh("cat /proc/self/limits", image=image) == Path("/proc/self/limits").read_text()


@pytest.mark.parametrize("mask", [0, 0o022, 0o077, 0o777])
def test_umask(image: Image, mask: int) -> None:
    assert int(status(image, process=ProcessOptions(umask=mask))["Umask"], 8) == mask


def test_umask_by_default(image: Image) -> None:
    old = os.umask(0o077)
    try:
        assert int(status(image)["Umask"], 8) == 0o022
    finally:
        os.umask(old)


@pytest.mark.parametrize("score", [1000, 500])
def test_oom_score(image: Image, score: int) -> None:
    script = "cat /proc/self/oom_score_adj"
    assert sh(script, image=image, process=ProcessOptions(oom_score_adj=score)) == f"{score}\n"
    assert Path("/proc/self/oom_score_adj").read_text() != f"{score}\n"


def test_an_oom_score_that_protects(image: Image) -> None:
    """Below the caller's needs CAP_SYS_RESOURCE on the host."""
    try:
        assert sh("cat /proc/self/oom_score_adj", image=image, process=ProcessOptions(oom_score_adj=-999)) == "-999\n"
    except isolib.StepError as error:
        assert "oom_score_adj" in f"{error.subject} {error.hint}"  # noqa: PT017


@pytest.mark.parametrize(("wish", "policy"), [("other", 0), ("batch", 3), ("idle", 5)])
def test_scheduling(image: Image, wish: str, policy: int) -> None:
    scheduling = Scheduling(policy=wish, nice=7, cpus=(0,), io="idle")
    options = ProcessOptions(scheduling=scheduling)
    fields = sh("cat /proc/self/stat", image=image, process=options).rpartition(")")[2].split()
    assert (int(fields[16]), int(fields[38])) == (7, policy)
    assert status(image, process=options)["Cpus_allowed_list"] == "0"


@pytest.mark.needs_root
@pytest.mark.parametrize(
    "wish", [Scheduling(policy="fifo", priority=5), Scheduling(policy="rr", priority=1), Scheduling(nice=-5)]
)
def test_scheduling_of_a_privileged_caller(image: Image, wish: Scheduling) -> None:
    """Real time needs CAP_SYS_NICE on the host, which init in a user namespace has not: said so."""
    with pytest.raises(isolib.StepError) as caught:
        sh("true", image=image, process=ProcessOptions(scheduling=wish))
    assert caught.value.hint


def test_personality(image: Image) -> None:
    assert sh("uname -m", image=image, process=ProcessOptions(personality="linux32")).strip() in ("i686", "armv8l")
    assert sh(
        "cat /proc/self/personality 2>/dev/null || true", image=image, process=ProcessOptions(personality="linux32")
    ) in ("00000008\n", "")


def test_names(image: Image) -> None:
    options = ProcessOptions(domainname="domain.test")
    assert (
        sh("hostname; cat /proc/sys/kernel/domainname", image=image, hostname="a.b-c", process=options)
        == "a.b-c\ndomain.test\n"
    )
    assert os.uname().nodename not in ("a.b-c", "isolib")


def test_a_session_of_its_own(image: Image) -> None:
    """No controlling terminal of the caller's, so no TIOCSTI (bubblewrap's CVE-2017-5226)."""
    fields = sh("cat /proc/self/stat", image=image).rpartition(")")[2].split()
    session, terminal = int(fields[3]), int(fields[4])
    assert session == 2
    assert terminal == 0


def test_signals_are_as_after_login(image: Image) -> None:
    """Python ignores SIGPIPE, which would survive an exec."""
    assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN
    old = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGCHLD})
    try:
        found = status(image)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, old)
    assert {found[name] for name in ("SigBlk", "SigIgn", "SigCgt")} == {"0" * 16}


def test_only_three_descriptors(image: Image) -> None:
    """Of a caller with two hundred open ones that an exec would hand on (runc's CVE-2024-21626)."""
    read, write = os.pipe()
    numbers = [number for number in range(200, 420) if not os.path.lexists(f"/proc/self/fd/{number}")]
    for number in numbers:
        os.dup2(write, number, inheritable=True)
    try:
        listed = isolib.run(["/bin/sh", "-c", "echo /proc/self/fd/*"], image=image).text().split()
        assert {os.path.basename(path) for path in listed} <= {"0", "1", "2", "3"}
        for command in (["/bin/cat", f"/proc/self/fd/{numbers[0]}"], ["/bin/ls", f"/proc/self/fd/{numbers[-1]}"]):
            assert isolib.run(command, image=image).exit_code == 1
    finally:
        for number in (*numbers, read, write):
            os.close(number)


def test_descriptors_under_their_numbers(image: Image) -> None:
    read, write = os.pipe()
    try:
        options = ProcessOptions(fds={3: write, 9: write, 77: write, 500: read})
        listed = sh(
            "for f in /proc/self/fd/*; do test -e $f && echo ${f##*/}; done; echo to >&3; echo nine >&9",
            image=image,
            process=options,
        )
        assert {"0", "1", "2", "3", "9", "77", "500"} <= set(listed.split())
        assert os.read(read, 99) == b"to\nnine\n"
        swapped = ProcessOptions(fds={read: write, write: read} if min(read, write) > 2 else {7: write, 8: read})
        sh(
            f"echo x >&{min(swapped.fds)}"
            if swapped.fds[min(swapped.fds)] == write
            else f"echo x >&{max(swapped.fds)}",
            image=image,
            process=swapped,
        )
        assert os.read(read, 99) == b"x\n"
    finally:
        os.close(read)
        os.close(write)


def test_as_many_descriptors_as_there_may_be(image: Image) -> None:
    read, write = os.pipe()
    try:
        options = ProcessOptions(fds=dict.fromkeys(range(3, 51), write))
        assert sh("ls /proc/self/fd | wc -l", image=image, process=options) == "52\n"
    finally:
        os.close(read)
        os.close(write)


def test_a_descriptor_that_is_not_open(image: Image) -> None:
    with pytest.raises(isolib.SpecError, match="not open") as caught:
        sh("true", image=image, process=ProcessOptions(fds={3: 9999}))
    assert caught.value.where == "process.fds[3]"


def test_a_number_above_the_limit(image: Image) -> None:
    """Said with the limit, not as a bare EINVAL."""
    import resource

    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 1023:
        limited = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, limited[1]))
    else:
        limited = None
    try:
        with pytest.raises(isolib.StepError) as caught:
            sh("true", image=image, process=ProcessOptions(fds={900: 0}))
        assert caught.value.hint
    finally:
        if limited is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, limited)


def test_rights_by_default(image: Image) -> None:
    found = status(image)
    masks = Capabilities().masks()
    assert int(found["CapBnd"], 16) == masks.bounding
    assert int(found["CapPrm"], 16) == int(found["CapEff"], 16) == masks.permitted
    assert int(found["CapInh"], 16) == int(found["CapAmb"], 16) == 0
    assert (found["NoNewPrivs"], found["Seccomp"]) == ("1", "2")


@pytest.mark.parametrize(
    "wish",
    [
        Capabilities().drop("ALL"),
        Capabilities().add("ALL"),
        Capabilities().drop("CHOWN"),
        Capabilities().with_ambient("NET_ADMIN"),
    ],
)
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("seccomp", ["default", "unconfined"])
def test_rights_as_asked_for(image: Image, wish: Capabilities, strict: bool, seccomp: str) -> None:
    found = status(image, security=Security(capabilities=wish, no_new_privs=strict, seccomp=seccomp))  # type: ignore[arg-type]
    masks = wish.masks()
    known = int(sh("cat /proc/sys/kernel/cap_last_cap", image=image))
    every = (1 << known + 1) - 1
    assert int(found["CapBnd"], 16) == masks.bounding & every
    assert int(found["CapEff"], 16) == masks.effective & every
    assert int(found["CapInh"], 16) == masks.inheritable & every
    assert int(found["CapAmb"], 16) == masks.ambient & every
    assert found["NoNewPrivs"] == str(int(strict))
    assert found["Seccomp"] == ("2" if seccomp == "default" else "0")


def test_rights_of_another_user(image: Image) -> None:
    if os.geteuid() != 0:
        pytest.skip("HostFact: an ordinary user's self map has one user")
    found = status(image, user=1000)
    assert {int(found[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")} == {0}
    ambient = Security(capabilities=Capabilities().with_ambient("NET_BIND_SERVICE"))
    found = status(image, user=1000, security=ambient)
    assert int(found["CapEff"], 16) == 1 << 10


@pytest.mark.parametrize(
    "security",
    [
        Security(),
        Security(no_new_privs=False),
        Security(seccomp="unconfined"),
        Security(capabilities=Capabilities().drop("ALL")),
    ],
)
def test_every_sort_of_security_starts(image: Image, security: Security) -> None:
    assert sh("echo fine", image=image, security=security) == "fine\n"


def test_a_terminal(image: Image) -> None:
    spec = msgspec.structs.replace(started("/bin/sh", image=image), terminal=True)
    with isolib.spawn(spec) as process:
        master = process.received["terminal"]
        rows = termios.tcgetattr(master)
        assert len(rows) == 7
        os.write(master, b"tty; stat -c %t:%T:%u /dev/console $(tty); echo to > /dev/tty; stty size; exit 7\n")
        seen = b""
        while process.poll() is None or b"exit" not in seen:
            try:
                seen += os.read(master, 4096)
            except OSError:  # EIO: the other side is closed
                break
        assert process.wait(20).code == 7
    words = seen.decode().split()
    assert "/dev/pts/0" in words
    assert words.count("88:0:0") == 2
    assert "to" in words


@pytest.mark.needs_root
def test_a_terminal_of_another_user(image: Image) -> None:
    spec = msgspec.structs.replace(
        started("/bin/sh", "-c", "stat -c %u:%g:%a $(tty); test -w $(tty)", image=image, user="app"), terminal=True
    )
    with isolib.spawn(spec) as process:
        assert process.wait(20).code == 0
        assert os.read(process.received["terminal"], 99).split()[0] == b"1000:5:620"


def test_a_terminal_of_a_size(image: Image) -> None:
    spec = msgspec.structs.replace(started("/bin/stty", "size", image=image), terminal=True, window=(31, 97))
    with isolib.spawn(spec) as process:
        process.wait(20)
        assert os.read(process.received["terminal"], 99).split() == [b"31", b"97"]


def test_time_goes_on_from_somewhere_else(image: Image) -> None:
    offsets = {"boottime": 86400.5, "monotonic": -2}
    if os.path.exists("/proc/self/timens_offsets"):
        before = float(Path("/proc/uptime").read_text().split()[0])
        inside = float(sh("cat /proc/uptime", image=image, offsets=offsets).split()[0])
        assert 86400 <= inside - before < 86500
        clocks = sh("cat /proc/self/timens_offsets", image=image, offsets=offsets).split()
        assert clocks == ["monotonic", "-2", "0", "boottime", "86400", "500000000"]
    else:
        with pytest.raises(isolib.Unavailable):
            sh("true", image=image, offsets=offsets)


def test_numbers_of_a_plan_fit() -> None:
    """What a step packs for the kernel has the size that it expects (sched_setattr(2), version 0)."""
    assert struct.calcsize("<IIQiIQQQ") == 48

"""Every option of `isolib run` has the effect that its help promises, read back from inside or from the kernel."""

import os
import re
from pathlib import Path

import pytest

from isolib import CGroup, IoLimit, Limits
from isolib.cli.words import RUN
from isolib.handles.cgroup.facts import cgroup_facts
from tests.e2e.line import line, payload, ready, running
from tests.harness import roots

pytestmark = pytest.mark.needs_user_namespace

UID = os.getuid()
EFFECTIVE = "grep CapEff /proc/self/status"
MASKS = "grep -c ' /proc/sys ' /proc/mounts; true"

needs_groups = pytest.mark.needs_groups
needs_sub_ids = pytest.mark.needs_sub_ids
needs_root = pytest.mark.needs_root


def row(options: str, script: str, expected: str, *marks: pytest.MarkDecorator) -> object:
    """Options as a shell would split them, what runs inside, what it prints (a pattern for the whole of it)."""
    return pytest.param(options.split(), script, expected, marks=marks, id=options or "nothing")


INSIDE = [
    row("", "id -u; echo $HOME; cat /proc/sys/kernel/hostname", r"0\n/root\nisolib\n"),
    row("-e A=1 -e B= --env A=2", "echo $A,${B-unset}", "2,\n"),
    row("-e CALLERS -e NOBODYS", "echo $CALLERS,${NOBODYS-unset}", "from outside,unset\n"),
    row("-w /usr", "pwd", "/usr\n"),
    row("--workdir=/var/tmp", "pwd", "/var/tmp\n"),
    row("--userns auto -u 1000:1001", "id -u; id -g", "1000\n1001\n", needs_sub_ids),
    row("--userns auto -u nobody", "id -u", "65534\n", needs_sub_ids),
    row("--userns auto --group-add 2000 --group-add 2001", "id -G", "0 2000 2001\n", needs_sub_ids),
    row("--umask 0027", "umask", "0027\n"),
    row("--ulimit nofile=64:128", "ulimit -Sn; ulimit -Hn", "64\n128\n"),
    row("--ulimit core=0 --ulimit nofile=99", "ulimit -c; ulimit -n; ulimit -Hn", "0\n99\n99\n"),
    row("--oom-score-adj 500", "cat /proc/self/oom_score_adj", "500\n"),
    row("-i", "cat", "what is read"),
    row("", "cat; echo end", "end\n"),
    row("--tmpfs /mnt", "grep ' /mnt ' /proc/mounts | tail -1; stat -c %a /mnt", r"\S+ /mnt tmpfs \S*noexec.*\n1777\n"),
    row("--tmpfs /mnt:size=2m,mode=700,exec", "df -k /mnt | tail -1; stat -c %a /mnt", r"\S+ +2048 .*\n700\n"),
    row(
        "--mount type=tmpfs,dst=/mnt,tmpfs-size=1m,tmpfs-mode=0711",
        "df -k /mnt | tail -1; stat -c %a /mnt",
        r"\S+ +1024 .*\n711\n",
    ),
    row("--shm-size 2m", "df -k /dev/shm | tail -1", r"\S+ +2048 .*\n"),
    row("--storage-opt size=4m", "head -c 9000000 /dev/zero 2>&- > /tmp/x || stat -c %s /tmp/x", r"[34]\d{6}\n"),
    row("--device /dev/null:/dev/void", "echo > /dev/void; stat -c %F /dev/void", "character special file\n"),
    row("--network none", "ls /sys/class/net", "lo\n"),
    row("-h box", "cat /proc/sys/kernel/hostname", "box\n"),
    row("--hostname a.b --domainname c", "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname", "a.b\nc\n"),
    row("--userns self", "cat /proc/self/uid_map", r" +0 +\d+ +1\n"),
    row("--userns auto", "cat /proc/self/uid_map | head -1", r" +0 +\d+ +\d{4,}\n", needs_sub_ids),
    row("--userns auto:100", "cat /proc/self/uid_map | head -1", r" +0 +\d+ +(100|99)\n", needs_sub_ids),
    row("--userns 0:300000:7 -u 6:6", "id -u; cat /proc/self/uid_map", r"6\n +0 +300000 +7\n", needs_root),
    row("--userns keep-id:1", "cat /proc/self/uid_map", rf" +{UID} +{UID} +1\n", pytest.mark.needs_ordinary_user),
    row("--sysctl net.ipv4.ip_forward=1", "cat /proc/sys/net/ipv4/ip_forward", "1\n"),
    row("", EFFECTIVE, r"CapEff:\t00000000800405fb\n"),
    row("--cap-add NET_RAW", EFFECTIVE, r"CapEff:\t00000000800425fb\n"),
    row("--cap-add ALL", EFFECTIVE, r"CapEff:\t0{5,6}[13]?ffffffffff\n"),
    row("--cap-drop ALL", EFFECTIVE, r"CapEff:\t0+\n"),
    row("--cap-drop ALL --cap-add CHOWN,kill", EFFECTIVE, r"CapEff:\t0+21\n"),
    row("", "grep -E 'Seccomp:|NoNew' /proc/self/status", r"NoNewPrivs:\t1\nSeccomp:\t2\n"),
    row("--security-opt seccomp=unconfined", "grep Seccomp: /proc/self/status", r"Seccomp:\t0\n"),
    row("--security-opt seccomp=default", "grep Seccomp: /proc/self/status", r"Seccomp:\t2\n"),
    row("--security-opt no-new-privileges=false", "grep NoNew /proc/self/status", r"NoNewPrivs:\t0\n"),
    row("--security-opt no-new-privileges", "grep NoNew /proc/self/status", r"NoNewPrivs:\t1\n"),
    row("--security-opt mask=/usr/share", "ls -A /usr/share | wc -l", r"0\n"),
    row("--security-opt unmask=ALL", MASKS, r"0\n"),
    row("--security-opt systempaths=unconfined", MASKS, r"0\n"),
    row("--security-opt unmask=/proc/sys", MASKS, r"0\n"),
    row("", MASKS, r"1\n"),
    row("--init --rm", "cut -c1-6 /proc/1/cmdline", "isolib\n"),
    row("--init=false --rm=false", "echo so", "so\n"),
    row("--timeout 60", "echo in time", "in time\n"),
]


@pytest.mark.parametrize(("options", "script", "expected"), INSIDE)
def test_from_inside(options: list[str], script: str, expected: str) -> None:
    done = line("run", *options, "--", "sh", "-c", script, stdin=b"what is read", env={"CALLERS": "from outside"})
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(expected, done.out), done.out


LIMITED = [
    row("-m 64M", "memory", str(64 << 20)),
    row("--memory 64M --memory-swap 64M", "swap", "0"),
    row("--memory 64M --memory-swap 96M", "swap", str(32 << 20)),
    row("-m 64M --memory-reservation 32M", "memory_low", str(32 << 20)),
    row("--cpus 0.5", "cpus", "0.5"),
    row("--cpu-weight 50", "cpu_weight", "50"),
    row("-c 512", "cpu_weight", "50"),
    row("--cpuset-cpus 0", "cpuset", "0"),
    row("--cpuset-mems 0", "mems", "0"),
    row("--pids-limit 50", "pids", "50"),
    row("--pids-limit -1", "pids", "max"),
]


@needs_groups
@pytest.mark.parametrize(("options", "field", "expected"), LIMITED)
def test_a_limit(options: list[str], field: str, expected: str) -> None:
    with running("run", *options, "--", "sh", "-c", "echo ready; sleep 60") as process:
        ready(process)
        assert str(getattr(CGroup.of(payload(process)).limits, field)) == expected


@needs_groups
def test_a_file_of_a_controller() -> None:
    group_has_file = line("run", "--cgroup-conf", "pids.max=33", "--", "true")
    assert group_has_file == (0, "", "")
    with running("run", "--cgroup-conf", "pids.max=33", "--", "sh", "-c", "echo ready; sleep 60") as process:
        ready(process)
        assert CGroup.of(payload(process))["pids.max"] == "33"


@needs_groups
def test_out_of_memory_is_told() -> None:
    program = "import os\nx = b'x' * 200_000_000"
    done = line("run", "-m", "32M", "--memory-swap", "32M", "--", "python3", "-c", program)
    assert done == (137, "", "isolib: out of memory (--memory 32M)\n")


@needs_groups
@needs_root
def test_a_device_for_reading_only() -> None:
    if not Path("/dev/fuse").exists():
        pytest.skip("HostFact: no /dev/fuse")
    script = ": < /dev/fuse && echo may read; (: > /dev/fuse) 2>&- || echo may not write; : > /dev/null && echo fine"
    done = line("run", "--device", "/dev/fuse:r", "--", "sh", "-c", script)
    assert done == (0, "may read\nmay not write\nfine\n", "")
    assert line("run", "--device", "/dev/fuse", "--", "sh", "-c", ": > /dev/fuse && echo may") == (0, "may\n", "")


KINDS = {"net": "--network", "pid": "--pid", "ipc": "--ipc", "uts": "--uts", "cgroup": "--cgroupns"}


@pytest.mark.parametrize("kind", KINDS)
def test_a_namespace_of_the_hosts(kind: str) -> None:
    ours = os.readlink(f"/proc/self/ns/{kind}")
    inside = ["--", "readlink", f"/proc/self/ns/{kind}"]
    assert line("run", KINDS[kind], "host", *inside) == (0, f"{ours}\n", "")
    alone = line("run", *inside)
    assert (alone.code, alone.err) == (0, "")
    assert alone.out != f"{ours}\n"


@needs_root
def test_the_hosts_users() -> None:
    ours = os.readlink("/proc/self/ns/user")
    assert line("run", "--userns", "host", "--", "readlink", "/proc/self/ns/user") == (0, f"{ours}\n", "")


# Files and roots


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory of the caller's with a program and a file in it."""
    (tmp_path / "file").write_text("content\n")
    (tmp_path / "program").write_text("#!/bin/sh\necho ran\n")
    (tmp_path / "program").chmod(0o755)
    return tmp_path


FOLDERS = [
    (("-v", "{}:/data"), "cat file; ./program; echo new > made && cat made", 0, "content\nran\nnew\n"),
    (("-v", "{}:/data:rw"), "echo new > made && cat made", 0, "new\n"),
    (("-v", "{}:/data:ro"), "cat file; echo new > made", 2, "content\n"),
    (("--volume={}:/data:ro,noexec",), "./program", 126, ""),
    (("-v", "{}/file:/data/file:ro"), "cat file", 0, "content\n"),
    (("-v", ".:/data"), "cat file", 0, "content\n"),
    (("-v", "./nothing:/data/nothing:optional", "--tmpfs", "/data"), "ls", 0, ""),
    (("--mount", "type=bind,source={},target=/data"), "cat file; echo new > made && cat made", 0, "content\nnew\n"),
    (("--mount", "type=bind,src={},dst=/data,readonly"), "cat file; echo new > made", 2, "content\n"),
    (("--mount", "type=bind,src={},dst=/data,ro=true"), "echo new > made", 2, ""),
    (("--mount", "type=bind,src={},dst=/data,ro=false"), "echo new > made", 0, ""),
    (
        ("--mount", "type=bind,src={},dst=/data,bind-recursive=disabled,bind-propagation=rslave"),
        "cat file",
        0,
        "content\n",
    ),
    (("--mount", 'type=bind,"src={}",dst=/data'), "cat file", 0, "content\n"),
]


@pytest.mark.parametrize(("options", "script", "code", "out"), FOLDERS, ids=[" ".join(row[0]) for row in FOLDERS])
def test_a_folder_of_the_hosts(folder: Path, options: tuple[str, ...], script: str, code: int, out: str) -> None:
    told = [word.format(folder) for word in options]
    done = line("run", *told, "-w", "/data", "--", "sh", "-c", script, cwd=folder)
    assert (done.code, done.out) == (code, out), done.err
    if (folder / "made").exists():
        assert (folder / "made").stat().st_uid == os.getuid()


def test_a_comma_in_a_path(tmp_path: Path) -> None:
    (tmp_path / "a,b").mkdir()
    done = line("run", "--mount", f'type=bind,"source={tmp_path}/a,b",target=/data', "--", "stat", "-c", "%n", "/data")
    assert done == (0, "/data\n", "")


def test_a_directory_is_a_root(busybox_root: Path) -> None:
    script = "cat /etc/passwd | head -1; echo $PATH; echo 1 > /new && ls /new"
    expected = "root:x:0:0:root:/root:/bin/sh\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n/new\n"
    assert line("run", str(busybox_root), "sh", "-c", script) == (0, expected, "")
    assert line("run", "--rootfs", str(busybox_root), "sh", "-c", script) == (0, expected, "")
    assert line("run", "--rootfs", str(busybox_root), "--", "sh", "-c", script) == (0, expected, "")
    assert line("run", f"./{busybox_root.name}", "--", "sh", "-c", script, cwd=busybox_root.parent) == (0, expected, "")
    assert not (busybox_root / "new").exists()


def test_a_root_that_cannot_be_written(busybox_root: Path) -> None:
    script = "echo 1 > /new; echo 2 > /dev/shm/new && cat /dev/shm/new"
    done = line("run", "--read-only", "--rootfs", str(busybox_root), "sh", "-c", script)
    assert (done.code, done.out) == (0, "2\n")
    assert "Read-only file system" in done.err


def test_a_root_that_keeps(tmp_path: Path) -> None:
    made = roots.make_busybox_root(tmp_path / "root")
    assert line("run", "--rootfs", f"{made}:keep", "sh", "-c", "echo kept > /root/new") == (0, "", "")
    assert (made / "root/new").read_text() == "kept\n"


@needs_root  # an ordinary user's sub-ids may not enter the closed folder that the root is in
def test_a_user_by_the_roots_own_names(busybox_root: Path) -> None:
    done = line("run", "--userns", "auto", "-u", "app", str(busybox_root), "sh", "-c", "id -u; id -G; echo $HOME")
    assert done == (0, "1000\n1000 2000\n/home/app\n", "")


def test_the_word_host() -> None:
    assert line("run", "host", "sh", "-c", "echo hi") == (0, "hi\n", "")
    assert line("run", "host", "--", "sh", "-c", "echo hi") == (0, "hi\n", "")


@needs_root
def test_the_hosts_files_with_roots_rights() -> None:
    assert line("run", "host:root", "head", "-c", "5", "/etc/shadow") == (0, "root:", "")
    assert line("run", "host", "head", "-c", "5", "/etc/shadow").code == 1


def test_a_file_of_variables(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(
        b"\xef\xbb\xbf# a comment\nA=1\n\n  B=two words \r\nC=a=b\nCALLERS\nNOBODYS\nD='q'\nE=\xff\n"
    )
    script = 'printf "%s|" "$A" "$B" "$C" "$CALLERS" "${NOBODYS-unset}" "$D" "$E"'
    options = ("--env-file", str(tmp_path / "file"), "-e", "A=9")
    done = line("run", *options, "--", "sh", "-c", script, env={"CALLERS": "outside"})
    assert done == (0, "9|two words |a=b|outside|unset|'q'|\udcff|", "")


def test_a_seccomp_profile(tmp_path: Path) -> None:
    profile = (
        '{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}]}'
    )
    (tmp_path / "profile.json").write_text(profile)
    done = line("run", "--security-opt", f"seccomp={tmp_path}/profile.json", "--", "mkdir", "/tmp/new")
    assert (done.code, done.out) == (1, "")
    assert "Operation not permitted" in done.err


DISKS = sorted(path.name for path in Path("/sys/block").iterdir() if Path("/dev", path.name).is_block_device())
RATES = {"--device-read-bps": "rbps", "--device-write-bps": "wbps"}
COUNTS = {"--device-read-iops": "riops", "--device-write-iops": "wiops"}


@needs_groups
@pytest.mark.parametrize(("option", "field"), [*RATES.items(), *COUNTS.items()])
def test_a_rate_of_a_disk(option: str, field: str) -> None:
    if not DISKS:
        pytest.skip("HostFact: no block device")
    if lacks := cgroup_facts().lacks(Limits(io=(IoLimit(f"/dev/{DISKS[0]}", wiops=1000),))):
        pytest.skip(f"HostFact: {lacks[0]}")
    with running("run", option, f"/dev/{DISKS[0]}:1000", "--", "sh", "-c", "echo ready; sleep 60") as process:
        ready(process)
        (limit,) = CGroup.of(payload(process)).limits.io
        assert getattr(limit, field) == 1000


@needs_groups
def test_a_share_of_the_disks() -> None:
    lacks = cgroup_facts().lacks(Limits(io_weight=300))
    if lacks:
        done = line("run", "--blkio-weight", "200", "--", "true")
        assert (done.code, done.out) == (125, "")
        assert "weight" in done.err
        return
    with running("run", "--blkio-weight", "200", "--", "sh", "-c", "echo ready; sleep 60") as process:
        ready(process)
        assert CGroup.of(payload(process)).limits.io_weight == 1200


def test_every_option_stands_here() -> None:
    """A new option without a test of what it does is a mistake."""
    here = Path(__file__)
    told = here.read_text() + here.with_name("test_cli_terminal.py").read_text()
    options = [option for section in RUN for option in section.options]
    missing = [o.key for o in options if not any(re.search(rf"{name}\b", told) for name in o.spellings)]
    assert missing == ["help"]

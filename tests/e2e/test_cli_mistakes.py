"""Words that cannot be meant: each gives exit code 125 and one line that says what and where; nothing ran."""

import os
from pathlib import Path

import pytest

from tests.e2e.line import complaint, line

# After `isolib`; what the line must hold. {tmp} is a directory with the files below.
MISTAKES = [
    ("", "usage:"),
    ("rnu", "did you mean 'run'"),
    ("--bogus", "'--bogus' is an option of no verb"),
    ("run", "there is no command"),
    ("run --", "there is no command"),
    ("run host", "there is no command"),
    ("run --rootfs /", "there is no command"),
    ("run true", "isolib run -- true"),
    ("run debian:trixie bash", "no image 'debian:trixie'"),
    ("run ./nothing sh", "no image './nothing'"),
    ("run {tmp}/file sh", "no image"),
    ("run --rootfs {tmp}/nothing sh", "--rootfs: '{tmp}/nothing' is no directory"),
    ("run --rootfs {tmp}/file sh", "is no directory"),
    ("run --rootfs {tmp}:keep --read-only sh", "opposites"),
    ("run --rootfs {tmp}:what sh", "only :keep"),
    ("run --read-only -- true", "--read-only"),
    ("run --memry 1G -- true", "did you mean '--memory'"),
    ("run -Z -- true", "-Z: there is no such option"),
    ("run --memory", "--memory: needs a value, SIZE"),
    ("run -m", "-m: needs a value, SIZE"),
    ("run -it=maybe -- true", "'maybe' is neither true nor false"),
    ("run --tty=maybe -- true", "'maybe' is neither true nor false"),
    ("run --memory 12Q -- true", "--memory: '12Q' is no size"),
    ("run --memory -5 -- true", "--memory"),
    ("run --memory 1 -- true", "--memory: '1' is too little"),
    ("run --memory-swap 1G -- true", "say --memory too"),
    ("run -m 1G --memory-swap 1M -- true", "less than --memory 1G"),
    ("run -m 1G --memory-swap lots -- true", "'lots' is no size"),
    ("run --cpus two -- true", "--cpus: 'two'"),
    ("run --cpus 0 -- true", "--cpus"),
    ("run --cpus nan -- true", "--cpus"),
    ("run --cpu-weight 0 -- true", "--cpu-weight: 0 is out of range"),
    ("run --cpu-shares 1 -- true", "--cpu-shares: 1 is out of range"),
    ("run --cpu-shares 2 --cpu-weight 2 -- true", "give one of the two"),
    ("run --cpuset-cpus 3-1 -- true", "--cpuset-cpus"),
    ("run --pids-limit few -- true", "--pids-limit: 'few' is not a whole number"),
    ("run --pids-limit -7 -- true", "--pids-limit"),
    ("run --blkio-weight 5 -- true", "10 to 1000"),
    ("run --device-read-bps 10M -- true", "write DEVICE:RATE"),
    ("run --device-write-iops /dev/x:fast -- true", "'fast'"),
    ("run --cgroup-conf memory.high -- true", "write FILE=VALUE"),
    ("run --cgroup-conf cgroup.kill=1 -- true", "--cgroup-conf"),
    ("run -e =1 -- true", "a variable has a name"),
    ("run --env-file {tmp}/nothing -- true", "--env-file {tmp}/nothing: No such file"),
    ("run --env-file {tmp} -- true", "--env-file {tmp}: Is a directory"),
    ("run --env-file {tmp}/bad.env -- true", "bad.env:2: 'two words' is no name"),
    ("run -w relative -- true", "--workdir: 'relative' is relative"),
    ("run -w /no/such -- true", "give another --workdir"),
    ("run -u nobody-of-this-name -- true", "--user: no user 'nobody-of-this-name'"),
    ("run -u 1:2:3 -- true", "--user"),
    ("run -u -5 -- true", "--user"),
    ("run --userns auto --group-add nogroupofthis -- true", "nogroupofthis"),
    ("run --umask 9 -- true", "--umask: '9' is no mode"),
    ("run --umask 1777 -- true", "--umask"),
    ("run --ulimit nofile -- true", "write NAME=SOFT"),
    ("run --ulimit nofil=5 -- true", "did you mean 'nofile'"),
    ("run --ulimit nofile=9:5 -- true", "--ulimit"),
    ("run --ulimit nofile=many -- true", "'many' is not a whole number"),
    ("run --oom-score-adj 5000 -- true", "--oom-score-adj"),
    ("run --timeout soon -- true", "--timeout: 'soon' is no time"),
    ("run --timeout 0 -- true", "--timeout"),
    ("run -v /etc -- true", "write SOURCE:TARGET"),
    ("run -v data:/data -- true", "write ./data"),
    ("run -v ./nothing:/data -- true", "nothing' does not exist: create it, or use the option optional"),
    ("run -v {tmp}:data -- true", "write SOURCE:TARGET"),
    ("run -v {tmp}:/data:rx -- true", "no option 'rx'"),
    ("run -v {tmp}:/data:Z -- true", "SELinux"),
    ("run -v {tmp}:/a:ro:b -- true", "a path with a colon goes into --mount"),
    ("run -v {tmp}:/ -- true", "-v {tmp}:/"),
    ("run -v {tmp}:/a -v {tmp}:/a -- true", "is -v {tmp}:/a's target already"),
    ("run --mount source={tmp},target=/a -- true", "there are type=bind and type=tmpfs"),
    ("run --mount type=bind,source={tmp} -- true", "needs target="),
    ("run --mount type=bind,target=/a -- true", "needs source="),
    ("run --mount type=bind,source={tmp},target=/a,sorce=b -- true", "no field 'sorce' here; did you mean 'source'"),
    ("run --mount type=tmpfs,target=/a,tmpfs-size=x -- true", "'x' is no size"),
    ("run --mount type=bind,source={tmp},target=/a,bind-propagation=up -- true", "bind-propagation=up"),
    ("run --tmpfs /a:size=x -- true", "--tmpfs /a:size=x: 'x' is no size"),
    ("run --tmpfs /a:hard -- true", "no option 'hard'"),
    ("run --tmpfs a -- true", "--tmpfs a"),
    ("run --tmpfs /proc -- true", "--tmpfs /proc"),
    ("run --shm-size big -- true", "--shm-size: 'big' is no size"),
    ("run --storage-opt dir=/x -- true", "there is size=SIZE"),
    ("run --device /dev/no-such-device -- true", "No such file"),
    ("run --device {tmp}/file -- true", "is no device"),
    ("run --device fuse -- true", "write /dev/NAME"),
    ("run --network bridge -- true", "there are none and host"),
    ("run --pid container:x -- true", "there are host and private"),
    ("run -h", "-h: needs a value, NAME; for help, say --help"),
    ("run -h -- true", "-h: needs a value, NAME"),
    ("run -h= -- true", "--hostname: '' is no host name"),
    ("run --hostname a_ -- true", "--hostname"),
    ("run --uts host --hostname a -- true", "shares the host's name"),
    ("run --userns who -- true", "--userns: 'who' is none of"),
    ("run --userns 0:0:0 -- true", "--userns"),
    ("run --sysctl kernel.panic=1 -- true", "--sysctl"),
    ("run --sysctl net.ipv4.ip_forward -- true", "write NAME=VALUE"),
    ("run --cap-add NET_ADMINS -- true", "--cap-add"),
    ("run --cap-add CHOWN --cap-drop CHOWN -- true", "--cap-add"),
    ("run --security-opt sekkomp=x -- true", "did you mean 'seccomp'"),
    ("run --security-opt seccomp={tmp}/nothing -- true", "No such file"),
    ("run --security-opt seccomp={tmp}/file -- true", "this is no JSON"),
    ("run --security-opt seccomp={tmp}/odd.json -- true", "SCMP_ACT_ALOW"),
    ("run --security-opt apparmor=x -- true", "AppArmor"),
    ("run --security-opt no-new-privileges=maybe -- true", "neither true nor false"),
    ("run --security-opt mask -- true", "write mask=VALUE"),
    ("run --privileged -- true", "--privileged: say what is needed"),
    ("run -d -- true", "-d: a run lasts as long as its command line"),
    ("run --name web -- true", "--name: a run has no name"),
    ("run -p 80:80 -- true", "--network host"),
    ("run --cap-add", "--cap-add: needs a value, NAME"),
    ("plan true", "isolib run -- true"),
    ("plan --format yaml -- true", "there is json"),
    ("plan -m x -- true", "--memory: 'x' is no size"),
    ("doctor now", "takes no words"),
    ("doctor --memory 1G", "--memory: there is no such option"),
    ("exec", "no container is named"),
    ("exec web sh", "'web' is no pid"),
    ("exec 0 sh", "'0' is no pid"),
    ("exec 99999999999 sh", "is no pid"),
    ("exec 4194305 true", "there is no process 4194305"),
    ("exec 4194305", "there is no command"),
    ("exec --memory 1G 1 true", "--memory: there is no such option"),
]


@pytest.fixture(scope="module")
def tmp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mistakes")
    (folder / "file").write_text("content\n")
    (folder / "bad.env").write_text("A=1\ntwo words=2\n")
    (folder / "odd.json").write_text('{"defaultAction": "SCMP_ACT_ALOW"}')
    return folder


@pytest.mark.parametrize(("words", "said"), MISTAKES, ids=[words or "nothing" for words, _ in MISTAKES])
def test_a_mistake_is_told_in_a_line(words: str, said: str, tmp: Path) -> None:
    done = line(*words.format(tmp=tmp).split(), cwd=tmp)
    assert done.code == 125
    if words:
        assert said.format(tmp=tmp) in complaint(done)
    else:
        assert (done.out, done.err[:6]) == ("", said)


def test_all_mistakes_of_a_spec_at_once() -> None:
    done = line("run", "-m", "1", "-w", "relative", "-u", "a:b:c", "--", "true")
    assert (done.code, done.out) == (125, "")
    assert sorted(text.split(":")[1].strip() for text in done.err.splitlines()) == ["--memory", "--user", "--workdir"]


def test_odd_bytes_are_told_and_obeyed_by_no_terminal() -> None:
    assert complaint(line("run", b"\x1b[31m\n\xff", "sh")).startswith(r"there is no image '\x1b[31m\n")


@pytest.mark.needs_root
def test_one_s_own_process_is_no_container() -> None:
    assert "is in no container" in complaint(line("exec", str(os.getpid()), "true"))


@pytest.mark.needs_user_namespace
def test_a_mistake_in_the_middle_of_a_start(tmp: Path) -> None:
    """The target's parent is a file: only the kernel finds out."""
    done = line("run", "-v", f"{tmp}:/etc/passwd/below", "--", "true")
    assert done.code == 125
    assert "move_mount" in complaint(done) or "openat" in done.err

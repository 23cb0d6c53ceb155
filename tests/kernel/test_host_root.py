"""The machine's own root as a container's: what is readable, what can be written, what is thrown away, what hidden."""

import os
from pathlib import Path

import pytest

import isolib
from isolib import Image
from isolib.launch.facts import host_facts
from tests.kernel.inside import fails, in_own_mounts, sh, tree

RUN = "import isolib, sys; r = isolib.run(['sh', '-ec', {script!r}]); sys.stdout.buffer.write(r.stdout + r.stderr)\n"


def test_files_of_root_alone_stay_unreadable() -> None:
    for path in ("/etc/shadow", "/etc/gshadow"):
        if os.path.exists(path):
            assert "denied" in fails(f"cat {path}")
    assert sh("head -c 4 /etc/passwd; cat /usr/bin/env | head -c 4") == "root\x7fELF"


@pytest.mark.needs_root
def test_a_view_with_roots_rights() -> None:
    if not host_facts().root_maps_ids:
        pytest.skip(f"HostFact: {dict(host_facts().missing).get('id-mapped /')}")
    image = Image.host(rights="root")
    assert sh("cat /etc/shadow; stat -c %u:%g /etc/shadow", image=image).startswith("root:")
    sh("echo x > /etc/new; echo x >> /etc/passwd; echo x > /usr/new; echo x > /new", image=image)
    assert not any(os.path.exists(path) for path in ("/etc/new", "/usr/new", "/new"))
    assert sh("ls -A /tmp /run | wc -l", image=image).strip() != "0"


@pytest.mark.needs_ordinary_user
def test_roots_rights_are_not_for_everybody() -> None:
    with pytest.raises(isolib.Unavailable, match="root"):
        isolib.run(["true"], image=Image.host(rights="root"))


@pytest.mark.parametrize("path", ["/tmp", "/var/tmp", "/run"])
def test_places_for_what_is_temporary(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty, writable, gone afterwards; never the host's."""
    monkeypatch.setenv("HOME", "/")
    monkeypatch.chdir("/")
    name = f"isolib-test-{os.getpid()}"
    assert sh(f"ls -A {path}; echo x > {path}/{name}; ls -A {path}") == f"{name}\n"
    assert not os.path.exists(f"{path}/{name}")
    assert sh(f"ls -A {path}") == ""


@pytest.mark.parametrize("path", ["/usr/x", "/etc/x", "/usr/lib/x", "/bin/x", "/var/lib/x"])
def test_system_directories_are_not_writable(path: str) -> None:
    assert fails(f"echo x > {path}")
    assert not os.path.exists(path)


def test_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shown though it lies below /tmp, with the caller's rights; what is written to it is thrown away."""
    (tmp_path / "file").write_text("mine\n")
    (tmp_path / "file").chmod(0o600)
    (tmp_path / "folder").mkdir(0o700)
    before = tree(tmp_path)
    monkeypatch.chdir(tmp_path)
    script = "pwd; cat file; echo more >> file; echo new > new; mkdir folder/in; rm -r folder; ls; stat -c %u new file"
    assert sh(script).split() == [str(tmp_path), "mine", "file", "new", "0", "0"]
    assert tree(tmp_path) == before


def test_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary user's is shown; a privileged caller's is empty, since what root alone may read stays unread."""
    (tmp_path / "dotfile").write_text("secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir("/")
    script = 'test "$HOME" = ~ && echo $HOME; ls -A ~; echo x > ~/x; mkdir ~/y; stat -c %a:%u ~'
    home, *listed, mode = sh(script).split()
    assert home == str(tmp_path)
    assert listed == ([] if host_facts().privileged else ["dotfile"])
    assert mode == "755:0"
    assert os.listdir(tmp_path) == ["dotfile"]


def test_a_working_directory_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "project/src").mkdir(parents=True)
    (tmp_path / "project/src/code").write_text("code\n")
    (tmp_path / "secret").write_text("secret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path / "project")
    assert sh("pwd; cat src/code; echo x > src/x; echo y > ../y").split() == [str(tmp_path / "project"), "code"]
    seen = sh("cat ../secret || true")
    assert seen == ("" if host_facts().privileged else "secret\n")
    assert sorted(os.listdir(tmp_path)) == ["project", "secret"]


def test_a_working_directory_around_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert sh("pwd; echo x > ~/x; ls ~").split()[-1] == "x"


def test_the_home_as_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert sh("pwd; echo x > x; ls").split() == [str(tmp_path), "x"]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("home", ["", "relative", "/nonexistent", "/etc/passwd", "/"])
def test_a_home_that_is_none(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    assert sh("echo $HOME").startswith("/")
    monkeypatch.delenv("HOME")
    assert sh("echo $HOME").startswith("/")


@pytest.mark.parametrize("path", ["/", "/tmp", "/usr", "/proc", "/dev", "/run", "/etc", "/var/tmp"])
def test_any_working_directory(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path)
    assert sh("pwd") == f"{path}\n"


def test_working_directories_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/proc/self/fd")
    assert sh("pwd") == "/\n"
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert sh("pwd") == "/\n"


@pytest.mark.parametrize("name", ["a b", "a:b", "a,b", "a\\b", "%1", "é", "a\nb"])
def test_a_working_directory_of_any_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "file").touch()
    monkeypatch.chdir(tmp_path / name)
    assert sh("pwd; ls") == f"{tmp_path / name}\nfile\n"


def test_another_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert sh("pwd", cwd="/usr") == "/usr\n"
    with pytest.raises(isolib.StepError, match="working directory does not exist") as caught:
        isolib.run(["true"], cwd="/no/such")
    assert caught.value.call == "chdir"


def test_it_is_no_window_to_the_host() -> None:
    """The caller's processes, mounts and terminals are out of sight."""
    assert sh("cat /proc/1/comm; ls -d /proc/[0-9]* | wc -l").split()[0] == "isolib-init"
    assert int(sh("ls -d /proc/[0-9]* | wc -l")) <= 5
    assert sh("ls /dev/pts") == "ptmx\n"
    assert sh("ls /sys/class/net") == "lo\n"


def test_the_machines_groups_are_not_shown() -> None:
    """On version 2 the container's own group is the root of what it sees; of version 1 there is nothing."""
    for network in ("none", "host"):
        listed = sh("ls -A /sys/fs/cgroup", network=network).split()
        assert not listed or "cgroup.controllers" in listed
        assert "memory" not in listed
        fails("echo 1 > /sys/fs/cgroup/cgroup.procs", network=network)
        fails("mkdir /sys/fs/cgroup/x", network=network)
        assert set(sh("cut -d: -f3 /proc/self/cgroup", network=network).split()) == {"/"}


@pytest.mark.needs_user_namespace
@pytest.mark.parametrize("below", ["mnt", "deep/down"])
def test_mounts_below_the_home(tmp_path: Path, below: str) -> None:
    """In a user namespace that is locked to them, as in a container: the home is put together around them."""
    (tmp_path / below).mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "file").write_text("file\n")
    script = f"cat ~/file; ls ~/{below}; echo x > ~/x; echo x > ~/other/x; ls -A ~ ~/other"
    setup = f"mount -t tmpfs none {below}; touch {below}/inner\nPYTHON\n"
    found = in_own_mounts(setup + RUN.format(script=script), user=True, cwd=tmp_path).split()
    assert found[:2] == ["file", "inner"]
    assert {"x", "other", "file"} <= set(found)
    assert not (tmp_path / "x").exists()


@pytest.mark.needs_root
def test_other_filesystems_are_read_only(tmp_path: Path) -> None:
    script = "cat /mnt/file; cat /mnt/deep/file; echo x > /mnt/x || echo no"
    setup = "mount -t tmpfs -o mode=755 none /mnt; echo one > /mnt/file; mkdir /mnt/deep; "
    setup += "mount -t tmpfs -o mode=755 none /mnt/deep; echo two > /mnt/deep/file\nPYTHON\n"
    found = in_own_mounts(setup + RUN.format(script=script), cwd=Path("/"))
    assert found.split()[:2] == ["one", "two"]
    assert "no" in found.split()


@pytest.mark.needs_root
def test_filesystems_that_root_alone_can_reach(tmp_path: Path) -> None:
    """As those of another container's layers are, below a directory that is closed: nobody looks there."""
    setup = "mount -t tmpfs -o mode=700 none /mnt; mkdir /mnt/in; mount -t tmpfs none /mnt/in\nPYTHON\n"
    assert "denied" in in_own_mounts(setup + RUN.format(script="ls /mnt || true; echo fine"), cwd=Path("/"))


CLOSED = """mount -t tmpfs -o mode=755 none /mnt
mkdir -m 700 /mnt/alice /mnt/alice/deep; mkdir /mnt/alice/deep/work
echo secret > /mnt/alice/secret; cd /mnt/alice/deep/work; echo code > code
PYTHON
"""


@pytest.mark.needs_root
def test_a_working_directory_that_others_cannot_reach() -> None:
    """As below the home of the user who became root: it is shown, and nothing else of what is closed."""
    script = "pwd; cat code; echo x > new; ls -A /mnt/alice /mnt/alice/deep"
    found = in_own_mounts(CLOSED + RUN.format(script=script), cwd=Path("/"), HOME="/").split()
    assert found == ["/mnt/alice/deep/work", "code", "/mnt/alice:", "deep", "/mnt/alice/deep:", "work"]


@pytest.mark.needs_root
def test_a_mount_where_others_cannot_reach() -> None:
    program = "import isolib, os; os.chdir('/'); bind = isolib.Bind('/mnt/alice/deep/work')\n"
    program += "print(isolib.run(['ls', '/mnt/alice', '/mnt/alice/deep/work'], mounts=[bind]).text())"
    found = in_own_mounts(CLOSED + program, cwd=Path("/"), HOME="/").split()
    assert found == ["/mnt/alice:", "deep", "/mnt/alice/deep/work:", "code"]


@pytest.mark.needs_root
def test_a_working_directory_that_cannot_be_id_mapped(tmp_path: Path) -> None:
    """ramfs has no id-mapped mounts: its files are nobody's, and still there."""
    setup = f"mount -t ramfs none {tmp_path}; cd {tmp_path}; chmod 755 .; echo hello > file; chmod 644 file\nPYTHON\n"
    found = in_own_mounts(setup + RUN.format(script="pwd; cat file; stat -c %U file"), cwd=tmp_path, HOME="/")
    assert found.split() == [str(tmp_path), "hello", "nobody"]


def test_mounts_that_come_and_go_are_noticed(tmp_path: Path) -> None:
    """In one process: what lies around the caller is looked up again when it changed."""
    (tmp_path / "sub").mkdir()
    program = (
        "import isolib, os, subprocess\nsee = lambda: print(isolib.run(['sh', '-c', 'ls ~/sub']).text(), end='')\n"
    )
    program += "see(); subprocess.run(['sh', '-c', 'mount -t tmpfs none sub; touch sub/mounted'], check=True); see()\n"
    program += "subprocess.run(['umount', 'sub'], check=True); see()\n"
    assert in_own_mounts("PYTHON\n" + program, user=True, cwd=tmp_path) == "mounted\n"


def test_the_resolver_with_the_hosts_network() -> None:
    resolver = Path("/etc/resolv.conf")
    if not resolver.exists():
        pytest.skip("HostFact: no /etc/resolv.conf")
    assert sh("cat /etc/resolv.conf", network="host") == resolver.read_text()

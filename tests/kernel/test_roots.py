"""Directories as a root: where writes go, what is made in them, names as nobody expects them, hostile ones."""

import contextlib
import errno
import os
import shutil
from pathlib import Path

import msgspec
import pytest

import isolib
from isolib import Image, Scratch
from tests.kernel.inside import fails, sh, started, tree


@pytest.fixture
def bare(busybox_root: Path, tmp_path: Path) -> Path:
    """A root of one program: no /proc, no /dev, no /etc."""
    (tmp_path / "bare/bin").mkdir(parents=True)
    shutil.copy(busybox_root / "bin/busybox", tmp_path / "bare/bin/busybox")
    for name in (
        "sh",
        "ls",
        "touch",
        "cat",
        "id",
        "stat",
        "echo",
        "mkdir",
        "rm",
        "mount",
        "ln",
        "dd",
        "chroot",
        "sleep",
    ):
        (tmp_path / "bare/bin" / name).symlink_to("busybox")
    return tmp_path / "bare"


def test_discarded_writes_leave_the_layer_as_it_is(busybox_root: Path) -> None:
    before = tree(busybox_root)
    image = Image.directory(busybox_root)
    script = "echo x > /new; echo x >> /etc/passwd; rm /bin/vi; rm -r /home; mkdir /home; chmod 700 /tmp; mv /usr /usr2"
    sh(script, image=image)
    assert tree(busybox_root) == before
    assert sh("ls /; ls /home; ls -d /bin/vi", image=image).split()[-3:] == ["var", "app", "/bin/vi"]


def test_kept_writes_are_the_callers(bare: Path) -> None:
    (bare / "data").mkdir()
    sh("echo kept > /data/file; mkdir /data/folder", image=Image.directory(bare, writes="keep"))
    assert (bare / "data/file").read_text() == "kept\n"
    assert (bare / "data/file").stat().st_uid == os.geteuid()
    assert (bare / "data/folder").stat().st_gid == os.getegid()


def test_kept_writes_leave_mount_points_alone(bare: Path) -> None:
    """Empty directories for the kernel's mounts, as every root has them, and nothing else: no file in /etc."""
    (bare / "etc").mkdir()
    (bare / "etc/hosts").write_text("its own\n")
    before = set(tree(bare))
    image = Image.directory(bare, writes="keep")
    assert sh("cat /etc/hosts; ls /etc", image=image) == (
        "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\tisolib\nhosts\n"
    )
    assert (bare / "etc/hosts").read_text() == "its own\n"
    made = {path.removeprefix(f"{bare}/") for path in set(tree(bare)) - before if not path.endswith("/.")}
    assert made == {"proc", "sys", "dev"}


@pytest.mark.parametrize("path", ["/x", "/etc/x", "/tmp/x", "/bin/x", "/usr/x"])
def test_denied_writes_fail(busybox_root: Path, path: str) -> None:
    before = tree(busybox_root)
    assert "Read-only file system" in fails(f"echo x > {path}", image=Image.directory(busybox_root, writes="deny"))
    assert tree(busybox_root) == before


def test_denied_writes_cannot_be_allowed_again(busybox_root: Path) -> None:
    image = Image.directory(busybox_root, writes="deny")
    assert "denied" in fails("mount -o remount,rw /", image=image)
    assert fails("echo x > /x", image=image)
    sh("echo > /dev/shm/x; echo > /dev/null", image=image)  # what is in memory stays writable


def test_a_root_of_one_program(bare: Path) -> None:
    """What is missing is made, in the layer that is thrown away."""
    before = tree(bare)
    script = "ls / /dev; stat -c %a:%u /tmp /dev/shm; cat /proc/self/comm; ls -d /sys/kernel; echo x > /tmp/x; id"
    found = sh(script, image=Image.directory(bare)).split()
    assert {"bin", "dev", "etc", "proc", "sys", "tmp", "null", "pts", "1777:0", "cat", "/sys/kernel"} <= set(found)
    assert tree(bare) == before


def test_files_that_every_container_has(busybox_root: Path) -> None:
    image = Image.directory(busybox_root)
    assert sh("cat /etc/hostname; hostname", image=image, hostname="here") == "here\nhere\n"
    hosts = sh("cat /etc/hosts", image=image, hostname="here").splitlines()
    assert "127.0.0.1\tlocalhost" in hosts
    assert "127.0.1.1\there" in hosts
    sh("sed -i s/here/there/ /etc/hosts; echo more >> /etc/hosts; mv /etc/hosts /etc/hosts2", image=image)
    assert sh("ls /etc", image=image).split() == ["group", "hostname", "hosts", "passwd"]


def test_the_hosts_resolver_for_its_network(busybox_root: Path, tmp_path: Path) -> None:
    image = Image.directory(busybox_root)
    resolver = Path("/etc/resolv.conf")
    if not resolver.exists():
        pytest.skip("HostFact: no /etc/resolv.conf")
    assert sh("cat /etc/resolv.conf", image=image, network="host") == resolver.read_text()
    assert "Read-only" in fails("echo x > /etc/resolv.conf", image=image, network="host")
    link = tmp_path / "dangling"
    (link / "etc").mkdir(parents=True)
    (link / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    both = Image.directory(busybox_root, link)
    assert sh("cat /etc/resolv.conf", image=both, network="host") == resolver.read_text()


def test_what_the_user_mounts_wins(busybox_root: Path) -> None:
    image = Image.directory(busybox_root)
    mounts = [isolib.Inject("/etc/hosts", "mine\n"), isolib.Inject("/etc/hostname", "mine too\n")]
    assert sh("cat /etc/hosts /etc/hostname", image=image, mounts=mounts) == "mine\nmine too\n"


def layer(top: Path, **files: str) -> Path:
    for name, text in files.items():
        (top / "data").mkdir(parents=True, exist_ok=True)
        (top / "data" / name).write_text(text)
    return top


def test_layers_on_each_other(busybox_root: Path, tmp_path: Path) -> None:
    low, high = layer(tmp_path / "low", a="low", b="low"), layer(tmp_path / "high", b="high", c="high")
    assert sh("cd /data; cat a b c", image=Image.directory(busybox_root, low, high)) == "lowhighhigh"
    assert sh("cd /data; cat a b c", image=Image.directory(busybox_root, high, low)) == "lowlowhigh"


@pytest.mark.parametrize("count", [9, 60, 127])
def test_many_layers(busybox_root: Path, tmp_path: Path, count: int) -> None:
    layers = [layer(tmp_path / f"layer-{n}", **{f"f{n}": str(n)}) for n in range(count)]
    names = sh("ls /data", image=Image.directory(busybox_root, *layers)).split()
    assert len(names) == count


NAMES = (
    "a:b",
    "a,b",
    "a\\b",
    "a%20b",
    "%5",
    "a b",
    "a\nb",
    "é",
    "\udcff",
    "a=b",
    "-x",
    "lowerdir=",
    "a\\:b",
    "#",
    "x" * 255,
)


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_names_that_mean_something_to_mount(busybox_root: Path, tmp_path: Path, name: str) -> None:
    top = layer(tmp_path / name, file="found")
    assert sh("cat /data/file", image=Image.directory(busybox_root, top)) == "found"
    shutil.copytree(busybox_root, top, symlinks=True, dirs_exist_ok=True)
    assert sh("cat /data/file", image=Image.directory(top)) == "found"
    assert sh("cat /data/file", image=Image.directory(top, writes="keep")) == "found"


def test_a_link_and_a_relative_path(busybox_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "link").symlink_to(busybox_root)
    monkeypatch.chdir(tmp_path)
    assert sh("echo fine", image=Image.directory("link")) == "fine\n"
    spec = started("/bin/true", image=Image.directory("link"))
    spec = msgspec.structs.replace(spec, root=isolib_root("link"))
    assert isolib.run(spec).ok


def isolib_root(*layers: str) -> object:
    from isolib.spec.root import DirectoryRoot

    return DirectoryRoot(layers)


@pytest.mark.parametrize("kind", ["missing", "file", "link loop"])
def test_layers_that_are_none(tmp_path: Path, busybox_root: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "file":
        path.touch()
    elif kind == "link loop":
        path.symlink_to(path)
    with pytest.raises(isolib.SpecError) as caught:
        sh("true", image=Image.directory(busybox_root, path))
    assert caught.value.where == "root.layers[1]"


def test_chroot_where_it_is_asked_for(busybox_root: Path) -> None:
    spec = msgspec.structs.replace(started("/bin/ls", "/", image=Image.directory(busybox_root)), change_root="chroot")
    assert "home" in isolib.run(spec, check=True).text().split()


def test_a_size_for_what_is_thrown_away(busybox_root: Path) -> None:
    try:
        error = fails(
            "dd if=/dev/zero of=/big bs=1M count=20", image=Image.directory(busybox_root), scratch=Scratch(size="4M")
        )
    except isolib.Unavailable as why:
        pytest.skip(f"HostFact: {why}")
    assert os.strerror(errno.ENOSPC) in error


HOSTILE = {
    "dev": ["/", "/etc", "../../../../../../../../tmp", "/proc/self/root", "proc/1/root/dev"],
    "proc": ["/", "dev", "/proc/self/cwd", "../../../../../../../../proc"],
    "sys": ["/proc", "/nonexistent/x", "../../../../../../../../sys"],
    "etc": ["/", "../../../../../../../../etc", "/proc/self/root/etc", "home"],
    "tmp": ["../../../../../../../../tmp", "/dev/shm", "/etc"],
}


@pytest.mark.parametrize("writes", ["discard", "deny", "keep"])
@pytest.mark.parametrize(
    ("name", "target"), [(name, target) for name, targets in HOSTILE.items() for target in targets]
)
def test_links_where_directories_should_be(bare: Path, name: str, target: str, writes: str) -> None:
    """It starts with the kernel's files where they belong, or a step fails; nothing outside is touched."""
    shutil.rmtree(bare / name, ignore_errors=True)
    (bare / name).symlink_to(target)
    outside = sorted(os.listdir("/")), sorted(os.listdir("/etc")), sorted(os.listdir("/dev"))
    may_fail = contextlib.suppress(isolib.StepError) if writes == "keep" else contextlib.nullcontext()
    with may_fail:
        image = Image.directory(bare, writes=writes)  # type: ignore[arg-type]
        assert sh("cat /proc/self/comm; ls /sys/kernel >/dev/null; echo > /dev/null", image=image) == "cat\n"
    assert outside == (sorted(os.listdir("/")), sorted(os.listdir("/etc")), sorted(os.listdir("/dev")))


def test_nothing_of_the_old_root_is_left(busybox_root: Path) -> None:
    script = "cat /proc/self/mountinfo; ls -a /; cd ..; cd ../..; pwd"
    found = sh(script, image=Image.directory(busybox_root))
    assert found.splitlines()[-1] == "/"
    points = {line.split()[4] for line in found.splitlines() if line[0].isdigit()}
    assert all(point == "/" or point.startswith(("/proc", "/sys", "/dev")) for point in points)


def test_chroot_and_dot_dot(busybox_root: Path) -> None:
    """The oldest way out: a process outside its own root directory goes up."""
    script = (
        "mkdir -p /in/bin; cp /bin/busybox /in/bin; chroot /in /bin/busybox sh -c 'cd ../../../..; pwd'; cd "
        + "../" * 99
    )
    assert sh(script + "; pwd; ls -d home", image=Image.directory(busybox_root)).split() == ["/", "/", "home"]

"""What is mounted beside the root: memory, files, links, devices, masks, settings; on any root, in any order."""

import os
import socket
import stat
from pathlib import Path

import msgspec
import pytest

import isolib
from isolib import Bind, Device, Image, Inject, Security, Symlink, Tmpfs
from isolib.spec.security import MASKED, READ_ONLY
from tests.kernel.inside import fails, mount_options, sh, started


@pytest.fixture
def image(busybox_root: Path) -> Image:
    return Image.directory(busybox_root)


def test_memory(image: Image) -> None:
    mounts = [Tmpfs("/a", size="4M", mode=0o1770, inodes=20), Tmpfs("/b/c/d")]
    script = "stat -c %a:%u /a /b/c/d; df -k /a | tail -1; df -i /a | tail -1"
    modes = sh(script, image=image, mounts=mounts).split()
    assert modes[:2] == ["1770:0", "755:0"]
    assert {"4096", "20"} <= set(modes)
    assert "No space" in fails("dd if=/dev/zero of=/a/x bs=1M count=9", image=image, mounts=mounts)


def test_options(image: Image) -> None:
    words = ("nosuid", "nodev", "noexec", "noatime", "nodiratime")
    assert set(words) <= mount_options("/a", image=image, mounts=[Tmpfs("/a", options=words)])
    assert not {"nosuid", "nodev", "noexec"} & mount_options("/a", image=image, mounts=[Tmpfs("/a", options=())])
    script = "cp /bin/busybox /a; /a/busybox true"
    assert "denied" in fails(script, image=image, mounts=[Tmpfs("/a", options=("noexec",))])
    sh(script, image=image, mounts=[Tmpfs("/a", options=())])


def test_a_mount_that_follows_no_links(image: Image) -> None:
    mounts = [Tmpfs("/a", options=("nosymfollow",))]
    assert "many" in fails("ln -s /etc/passwd /a/x; cat /a/x", image=image, mounts=mounts)


def test_files(image: Image) -> None:
    mounts = [
        Inject("/etc/conf.d/new", "text é\n", 0o640),
        Inject("/etc/passwd", b"\0\xff", 0o755),
        Inject("/empty", ""),
    ]
    script = "cat /etc/conf.d/new; stat -c %a:%u:%s /etc/conf.d/new /etc/passwd /empty"
    assert sh(script, image=image, mounts=mounts).split() == ["text", "é", "640:0:8", "755:0:2", "644:0:0"]


def test_a_megabyte_in_a_file(image: Image) -> None:
    data = os.urandom(1 << 20)
    result = isolib.run(["/bin/cat", "/big"], image=image, mounts=[Inject("/big", data)], check=True)
    assert result.stdout == data


def test_links(image: Image) -> None:
    mounts = [
        Symlink("/a/b/link", "../../etc/passwd"),
        Symlink("/etc/group", "passwd"),
        Symlink("/bin/dangling", "nowhere"),
    ]
    script = (
        "for f in /a/b/link /etc/group /bin/dangling; do readlink $f; done; head -c 4 /a/b/link; head -c 4 /etc/group"
    )
    assert sh(script, image=image, mounts=mounts).split() == ["../../etc/passwd", "passwd", "nowhere", "rootroot"]


def test_a_link_over_what_is_no_file(image: Image) -> None:
    with pytest.raises(isolib.StepError) as caught:
        sh("true", image=image, mounts=[Symlink("/etc", "/x")])
    assert caught.value.call == "symlinkat"


def test_a_link_in_a_kept_root(tmp_path: Path, busybox_root: Path) -> None:
    """Nothing of the user's is replaced; the same link again is fine."""
    import shutil

    shutil.copytree(busybox_root, tmp_path / "root", symlinks=True)
    kept = Image.directory(tmp_path / "root", writes="keep")
    for _ in range(2):
        assert sh("readlink /link", image=kept, mounts=[Symlink("/link", "/etc")]) == "/etc\n"
    with pytest.raises(isolib.StepError):
        sh("true", image=kept, mounts=[Symlink("/etc/passwd", "/x")])
    assert (tmp_path / "root/etc/passwd").read_text().startswith("root:")


def test_devices(image: Image) -> None:
    script = "ls -l /dev/zero2 /x/full | cut -c1; head -c 3 /dev/zero2 | od -An -tx1; echo x > /x/full"
    result = isolib.run(
        ["/bin/sh", "-c", script],
        image=image,
        mounts=[Device("/dev/zero", "/dev/zero2"), Device("/dev/full", "/x/full")],
    )
    assert result.stdout.split() == [b"c", b"c", b"00", b"00", b"00"]
    assert b"No space" in result.stderr
    assert {"nosuid", "noexec"} <= mount_options("/x", image=image, mounts=[Device("/dev/zero", "/x")])
    assert sh("ls /dev/none || true", image=image, mounts=[Device("/dev/no-such", "/dev/none", optional=True)]) == ""


@pytest.mark.parametrize(("source", "words"), [("/dev/no-such", "does not exist"), ("/etc/passwd", "is no device")])
def test_devices_that_are_none(image: Image, source: str, words: str) -> None:
    with pytest.raises(isolib.SpecError, match=words) as caught:
        sh("true", image=image, mounts=[Device(source, "/dev/x")])
    assert caught.value.where == "mounts[0].source"


def test_devices_of_every_container(image: Image) -> None:
    """A few that cannot hurt, and none can be made."""
    listed = sh("ls -l /dev | grep ^c | sed 's/.* //'", image=image).split()
    assert set(listed) <= {"full", "null", "random", "tty", "urandom", "zero"}
    assert {"full", "null", "random", "urandom", "zero"} <= set(listed)
    assert "not permitted" in fails("mknod /x c 1 3", image=image)
    assert "not permitted" in fails("mknod /x b 8 0", image=image)
    links = sh("for f in fd stdin ptmx; do readlink /dev/$f; done", image=image)
    assert links.split() == ["/proc/self/fd", "/proc/self/fd/0", "pts/ptmx"]


def test_parents_before_children(image: Image, tmp_path: Path) -> None:
    """In whatever order they are written."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "file").write_text("bound\n")
    mounts = [Inject("/m/sub/deep/f", "f\n"), Tmpfs("/m/sub/deep"), Bind(tmp_path, "/m"), Tmpfs("/m/sub")]
    assert sh("cat /m/file /m/sub/deep/f", image=image, mounts=mounts) == "bound\nf\n"


def test_hundreds_of_mounts(image: Image, tmp_path: Path) -> None:
    """More than one message between caller and init can carry."""
    files = []
    for n in range(150):
        (tmp_path / str(n)).write_text(str(n))
        files.append(Bind(tmp_path / str(n), f"/m/{n}"))
    mounts = [*files, *(Tmpfs(f"/t/{n}") for n in range(150))]
    assert sh("ls /m | wc -l; ls /t | wc -l; cat /m/149", image=image, mounts=mounts).split() == ["150", "150", "149"]


@pytest.mark.parametrize("target", ["/etc/motd/x", "/bin/sh/x", "/sys/x", "/dev/null/x", "/etc/loop/x"])
def test_places_where_nothing_can_be_mounted(image: Image, target: str) -> None:
    with pytest.raises(isolib.StepError) as caught:
        sh("true", image=image, mounts=[Tmpfs(target), Inject("/etc/motd", ""), Symlink("/etc/loop", "loop")])
    assert caught.value.call == "move_mount"
    assert caught.value.hint


def test_a_file_over_a_directory(image: Image) -> None:
    with pytest.raises(isolib.StepError, match="a directory on a directory"):
        sh("true", image=image, mounts=[Inject("/etc", "x")])


@pytest.mark.parametrize("link", ["/etc", "../../../../../../../etc", "/proc/self/root/etc", "/proc/1/cwd"])
def test_a_link_in_the_root_stays_inside(busybox_root: Path, tmp_path: Path, link: str) -> None:
    """Targets are resolved inside: a link in the root cannot lead a mount out of it."""
    (tmp_path / "spoilt").mkdir()
    (tmp_path / "spoilt/out").symlink_to(link)
    before = sorted(os.listdir("/etc"))
    spoilt = Image.directory(busybox_root, tmp_path / "spoilt")
    try:
        assert sh("cat /out/isolib-test", image=spoilt, mounts=[Inject("/out/isolib-test", "in")]) == "in"
    except isolib.StepError as error:
        assert "proc" in link, error  # noqa: PT017 (a magic link is an error)
    assert sorted(os.listdir("/etc")) == before


def test_masked_and_read_only_paths(image: Image) -> None:
    script = "for f in " + " ".join(MASKED) + "; do test -f $f && cat $f; test -d $f && ls -A $f; done; true"
    assert sh(script, image=image) == ""
    for path in READ_ONLY:
        assert (
            {"ro"} <= mount_options(path, image=image)
            if os.path.exists(path) and path != "/proc/sysrq-trigger"
            else True
        )
    for path in (
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/sys/kernel/uevent_helper",
        "/proc/irq/default_smp_affinity",
    ):
        assert fails(f"echo x > {path}", image=image)


def test_paths_of_ones_own_to_hide(image: Image, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    security = Security(masked=("/m/secret", "/home", "/no/such", "/etc/group/x"), read_only=("/etc", "/no/such"))
    script = "cat /m/secret; ls -A /home; echo x > /etc/x || echo no; cat /proc/keys >/dev/null"
    assert sh(script, image=image, mounts=[Bind(tmp_path, "/m")], security=security) == "no\n"


def test_nothing_hidden(image: Image) -> None:
    security = Security(masked=(), read_only=())
    assert sh("cut -d' ' -f5 /proc/self/mountinfo | grep -c /proc", image=image, security=security) == "1\n"


def test_masks_cannot_be_taken_off(image: Image) -> None:
    for script in (
        "umount /sys/firmware",
        "mount -o remount,rw /proc/sys",
        "umount -l /proc/sys",
        "mount -t proc p /root",
    ):
        assert "denied" in fails(script, image=image) or "permitted" in fails(script, image=image)


def test_the_kernels_filesystems(image: Image) -> None:
    assert {"nosuid", "nodev", "noexec"} <= mount_options("/proc", image=image)
    assert {"ro", "nosuid", "nodev", "noexec"} <= mount_options("/sys", image=image)
    assert {"nosuid", "noexec"} <= mount_options("/dev/pts", image=image)
    assert sh("df -k /dev/shm | tail -1", image=image).split()[1] == "65536"
    assert sh("stat -c %a /dev/shm /dev/mqueue /dev", image=image).split() == ["1777", "1777", "755"]


def test_shared_memory_of_another_size(image: Image) -> None:
    spec = msgspec.structs.replace(started("/bin/df", "-k", "/dev/shm", image=image), shm_size="1M")
    assert "1024" in isolib.run(spec, check=True).text().split()
    sh("df -k /dev/shm | grep 2048", image=image, mounts=[Tmpfs("/dev/shm", size="2M", mode=0o1777)])


def test_settings_of_its_own_namespaces(image: Image) -> None:
    wanted = {
        "net.ipv4.ip_forward": "1",
        "net/core/somaxconn": "77",
        "net.ipv4.conf.lo.rp_filter": "2",
        "user.max_user_namespaces": "0",
    }
    paths = "net/ipv4/ip_forward net/core/somaxconn net/ipv4/conf/lo/rp_filter user/max_user_namespaces"
    argv = ("/bin/sh", "-c", f"cd /proc/sys; cat {paths}")
    before = Path("/proc/sys/net/core/somaxconn").read_text()
    spec = msgspec.structs.replace(started(*argv, image=image), sysctls=wanted)
    assert isolib.run(spec, check=True).text().split() == ["1", "77", "2", "0"]
    assert Path("/proc/sys/net/core/somaxconn").read_text() == before


def test_a_setting_that_does_not_exist(image: Image) -> None:
    spec = msgspec.structs.replace(started("/bin/true", image=image), sysctls={"net.no.such": "1"})
    with pytest.raises(isolib.StepError) as caught:
        isolib.run(spec)
    assert "net/no/such" in caught.value.subject


@pytest.mark.parametrize(
    ("source", "target", "path"), [(".", "/sys", "/sys/file"), ("file", "/proc/uptime", "/proc/uptime")]
)
def test_the_users_mounts_on_the_kernels(image: Image, tmp_path: Path, source: str, target: str, path: str) -> None:
    (tmp_path / "file").write_text("mine\n")
    assert sh(f"cat {path}", image=image, mounts=[Bind(tmp_path / source, target)]) == "mine\n"


def test_a_private_dev(image: Image, tmp_path: Path) -> None:
    (tmp_path / "only").touch()
    (tmp_path / "null").touch()
    assert sh("ls /dev", image=image, mounts=[Bind(tmp_path, "/dev")]).split() == ["null", "only"]


def test_mounts_do_not_come_out(image: Image) -> None:
    """The host's table of mounts is the same while a container runs (the fixture looks before and after, too)."""
    before = Path("/proc/self/mountinfo").read_text()
    with isolib.spawn(["/bin/cat"], image=image, stdin=isolib.PIPE, mounts=[Tmpfs("/a"), Tmpfs("/b")]):
        assert Path("/proc/self/mountinfo").read_text() == before


def test_a_fifo_and_a_socket_are_bound(image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the name of a socket is short
    os.mkfifo("fifo")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        mounts = [Bind(tmp_path / "fifo", "/a/fifo"), Bind(tmp_path / "socket", "/a/socket")]
        kinds = sh("stat -c %F /a/fifo /a/socket", image=image, mounts=mounts).splitlines()
    assert kinds == ["fifo", "socket"]
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)

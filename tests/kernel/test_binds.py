"""Directories and files of the host inside: who owns them, who may write, what lies below, what becomes of them."""

import os
from pathlib import Path

import pytest

import isolib
from isolib import Bind, Image
from isolib.spec.mounts import Propagation
from tests.kernel.inside import fails, in_own_mounts, mount_options, sh


@pytest.fixture
def image(busybox_root: Path) -> Image:
    return Image.directory(busybox_root)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "shared/sub").mkdir(parents=True)
    (tmp_path / "shared/file").write_text("hello\n")
    (tmp_path / "shared/file").chmod(0o600)
    return tmp_path / "shared"


def test_new_files_are_the_callers(image: Image, place: Path) -> None:
    """No files of somebody else's are left behind, whoever calls."""
    sh("echo new > /m/new; echo more >> /m/file; mkdir /m/sub/folder", image=image, mounts=[Bind(place, "/m")])
    assert (place / "file").read_text() == "hello\nmore\n"
    for path in (place / "new", place / "sub/folder"):
        assert (path.stat().st_uid, path.stat().st_gid) == (os.geteuid(), os.getegid())


def test_files_of_the_caller_are_roots_inside(image: Image, place: Path) -> None:
    assert sh("stat -c %u:%g /m /m/file; cat /m/file", image=image, mounts=[Bind(place, "/m")]).split() == [
        "0:0",
        "0:0",
        "hello",
    ]


@pytest.mark.needs_root
def test_ownership_as_it_is(image: Image, place: Path) -> None:
    os.chown(place / "sub", 12345, 12345)
    mapped = sh("stat -c %u /m /m/sub", image=image, mounts=[Bind(place, "/m", owner="inside")]).split()
    assert mapped == ["0", "12345"]
    shown = sh(
        "stat -c %u /m /m/sub; cat /m/file || echo no", image=image, mounts=[Bind(place, "/m", owner="host")]
    ).split()
    assert shown == ["65534", "65534", "no"]


@pytest.mark.needs_ordinary_user
@pytest.mark.needs_sub_ids
def test_ownership_that_an_ordinary_user_cannot_have(image: Image, place: Path) -> None:
    with pytest.raises(isolib.Unavailable, match=r"mounts\[0\]"):
        sh("true", image=image, ids="auto", mounts=[Bind(place, "/m", owner="inside")])
    script = "stat -c %u /m; ls /m; cat /m/file || echo no"
    assert sh(script, image=image, ids="auto", mounts=[Bind(place, "/m")]).split() == ["65534", "file", "sub", "no"]


@pytest.mark.needs_root
def test_a_filesystem_without_id_mapped_mounts(place: Path) -> None:
    """ramfs has none: said with the remedy where it was asked for, else shown as it is."""
    program = """mount -t ramfs none sub; echo x > sub/file
PYTHON
import isolib
def show(owner):
    try:
        mount = isolib.Bind('sub', '/mnt', owner=owner)
        print(isolib.run(['stat', '-c', '%u', '/mnt/file'], mounts=[mount]).text().strip())
    except isolib.Unavailable as error:
        print(error)
for owner in (None, 'host', 'inside'):
    show(owner)
"""
    plain, host, inside = in_own_mounts(program, cwd=place).splitlines()
    assert (plain, host) == ("65534", "65534")
    assert "owner='host'" in inside


def test_read_only(image: Image, place: Path) -> None:
    mounts = [Bind(place, "/m", readonly=True)]
    assert "ro" in mount_options("/m", image=image, mounts=mounts)
    for script in ("echo x > /m/file", "echo x > /m/new", "rm /m/file", "chmod 777 /m", "mkdir /m/x", "touch /m/sub/x"):
        assert "Read-only file system" in fails(script, image=image, mounts=mounts)
    assert (place / "file").read_text() == "hello\n"
    assert fails("mount -o remount,rw,bind /m && echo x > /m/x", image=image, mounts=mounts)


def test_read_only_also_in_a_namespace_below(image: Image, place: Path) -> None:
    """Where user namespaces are allowed inside: the flag is locked in them (mount_namespaces(7))."""
    security = isolib.Security(seccomp="unconfined")
    script = "unshare -Ur -m sh -c 'mount -o remount,rw,bind /m && echo x > /m/x'"
    assert fails(script, image=image, mounts=[Bind(place, "/m", readonly=True)], security=security)
    assert not (place / "x").exists()


@pytest.mark.needs_user_namespace
@pytest.mark.parametrize("user", [False, True])
def test_what_is_mounted_below(place: Path, user: bool) -> None:
    """Comes along, read-only as well; without ``recursive`` it does not, where it is not locked to its parent."""
    if not user and os.geteuid() != 0:
        pytest.skip("HostFact: not root")
    program = """mount -t tmpfs none sub; echo below > sub/file
PYTHON
import isolib
from isolib import Bind
def run(script, **how):
    try:
        r = isolib.run(['sh', '-c', script], mounts=[Bind('.', '/mnt', **how)])
        print(*(r.stdout + r.stderr).decode().split())
    except isolib.StepError as error:
        print(error.call, error.hint)
run('cat /mnt/sub/file')
run('echo x > /mnt/sub/x || echo no', readonly=True)
run('ls /mnt/sub', recursive=False)
"""
    below, read_only, alone = in_own_mounts(program, user=user, cwd=place).splitlines()
    assert below == "below"
    assert "no" in read_only.split()
    assert ("locked" in alone) if user else (alone == "")


@pytest.mark.parametrize("options", [("noexec",), ("nosuid", "nodev"), ("nosymfollow",), ("nosuid", "nodev", "noexec")])
def test_options(image: Image, place: Path, options: tuple[str, ...]) -> None:
    assert set(options) <= mount_options("/m", image=image, mounts=[Bind(place, "/m", options=options)])


@pytest.mark.parametrize("options", [("noatime",), ("noatime", "nodiratime", "nodev")])
def test_when_files_were_read(image: Image, place: Path, options: tuple[str, ...]) -> None:
    """What an ordinary user sees of the host's mounts has its times locked (mount_namespaces(7))."""
    mounts = [Bind(place, "/m", options=options)]
    if os.geteuid() == 0:
        assert set(options) <= mount_options("/m", image=image, mounts=mounts)
        return
    with pytest.raises(isolib.StepError, match="noatime") as caught:
        sh("true", image=image, mounts=mounts)
    assert caught.value.hint


def test_a_file_and_its_mount_point(image: Image, place: Path) -> None:
    mounts = [Bind(place / "file", "/etc/passwd"), Bind(place / "file", "/made/on/the/way")]
    assert sh("cat /etc/passwd /made/on/the/way", image=image, mounts=mounts) == "hello\nhello\n"


def test_the_same_path_by_default(image: Image, place: Path) -> None:
    assert sh(f"cat {place}/file", image=image, mounts=[Bind(place)]) == "hello\n"
    assert sh(f"cat {place}/file", mounts=[Bind(place)]) == "hello\n"


def test_relative_to_the_working_directory(image: Image, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place / "sub")
    assert sh("cat /m/file; pwd", image=image, mounts=[Bind("..", "/m")], cwd="/m") == "hello\n/m\n"
    assert sh(f"cat {place}/file", image=image, mounts=[Bind("../file")]) == "hello\n"
    assert sh("ls /src", image=image, mounts=[Bind(".", "/src")]) == ""


def test_a_link_is_followed_on_the_host(image: Image, place: Path) -> None:
    (place / "link").symlink_to("file")
    (place / "out").symlink_to("/etc")
    assert sh("cat /m", image=image, mounts=[Bind(place / "link", "/m")]) == "hello\n"
    assert "passwd" in sh("ls /m", image=image, mounts=[Bind(place / "out", "/m")])
    assert sh("readlink /m/out", image=image, mounts=[Bind(place, "/m")]) == "/etc\n"


def test_optional(image: Image, place: Path) -> None:
    assert (
        sh("ls /m 2>&1 || true", image=image, mounts=[Bind(place / "none", "/m", optional=True)]).count("No such") == 1
    )
    assert sh("cat /m", image=image, mounts=[Bind(place / "file", "/m", optional=True)]) == "hello\n"
    with pytest.raises(isolib.SpecError, match="does not exist") as caught:
        sh("true", image=image, mounts=[Bind(place), Bind(place / "none", "/m")])
    assert caught.value.where == "mounts[1].source"


@pytest.mark.parametrize("kind", ["loop", "through a file", "too long", "closed"])
def test_sources_that_cannot_be_reached(image: Image, place: Path, kind: str) -> None:
    (place / "loop").symlink_to("loop")
    (place / "sub/closed").mkdir()
    source = {"loop": "loop", "through a file": "file/x", "too long": "a/" * 2100, "closed": "sub/closed"}[kind]
    if kind == "closed":
        if os.geteuid() == 0:
            pytest.skip("HostFact: root reaches everything")
        (place / "sub").chmod(0)
    try:
        with pytest.raises(isolib.SpecError) as caught:
            sh("true", image=image, mounts=[Bind(place / source, "/m")])
    finally:
        (place / "sub").chmod(0o755)
    assert caught.value.where == "mounts[0].source"


NAMES = ("a:b", "a,b", "a\\b", "%1", "a b", "a\nb", "é", "\udcff", "-x", "#", "\\040", "x" * 255)


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_any_name(image: Image, place: Path, name: str) -> None:
    (place / name).write_text("found")
    inside = f"/m/{name}"
    result = isolib.run(["/bin/cat", inside], image=image, mounts=[Bind(place / name, inside)], check=True)
    assert result.stdout == b"found"


@pytest.mark.parametrize(
    ("propagation", "words"), [("private", []), ("slave", []), ("shared", ["shared"]), ("unbindable", ["unbindable"])]
)
def test_propagation(image: Image, place: Path, propagation: Propagation, words: list[str]) -> None:
    lines = sh(
        "cat /proc/self/mountinfo", image=image, mounts=[Bind(place, "/m", propagation=propagation)]
    ).splitlines()
    (fields,) = [line.split(" - ")[0].split()[6:] for line in lines if line.split()[4] == "/m"]
    assert [field.partition(":")[0] for field in fields] == words


def test_both_sides_see_what_is_written(image: Image, place: Path) -> None:
    script = "echo from inside > /m/a; while ! test -e /m/b; do sleep 0.02; done; cat /m/b"
    with isolib.spawn(["/bin/sh", "-c", script], image=image, mounts=[Bind(place, "/m")]) as process:
        while not (place / "a").exists():
            assert process.poll() is None
        (place / "b").write_text("from outside\n")
        process.wait(20)
        assert process.stdout is not None
        assert os.read(process.stdout, 99) == b"from outside\n"


def test_the_examples_of_the_documentation(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    result = isolib.run(
        ["sh", "-c", "pwd; cat file; echo $CI; cat"],
        mounts=[Bind(".", "/src")],
        cwd="/src",
        env={"CI": "1"},
        stdin=b"in\n",
    )
    assert result.text() == "/src\nhello\n1\nin\n"

"""What is thrown away on a disk: asked for, or where memory cannot hold it; gone at the end, also after a kill -9."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

import isolib
from isolib import Image, Scratch
from isolib.launch import facts, scratch, start
from isolib.spec.host import HostFacts
from tests.kernel.inside import TOP, sh

# Files of every sort that is hard to remove: of other users, in closed directories, many, deep, whiteouts.
MESS = """mkdir -p /a/b/c /closed/in; echo x > /a/b/c/x; chmod 000 /closed; touch /a/-rf '/a/ ' /a/.dot; mkfifo /a/fifo
rm -r /bin/vi /home 2>/dev/null || true; ln -s / /a/root; ln -s /a /a/b/up; chown -R 1:1 /a/b 2>/dev/null || true
chmod 500 /a/b; ls -d /a"""


@pytest.fixture
def image(busybox_root: Path) -> Image:
    return Image.directory(busybox_root)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that can hold overlay's upper, made by the caller."""
    (tmp_path / "place").mkdir()
    try:
        with scratch.DiskScratch(str(tmp_path / "place" / scratch.NAME)):
            pass
    except isolib.Unavailable as error:
        pytest.skip(f"HostFact: {error}")
    return tmp_path / "place"


def left(place: Path) -> list[str]:
    """What is in it but for the lock."""
    folder = place / scratch.NAME
    return [name for name in os.listdir(folder) if name != "lock"] if folder.exists() else []


@pytest.mark.parametrize("ids", ["self", "auto"])
def test_on_a_disk(image: Image, place: Path, ids: str) -> None:
    if ids == "auto":
        needs_sub_ids()
    assert sh(MESS, image=image, scratch=Scratch(directory=str(place)), ids=ids) == "/a\n"
    assert left(place) == []
    assert (Path(image.root.layers[0]) / "bin/vi").is_symlink()  # type: ignore[union-attr]


def needs_sub_ids() -> None:
    from tests.harness.facts import has

    if not has("sub_ids"):
        pytest.skip("HostFact: no sub-ids")


def test_on_a_disk_while_it_runs(image: Image, place: Path) -> None:
    """Nobody else may go there, and each start has its own."""

    def start() -> isolib.Process:
        return isolib.spawn(["/bin/cat"], stdin=isolib.PIPE, image=image, scratch=Scratch(directory=str(place)))

    with start(), start():
        first, second = left(place)
        assert first != second
        for name in (first, second):
            assert (place / scratch.NAME / name).stat().st_mode & 0o777 == 0o700
    assert left(place) == []


def test_the_machines_own_root_on_a_disk(place: Path) -> None:
    assert sh("echo x > /tmp/x; echo x > ~/x; cat ~/x", scratch=Scratch(directory=str(place))) == "x\n"
    assert left(place) == []


def test_a_start_that_fails_leaves_nothing(image: Image, place: Path) -> None:
    with pytest.raises(isolib.StepError):
        isolib.run(["/no/such"], image=image, scratch=Scratch(directory=str(place)))
    assert left(place) == []


@pytest.mark.parametrize("kind", ["missing", "file", "closed", "relative"])
def test_places_that_are_none(image: Image, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "file":
        path.touch()
    elif kind == "closed":
        if os.geteuid() == 0:
            pytest.skip("HostFact: root may write everywhere")
        path.mkdir(0o500)
    with pytest.raises(isolib.SpecError) as caught:
        sh("true", image=image, scratch=Scratch(directory="x" if kind == "relative" else str(path)))
    assert caught.value.where == "scratch.directory"


@pytest.mark.parametrize("kind", ["link", "open"])
def test_a_folder_that_somebody_else_made(image: Image, place: Path, tmp_path: Path, kind: str) -> None:
    (place / scratch.NAME).rename(place / "old") if (place / scratch.NAME).exists() else None
    if kind == "link":
        (tmp_path / "elsewhere").mkdir()
        (place / scratch.NAME).symlink_to(tmp_path / "elsewhere")
    else:
        (place / scratch.NAME).mkdir()
        (place / scratch.NAME).chmod(0o777)
    with pytest.raises(isolib.SpecError, match="alone"):
        sh("true", image=image, scratch=Scratch(directory=str(place)))


@pytest.mark.parametrize("ids", ["self", "auto"])
def test_what_a_killed_process_left_is_swept(image: Image, place: Path, ids: str) -> None:
    """By the next one, also what the container's users made; what still lives is left alone."""
    if ids == "auto":
        needs_sub_ids()
    layer = image.root.layers[0]  # type: ignore[union-attr]
    script = MESS.replace("\n", ";") + "; echo ready; sleep 1000"
    program = f"import isolib, sys; isolib.run(['/bin/sh', '-c', {script!r}], image=isolib.Image.directory({layer!r}), "
    program += f"scratch=isolib.Scratch(directory={str(place)!r}), ids={ids!r}, stdout=1)"
    with subprocess.Popen([sys.executable, "-c", program], cwd=TOP, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while process.stdout.readline() not in (b"ready\n", b""):
            pass
        living = left(place)
        assert len(living) == 1
        sh("true", image=image, scratch=Scratch(directory=str(place)))
        assert left(place) == living
        process.send_signal(signal.SIGKILL)
    assert left(place) == living
    deadline = time.monotonic() + 20
    while left(place) and time.monotonic() < deadline:
        sh("true", image=image, scratch=Scratch(directory=str(place)))
    assert left(place) == []


def unable(host: HostFacts, folder: str) -> HostFacts:
    """A host as before Linux 6.6."""
    missing = (("overlay on tmpfs", "tmpfs holds no attributes; for a test"),)
    return msgspec.structs.replace(host, overlay_on_tmpfs=False, scratch=folder, missing=missing)


def test_where_memory_cannot_hold_it(image: Image, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = str(place / scratch.NAME)
    monkeypatch.setattr(start, "host_facts", lambda: unable(facts.host_facts(), folder))
    assert sh(f"{MESS}; rm -r /a /bin", image=image).split() == ["/a"]
    sh("echo x > /tmp/x; echo x > ~/x")
    assert left(place) == []
    with pytest.raises(isolib.Unavailable, match="size"):
        sh("true", image=image, scratch=Scratch(size="1M"))


def test_where_nothing_can_hold_it(image: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start, "host_facts", lambda: unable(facts.host_facts(), ""))
    with pytest.raises(isolib.Unavailable, match="Scratch"):
        sh("true", image=image)


def test_a_place_is_found_by_trying(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "folders", lambda: iter(["/proc/none", "/sys/none", str(place / scratch.NAME)]))
    assert facts._scratch() == str(place / scratch.NAME)
    assert left(place) == []

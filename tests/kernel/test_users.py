"""Who the command runs as: by name and number, of the root's own files, within the ids that exist inside."""

import os
from pathlib import Path

import pytest

import isolib
from isolib import IdMap, IdMaps, Ids, Image, ProcessOptions
from tests.kernel.inside import fails, sh

privileged = pytest.mark.needs_root
SHOW = "id -u; id -g; id -G; echo $HOME"


@pytest.fixture
def image(busybox_root: Path) -> Image:
    return Image.directory(busybox_root)


@pytest.mark.parametrize("user", [None, 0, "0", "root", "root:root", "0:0", "root:0"])
def test_root_of_the_container(image: Image, user: int | str | None) -> None:
    uid, gid, *_, home = sh(SHOW, image=image, user=user).splitlines()
    assert (uid, gid, home) == ("0", "0", "/root")


@pytest.mark.needs_sub_ids
@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("app", ["1000", "1000", "1000 2000", "/home/app"]),
        (1000, ["1000", "1000", "1000 2000", "/home/app"]),
        ("app:extra", ["1000", "2000", "2000", "/home/app"]),
        ("app:7", ["1000", "7", "7", "/home/app"]),
        ("1234", ["1234", "0", "0", "/"]),
        ("1234:321", ["1234", "321", "321", "/"]),
        ("nobody", ["65534", "65534", "65534", "/"]),
    ],
)
def test_somebody_else(image: Image, user: int | str, shown: list[str]) -> None:
    assert sh(SHOW, image=image, user=user, ids="auto").splitlines() == shown


@pytest.mark.needs_sub_ids
def test_groups(image: Image) -> None:
    options = ProcessOptions(groups=("tty", 77, "88"))
    assert sh("id -G", image=image, user="app", ids="auto", process=options).split() == [
        "1000",
        "5",
        "77",
        "88",
        "2000",
    ]
    assert sh("id -G", image=image, ids="auto", process=ProcessOptions(groups=("extra",))).split() == ["0", "2000"]


@pytest.mark.needs_sub_ids
def test_nobody_else_can_do_what_root_can(image: Image) -> None:
    for script in ("echo x > /etc/x", "echo x > /x", "chown 0 /tmp", "hostname x", "cat /proc/1/environ", "kill -9 1"):
        assert fails(script, image=image, user="app", ids="auto")
    assert sh("cat /proc/self/status | grep CapEff", image=image, user="app", ids="auto").split()[1].strip("0") == ""
    sh(
        "echo x > /tmp/x; echo out > /dev/stdout; echo err > /dev/stderr; cat /dev/stdin",
        image=image,
        user="app",
        ids="auto",
    )


@pytest.mark.needs_sub_ids
def test_files_belong_to_who_made_them(image: Image) -> None:
    script = "touch /tmp/x; stat -c %u:%g /tmp/x"
    assert sh(script, image=image, user="app", ids="auto") == "1000:1000\n"
    assert sh("su app -s /bin/sh -c 'touch /tmp/y'; stat -c %u /tmp/y", image=image, ids="auto") == "1000\n"


@pytest.mark.parametrize("user", ["nosuch", "nosuch:root", "root:nosuch"])
def test_names_that_nobody_has(image: Image, user: str) -> None:
    with pytest.raises(isolib.SpecError, match="nosuch") as caught:
        isolib.run(["/bin/true"], image=image, user=user)
    assert caught.value.where == "user"


def test_the_hosts_own_users() -> None:
    """On the machine's own root, its names are those of the machine."""
    shown = sh("id -un; id -gn; echo $HOME").splitlines()
    assert shown[:2] == ["root", "root"]


ROWS = Ids("maps", maps=IdMaps((IdMap(0, os.geteuid()),), (IdMap(0, os.getegid()),)))


@pytest.mark.parametrize("ids", ["self", ROWS, Ids("auto", 10)], ids=["self", "rows", "ten"])
@pytest.mark.parametrize("user", ["app", 1000, "0:1000", 4294967294])
def test_ids_that_do_not_exist_inside(image: Image, ids: str | Ids, user: int | str) -> None:
    """Said before anything is started, with what would help."""
    with pytest.raises(isolib.SpecError, match="id map") as caught:
        isolib.run(["/bin/true"], image=image, user=user, ids=ids)
    assert {problem.where for problem in caught.value.problems} == {"user"}
    assert "auto" in str(caught.value)


@pytest.mark.needs_ordinary_user
def test_an_ordinary_user_is_root_alone(image: Image) -> None:
    with pytest.raises(isolib.SpecError, match="auto"):
        isolib.run(["/bin/true"], image=image, user="app")
    with pytest.raises(isolib.SpecError, match=r"process\.groups"):
        isolib.run(["/bin/true"], image=image, process=ProcessOptions(groups=(7,)))
    assert sh("id -u; cat /proc/self/setgroups; cat /proc/self/uid_map", image=image).split() == [
        "0",
        "deny",
        "0",
        str(os.geteuid()),
        "1",
    ]


@pytest.mark.needs_ordinary_user
@pytest.mark.parametrize("ids", ["keep-id:1", "keep-id"])
def test_keeping_ones_number(image: Image, ids: str) -> None:
    """Without a root inside, where it is the only id."""
    if ids == "keep-id" and not image:
        pytest.skip("HostFact: no sub-ids")
    try:
        shown = sh("id -u; id -g; touch /tmp/x; stat -c %u /tmp/x", image=image, ids=ids).split()
    except isolib.Unavailable as error:
        pytest.skip(f"HostFact: {error}")
    assert shown == [str(os.geteuid()), str(os.getegid()), str(os.geteuid())]


@privileged
def test_ranges_do_not_overlap(image: Image) -> None:
    """Two containers at once are strangers to each other."""
    with isolib.spawn(["/bin/cat"], image=image, stdin=isolib.PIPE) as first:
        one = Path(f"/proc/{first.pid}/uid_map").read_text().split()
        two = sh("cat /proc/self/uid_map", image=image).split()
    assert one[0] == two[0] == "0"
    assert one[1] != two[1]
    assert int(one[1]) >= 65536


@privileged
def test_rows_that_are_given(image: Image) -> None:
    maps = IdMaps(
        (IdMap(0, 100000, 10), IdMap(1000, 200000, 1)), (IdMap(0, 100000, 10), IdMap(1000, 200000, 1), IdMap(2000, 7))
    )
    script = "cat /proc/self/uid_map; id -u; id -G"
    shown = sh(script, image=image, user="app", ids=Ids("maps", maps=maps)).split()
    assert shown == ["0", "100000", "10", "1000", "200000", "1", "1000", "1000", "2000"]


@privileged
def test_rows_without_a_root(image: Image) -> None:
    maps = IdMaps((IdMap(1000, 100000),), (IdMap(1000, 100000),))
    assert sh("id -u", image=image, user="1000:1000", ids=Ids("maps", maps=maps), process=ProcessOptions()) == "1000\n"
    with pytest.raises(isolib.SpecError, match="user 0"):
        isolib.run(["/bin/true"], image=image, ids=Ids("maps", maps=maps))


@privileged
def test_no_user_namespace_at_all(image: Image) -> None:
    """Asked for by name: root inside is root of the host, with fewer capabilities."""
    shown = sh(
        "cat /proc/self/uid_map; id -u; id -G; readlink /proc/self/ns/user", image=image, namespaces={"user": "host"}
    )
    assert shown.split() == ["0", "0", "4294967295", "0", "0", os.readlink("/proc/self/ns/user")]


@privileged
def test_the_callers_groups_are_dropped(image: Image) -> None:
    before = os.getgroups()
    os.setgroups([0, 1, 2, 3])
    try:
        for namespaces in ({}, {"user": "host"}):
            assert sh("id -G", image=image, namespaces=namespaces) == "0\n"
    finally:
        os.setgroups(before)

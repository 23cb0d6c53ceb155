"""What the kernel's tables say about hierarchies, on hosts of every kind, and inside containers."""

import os

import pytest

from isolib.handles.cgroup.hierarchy import Hierarchies, Hierarchy, Mount, below, parse_groups, parse_mounts

V2 = "35 24 0:30 / /sys/fs/cgroup rw,nosuid,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot"
V1 = "33 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct"
BLKIO = "37 31 0:33 / /sys/fs/cgroup/blkio ro,relatime - cgroup cgroup rw,blkio"
NAMED = "39 31 0:34 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd"
DOCKER = "700 699 0:33 /docker/1f2e /sys/fs/cgroup/memory ro,nosuid master:18 - cgroup cgroup rw,memory"
ODD = r"71 25 0:99 / /mnt/a\040b\134c rw - cgroup2 none rw"
OTHER = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw"


def test_a_mount_of_v2() -> None:
    (mount,) = parse_mounts(f"{OTHER}\n{V2}")
    assert mount == Mount(os.makedev(0, 30), "/", "/sys/fs/cgroup", 2, frozenset(), True)


def test_controllers_of_v1_have_the_names_of_v2() -> None:
    cpu, blkio, named = parse_mounts("\n".join((V1, BLKIO, NAMED)))
    assert {"cpu", "cpuacct"} <= cpu.controllers
    assert "io" in blkio.controllers
    assert "blkio" not in blkio.controllers
    assert "name=systemd" in named.controllers


def test_read_only_is_seen_on_the_mount_and_on_the_filesystem() -> None:
    assert [
        mount.writable for mount in parse_mounts("\n".join((V1, BLKIO, V2.replace("cgroup2 rw", "cgroup2 ro"))))
    ] == [
        True,
        False,
        False,
    ]


def test_the_root_of_a_mount_in_a_container() -> None:
    (mount,) = parse_mounts(DOCKER)
    assert (mount.root, mount.point) == ("/docker/1f2e", "/sys/fs/cgroup/memory")


def test_blanks_in_a_path() -> None:
    (mount,) = parse_mounts(ODD)
    assert mount.point == "/mnt/a b\\c"


def test_groups_of_a_process() -> None:
    text = "12:cpu,cpuacct:/a\n3:blkio:/b:c\n1:name=systemd:/x\n0::/user.slice/session.scope\n"
    groups = parse_groups(text)
    assert groups == {
        "cpu": "/a",
        "cpuacct": "/a",
        "io": "/b:c",
        "name=systemd": "/x",
        "": "/user.slice/session.scope",
    }


@pytest.mark.parametrize(
    ("root", "path", "relative"),
    [
        ("/", "/", ""),
        ("/", "/a/b", "a/b"),
        ("/docker/1", "/docker/1", ""),
        ("/docker/1", "/docker/1/x", "x"),
        ("/docker/1", "/docker/12", None),
        ("/docker/1", "/", None),
        ("/", "/../outside", None),
        ("/", "/..", None),
    ],
)
def test_a_path_below_a_mount(root: str, path: str, relative: str | None) -> None:
    assert below(root, path) == relative


def hierarchy(version: int, *controllers: str) -> Hierarchy:
    return Hierarchy(Mount(0, "/", "/x", 2 if version == 2 else 1, frozenset(), True), controllers, "", -1)


@pytest.mark.parametrize(
    ("all_", "version"),
    [
        ([], "none"),
        ([hierarchy(2, "memory")], "v2"),
        ([hierarchy(1, "memory")], "v1"),
        ([hierarchy(1, "memory"), hierarchy(2)], "hybrid"),
    ],
)
def test_the_kind_of_host(all_: list[Hierarchy], version: str) -> None:
    assert Hierarchies(all_).version == version


def test_on_a_hybrid_host_each_controller_is_where_it_is() -> None:
    old, new = hierarchy(1, "memory"), hierarchy(2, "hugetlb")
    both = Hierarchies([old, new])
    assert both.by_controller == {"memory": old, "hugetlb": new}
    assert both.unified is new


def test_only_a_cpuset_of_v1_is_filled_by_hand() -> None:
    old = hierarchy(1, "cpuset")
    assert old.needs_filling("isolib/a")
    old.set_filled("isolib")
    assert not old.needs_filling("isolib/a")
    assert old.needs_filling("isolib")
    assert old.needs_filling("other/a")
    assert not hierarchy(2, "cpuset").needs_filling("isolib/a")
    assert not hierarchy(1, "memory").needs_filling("isolib/a")

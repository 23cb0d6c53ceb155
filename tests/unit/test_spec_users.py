"""Users as people and attackers write them (runc's CVE-2016-3697, crun's CVE-2026-30892), and hostile roots' files."""

import os
from pathlib import Path
from typing import Any

import pytest

from isolib.errors import Problem
from isolib.launch.compile import Identity
from isolib.launch.users import lookup
from isolib.spec.container import ContainerSpec
from isolib.spec.process import ProcessOptions, user_problems
from isolib.spec.root import DirectoryRoot

BAD = (
    *("", " ", "\t", "\n", ":", "::", "root:", ":root", "root:root:root", "1000:", ":1000", "1:2:3", "a:b:c"),
    *(
        "-1",
        "+1",
        "+0",
        "-0",
        " 1",
        "1 ",
        "1\n",
        "\t1",
        "1\0",
        "0x0",
        "0x1",
        "0o7",
        "0b1",
        "1e3",
        "1_000",
        "1,000",
        "1.0",
        "1.5",
    ),
    *(
        "4294967295",
        "4294967296",
        "9999999999",
        "18446744073709551616",
        "1" * 400,
        "00000000000",
        "0" * 11,
        "1:4294967295",
    ),
    *(
        "1:-1",
        "1:+1",
        "1: 1",
        "1:0x1",
        "root :0",
        " root",
        "ro ot",
        "root\n",
        "root\0",
        "ro\x1bot",
        "root/x",
        "a/b",
        "a,b",
    ),
    *(
        "~root",
        ".",
        "..",
        ".hidden",
        "-root",
        "+root",
        "1root",
        "0root",
        "a\u202eb",
        "a\u200bb",
        "a" * 256,
        "\udcff",
        "\ud800",
        "é\u00a0",
    ),
)
BAD_VALUES = (None, True, False, 1.0, b"root", ("root",), -1, 2**32 - 1, 2**64, float("nan"), ["root"])


@pytest.mark.parametrize("user", BAD, ids=lambda user: repr(user[:20]))
def test_text_that_is_no_user(user: str) -> None:
    assert list(user_problems("user", user))


@pytest.mark.parametrize("user", BAD_VALUES, ids=repr)
def test_values_that_are_no_user(user: Any) -> None:
    assert list(user_problems("user", user))


@pytest.mark.parametrize(
    "user",
    [
        0,
        1,
        4294967294,
        "0",
        "1000",
        "4294967294",
        "0000000007",
        "root",
        "_apt",
        "www-data",
        "a.b",
        "user$",
        "müller",
        "root:0",
        "1000:audio",
        "a:b",
        "systemd-network:systemd-journal",
    ],
)
def test_users(user: int | str) -> None:
    assert list(user_problems("user", user)) == []


PASSWD = """root:x:0:0:root:/root:/bin/sh
# a comment
:x:5:5::/:/bin/sh
short:x:7
signed:x:+8:+8::/:/bin/sh
huge:x:4294967295:0::/:/bin/sh
wide:x:99999999999999999999:0::/:/bin/sh
app:x:1000:1001:App:/home/app:/bin/sh
app:x:2000:2000:second of the name:/elsewhere:/bin/sh
1234:x:0:0:a number for a name:/root:/bin/sh
nohome:x:1100:1100::relative:/bin/sh
nowhere:x:1101:1101
"""
GROUP = "root:x:0:\ntty:x:5:\nextra:x:2000:nobody,app\nmore:x:2001:app\nnot:x:9:apps\nbad:x:-1:app\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(PASSWD)
    (tmp_path / "etc/group").write_text(GROUP)
    return tmp_path


def found(root: Path, user: int | str | None, *groups: int | str, layers: tuple[Path, ...] = ()) -> Any:
    """Who it is, or what is wrong."""
    problems: list[Problem] = []
    tops = tuple(map(str, (root, *layers)))
    spec = ContainerSpec(argv=("true",), root=DirectoryRoot(tops), user=user, process=ProcessOptions(groups=groups))
    identity = lookup(spec, problems, lambda gid: gid != 2001)
    return problems or identity


@pytest.mark.parametrize(
    ("user", "identity"),
    [
        (None, Identity(0, 0, (), "/root")),
        ("root", Identity(0, 0, (), "/root")),
        (0, Identity(0, 0, (), "/root")),
        ("app", Identity(1000, 1001, (2000,), "/home/app")),  # 2001 is not mapped, and was not asked for
        ("1000", Identity(1000, 1001, (2000,), "/home/app")),
        (1000, Identity(1000, 1001, (2000,), "/home/app")),
        ("0001000", Identity(1000, 1001, (2000,), "/home/app")),
        ("app:tty", Identity(1000, 5, (), "/home/app")),
        ("app:7", Identity(1000, 7, (), "/home/app")),
        ("1234", Identity(1234, 0, (), "/")),  # a number is a number: no name makes it root
        ("1234:1234", Identity(1234, 1234, (), "/")),
        ("4294967294", Identity(4294967294, 0, (), "/")),
        ("nohome", Identity(1100, 1100, (), "/")),
    ],
)
def test_who_it_is(root: Path, user: int | str | None, identity: Identity) -> None:
    assert found(root, user) == identity


@pytest.mark.parametrize("user", ["nobody", "short", "signed", "huge", "wide", "nowhere", "#", "APP"])
def test_nobody_of_the_name(root: Path, user: str) -> None:
    (problem,) = found(root, user)
    assert isinstance(problem, Problem)
    assert problem.where == "user"


def test_groups_by_name_and_number(root: Path) -> None:
    assert found(root, "app", "tty", 77, "88") == Identity(1000, 1001, (5, 77, 88, 2000), "/home/app")
    problems = found(root, "root:nosuch", "tty", "bad", "nosuch")
    assert [p.where for p in problems if isinstance(p, Problem)] == ["user", "process.groups[1]", "process.groups[2]"]


@pytest.mark.parametrize("path", ["passwd", "group"])
@pytest.mark.parametrize(
    "kind", ["link out", "absolute link", "loop", "fifo", "directory", "magic", "device", "missing", "empty"]
)
def test_files_that_are_none(root: Path, path: str, kind: str) -> None:
    """Nothing outside the root is read, nothing is waited for, no device is opened."""
    file = root / "etc" / path
    file.unlink()
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "directory":
        file.mkdir()
    elif kind == "empty":
        file.touch()
    elif kind != "missing":
        targets = {"link out": f"../../../../../../etc/{path}", "absolute link": f"/etc/{path}", "loop": path}
        file.symlink_to(targets.get(kind, "/proc/self/fd/0" if kind == "magic" else "/dev/zero"))
    identity = found(root, "app" if path == "group" else 1000)
    assert isinstance(identity, Identity)
    assert identity.uid == 1000
    assert identity.groups == ()


def test_a_link_inside(root: Path) -> None:
    (root / "etc/passwd").rename(root / "users")
    (root / "etc/passwd").symlink_to("/users")
    assert found(root, "app") == Identity(1000, 1001, (2000,), "/home/app")


def test_the_topmost_layer_that_has_it(root: Path, tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    (upper / "etc").mkdir(parents=True)
    assert found(root, "app", layers=(upper,)) == Identity(1000, 1001, (2000,), "/home/app")
    (upper / "etc/passwd").write_text("app:x:3000:3000::/:/bin/sh\n")
    assert found(root, "app", layers=(upper,)) == Identity(3000, 3000, (2000,), "/")


@pytest.mark.needs_root
def test_a_whiteout_hides_it(root: Path, tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    (upper / "etc").mkdir(parents=True)
    os.mknod(upper / "etc/passwd", 0o20000, 0)
    (problem,) = found(root, "app", layers=(upper,))
    assert isinstance(problem, Problem)


def test_a_long_file(root: Path) -> None:
    """Four MiB are read of it, and no more."""
    (root / "etc/passwd").write_bytes(b"#" * (5 << 20) + b"\nlate:x:9:9::/:/bin/sh\n")
    assert isinstance(found(root, "late"), list)

"""The class of runc's CVE-2016-3697 and crun's CVE-2026-30892: a user string that is read as another one, so as
root.
"""

from pathlib import Path

import pytest

import isolib
from isolib import Container, Image

BAD = [
    *("", " ", "0x0", "0X10", "+0", "-0", "-1", "--1", "1.0", "1e3", "0b1", "0o0", "1_0", "1,000", "٠", "１", "²"),
    *(
        " 0",
        "0 ",
        "\t0",
        "0\n",
        "0\0",
        "\0",
        "ro\0ot",
        "root\n",
        "root ",
        " root",
        "root:root:root",
        ":",
        "::",
        "0:",
        ":0",
    ),
    *("0:0:0", "root::0", "4294967295", "4294967296", "18446744073709551616", "99999999999999999999", "0" * 20 + "1"),
    *("root/../root", "/", "a/b", "~", "~root", "*", "?", "-", ".", "..", "root,daemon", "root;id", "$(id)", "`id`"),
    *("root:-1", "root:4294967296", "root: 0", "1000:+1", "nobody:0x0", "a" * 300),
]


@pytest.fixture
def numbered(busybox_root: Path, tmp_path: Path) -> Path:
    """A root whose passwd gives the *name* "1000" the number 0, as the advisory's did."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("1000:x:0:0::/:/bin/sh\nroot:x:0:0::/root:/bin/sh\nmax:x:4294967295:0::/:\n")
    return tmp_path


@pytest.mark.parametrize("user", BAD, ids=repr)
def test_what_is_no_user_starts_nothing(user: str, busybox_root: Path) -> None:
    with pytest.raises(isolib.SpecError):
        isolib.run(["/bin/id", "-u"], image=Image.directory(busybox_root), user=user)


@pytest.mark.parametrize("user", [True, 1.0, None.__class__, b"root", -1, 2**32 - 1, 2**64], ids=repr)
def test_what_is_of_another_type(user: object, busybox_root: Path) -> None:
    with pytest.raises((isolib.SpecError, TypeError)):
        isolib.run(["/bin/id", "-u"], image=Image.directory(busybox_root), user=user)  # type: ignore[arg-type]


@pytest.mark.needs_root
def test_a_number_is_a_number_whatever_passwd_calls_so(busybox_root: Path, numbered: Path) -> None:
    image = Image.directory(busybox_root, numbered)
    assert isolib.run(["/bin/id", "-u"], image=image, user="1000").text() == "1000\n"
    with Container(image, ["/bin/sleep", "100"]) as container:
        assert container.exec(["/bin/id", "-u"], user="1000").text() == "1000\n"


def test_a_number_out_of_range_in_passwd_is_no_user(busybox_root: Path, numbered: Path) -> None:
    with pytest.raises(isolib.SpecError):
        isolib.run(["/bin/id", "-u"], image=Image.directory(busybox_root, numbered), user="max")


@pytest.mark.parametrize("user", ["", "0x0", "+0", " 0", "root:root:root"])
def test_nor_does_it_enter(user: str, busybox_root: Path) -> None:
    with Container(Image.directory(busybox_root), ["/bin/sleep", "100"]) as container, pytest.raises(isolib.SpecError):
        container.exec(["/bin/id", "-u"], user=user)

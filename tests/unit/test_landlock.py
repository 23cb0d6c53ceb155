"""Landlock rules as words and as the kernel's bits, for every version of it."""

import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from isolib.errors import Unavailable
from isolib.spec.landlock import FILE_RIGHTS, GROUPS, NET_RIGHTS, ON_A_FILE, SCOPES, Access, Landlock, ruleset

ABI_3 = (1 << 15) - 1
READ_AND_RUN = 0b1101


def test_bits_are_those_of_the_headers_here() -> None:
    header = Path("/usr/include/linux/landlock.h")
    if not header.exists():
        pytest.skip("HostFact: no headers of the kernel (linux-libc-dev)")
    found = re.findall(r"define LANDLOCK_ACCESS_FS_(\w+)\s+\(1ULL << (\d+)\)", header.read_text())
    assert {name.lower(): 1 << int(bit) for name, bit in found}.items() <= {
        name: bit for name, (bit, _) in FILE_RIGHTS.items()
    }.items()


def test_the_rules_of_a_small_sandbox() -> None:
    rules = Landlock(paths=(Access("/usr"), Access("/tmp", ("read", "write"))), connect=(443, 53), bind=(0,))
    numbers = ruleset(rules, 4)
    assert numbers.handled_fs == ABI_3
    assert numbers.paths == (("/usr", READ_AND_RUN), ("/tmp", ABI_3 & ~(1 | 1 << 6 | 1 << 11)))
    assert (numbers.handled_net, numbers.ports) == (3, ((0, 1), (53, 2), (443, 2)))
    assert (numbers.scoped, numbers.size, numbers.degraded) == (0, 16, ())


def test_what_is_restricted_does_not_depend_on_the_kernel() -> None:
    rules = Landlock(paths=(Access("/dev", ("read", "ioctl_dev")),))
    assert ruleset(rules, 5) == ruleset(rules, 10)
    assert ruleset(rules, 5).handled_fs == ABI_3 | 1 << 15


def test_ports_alone_leave_files_alone() -> None:
    numbers = ruleset(Landlock(connect=()), 4)
    assert (numbers.handled_fs, numbers.handled_net, numbers.paths, numbers.ports) == (0, 2, (), ())


def test_files_may_be_shut_altogether() -> None:
    assert ruleset(Landlock(restrict=("read", "execute")), 1).handled_fs == READ_AND_RUN


def test_the_same_path_and_port_are_one_rule() -> None:
    rules = Landlock(paths=(Access("/a", ("read",)), Access("/a", ("execute",))), bind=(80,), connect=(80, 80))
    numbers = ruleset(rules, 6)
    assert (numbers.paths, numbers.ports) == ((("/a", READ_AND_RUN),), ((80, 3),))


@pytest.mark.parametrize(
    ("rules", "abi", "linux"),
    [
        (Landlock(restrict=("read",)), 1, "5.13"),
        (Landlock(restrict=("refer",)), 2, "5.19"),
        (Landlock(paths=(Access("/"),)), 3, "6.2"),
        (Landlock(bind=(80,)), 4, "6.7"),
        (Landlock(connect=()), 4, "6.7"),
        (Landlock(restrict=("ioctl_dev",)), 5, "6.10"),
        (Landlock(scopes=("signal",)), 6, "6.12"),
        (Landlock(scopes=("abstract_unix",)), 6, "6.12"),
        (Landlock(restrict=("resolve_unix",)), 9, "7.2"),
        (Landlock(bind_udp=()), 10, "7.2"),
        (Landlock(connect_udp=(53,)), 10, "7.2"),
    ],
)
def test_each_wish_needs_its_version(rules: Landlock, abi: int, linux: str) -> None:
    assert ruleset(rules, abi).degraded == ()
    with pytest.raises(Unavailable, match=re.escape(f"it needs Linux {linux} and")):
        ruleset(rules, abi - 1)


def test_best_effort_leaves_out_and_says_so() -> None:
    rules = Landlock(paths=(Access("/srv", ("truncate",)), Access("/usr")), connect=(1,), scopes=("signal",))
    numbers = ruleset(rules, 2, best_effort=True)
    assert numbers.degraded == ("file right truncate", "port right connect", "scope signal")
    assert (numbers.handled_fs, numbers.handled_net, numbers.scoped, numbers.size) == (ABI_3 >> 1, 0, 0, 8)
    assert (numbers.paths, numbers.ports) == ((("/usr", READ_AND_RUN),), ())


def test_no_landlock_at_all() -> None:
    with pytest.raises(Unavailable, match=r"^Landlock: not available on this host; .* this kernel has no Landlock$"):
        ruleset(Landlock(bind=()), 0)


def test_rights_of_directories_are_not_those_of_files() -> None:
    assert ON_A_FILE == 0b1_1100_0000_0000_0111
    assert set(GROUPS["write"]) == {*GROUPS["modify"], *GROUPS["create"], *GROUPS["remove"], "refer"}


BAD: list[tuple[Landlock, str, str]] = [
    (Landlock(), "l", "restricts nothing"),
    (Landlock(restrict=()), "l", "restricts nothing"),
    (Landlock(paths=("/usr",)), "l.paths", "write a tuple of Access"),  # type: ignore[arg-type]
    (Landlock(paths=Access("/usr")), "l.paths", "write a tuple of Access"),  # type: ignore[arg-type]
    *(
        (Landlock(paths=(Access(p),)), "l.paths[0].path", "no absolute path")
        for p in ("", "usr", "./a", "/a\0", "/" * 5000)
    ),
    (Landlock(paths=(Access(3),)), "l.paths[0].path", "no absolute path"),  # type: ignore[arg-type]
    (Landlock(paths=(Access("/", ()),)), "l.paths[0].rights", "is no tuple of words"),
    (Landlock(paths=(Access("/", "read"),)), "l.paths[0].rights", "is no tuple of words"),  # type: ignore[arg-type]
    (Landlock(paths=(Access("/", ("raed",)),)), "l.paths[0].rights[0]", "did you mean 'read'"),
    (Landlock(paths=(Access("/", ("READ",)),)), "l.paths[0].rights[0]", "is not one of"),
    (Landlock(paths=(Access("/", (7,)),)), "l.paths[0].rights[0]", "is not one of"),  # type: ignore[arg-type]
    (Landlock(paths=(Access("/", ("read",)),), restrict=("write",)), "l.paths[0].rights", "add it to restrict"),
    (Landlock(restrict=("writ",)), "l.restrict[0]", "did you mean 'write'"),
    (Landlock(restrict="read"), "l.restrict", "is no tuple"),  # type: ignore[arg-type]
    *((Landlock(bind=(port,)), "l.bind[0]", "is no port") for port in (-1, 65536, True, 1.5, "80", None)),  # type: ignore[arg-type]
    *((Landlock(**{name: 80}), f"l.{name}", "is no tuple of ports") for name in NET_RIGHTS),  # type: ignore[arg-type]
    (Landlock(scopes=("signals",)), "l.scopes[0]", "did you mean 'signal'"),
    (Landlock(scopes="signal"), "l.scopes", "is no tuple of words"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("rules", "place", "text"), BAD, ids=range(len(BAD)))
def test_bad_rules_are_problems_at_their_place(rules: Landlock, place: str, text: str) -> None:
    (problem,) = rules.problems("l")
    assert problem.where == place
    assert text in problem.what


ACCESSES = st.builds(
    Access,
    st.sampled_from(["/", "/usr", "/tmp"]),
    st.lists(st.sampled_from([*GROUPS, *FILE_RIGHTS]), min_size=1, max_size=4).map(tuple),
)
PORTS = st.none() | st.lists(st.integers(0, 65535), max_size=3).map(tuple)


@given(
    st.builds(
        Landlock,
        paths=st.lists(ACCESSES, max_size=3).map(tuple),
        bind=PORTS,
        connect_udp=PORTS,
        scopes=st.lists(st.sampled_from(list(SCOPES)), max_size=2).map(tuple),
    ),
    st.integers(0, 10),
)
def test_nothing_is_granted_that_is_not_restricted_nor_known(rules: Landlock, abi: int) -> None:
    numbers = ruleset(rules, abi, best_effort=True)
    assert all(mask and not mask & ~numbers.handled_fs for _, mask in numbers.paths)
    assert all(mask and not mask & ~numbers.handled_net for _, mask in numbers.ports)
    known = sum(bit for bit, since in FILE_RIGHTS.values() if since <= abi)
    assert not numbers.handled_fs & ~known
    if not numbers.degraded and not list(rules.problems("")):
        assert ruleset(rules, abi) == numbers

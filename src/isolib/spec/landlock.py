"""What a process may do with files and ports, whatever its user may: Landlock's rules in words and as bits.

A right is either restricted, and then had only where a rule grants it, or left alone. Which rights are restricted
follows from the value alone, never from the kernel: an older kernel is an error, not less isolation (landlock(7)).
"""

from collections.abc import Iterator, Mapping
from functools import reduce
from operator import or_
from typing import NamedTuple

from msgspec import Struct

from isolib.errors import Problem, Unavailable
from isolib.spec.words import did_you_mean

# Access to files, by the kernel's own words: (bit, the ABI that brought it), include/uapi/linux/landlock.h.
FILE_RIGHTS = {
    "execute": (1 << 0, 1),
    "write_file": (1 << 1, 1),
    "read_file": (1 << 2, 1),
    "read_dir": (1 << 3, 1),
    "remove_dir": (1 << 4, 1),
    "remove_file": (1 << 5, 1),
    "make_char": (1 << 6, 1),
    "make_dir": (1 << 7, 1),
    "make_reg": (1 << 8, 1),
    "make_sock": (1 << 9, 1),
    "make_fifo": (1 << 10, 1),
    "make_block": (1 << 11, 1),
    "make_sym": (1 << 12, 1),
    "refer": (1 << 13, 2),
    "truncate": (1 << 14, 3),
    "ioctl_dev": (1 << 15, 5),
    "resolve_unix": (1 << 16, 9),
}
# Words for what people mean. `write` is everything that changes a tree but making devices.
GROUPS = {
    "read": ("read_file", "read_dir"),
    "modify": ("write_file", "truncate"),
    "create": ("make_dir", "make_reg", "make_sock", "make_fifo", "make_sym"),
    "remove": ("remove_dir", "remove_file"),
    "write": (
        *("write_file", "truncate", "make_dir", "make_reg", "make_sock", "make_fifo", "make_sym"),
        *("remove_dir", "remove_file", "refer"),
    ),
    "device": ("make_char", "make_block"),
}
NET_RIGHTS = {"bind": (1 << 0, 4), "connect": (1 << 1, 4), "bind_udp": (1 << 2, 10), "connect_udp": (1 << 3, 10)}
SCOPES = {"abstract_unix": (1 << 0, 6), "signal": (1 << 1, 6)}

# The only rights that a rule for a file may name; the others belong to directories (EINVAL).
ON_A_FILE = reduce(
    or_,
    (FILE_RIGHTS[w][0] for w in ("execute", "write_file", "read_file", "truncate", "ioctl_dev", "resolve_unix")),
)
# A Linux that has the ABI, for the remedy.
LINUX = {1: "5.13", 2: "5.19", 3: "6.2", 4: "6.7", 5: "6.10", 6: "6.12", 9: "7.2", 10: "7.2"}

Bit = tuple[int, int]  # a bit and the ABI that brought it


class Access(Struct, frozen=True, forbid_unknown_fields=True):
    """What is granted at a path of the container and below it, in words of GROUPS and FILE_RIGHTS."""

    path: str
    rights: tuple[str, ...] = ("read", "execute")

    def problems(self, where: str) -> Iterator[Problem]:
        path = self.path
        if (
            not isinstance(path, str)
            or not path.startswith("/")
            or "\0" in path
            or len(path.encode("utf-8", "surrogateescape")) > 4095
        ):
            yield Problem(f"{where}.path", f"{path!r} is no absolute path of the container")
        yield from _word_problems(self.rights, {**GROUPS, **FILE_RIGHTS}, f"{where}.rights", empty=False)


class Landlock(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Rules on top of all other permissions; they can only take away.

    paths: what is granted where. restrict: the rights had nowhere else; None for all that Linux 6.2 knows (ABI 3) and
    what paths name, or for none where there are no paths. A file left open across the start is not restricted.

    bind, connect (TCP, Linux 6.7), bind_udp, connect_udp (Linux 7.2): the only ports allowed, `()` for none, None to
    leave them alone. Port 0 to bind is one that the kernel picks.

    scopes (Linux 6.12): "abstract_unix" cuts off abstract UNIX sockets made outside, "signal" signals to outside.
    """

    paths: tuple[Access, ...] = ()
    restrict: tuple[str, ...] | None = None
    bind: tuple[int, ...] | None = None
    connect: tuple[int, ...] | None = None
    bind_udp: tuple[int, ...] | None = None
    connect_udp: tuple[int, ...] | None = None
    scopes: tuple[str, ...] = ()

    def problems(self, where: str) -> Iterator[Problem]:
        found = [*self._file_problems(where), *self._other_problems(where)]
        yield from found
        if not found and not any(_asked(self).values()):
            yield Problem(where, "restricts nothing: name paths, ports or scopes, or leave Landlock out")

    def _file_problems(self, where: str) -> Iterator[Problem]:
        if self.restrict is not None:
            yield from _word_problems(self.restrict, {**GROUPS, **FILE_RIGHTS}, f"{where}.restrict")
        if not isinstance(self.paths, tuple) or not all(isinstance(access, Access) for access in self.paths):
            yield Problem(f"{where}.paths", "write a tuple of Access('/path', ('read', 'execute'))")
            return
        for index, access in enumerate(self.paths):
            yield from access.problems(f"{where}.paths[{index}]")
            yield from self._unrestricted(access, f"{where}.paths[{index}].rights")

    def _other_problems(self, where: str) -> Iterator[Problem]:
        for name in NET_RIGHTS:
            yield from _port_problems(getattr(self, name), f"{where}.{name}")
        yield from _word_problems(self.scopes, SCOPES, f"{where}.scopes")

    def _unrestricted(self, access: Access, where: str) -> Iterator[Problem]:
        """A right granted here and restricted nowhere: the kernel answers EINVAL."""
        if self.restrict is not None and (free := sorted(_rights(access.rights) - _rights(self.restrict))):
            yield Problem(where, f"{', '.join(free)}: granted here but restricted nowhere; add it to restrict")

    def restricted(self) -> frozenset[str]:
        """The rights to files that are had only where granted, in FILE_RIGHTS' words."""
        if self.restrict is not None:
            return _rights(self.restrict)
        base = {name for name, (_, abi) in FILE_RIGHTS.items() if abi <= 3 and self.paths}
        return frozenset(base.union(*(_rights(access.rights) for access in self.paths)))


class Ruleset(NamedTuple):
    """A Landlock as numbers: what landlock_create_ruleset(2) and landlock_add_rule(2) take.

    `size` is that of the attribute in bytes, as short as the rules allow, so that an old kernel takes it. A path that
    is no directory takes only the bits of ON_A_FILE. `degraded` names what `best_effort` left out.
    """

    handled_fs: int
    handled_net: int
    scoped: int
    size: int
    paths: tuple[tuple[str, int], ...]
    ports: tuple[tuple[int, int], ...]
    degraded: tuple[str, ...]


def ruleset(rules: Landlock, abi: int, *, best_effort: bool = False) -> Ruleset:
    """The numbers of rules without problems, for a kernel of Landlock ABI `abi` (0: it has none).

    Raises Unavailable where the kernel is too old for one of them; with `best_effort`, leaves that one out and says so.
    """
    kinds = _asked(rules)
    missing = {
        f"{kind} {name}": needs for kind, bits in kinds.items() for name, (_, needs) in bits.items() if needs > abi
    }
    if missing and not best_effort:
        raise _unavailable(missing, abi)
    fs, net, scoped = (reduce(or_, (bit for bit, needs in bits.values() if needs <= abi), 0) for bits in kinds.values())
    return Ruleset(
        handled_fs=fs,
        handled_net=net,
        scoped=scoped,
        size=24 if scoped else 16 if net else 8,
        paths=_by_path(rules, fs),
        ports=_by_port(rules, net),
        degraded=tuple(missing),
    )


def _asked(rules: Landlock) -> dict[str, dict[str, Bit]]:
    """Every right and scope that is restricted, by kind and name; in the order of the attribute's fields."""
    files = rules.restricted()
    return {
        "file right": {name: bit for name, bit in FILE_RIGHTS.items() if name in files},
        "port right": {name: bit for name, bit in NET_RIGHTS.items() if getattr(rules, name) is not None},
        "scope": {name: bit for name, bit in SCOPES.items() if name in rules.scopes},
    }


def _unavailable(missing: dict[str, int], abi: int) -> Unavailable:
    needs = max(missing.values())
    here = f"Landlock of ABI {abi}" if abi else "no Landlock"
    remedy = f"it needs Linux {LINUX[needs]} and landlock in its lsm= list (ABI {needs}); this kernel has {here}"
    return Unavailable(f"Landlock's {', '.join(missing)}" if abi else "Landlock", remedy)


def _by_path(rules: Landlock, handled: int) -> tuple[tuple[str, int], ...]:
    paths: dict[str, int] = {}
    for access in rules.paths:
        mask = reduce(or_, (FILE_RIGHTS[name][0] for name in _rights(access.rights)), 0)
        paths[access.path] = paths.get(access.path, 0) | mask & handled
    return tuple((path, mask) for path, mask in paths.items() if mask)  # the kernel refuses an empty one (ENOMSG)


def _by_port(rules: Landlock, handled: int) -> tuple[tuple[int, int], ...]:
    ports: dict[int, int] = {}
    for name, (bit, _) in NET_RIGHTS.items():
        for port in getattr(rules, name) or ():
            ports[port] = ports.get(port, 0) | bit & handled
    return tuple(sorted((port, mask) for port, mask in ports.items() if mask))


def _rights(words: tuple[str, ...]) -> frozenset[str]:
    """The kernel's words for these; what is neither a group nor a right is left out."""
    known = [GROUPS.get(word, (word,)) for word in words if isinstance(word, str)] if isinstance(words, tuple) else []
    return frozenset(name for names in known for name in names if name in FILE_RIGHTS)


def _word_problems(words: object, known: Mapping[str, object], where: str, *, empty: bool = True) -> Iterator[Problem]:
    if not isinstance(words, tuple) or not (words or empty):
        yield Problem(where, f"{words!r} is no tuple of words: write one or more of {', '.join(known)}")
        return
    for index, word in enumerate(words):
        if not isinstance(word, str) or word not in known:
            close = did_you_mean(word, known)
            yield Problem(f"{where}[{index}]", f"{word!r} is not one of {', '.join(known)}{close}")


def _port_problems(ports: object, where: str) -> Iterator[Problem]:
    if ports is None:
        return
    if not isinstance(ports, tuple):
        yield Problem(where, f"{ports!r} is no tuple of ports: write (80, 443), () for none, None to leave them alone")
        return
    for index, port in enumerate(ports):
        if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port <= 65535:
            yield Problem(f"{where}[{index}]", f"{port!r} is no port: 0 to 65535")

"""Which of root's powers a process has: the kernel's five sets of capabilities, as names and as bits."""

from collections.abc import Iterable, Iterator, Set
from typing import NamedTuple

from msgspec import Struct, structs

from isolib.errors import Problem, SpecError
from isolib.spec.words import did_you_mean

# A capability's number is its place here, include/uapi/linux/capability.h. The last is of Linux 5.9: all are there on
# every kernel isolib runs on.
_IN_ORDER = """
CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE
NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN
SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE
MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE
"""
CAPABILITIES = tuple(f"CAP_{name}" for name in _IN_ORDER.split())
NUMBER = {name: number for number, name in enumerate(CAPABILITIES)}

# What a package manager, a shell and an ordinary server need of root inside a container. Docker's list without
# - NET_RAW: forged packets reach the others on a bridge; ping needs no raw socket since Linux 3.0 (ping_group_range).
# - MKNOD: a user namespace refuses devices anyway, and in its absence a device is a way around file permissions.
# - AUDIT_WRITE: the audit log is the host's; a user namespace answers ECONNREFUSED, which PAM takes for "no audit".
_FEW = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP"
DEFAULT = tuple(f"CAP_{name}" for name in _FEW.split())

Names = tuple[str, ...]


class CapabilityMasks(NamedTuple):
    """The five sets as capset(2) and prctl(2) want them: bit N is the capability of number N."""

    bounding: int
    permitted: int
    effective: int
    inheritable: int
    ambient: int


class Capabilities(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """The five sets, each of names in any spelling (`CAP_NET_ADMIN`, `net_admin`), or `ALL`.

    bounding: what the process and all that it starts can ever have. permitted: None for the same as bounding.
    effective: None for the same as permitted. inheritable: empty unless asked for, so that a program with capabilities
    of its own in the image gains none through it (CVE-2022-24769). ambient: what a user other than root keeps when it
    starts a program; each must be permitted and inheritable too.

    Where root starts a program, the kernel makes permitted and effective anew from bounding and inheritable.
    """

    bounding: Names = DEFAULT
    permitted: Names | None = None
    effective: Names | None = None
    inheritable: Names = ()
    ambient: Names = ()

    @classmethod
    def of(cls, *names: str) -> "Capabilities":
        """These and no others: `Capabilities.of()` is none, `Capabilities.of("ALL")` every one."""
        return cls(bounding=names)

    def add(self, *names: str) -> "Capabilities":
        """With these in bounding, permitted and effective too. Raises SpecError on an unknown name."""
        return self._changed(more=_expand(names, "add"))

    def drop(self, *names: str) -> "Capabilities":
        """Without these in any of the five sets. Raises SpecError on an unknown name, which would drop nothing."""
        return self._changed(less=_expand(names, "drop"))

    def _changed(self, more: Set[str] = frozenset(), less: Set[str] = frozenset()) -> "Capabilities":
        return Capabilities(
            bounding=_changed(self.bounding, more, less),
            permitted=None if self.permitted is None else _changed(self.permitted, more, less),
            effective=None if self.effective is None else _changed(self.effective, more, less),
            inheritable=_changed(self.inheritable, less=less),
            ambient=_changed(self.ambient, less=less),
        )

    def adjust(self, add: Iterable[str] = (), drop: Iterable[str] = ()) -> "Capabilities":
        """Docker's ``--cap-add`` and ``--cap-drop`` together; raises SpecError on a name that is unknown or in both.

        ALL dropped: nothing but what is added. ALL added: everything but what is dropped.
        """
        more, less = tuple(add), tuple(drop)
        if both := _expand(more, "add", all_is=()) & _expand(less, "drop", all_is=()):
            raise SpecError(Problem("add", f"{', '.join(_ordered(both))}: both added and dropped; name it once"))
        if _has_all(more) and _has_all(less):
            raise SpecError(Problem("add", "ALL is both added and dropped; name it once"))
        return self.add(*more).drop(*less) if _has_all(more) else self.drop(*less).add(*more)

    def with_ambient(self, *names: str) -> "Capabilities":
        """With these for a user other than root as well: in all five sets. Raises SpecError on an unknown name."""
        more = _expand(names, "ambient")
        return structs.replace(
            self.add(*names),
            inheritable=_changed(self.inheritable, more),
            ambient=_changed(self.ambient, more),
        )

    def names(self) -> frozenset[str]:
        """All that the process can come to hold, by canonical name: what conditions of a seccomp profile look at."""
        return frozenset({*_known(self.bounding), *_known(self.inheritable), *_known(self.ambient)})

    def masks(self) -> CapabilityMasks:
        """The five sets as bits; unknown names are left out, for `problems` reports them."""
        permitted = self.bounding if self.permitted is None else self.permitted
        effective = permitted if self.effective is None else self.effective
        return CapabilityMasks(*map(_mask, (self.bounding, permitted, effective, self.inheritable, self.ambient)))

    def problems(self, where: str) -> Iterator[Problem]:
        for name in ("bounding", "permitted", "effective", "inheritable", "ambient"):
            words = getattr(self, name)
            if words is not None or name in ("bounding", "inheritable", "ambient"):
                yield from _set_problems(words, f"{where}.{name}")
        yield from self._subset_problems(where)

    def _subset_problems(self, where: str) -> Iterator[Problem]:
        """What the kernel would answer with EPERM, or take away without a word when the program starts."""
        masks = self.masks()
        for name, inner, outer, limit in (
            ("permitted", masks.permitted, masks.bounding, "bounding"),
            ("effective", masks.effective, masks.permitted, "permitted"),
            ("inheritable", masks.inheritable, masks.bounding, "bounding"),
            ("ambient", masks.ambient, masks.permitted & masks.inheritable, "both permitted and inheritable"),
        ):
            if beyond := inner & ~outer:
                yield Problem(f"{where}.{name}", f"{', '.join(names_of(beyond))}: not in {limit}; add it there too")


def canonical(word: object) -> str | None:
    """`CAP_NET_ADMIN` for any spelling of it; None for what is no capability."""
    if not isinstance(word, str) or not word.isascii():  # 'ſ'.upper() is 'S'
        return None
    if word in NUMBER:
        return word
    name = word.upper()
    name = name if name.startswith("CAP_") else f"CAP_{name}"
    return name if name in NUMBER else None


def names_of(mask: int) -> Names:
    """The names of the bits set, as CapBnd and its like in /proc/PID/status show them; a bit unknown by its number."""
    bits = [bit for bit in range(mask.bit_length()) if mask >> bit & 1]
    return tuple(CAPABILITIES[bit] if bit < len(CAPABILITIES) else str(bit) for bit in bits)


def name_problem(word: object, where: str) -> Problem:
    """What to say about a word that names no capability."""
    text = f"{word!r} is no capability"
    if not isinstance(word, str):
        return Problem(where, f"{text}: write a name, as 'NET_ADMIN'")
    close = did_you_mean(word.upper().removeprefix("CAP_"), _IN_ORDER.split())
    return Problem(where, text + (close or ": see capabilities(7)"))


def _is_all(word: object) -> bool:
    return isinstance(word, str) and word.upper() == "ALL"


def _has_all(words: Iterable[object]) -> bool:
    return any(map(_is_all, words))


def _known(words: Iterable[object]) -> set[str]:
    """The canonical names among the words, ALL expanded."""
    if not isinstance(words, (tuple, list, set, frozenset)):
        return set()
    if _has_all(words):
        return set(CAPABILITIES)
    return {name for name in map(canonical, words) if name is not None}


def _expand(words: Iterable[str], where: str, *, all_is: Iterable[str] = CAPABILITIES) -> set[str]:
    wrong = [
        name_problem(word, f"{where}[{index}]")
        for index, word in enumerate(words)
        if not canonical(word) and not _is_all(word)
    ]
    if wrong:
        raise SpecError(wrong)
    return set().union(*(all_is if _is_all(word) else [canonical(word) or ""] for word in words))


def _ordered(names: Iterable[str]) -> Names:
    return tuple(sorted(names, key=NUMBER.__getitem__))


def _changed(words: Names, more: Set[str] = frozenset(), less: Set[str] = frozenset()) -> Names:
    """The words with more and without less; those that name nothing stay, for `problems` to report."""
    strange = [word for word in words if not canonical(word) and not _is_all(word)]
    return (*_ordered((_known(words) | more) - less), *strange)


def _mask(words: Iterable[str]) -> int:
    return sum(1 << NUMBER[name] for name in _known(words))


def _set_problems(words: object, where: str) -> Iterator[Problem]:
    if not isinstance(words, (tuple, list, frozenset)):
        yield Problem(where, f"{words!r} is no list of names: write ('NET_ADMIN',), or ('ALL',)")
        return
    for index, word in enumerate(words):
        if not canonical(word) and not _is_all(word):
            yield name_problem(word, f"{where}[{index}]")

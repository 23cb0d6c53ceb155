"""Which system calls a process may make: a profile as a value, in Docker's and OCI's terms, and what is wrong with it.

Of several rules that match one call the least permissive wins, as between filters that the kernel stacks: a rule can
be added without fear that another undoes it. The profile's default is for calls that no rule matches. Calls newer than
the newest that a profile names get ENOSYS from a default that denies, so that programs fall back (`horizon`).
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache
from os import PathLike
from typing import Literal, TypeVar, get_args

from msgspec import Struct, structs

from isolib.errors import Problem
from isolib.spec.capabilities import canonical, name_problem
from isolib.spec.words import did_you_mean

Action = Literal["kill_process", "kill_thread", "trap", "errno", "notify", "trace", "log", "allow"]
Op = Literal["eq", "ne", "lt", "le", "gt", "ge", "masked_eq"]
Flag = Literal["tsync", "log", "spec_allow", "wait_killable_recv"]

T = TypeVar("T")

SEVERITY: dict[str, int] = {
    action: rank for rank, action in enumerate(get_args(Action))
}  # the kernel's order, seccomp(2)
DENIALS = ("kill_process", "kill_thread", "trap", "errno")
ALL_BITS = (1 << 64) - 1
MOST_ERRNO = 4095  # MAX_ERRNO of include/linux/err.h; the kernel makes larger ones this
EPERM = 1

# Machines that OCI's and Docker's profiles may name; isolib itself builds filters for the five of syscalls.COLUMNS.
ARCHITECTURES = (
    *("x86_64", "i386", "x32", "aarch64", "arm", "mips", "mips64", "mips64n32", "mipsel", "mipsel64", "mipsel64n32"),
    *("ppc", "ppc64", "ppc64le", "s390", "s390x", "riscv64", "parisc", "parisc64", "loongarch64", "m68k", "sh", "sheb"),
)
ARCH_ALIASES = {"amd64": "x86_64", "x86": "i386", "386": "i386", "arm64": "aarch64"}  # Go's and Docker's names
_KNOWN_ARCHITECTURES = (*ARCHITECTURES, *ARCH_ALIASES)


class Arg(Struct, frozen=True, forbid_unknown_fields=True):
    """A condition on argument `index` (0 to 5), as 64 bits without a sign; masked_eq: ``arg & mask == value``.

    Of an `int` the kernel itself reads only the lower half: compare with ``mask=0xFFFFFFFF`` where a rule denies, or
    the upper half is a way around it (CVE-2019-10063).
    """

    index: int
    op: Op
    value: int
    mask: int = ALL_BITS

    def problems(self, where: str) -> Iterator[Problem]:
        if not _is_int(self.index) or not 0 <= self.index <= 5:
            yield Problem(f"{where}.index", f"{self.index!r} is no argument: 0 to 5")
        if self.op not in get_args(Op):
            yield _not_one_of(self.op, get_args(Op), f"{where}.op")
        numbers = [n for n in (self.value, self.mask) if _is_int(n) and 0 <= n <= ALL_BITS]
        if len(numbers) < 2:
            yield Problem(where, f"{self.value!r} with mask {self.mask!r}: both are numbers of 64 bits without a sign")
        elif self.op != "masked_eq" and self.mask != ALL_BITS:
            yield Problem(where, f"only masked_eq looks at a mask, {self.op} does not")
        elif self.value & ~self.mask:
            yield Problem(where, f"{self.value:#x} has bits outside the mask {self.mask:#x}: this never holds")


class When(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A condition on where a profile is used: capabilities of the container, the machine, a kernel of at least."""

    caps: tuple[str, ...] = ()
    arches: tuple[str, ...] = ()
    min_kernel: tuple[int, int] | None = None

    def problems(self, where: str) -> Iterator[Problem]:
        yield from _tuple_problems(self.caps, f"{where}.caps")
        for index, word in enumerate(_listed(self.caps)):
            if canonical(word) is None:
                yield name_problem(word, f"{where}.caps[{index}]")
        yield from arch_problems(self.arches, f"{where}.arches")
        kernel = self.min_kernel
        if kernel is not None and not (
            isinstance(kernel, tuple) and len(kernel) == 2 and all(_is_int(n) and n >= 0 for n in kernel)
        ):
            yield Problem(where, f"min_kernel {kernel!r} is no version: write (5, 10)")


ALWAYS = When()


class Rule(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the named calls get where all of `args` hold.

    errno: of action "errno" (None: EPERM); of "trace" the number a tracer sees. includes: the rule counts only with all
    of these capabilities, on one of these machines, on a kernel of at least; excludes: not with any of them.
    """

    names: tuple[str, ...]
    action: Action = "allow"
    errno: int | None = None
    args: tuple[Arg, ...] = ()
    includes: When = ALWAYS
    excludes: When = ALWAYS
    comment: str = ""

    def problems(self, where: str) -> Iterator[Problem]:
        if not isinstance(self.names, tuple) or not self.names:
            yield Problem(f"{where}.names", f"{self.names!r} names no call: write ('mount', 'umount2')")
        for index, name in enumerate(_listed(self.names)):
            if not isinstance(name, str) or not name:
                yield Problem(f"{where}.names[{index}]", f"{name!r} is no name of a system call")
        yield from action_problems(self.action, self.errno, where)
        yield from self._arg_problems(f"{where}.args")
        for name, when in (("includes", self.includes), ("excludes", self.excludes)):
            if isinstance(when, When):
                yield from when.problems(f"{where}.{name}")
            else:
                yield Problem(f"{where}.{name}", "is no When(caps=('SYS_ADMIN',))")
        if self.action == "notify" and "sendmsg" in _listed(self.names):
            yield Problem(f"{where}.names", "sendmsg cannot be notified: the start hands the listener over with it")

    def _arg_problems(self, where: str) -> Iterator[Problem]:
        if not isinstance(self.args, tuple) or not all(isinstance(arg, Arg) for arg in self.args):
            yield Problem(where, "is no tuple of Arg(0, 'eq', 1)")
            return
        for index, arg in enumerate(self.args):
            yield from arg.problems(f"{where}[{index}]")
            if arg.index in [other.index for other in self.args[:index]]:
                what = (
                    "a second condition on the same argument: OCI's runtimes read two as alternatives; make it a rule"
                )
                yield Problem(f"{where}[{index}]", what)


class ArchMap(Struct, frozen=True, forbid_unknown_fields=True):
    """The machines whose programs a machine runs too: x86_64 with i386."""

    architecture: str
    sub_architectures: tuple[str, ...] = ()

    def problems(self, where: str) -> Iterator[Problem]:
        if self.architecture not in _KNOWN_ARCHITECTURES:
            yield _not_one_of(self.architecture, _KNOWN_ARCHITECTURES, f"{where}.architecture")
        yield from arch_problems(self.sub_architectures, f"{where}.sub_architectures")


class SeccompProfile(
    Struct, frozen=True, kw_only=True, cache_hash=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A profile: what calls get, by rules, and by default.

    architectures: the machines whose calls are looked at beside the host's own; arch_map: the same for each host.
    Calls of all others end the process. flags: of seccomp(2). listener_path, listener_metadata: OCI's socket for the
    descriptor that "notify" makes; isolib's own callers get it from the process instead.
    """

    default_action: Action = "errno"
    default_errno: int | None = None
    architectures: tuple[str, ...] = ()
    arch_map: tuple[ArchMap, ...] = ()
    rules: tuple[Rule, ...] = ()
    flags: tuple[Flag, ...] = ()
    listener_path: str | None = None
    listener_metadata: str | None = None

    @classmethod
    def default(cls) -> "SeccompProfile":
        """The one for containers, that is used where nothing else is asked for."""
        from isolib.spec.seccomp_default import DEFAULT

        return DEFAULT

    @classmethod
    def strict(cls) -> "SeccompProfile":
        """The one for code that nobody trusts: no 32-bit calls, debugging, mounts or namespaces, for no capability."""
        from isolib.spec.seccomp_default import STRICT

        return STRICT

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "") -> "SeccompProfile":
        """Of Docker's, Podman's or OCI's JSON. Raises SpecError with all that is wrong, each with its place."""
        from isolib.spec.seccomp_json import from_json

        return from_json(text, where)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> "SeccompProfile":
        """Of a file of JSON. Raises OSError where it cannot be read, SpecError as `from_json`."""
        with open(path, "rb") as file:
            return cls.from_json(file.read())

    def to_json(self) -> bytes:
        """As Docker's JSON, which `from_json` reads back as the same value."""
        from isolib.spec.seccomp_json import to_json

        return to_json(self)

    def allow(self, *names: str) -> "SeccompProfile":
        """The same, but with these calls allowed whatever a rule said of them."""
        return self._with(names, Rule(names))

    def deny(self, *names: str, errno: int = EPERM) -> "SeccompProfile":
        """The same, but with these calls answered by an errno whatever a rule said of them."""
        return self._with(names, Rule(names, "errno", errno))

    def _with(self, names: tuple[str, ...], rule: Rule) -> "SeccompProfile":
        kept = ((old, tuple(name for name in old.names if name not in names)) for old in self.rules)
        rules = tuple(structs.replace(old, names=left) if left != old.names else old for old, left in kept if left)
        return structs.replace(self, rules=(*rules, rule))

    def problems(self, where: str) -> Iterator[Problem]:
        try:
            found = _problems(self)
        except TypeError:  # a list somewhere: no hash
            found = tuple(self._problems())
        for problem in found:
            yield Problem(f"{where}.{problem.where}" if problem.where else where, problem.what)

    def _problems(self) -> Iterator[Problem]:
        yield from self.top_problems("")
        if not isinstance(self.rules, tuple) or not all(isinstance(rule, Rule) for rule in self.rules):
            yield Problem("rules", "is no tuple of Rule(('mount', 'umount2'), 'errno')")
            return
        for index, rule in enumerate(self.rules):
            yield from rule.problems(f"rules[{index}]")
        yield from self.name_problems([f"rules[{index}]" for index in range(len(self.rules))])

    def top_problems(self, where: str) -> Iterator[Problem]:
        """All but those of the rules."""
        at = f"{where}." if where else ""
        yield from action_problems(self.default_action, self.default_errno, where, "default_action")
        if self.default_action == "notify":
            yield Problem(where, "notify cannot be the default: the start itself would wait for an answer")
        if self.architectures and self.arch_map:
            yield Problem(where, "has both architectures and an arch_map (archMap): name one of the two")
        yield from arch_problems(self.architectures, f"{at}architectures")
        yield from self._map_problems(f"{at}arch_map")
        yield from _tuple_problems(self.flags, f"{at}flags")
        for index, flag in enumerate(_listed(self.flags)):
            if flag not in get_args(Flag):
                yield _not_one_of(flag, get_args(Flag), f"{at}flags[{index}]")
        if self.listener_metadata is not None and self.listener_path is None:
            yield Problem(where, "has listener metadata but no listener path (listenerPath) to send it to")

    def _map_problems(self, where: str) -> Iterator[Problem]:
        if not isinstance(self.arch_map, tuple) or not all(isinstance(entry, ArchMap) for entry in self.arch_map):
            yield Problem(where, "is no tuple of ArchMap('x86_64', ('i386',))")
            return
        for index, entry in enumerate(self.arch_map):
            yield from entry.problems(f"{where}[{index}]")

    def name_problems(self, places: list[str]) -> Iterator[Problem]:
        """Unknown calls in rules that are stricter than the default: left out, they would get what they must not.

        An unknown call in a rule that permits is no problem: a profile may name calls of kernels to come.
        """
        from isolib.spec import syscalls

        for rule, place in zip(self.rules, places, strict=True):
            if (
                SEVERITY.get(str(rule.action), 9) >= SEVERITY.get(str(self.default_action), 0)
                or self.default_action in DENIALS
            ):
                continue
            for index, name in enumerate(_listed(rule.names)):
                if name not in syscalls.names():
                    close = did_you_mean(name, syscalls.names())
                    what = f"{name!r} is no system call that isolib knows, so it would not be denied{close}"
                    yield Problem(f"{place}.names[{index}]", what)


@lru_cache(maxsize=32)
def _problems(profile: SeccompProfile) -> tuple[Problem, ...]:
    """A profile is of hundreds of names, and the same one is used again and again."""
    return tuple(profile._problems())


def action_problems(action: object, errno: object, where: str, name: str = "action") -> Iterator[Problem]:
    if action not in get_args(Action):
        yield _not_one_of(action, get_args(Action), f"{where}.{name}" if where else name)
    elif errno is not None and action not in ("errno", "trace"):
        yield Problem(where, f"an errno goes with the actions errno and trace, not with {action}")
    elif errno is not None:
        most = MOST_ERRNO if action == "errno" else 0xFFFF
        if not _is_int(errno) or not 0 <= errno <= most:  # type: ignore[operator]
            yield Problem(where, f"{errno!r} is no errno: a number of 0 to {most}")


def arch_problems(words: tuple[str, ...], where: str) -> Iterator[Problem]:
    yield from _tuple_problems(words, where)
    for index, word in enumerate(_listed(words)):
        if word not in _KNOWN_ARCHITECTURES:
            yield _not_one_of(word, _KNOWN_ARCHITECTURES, f"{where}[{index}]")


def architecture(word: str) -> str:
    """isolib's name of an architecture, for any name of it."""
    return ARCH_ALIASES.get(word, word)


def _not_one_of(word: object, known: Iterable[str], where: str) -> Problem:
    return Problem(where, f"{word!r} is not one of {', '.join(known)}{did_you_mean(word, known)}")


def _tuple_problems(values: object, where: str) -> Iterator[Problem]:
    if not isinstance(values, tuple):
        yield Problem(where, f"{values!r} is no tuple")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _listed(values: tuple[T, ...]) -> tuple[T, ...]:
    """The values; none where somebody gave what is no tuple, which is reported elsewhere."""
    return values if isinstance(values, tuple) else ()

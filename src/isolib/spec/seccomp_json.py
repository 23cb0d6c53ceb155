"""A seccomp profile as JSON: Docker's and Podman's files and OCI's ``linux.seccomp``, read strictly, and written.

Docker's form adds `archMap`, `name`, `comment`, `includes` and `excludes` to OCI's; Podman's adds `errno` by name.
"""

import errno as errnos
from collections.abc import Iterable, Mapping
from typing import Any, get_args

import msgspec

from isolib.errors import Problem, SpecError
from isolib.spec import seccomp as spec
from isolib.spec.words import did_you_mean

_ACTIONS = {f"SCMP_ACT_{action.upper()}": action for action in get_args(spec.Action)}
_OPS = {f"SCMP_CMP_{op.upper()}": op for op in get_args(spec.Op)}
_FLAGS = {f"SECCOMP_FILTER_FLAG_{flag.upper()}": flag for flag in get_args(spec.Flag)}
_ARCHES = {f"SCMP_ARCH_{arch.upper()}": arch for arch in spec.ARCHITECTURES if arch != "i386"} | {
    "SCMP_ARCH_X86": "i386"
}
_TO_ACTION, _TO_OP, _TO_FLAG, _TO_ARCH = ({v: k for k, v in t.items()} for t in (_ACTIONS, _OPS, _FLAGS, _ARCHES))
_ACTIONS_READ = {**_ACTIONS, "SCMP_ACT_KILL": "kill_thread"}  # the older name

_PROFILE_KEYS = (
    *("defaultAction", "defaultErrnoRet", "defaultErrno", "architectures", "archMap", "syscalls", "flags"),
    *("listenerPath", "listenerMetadata"),
)
_RULE_KEYS = ("names", "name", "action", "errnoRet", "errno", "args", "comment", "includes", "excludes")
_ARG_KEYS = ("index", "value", "valueTwo", "op")
_WHEN_KEYS = ("caps", "arches", "minKernel")
_MAP_KEYS = ("architecture", "subArchitectures")

Object = Mapping[str, Any]
_NO_OBJECT: Object = {}  # in the place of what should have been one: nothing in it is missing


def from_json(text: str | bytes, where: str = "") -> spec.SeccompProfile:
    """The profile of a JSON text. Raises SpecError."""
    try:
        raw = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise SpecError(Problem(where, f"this is no JSON: {error}")) from None
    return from_object(raw, where)


def from_object(raw: object, where: str = "") -> spec.SeccompProfile:
    """The profile of JSON that is decoded already, as `linux.seccomp` of a config.json. Raises SpecError."""
    reader = _Reader()
    profile, places = reader.profile(raw, where)
    if not reader.problems:
        reader.problems.extend((*profile.top_problems(where), *profile.name_problems(places)))
    if reader.problems:
        raise SpecError(reader.problems)
    return profile


class _Reader:
    """Takes decoded JSON apart; what is wrong is noted, and the reading goes on so that all of it is found at once."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def profile(self, raw: object, where: str) -> tuple[spec.SeccompProfile, list[str]]:
        """The profile, and for each of its rules the place in the JSON."""
        keys = self.keys(raw, where, _PROFILE_KEYS)
        at = f"{where}." if where else ""
        rules: list[spec.Rule] = []
        places: list[str] = []
        for index, entry in enumerate(self.items(keys, "syscalls", at)):
            for rule in self.rules(entry, place := f"{at}syscalls[{index}]"):
                rules.append(rule)
                places.append(place)
        return spec.SeccompProfile(
            default_action=self.word(keys, "defaultAction", at, _ACTIONS_READ),
            default_errno=self.errno(keys, "defaultErrnoRet", "defaultErrno", at),
            architectures=self.words(keys, "architectures", at, _ARCHES),
            arch_map=tuple(
                self.arch_map(m, f"{at}archMap[{i}]") for i, m in enumerate(self.items(keys, "archMap", at))
            ),
            rules=tuple(rules),
            flags=self.words(keys, "flags", at, _FLAGS),
            listener_path=self.text(keys, "listenerPath", at),
            listener_metadata=self.text(keys, "listenerMetadata", at),
        ), places

    def rules(self, raw: object, where: str) -> list[spec.Rule]:
        """One entry of `syscalls`. Two conditions on one argument make it a rule for each, as in runc and crun."""
        keys, at = self.keys(raw, where, _RULE_KEYS), f"{where}."
        names = self.strings(keys, "names", at)
        if "name" in keys:
            if names:
                self.note(where, "has both 'name' and 'names': write 'names' alone")
            names = (*names, self.text(keys, "name", at) or "")
        args = [self.arg(arg, f"{at}args[{i}]") for i, arg in enumerate(self.items(keys, "args", at))]
        rule = spec.Rule(
            names=names,
            action=self.word(keys, "action", at, _ACTIONS_READ),
            errno=self.errno(keys, "errnoRet", "errno", at),
            includes=self.when(keys, "includes", at),
            excludes=self.when(keys, "excludes", at),
            comment=self.text(keys, "comment", at) or "",
        )
        once = len({arg.index for arg in args}) == len(args)
        rules = [msgspec.structs.replace(rule, args=some) for some in ([tuple(args)] if once else [(a,) for a in args])]
        known = {problem.where for problem in self.problems}
        self.problems += (p for p in rule.problems(where) if p.where not in known and keys is not _NO_OBJECT)
        return rules

    def arg(self, raw: object, where: str) -> spec.Arg:
        """A condition: of SCMP_CMP_MASKED_EQ `value` is the mask and `valueTwo` the value; others ignore `valueTwo`."""
        keys, at = self.keys(raw, where, _ARG_KEYS), f"{where}."
        op = self.word(keys, "op", at, _OPS)
        index, value = self.number(keys, "index", at), self.number(keys, "value", at)
        two = self.number(keys, "valueTwo", at, 0)
        if two and op != "masked_eq":
            self.note(f"{at}valueTwo", "is looked at by SCMP_CMP_MASKED_EQ only: leave it out")
        arg = spec.Arg(index, op, two, value) if op == "masked_eq" else spec.Arg(index, op, value)
        self.problems += arg.problems(where)
        return arg

    def when(self, keys: Object, key: str, at: str) -> spec.When:
        if key not in keys:
            return spec.ALWAYS
        where = f"{at}{key}"
        inner = self.keys(keys[key], where, _WHEN_KEYS)
        kernel = self.text(inner, "minKernel", f"{where}.")
        numbers = kernel.split(".") if kernel else []
        if kernel and not (len(numbers) == 2 and all(n.isascii() and n.isdigit() and len(n) < 6 for n in numbers)):
            self.note(f"{where}.minKernel", f"{kernel!r} is no kernel version: write '4.8'")
            kernel = None
        return spec.When(
            caps=self.strings(inner, "caps", f"{where}."),
            arches=self.strings(inner, "arches", f"{where}."),
            min_kernel=(int(numbers[0]), int(numbers[1])) if kernel else None,
        )

    def arch_map(self, raw: object, where: str) -> spec.ArchMap:
        keys, at = self.keys(raw, where, _MAP_KEYS), f"{where}."
        return spec.ArchMap(
            self.word(keys, "architecture", at, _ARCHES), self.words(keys, "subArchitectures", at, _ARCHES)
        )

    def errno(self, keys: Object, number: str, name: str, at: str) -> int | None:
        """A number, or Podman's name of it; both where they agree."""
        given: int | None = self.number(keys, number, at, None)
        word = self.text(keys, name, at)
        if not word:
            return given
        named = getattr(errnos, word, None) if word in errnos.errorcode.values() else None
        if named is None:
            self.note(f"{at}{name}", f"{word!r} is no errno{did_you_mean(word, errnos.errorcode.values())}")
        elif given is not None and given != named:
            self.note(f"{at}{name}", f"{word} is {named}, but {number} says {given}")
        return named

    def note(self, where: str, what: str) -> None:
        self.problems.append(Problem(where, what))

    def missing(self, keys: Object, where: str, more: str = "") -> None:
        if keys is not _NO_OBJECT:
            self.note(where, f"is missing{more}")

    def keys(self, raw: object, where: str, known: Iterable[str]) -> Object:
        """An object's members but those that are null, which mean the same as absent in all of these forms."""
        if not isinstance(raw, dict):
            self.note(where, f"must be a JSON object, not {_kind(raw)}")
            return _NO_OBJECT
        for key in raw:
            if key not in known:
                where_key = f"{where}.{key}" if where else key
                self.note(where_key, f"is no key of a seccomp profile{did_you_mean(key, known) or _list_of(known)}")
        return {key: value for key, value in raw.items() if value is not None}

    def items(self, keys: Object, key: str, at: str) -> list[Any]:
        value = keys.get(key, [])
        if isinstance(value, list):
            return value
        self.note(f"{at}{key}", f"must be a list, not {_kind(value)}")
        return []

    def strings(self, keys: Object, key: str, at: str) -> tuple[str, ...]:
        values = self.items(keys, key, at)
        for index, value in enumerate(values):
            if not isinstance(value, str):
                self.note(f"{at}{key}[{index}]", f"must be a string, not {_kind(value)}")
        return tuple(value for value in values if isinstance(value, str))

    def text(self, keys: Object, key: str, at: str) -> str | None:
        value = keys.get(key)
        if value is None or isinstance(value, str):
            return value
        self.note(f"{at}{key}", f"must be a string, not {_kind(value)}")
        return None

    def number(self, keys: Object, key: str, at: str, default: Any = ...) -> Any:
        """An integer; where it is absent the default, if there is one."""
        value = keys.get(key, default)
        if value is ...:
            self.missing(keys, f"{at}{key}")
            return 0
        if value is default or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        self.note(f"{at}{key}", f"must be a whole number, not {_kind(value)}")
        return 0

    def word(self, keys: Object, key: str, at: str, table: Mapping[str, str]) -> Any:
        """One of the table's words, as isolib calls it."""
        if key in keys:
            return self.meaning(keys[key], f"{at}{key}", table)
        self.missing(keys, f"{at}{key}", f": write one of {', '.join(table)}")
        return next(iter(table.values()))

    def words(self, keys: Object, key: str, at: str, table: Mapping[str, str]) -> tuple[Any, ...]:
        return tuple(self.meaning(v, f"{at}{key}[{i}]", table) for i, v in enumerate(self.items(keys, key, at)))

    def meaning(self, value: object, where: str, table: Mapping[str, str]) -> str:
        if isinstance(value, str) and value in table:
            return table[value]
        self.note(where, f"{value!r} is not known{did_you_mean(value, table) or _list_of(table)}")
        return next(iter(table.values()))


def to_json(profile: spec.SeccompProfile) -> bytes:
    """Docker's JSON of a profile without problems."""
    top = {
        "defaultAction": _TO_ACTION[profile.default_action],
        "defaultErrnoRet": profile.default_errno,
        "architectures": [_TO_ARCH[spec.architecture(arch)] for arch in profile.architectures],
        "archMap": [_map_object(entry) for entry in profile.arch_map],
        "syscalls": [_rule_object(rule) for rule in profile.rules],
        "flags": [_TO_FLAG[flag] for flag in profile.flags],
        "listenerPath": profile.listener_path,
        "listenerMetadata": profile.listener_metadata,
    }
    return msgspec.json.format(msgspec.json.encode(_given(top)), indent=1)


def _rule_object(rule: spec.Rule) -> Object:
    return _given(
        {
            "names": rule.names,
            "action": _TO_ACTION[rule.action],
            "errnoRet": rule.errno,
            "args": [_arg_object(arg) for arg in rule.args],
            "includes": _when_object(rule.includes),
            "excludes": _when_object(rule.excludes),
            "comment": rule.comment,
        }
    )


def _arg_object(arg: spec.Arg) -> Object:
    masked = {"value": arg.mask, "valueTwo": arg.value} if arg.op == "masked_eq" else {"value": arg.value}
    return {"index": arg.index, **masked, "op": _TO_OP[arg.op]}


def _when_object(when: spec.When) -> Object:
    kernel = ".".join(map(str, when.min_kernel)) if when.min_kernel else None
    return _given({"caps": when.caps, "arches": when.arches, "minKernel": kernel})


def _map_object(entry: spec.ArchMap) -> Object:
    subs = [_TO_ARCH[spec.architecture(arch)] for arch in entry.sub_architectures]
    return {"architecture": _TO_ARCH[spec.architecture(entry.architecture)], "subArchitectures": subs}


def _given(members: Object) -> Object:
    """Without what is absent or empty; an errno of 0 is neither."""
    return {key: value for key, value in members.items() if value == 0 or value}


def _kind(value: object) -> str:
    words = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return words.get(type(value), "a number")


def _list_of(known: Iterable[str]) -> str:
    return f": one of {', '.join(known)}"

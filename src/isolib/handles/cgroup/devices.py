"""Which devices a group may open or make: files of the devices controller on v1, a BPF program on v2."""

import os
import struct
from collections.abc import Sequence

from isolib.errors import KernelError, Unavailable
from isolib.handles.cgroup.directory import Directory
from isolib.handles.cgroup.frame import Version, Write
from isolib.spec.device_rules import DeviceRule
from isolib.spec.limits import Limits

_KINDS = {"b": 1, "c": 2}  # BPF_DEVCG_DEV_BLOCK, BPF_DEVCG_DEV_CHAR
_ACCESS = {"m": 1, "r": 2, "w": 4}  # BPF_DEVCG_ACC_*

# Of struct bpf_insn's code, see Documentation/bpf/standardization/instruction-set.rst of the kernel.
_LOAD_WORD, _MOVE, _MOVE_REG, _AND, _SHIFT_RIGHT = 0x61, 0xB7, 0xBF, 0x57, 0x77
_JUMP, _JUMP_NOT_EQUAL, _JUMP_SET, _EXIT = 0x05, 0x55, 0x45, 0x95
_RESULT, _QUESTION, _WANTED, _KIND, _MAJOR, _MINOR = range(6)  # the registers r0 to r5


def rules_of(limits: Limits) -> tuple[DeviceRule, ...] | None:
    """The rules, None where every device is left as it is."""
    return None if limits.devices is None else tuple(map(DeviceRule.of, limits.devices))


def writes(limits: Limits, version: Version) -> list[Write]:
    """v1's files: nothing is allowed, then rule by rule. v2 has none; see ``program``."""
    rules = rules_of(limits)
    if rules is None or version == 2:
        return []
    lines = [("devices.deny", "a"), *((f"devices.{'allow' if r.allow else 'deny'}", str(r)) for r in rules)]
    return [Write("devices", "devices", file, _short(text)) for file, text in lines]


def _short(text: str) -> str:
    return "a" if text.startswith("a") else text


def unlike_v1(rules: Sequence[DeviceRule]) -> DeviceRule | None:
    """The first rule that v1 would not keep: it takes away from a wider rule, or only some access of all devices.

    v1 removes exceptions by their exact numbers alone (security/device_cgroup.c, dev_exception_rm).
    """
    for i, rule in enumerate(rules):
        if rule.kind == "a" and set(rule.access) != set("rwm"):
            return rule
        wider = (r for r in rules[:i] if r.allow and _overlap(r, rule) and _numbers(r) != _numbers(rule))
        if not rule.allow and rule.kind != "a" and any(wider):
            return rule
    return None


def _numbers(rule: DeviceRule) -> tuple[object, ...]:
    return rule.kind, rule.major, rule.minor


def _overlap(one: DeviceRule, other: DeviceRule) -> bool:
    kinds = one.kind == other.kind or "a" in (one.kind, other.kind)
    return kinds and all(
        None in pair or pair[0] == pair[1] for pair in ((one.major, other.major), (one.minor, other.minor))
    )


def program(rules: Sequence[DeviceRule]) -> bytes:
    """A program that answers 1 where all the access that is wanted is allowed, by the last rule about each device.

    It sees struct bpf_cgroup_dev_ctx: u32 access << 16 | kind, u32 major, u32 minor. The last rule comes first; an
    allowing one strikes its access off what is wanted, and the answer is yes as soon as nothing is left.
    """
    code = [
        _op(_LOAD_WORD, _WANTED, _QUESTION, 0),
        _op(_MOVE_REG, _KIND, _WANTED),
        _op(_AND, _KIND, value=0xFFFF),
        _op(_SHIFT_RIGHT, _WANTED, value=16),
        _op(_LOAD_WORD, _MAJOR, _QUESTION, 4),
        _op(_LOAD_WORD, _MINOR, _QUESTION, 8),
    ]
    for rule in reversed(rules):
        code += _rule(rule)
    return b"".join([*code, *_answer(0)])


def _rule(rule: DeviceRule) -> list[bytes]:
    access = sum(_ACCESS[letter] for letter in rule.access)
    if rule.allow:
        body = [_op(_AND, _WANTED, value=~access), _op(_JUMP_NOT_EQUAL, _WANTED, offset=2, value=0), *_answer(1)]
    else:
        body = [_op(_JUMP_SET, _WANTED, offset=1, value=access), _op(_JUMP, offset=2), *_answer(0)]
    tests = [(_KIND, _KINDS.get(rule.kind)), (_MAJOR, rule.major), (_MINOR, rule.minor)]
    for register, value in reversed(tests):
        if value is not None:
            body.insert(0, _op(_JUMP_NOT_EQUAL, register, offset=len(body), value=value))
    return body


def _answer(result: int) -> list[bytes]:
    return [_op(_MOVE, _RESULT, value=result), _op(_EXIT)]


def _op(code: int, target: int = 0, source: int = 0, offset: int = 0, value: int = 0) -> bytes:
    """One struct bpf_insn of this machine's byte order."""
    return struct.pack("=BBhi", code, target | source << 4, offset, value)


def attach(directory: Directory, rules: Sequence[DeviceRule]) -> None:
    """Let a v2 group use these devices only, instead of what an earlier call allowed. Raises Unavailable."""
    from isolib.linux import bpf  # only v2 with rules needs the compiled module

    group = directory.open_directory()
    opened = [group]
    try:
        old = bpf.attached(group)
        opened.append(bpf.load(program(rules)))
        bpf.attach(group, opened[-1])
        for number in old:  # only now: between the two, both are asked
            opened.append(bpf.by_id(number))
            bpf.detach(group, opened[-1])
    except KernelError as error:
        raise Unavailable(FEATURE, REMEDY) from error
    finally:
        for fd in opened:
            os.close(fd)


FEATURE = "limits.devices: BPF_PROG_TYPE_CGROUP_DEVICE"
REMEDY = (
    "rules for devices need root of the first user namespace on cgroup v2; an ordinary user gives devices as binds, "
    "and what is not bound is not there"
)

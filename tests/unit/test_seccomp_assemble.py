"""The assembled filter against the profile read rule by rule: any profile, any machine, any call."""

import struct
from itertools import product
from typing import get_args

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from isolib.errors import SpecError, Unavailable
from isolib.launch.seccomp import Program, assemble
from isolib.launch.seccomp.bpf import EQUAL, Code
from isolib.spec import syscalls
from isolib.spec.capabilities import Capabilities
from isolib.spec.seccomp import Action, ArchMap, Arg, Flag, Op, Rule, SeccompProfile, When
from isolib.spec.seccomp_default import DEFAULT, STRICT
from tests.unit.seccomp_oracle import ALLOW, AUDIT, ENOSYS, GUESTS, KILL, SKIPPED, X32, Call, Host, expected, run

# Calls of one number and of many, with two names, of one machine alone, that stand for others, old and new.
NAMES = (
    *("read", "write", "socket", "connect", "socketcall", "ipc", "semop", "shmctl", "clone", "ioctl", "stat", "umount"),
    *("sync_file_range2", "arm_sync_file_range", "set_tls", "rt_sigaction", "execve", "renameat2", "futex_time64"),
    *("rseq_slice_yield", "clone3", "personality", "no_such_call"),
)
WORDS = st.sampled_from([0, 1, 3, 38, 0xFFFF, 0xFFFF_FFFF, 1 << 32, (1 << 32) + 1, 1 << 63, (1 << 64) - 1])
CAPS = st.sampled_from(["CAP_SYS_ADMIN", "CAP_BPF"])
HOSTS = st.builds(
    Host, st.sampled_from(sorted(GUESTS)), st.frozensets(CAPS), st.sampled_from([(4, 4), (5, 10), (6, 1)])
)


@st.composite
def conditions(draw: st.DrawFn) -> tuple[Arg, ...]:
    indexes = draw(st.lists(st.integers(0, 5), max_size=3, unique=True))
    return tuple(draw(condition(index)) for index in indexes)


@st.composite
def condition(draw: st.DrawFn, index: int) -> Arg:
    op = draw(st.sampled_from(get_args(Op)))
    if op != "masked_eq":
        return Arg(index, op, draw(WORDS))
    mask = draw(WORDS)
    return Arg(index, op, draw(WORDS) & mask, mask)


def whens() -> st.SearchStrategy[When]:
    return st.builds(
        When,
        caps=st.lists(CAPS, max_size=1).map(tuple),
        arches=st.lists(st.sampled_from(["x86_64", "i386", "aarch64"]), max_size=1).map(tuple),
        min_kernel=st.sampled_from([None, None, (4, 8), (6, 0)]),
    )


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    names = tuple(draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=6, unique=True)))
    action = draw(st.sampled_from(get_args(Action)))
    number = draw(st.none() | st.integers(0, 4095)) if action in ("errno", "trace") else None
    includes, excludes = draw(whens()), draw(st.just(When()) | whens())
    return Rule(names, action, number, draw(conditions()), includes, excludes)


@st.composite
def profiles(draw: st.DrawFn) -> SeccompProfile:
    guests = tuple(draw(st.lists(st.sampled_from(["i386", "x32", "arm", "mips"]), unique=True)))
    mapped = draw(st.booleans())
    return SeccompProfile(
        default_action=draw(st.sampled_from(sorted(set(get_args(Action)) - {"notify"}))),
        architectures=() if mapped else guests,
        arch_map=(ArchMap("x86_64", guests), ArchMap("aarch64", guests)) if mapped else (),
        rules=tuple(draw(st.lists(rules(), max_size=5))),
    )


@st.composite
def calls(draw: st.DrawFn, profile: SeccompProfile, host: Host) -> Call:
    """Most of them near what the profile speaks of."""
    machine = draw(
        st.sampled_from([host.machine, host.machine, *GUESTS[host.machine]]) | st.sampled_from([*AUDIT, "mips"])
    )
    table = syscalls.numbers(machine) if machine in AUDIT else {}
    named = [table[name] for rule in profile.rules for name in rule.names if name in table]
    number = draw(st.sampled_from(named or [0]))
    number += draw(st.sampled_from([0, 0, 0, 0, -1, 1]))
    number = draw(st.just(number) | st.just(number) | st.sampled_from([SKIPPED, 2 * X32, 3 * X32, 600, X32 + 900]))
    if machine in ("x32", "x86_64") and number < X32 and (machine == "x32" or draw(st.integers(0, 5)) == 0):
        number += X32
    values = [arg.value for rule in profile.rules for arg in rule.args] or [0]
    near = st.builds(
        lambda value, by: (value + by) % (1 << 64), st.sampled_from(values), st.sampled_from([0, 0, -1, 1])
    )
    return Call(machine, max(number, 0), tuple(draw(st.lists(near | WORDS, min_size=6, max_size=6))))


@st.composite
def cases(draw: st.DrawFn) -> tuple[SeccompProfile, Host, list[Call]]:
    profile, host = draw(profiles()), draw(HOSTS)
    profile = msgspec.structs.replace(profile, rules=tuple(rule for rule in profile.rules if usable(rule, profile)))
    return profile, host, draw(st.lists(calls(profile, host), min_size=5, max_size=12))


def usable(rule: Rule, profile: SeccompProfile) -> bool:
    """Neither of a call that does not exist where it would be missed, nor of one that cannot be notified."""
    return not list(msgspec.structs.replace(profile, rules=(rule,)).problems(""))


def built(profile: SeccompProfile, host: Host) -> Program:
    return assemble(profile, arch=host.machine, capabilities=host.capabilities, kernel=host.kernel)


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(cases())
def test_the_program_says_what_the_rules_say(case: tuple[SeccompProfile, Host, list[Call]]) -> None:
    profile, host, made = case
    program = built(profile, host)
    for call in made:
        assert run(program.code, call)[0] == expected(profile, host, call), call


VALUES = (
    0,
    1,
    2,
    0xFFFF_FFFE,
    0xFFFF_FFFF,
    1 << 32,
    (1 << 32) + 1,
    5 << 32,
    (5 << 32) + 7,
    (1 << 64) - 2,
    (1 << 64) - 1,
)


@pytest.mark.parametrize("op", [op for op in get_args(Op) if op != "masked_eq"])
@pytest.mark.parametrize("index", [0, 5])
def test_each_comparison_of_64_bits(op: Op, index: int) -> None:
    for value in VALUES:
        profile = SeccompProfile(rules=(Rule(("read",), args=(Arg(index, op, value),)),))
        code = built(profile, Host()).code
        for given_value in VALUES:
            call = Call("x86_64", 0, (9,) * index + (given_value,))
            assert run(code, call)[0] == expected(profile, Host(), call), (value, given_value)


@pytest.mark.parametrize(
    "mask", [0, 1, 0xFF, 0xFFFF_FFFF, 1 << 32, 0xF_0000_000F, 0xFFFF_FFFF_0000_0000, (1 << 64) - 1]
)
def test_each_masked_comparison(mask: int) -> None:
    for value in {value & mask for value in VALUES}:
        profile = SeccompProfile(rules=(Rule(("read",), args=(Arg(2, "masked_eq", value, mask),)),))
        code = built(profile, Host()).code
        for given_value in (*VALUES, value, value ^ 1 << 4, value ^ 1 << 40):
            call = Call("x86_64", 0, (0, 0, given_value))
            assert run(code, call)[0] == expected(profile, Host(), call), (value, given_value)


@pytest.mark.parametrize(
    ("padding", "more"), [*product(range(120, 132), range(120, 132)), *product(range(4), range(248, 258))]
)
def test_each_length_of_a_jump(padding: int, more: int) -> None:
    """Both branches of a condition, from what one byte reaches to what it does not."""
    for nearer_if_equal in (True, False):
        code = Code()
        far = padded(code, code.mask(0, code.ends(1)), padding)
        near = padded(code, code.mask(0, code.ends(2)), more)
        code.load(0, code.branch(EQUAL, 7, *((near, far) if nearer_if_equal else (far, near))))
        equal, other = (2, 1) if nearer_if_equal else (1, 2)
        assert run(code.bytes(), Call("x86_64", 7))[0] == equal
        assert run(code.bytes(), Call("x86_64", 8))[0] == other


def padded(code: Code, label: int, count: int) -> int:
    """The label, with so many instructions before it."""
    for _ in range(count):
        code.load(0, len(code) - 1)
    return label


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (When(), True),
        (When(min_kernel=(6, 1)), True),
        (When(min_kernel=(6, 2)), False),
        (When(min_kernel=(5, 20)), True),
        (When(arches=("amd64", "x86")), True),
        (When(arches=("arm64", "x32")), False),
        (When(caps=("CAP_BPF",)), True),
        (When(caps=("bpf", "PERFMON")), False),
        (When(caps=("bpf",), arches=("386",)), False),
    ],
)
def test_conditions_on_the_host(when: When, holds: bool) -> None:
    host = Host("x86_64", frozenset({"CAP_BPF"}), (6, 1))
    code = built(SeccompProfile(rules=(Rule(("read",), includes=when),)), host).code
    assert (run(code, Call("x86_64", 0))[0] == ALLOW) is holds


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (When(min_kernel=(6, 1)), False),
        (When(min_kernel=(6, 2)), True),
        (When(arches=("amd64", "x86")), False),
        (When(caps=("bpf", "PERFMON")), False),
        (When(caps=("PERFMON",), arches=("arm64",)), True),
        (When(caps=("PERFMON",), arches=("amd64",)), False),
    ],
)
def test_any_of_what_excludes_is_enough(when: When, holds: bool) -> None:
    host = Host("x86_64", frozenset({"CAP_BPF"}), (6, 1))
    code = built(SeccompProfile(rules=(Rule(("read",), excludes=when),)), host).code
    assert (run(code, Call("x86_64", 0))[0] == ALLOW) is holds


def test_newer_than_the_newest_named_is_not_there_and_older_is_denied() -> None:
    """Also where the rule that names the newest does not count here."""
    newest = Rule(("faccessat2",), includes=When(caps=("CAP_BPF",)))
    code = built(SeccompProfile(rules=(Rule(("read", "pidfd_getfd")), newest)), Host()).code
    numbers = (1, 438, 439, 440, 600, X32 - 1)
    assert [run(code, Call("x86_64", n))[0] for n in numbers] == [0x50001, ALLOW, 0x50001, ENOSYS, ENOSYS, ENOSYS]


@pytest.mark.parametrize("action", ["allow", "log", "trace"])
def test_a_default_that_permits_is_for_new_calls_too(action: Action) -> None:
    code = built(SeccompProfile(default_action=action, rules=(Rule(("read",), "errno"),)), Host()).code
    assert run(code, Call("x86_64", 600))[0] & 0xFFFF0000 == run(code, Call("x86_64", 1))[0] & 0xFFFF0000 != 0x50000


@pytest.mark.parametrize("profile", [DEFAULT, STRICT], ids=["default", "strict"])
@pytest.mark.parametrize("caps", [(), ("ALL",)], ids=["no capabilities", "all"])
@pytest.mark.parametrize("machine", sorted(GUESTS))
def test_presets_at_every_number(profile: SeccompProfile, caps: tuple[str, ...], machine: str) -> None:
    host = Host(machine, Capabilities.of(*caps).names(), (6, 1))
    program = built(profile, host)
    args = [(), (2, 0x5412), ((1 << 32) + 38,), (0x1000_0000,), (16, 3, 9), (1,), (8,), (0xFFFF_FFFF,), (1 << 63,)]
    for guest in (machine, *GUESTS[machine], "mips"):
        for number in [*range(520), 0xF0002, 0xF0007, X32, X32 + 1, X32 + 520, X32 + 600, 2 * X32, SKIPPED]:
            for some in args:
                call = Call(guest, number, some)
                assert run(program.code, call)[0] == expected(profile, host, call), call


def test_the_same_profile_and_facts_give_the_same_bytes() -> None:
    assemble.cache_clear()
    one = built(DEFAULT, Host())
    again = SeccompProfile.from_json(DEFAULT.to_json())
    assert built(again, Host()) is one
    assemble.cache_clear()
    assert built(again, Host()) == one


def test_the_number_is_found_in_few_steps() -> None:
    """Two checks of the machine, and a search that halves the numbers at each step."""
    program = built(DEFAULT, Host("x86_64", Capabilities().names()))
    numbers = syscalls.numbers("x86_64")
    plain = set(numbers) - {name for rule in DEFAULT.rules if rule.args for name in rule.names}
    assert max(run(program.code, Call("x86_64", numbers[name]))[1] for name in plain) <= 14
    assert program.count < 400


def test_constant_answers_look_at_no_argument() -> None:
    """The kernel skips filters whose answer for a number is always ALLOW (Linux 5.11), if no argument is loaded."""
    program = built(DEFAULT, Host("x86_64", Capabilities().names()))
    for name in ("read", "write", "futex", "mmap", "openat"):
        assert traced(program.code, Call("x86_64", syscalls.numbers("x86_64")[name])) == (ALLOW, True)


def traced(code: bytes, call: Call) -> tuple[int, bool]:
    """What is returned, and whether that is so with every word of the arguments replaced."""
    twins = {run(code, call._replace(args=args))[0] for args in ((), (1 << 63,) * 6, ((1 << 64) - 1,) * 6)}
    return run(code, call)[0], len(twins) == 1


def test_jumps_further_than_a_byte_reaches() -> None:
    """Some thousand conditions on one call, and on calls around it."""
    many = tuple(Rule(("read", "ioctl"), "errno", n + 1, (Arg(1, "eq", n << 20),)) for n in range(400))
    profile = SeccompProfile(default_action="allow", rules=(*many, Rule(("write",), "trap"), Rule(("close",), "log")))
    host = Host()
    program = built(profile, host)
    assert program.count > 1600
    for name in ("read", "write", "open", "close", "ioctl", "fstat"):
        for second in (0, 1, 7 << 20, 399 << 20, 400 << 20, (1 << 32) | 7 << 20):
            call = Call("x86_64", syscalls.numbers("x86_64")[name], (0, second))
            assert run(program.code, call)[0] == expected(profile, host, call)


def test_more_than_the_kernel_takes_is_said_before_the_start() -> None:
    many = tuple(Rule(("read",), "errno", n % 4096, (Arg(1, "eq", n),)) for n in range(2000))
    with pytest.raises(SpecError, match=r"comes to [0-9,]+ instructions, and the kernel takes 4,096"):
        built(SeccompProfile(default_action="allow", rules=many), Host())


def test_a_profile_with_problems_is_none() -> None:
    with pytest.raises(SpecError) as caught:
        built(SeccompProfile(rules=(Rule((), "errno", 5000),)), Host())
    assert [problem.where for problem in caught.value.problems] == ["seccomp.rules[0].names", "seccomp.rules[0]"]


@pytest.mark.parametrize("arch", ["riscv64", "s390x", "", "x32", "amd64"])
def test_a_machine_without_numbers_is_said(arch: str) -> None:
    with pytest.raises(Unavailable, match="isolib knows the calls of x86_64"):
        built(DEFAULT, Host(arch))


@pytest.mark.parametrize(("uname", "machine"), [("i686", "i386"), ("armv7l", "arm"), ("armv8l", "arm")])
def test_machines_by_the_name_that_uname_gives(uname: str, machine: str) -> None:
    assert built(DEFAULT, Host(uname)) == built(DEFAULT, Host(machine))


@pytest.mark.parametrize(
    ("flags", "action", "bits"),
    [
        ((), "errno", 0),
        (("tsync",), "errno", 1),
        (("log", "spec_allow"), "errno", 6),
        (("wait_killable_recv",), "errno", 0),
        ((), "notify", 8),
        (("wait_killable_recv",), "notify", 0x28),
        (("tsync", "log"), "notify", 0x1B),
    ],
)
def test_flags(flags: tuple[Flag, ...], action: Action, bits: int) -> None:
    program = built(SeccompProfile(default_action="allow", rules=(Rule(("read",), action),), flags=flags), Host())
    assert (program.flags, program.notify) == (bits, action == "notify")


def test_a_flag_that_the_kernel_lacks_is_said() -> None:
    profile = SeccompProfile(rules=(Rule(("read",), "notify"),), flags=("wait_killable_recv",))
    with pytest.raises(Unavailable, match=r"Linux 5\.19"):
        built(profile, Host(kernel=(5, 18)))


def test_a_notifying_rule_that_does_not_count_needs_no_listener() -> None:
    rule = Rule(("mount",), "notify", includes=When(caps=("CAP_SYS_ADMIN",)))
    assert not built(SeccompProfile(rules=(rule,)), Host()).notify
    assert built(SeccompProfile(rules=(rule,)), Host(capabilities=frozenset({"CAP_SYS_ADMIN"}))).notify


def test_foreign_machines_end_the_process() -> None:
    code = built(SeccompProfile(default_action="allow"), Host()).code
    assert run(code, Call("i386", 20))[0] == KILL
    assert run(code, Call("mips", 20))[0] == KILL
    assert run(code, Call("x32", X32 + 39))[0] == ENOSYS
    code = built(SeccompProfile(default_action="allow", architectures=("x32",)), Host()).code
    assert [run(code, Call("x32", n))[0] for n in (X32 + 39, 2 * X32 - 1, 2 * X32)] == [ALLOW, ALLOW, ENOSYS]


def test_the_least_permissive_of_several_rules_wins_in_any_order() -> None:
    some = (Rule(("read",)), Rule(("read",), "log"), Rule(("read",), "errno", 5, (Arg(0, "eq", 7),)))
    for order in (some, some[::-1]):
        code = built(SeccompProfile(rules=order), Host()).code
        assert run(code, Call("x86_64", 0, (7,)))[0] == 0x50005
        assert run(code, Call("x86_64", 0, (8,)))[0] == 0x7FFC0000


def test_code_is_an_array_of_struct_sock_filter() -> None:
    program = built(STRICT, Host())
    assert len(program.code) == 8 * program.count == struct.calcsize("=HBBI") * program.count

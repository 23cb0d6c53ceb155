"""Seccomp profiles as values and as JSON: what is read, and what each mistake is answered with."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from isolib.errors import SpecError
from isolib.spec.seccomp import ArchMap, Arg, Rule, SeccompProfile, When
from isolib.spec.seccomp_default import DEFAULT, STRICT
from isolib.spec.seccomp_json import from_object
from tests.unit.test_seccomp_assemble import profiles

EVERY_KEY = {
    "defaultAction": "SCMP_ACT_ERRNO",
    "defaultErrnoRet": 38,
    "archMap": [{"architecture": "SCMP_ARCH_X86_64", "subArchitectures": ["SCMP_ARCH_X86", "SCMP_ARCH_X32"]}],
    "syscalls": [
        {
            "names": ["mount", "umount2"],
            "action": "SCMP_ACT_TRACE",
            "errnoRet": 7,
            "args": [{"index": 3, "value": 0x7E020000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
            "comment": "why",
            "includes": {"caps": ["CAP_SYS_ADMIN"], "arches": ["amd64"], "minKernel": "4.8"},
            "excludes": {"caps": ["CAP_BPF"], "arches": ["s390x"], "minKernel": "6.10"},
        },
        {"name": "ptrace", "action": "SCMP_ACT_KILL", "args": None, "includes": {}, "excludes": None},
    ],
    "flags": ["SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_TSYNC"],
    "listenerPath": "/run/listener",
    "listenerMetadata": "web",
}


def test_every_key_of_docker_and_oci_is_read() -> None:
    assert SeccompProfile.from_json(json.dumps(EVERY_KEY)) == SeccompProfile(
        default_action="errno",
        default_errno=38,
        arch_map=(ArchMap("x86_64", ("i386", "x32")),),
        rules=(
            Rule(
                ("mount", "umount2"),
                "trace",
                7,
                (Arg(3, "masked_eq", 0, 0x7E020000),),
                When(("CAP_SYS_ADMIN",), ("amd64",), (4, 8)),
                When(("CAP_BPF",), ("s390x",), (6, 10)),
                "why",
            ),
            Rule(("ptrace",), "kill_thread"),
        ),
        flags=("log", "tsync"),
        listener_path="/run/listener",
        listener_metadata="web",
    )


def test_two_conditions_on_one_argument_are_alternatives_as_in_runc() -> None:
    args = [{"index": 0, "value": n, "op": "SCMP_CMP_EQ"} for n in (1, 2)]
    entry = {"names": ["socket"], "action": "SCMP_ACT_ALLOW", "args": args}
    profile = from_object({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [entry]})
    assert [rule.args for rule in profile.rules] == [(Arg(0, "eq", 1),), (Arg(0, "eq", 2),)]


def test_podman_names_the_errno() -> None:
    entry = {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "errno": "EINVAL", "errnoRet": 22}
    profile = from_object({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS", "syscalls": [entry]})
    assert (profile.default_errno, profile.rules[0].errno) == (38, 22)


@pytest.mark.parametrize("profile", [DEFAULT, STRICT, SeccompProfile(), SeccompProfile(default_errno=0)])
def test_what_is_written_is_read_back(profile: SeccompProfile) -> None:
    assert SeccompProfile.from_json(profile.to_json()) == profile
    assert list(profile.problems("seccomp")) == []


@settings(max_examples=100)
@given(profiles())
def test_any_profile_without_problems_is_read_back(profile: SeccompProfile) -> None:
    if not list(profile.problems("")):
        again = SeccompProfile.from_json(profile.to_json())
        assert again == profile
        assert hash(again) == hash(profile)


def test_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_bytes(STRICT.to_json())
    assert SeccompProfile.load(tmp_path / "profile.json") == STRICT
    with pytest.raises(FileNotFoundError):
        SeccompProfile.load(tmp_path / "none.json")


def with_rule(**keys: object) -> dict[str, object]:
    return {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["mount"], "action": "SCMP_ACT_ERRNO", **keys}]}


def with_arg(**keys: object) -> dict[str, object]:
    return with_rule(args=[{"index": 0, "value": 1, "op": "SCMP_CMP_EQ", **keys}])


TOP = {"defaultAction": "SCMP_ACT_ERRNO"}
BAD_JSON: list[tuple[Any, str, str]] = [
    ([], "", "must be a JSON object, not a list"),
    ("SCMP_ACT_ALLOW", "", "not a string"),
    (None, "", "not null"),
    ({}, "defaultAction", "is missing"),
    ({"defaultAction": None}, "defaultAction", "is missing"),
    ({"defaultAction": 5}, "defaultAction", "5 is not known"),
    ({"defaultAction": "allow"}, "defaultAction", "one of SCMP_ACT_KILL_PROCESS"),
    ({"defaultAction": "SCMP_ACT_ALOW"}, "defaultAction", "did you mean 'SCMP_ACT_ALLOW'"),
    ({"defaultAction": "SCMP_ACT_NOTIFY"}, "", "cannot be the default"),
    ({"defaultAction": "SCMP_ACT_ALLOW", "defaultErrnoRet": 1}, "", "goes with the actions errno and trace"),
    ({**TOP, "defaultErrnoRet": 4096}, "", "0 to 4095"),
    ({**TOP, "defaultErrnoRet": -1}, "", "0 to 4095"),
    ({**TOP, "defaultErrnoRet": 1.5}, "defaultErrnoRet", "must be a whole number, not a number"),
    ({**TOP, "defaultErrnoRet": True}, "defaultErrnoRet", "not true or false"),
    ({**TOP, "defaultErrno": "EPRM"}, "defaultErrno", "did you mean 'EPERM'"),
    ({**TOP, "defaultErrno": "EPERM", "defaultErrnoRet": 2}, "defaultErrno", "but defaultErrnoRet says 2"),
    ({**TOP, "syscals": []}, "syscals", "did you mean 'syscalls'"),
    ({**TOP, "linux": {}}, "linux", "is no key of a seccomp profile: one of"),
    ({**TOP, "architectures": "SCMP_ARCH_X86"}, "architectures", "must be a list, not a string"),
    ({**TOP, "architectures": ["SCMP_ARCH_X86_46"]}, "architectures[0]", "did you mean 'SCMP_ARCH_X86_64'"),
    ({**TOP, "architectures": ["x86_64"]}, "architectures[0]", "'x86_64' is not known"),
    ({**TOP, "archMap": [{"subArchitectures": []}]}, "archMap[0].architecture", "is missing"),
    (
        {**TOP, "archMap": [{"architecture": "SCMP_ARCH_X86", "subArchitecture": 1}]},
        "archMap[0].subArchitecture",
        "did you mean",
    ),
    ({**TOP, "archMap": {}}, "archMap", "must be a list, not an object"),
    (
        {**TOP, "architectures": ["SCMP_ARCH_X86"], "archMap": [{"architecture": "SCMP_ARCH_X86"}]},
        "",
        "both architectures and an arch_map",
    ),
    ({**TOP, "flags": ["SECCOMP_FILTER_FLAG_NEW_LISTENER"]}, "flags[0]", "is not known"),
    ({**TOP, "flags": "SECCOMP_FILTER_FLAG_LOG"}, "flags", "must be a list"),
    ({**TOP, "listenerPath": 3}, "listenerPath", "must be a string"),
    ({**TOP, "listenerMetadata": "x"}, "", "no listener path"),
    ({**TOP, "syscalls": {}}, "syscalls", "must be a list"),
    ({**TOP, "syscalls": ["mount"]}, "syscalls[0]", "must be a JSON object, not a string"),
    ({**TOP, "syscalls": [{"names": ["x"]}]}, "syscalls[0].action", "is missing"),
    ({**TOP, "syscalls": [{"action": "SCMP_ACT_ALLOW"}]}, "syscalls[0].names", "names no call"),
    (with_rule(names=[]), "syscalls[0].names", "names no call"),
    (with_rule(names="mount"), "syscalls[0].names", "must be a list"),
    (with_rule(names=["mount", 3]), "syscalls[0].names[1]", "must be a string, not a number"),
    (with_rule(names=[""]), "syscalls[0].names[0]", "no name of a system call"),
    (with_rule(names=["ptrcae"]), "syscalls[0].names[0]", "would not be denied; did you mean 'ptrace'"),
    (with_rule(name="mount"), "syscalls[0]", "has both 'name' and 'names'"),
    (with_rule(nmaes=["x"]), "syscalls[0].nmaes", "did you mean 'names'"),
    (with_rule(action="SCMP_ACT_DENY"), "syscalls[0].action", "is not known"),
    (with_rule(action="SCMP_ACT_KILL", errnoRet=1), "syscalls[0]", "not with kill_thread"),
    (with_rule(errnoRet=5000), "syscalls[0]", "0 to 4095"),
    (with_rule(action="SCMP_ACT_TRACE", errnoRet=70000), "syscalls[0]", "0 to 65535"),
    (with_rule(errno="ENOPE"), "syscalls[0].errno", "is no errno"),
    (with_rule(comment=[]), "syscalls[0].comment", "must be a string"),
    (with_rule(names=["sendmsg"], action="SCMP_ACT_NOTIFY"), "syscalls[0].names", "cannot be notified"),
    (with_rule(args={}), "syscalls[0].args", "must be a list"),
    (with_rule(args=[7]), "syscalls[0].args[0]", "must be a JSON object"),
    (with_arg(index=6), "syscalls[0].args[0].index", "0 to 5"),
    (with_arg(index=-1), "syscalls[0].args[0].index", "0 to 5"),
    (with_arg(index="0"), "syscalls[0].args[0].index", "must be a whole number"),
    (with_arg(index=None), "syscalls[0].args[0].index", "is missing"),
    (with_arg(value=-1), "syscalls[0].args[0]", "64 bits"),
    (with_arg(value=1 << 64), "syscalls[0].args[0]", "64 bits"),
    (with_arg(value="0x1"), "syscalls[0].args[0].value", "must be a whole number, not a string"),
    (with_arg(op="=="), "syscalls[0].args[0].op", "is not known"),
    (with_arg(op="SCMP_CMP_MASKED_EQ", valueTwo=2), "syscalls[0].args[0]", "this never holds"),
    (with_arg(valueTwo=2), "syscalls[0].args[0].valueTwo", "SCMP_CMP_MASKED_EQ only"),
    (with_arg(mask=2), "syscalls[0].args[0].mask", "is no key"),
    (with_rule(includes=[]), "syscalls[0].includes", "must be a JSON object"),
    (with_rule(includes={"caps": ["CAP_SYS_ADMN"]}), "syscalls[0].includes.caps[0]", "did you mean 'SYS_ADMIN'"),
    (with_rule(excludes={"caps": "ALL"}), "syscalls[0].excludes.caps", "must be a list"),
    (with_rule(excludes={"arches": ["amd46"]}), "syscalls[0].excludes.arches[0]", "did you mean 'amd64'"),
    (with_rule(includes={"minKernel": "4"}), "syscalls[0].includes.minKernel", "write '4.8'"),
    (with_rule(includes={"minKernel": "4.8.1"}), "syscalls[0].includes.minKernel", "write '4.8'"),
    (with_rule(includes={"minKernel": "4.-8"}), "syscalls[0].includes.minKernel", "write '4.8'"),
    (with_rule(includes={"minKernel": 4.8}), "syscalls[0].includes.minKernel", "must be a string"),
    (with_rule(includes={"kernel": "4.8"}), "syscalls[0].includes.kernel", "is no key"),
]


@pytest.mark.parametrize(("raw", "place", "text"), BAD_JSON, ids=[f"{place}-{text}" for _, place, text in BAD_JSON])
@pytest.mark.parametrize("where", ["", "linux.seccomp"])
def test_bad_json_is_one_error_at_its_place(raw: object, place: str, text: str, where: str) -> None:
    with pytest.raises(SpecError) as caught:
        from_object(raw, where)
    (problem,) = caught.value.problems
    assert problem.where == ".".join(filter(None, [where, place]))
    assert text in problem.what


@pytest.mark.parametrize(
    "text", ["", "{", '{"defaultAction": "SCMP_ACT_ALLOW"} x', b"\xff\xfe", "[" * 2000, "// x\n{}"]
)
def test_what_is_no_json_is_said(text: str | bytes) -> None:
    with pytest.raises(SpecError, match="this is no JSON"):
        SeccompProfile.from_json(text)


def test_all_that_is_wrong_is_said_at_once() -> None:
    raw = {"defaultAction": "x", "y": 1, "syscalls": [{"names": [1], "action": "z"}, {"args": [{}]}]}
    with pytest.raises(SpecError) as caught:
        from_object(raw)
    assert {problem.where for problem in caught.value.problems} == {
        *("y", "defaultAction", "syscalls[0].names[0]", "syscalls[0].names", "syscalls[0].action"),
        *("syscalls[1].args[0].op", "syscalls[1].args[0].index", "syscalls[1].args[0].value"),
        *("syscalls[1].names", "syscalls[1].action"),
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["SCMP_ACT_ERRNO", "mount", 1.5]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200)
@given(st.data())
def test_whatever_stands_in_a_place_is_no_traceback(data: st.DataObject) -> None:
    """One value of a good profile replaced by anything."""
    raw = json.loads(json.dumps(EVERY_KEY))
    at: Any = raw
    while True:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not isinstance(at[key], dict | list) or not at[key] or data.draw(st.booleans()):
            break
        at = at[key]
    at[key] = data.draw(JSON)
    try:
        profile = from_object(raw)
    except SpecError:
        return
    assert list(profile.problems("")) == []


BAD_VALUES: list[tuple[SeccompProfile, str, str]] = [
    (SeccompProfile(default_action="deny"), "s.default_action", "is not one of"),  # type: ignore[arg-type]
    (SeccompProfile(default_action=["allow"]), "s.default_action", "is not one of"),  # type: ignore[arg-type]
    (SeccompProfile(default_action="notify"), "s", "cannot be the default"),
    (SeccompProfile(default_action="allow", default_errno=1), "s", "goes with"),
    (SeccompProfile(default_errno="EPERM"), "s", "is no errno"),  # type: ignore[arg-type]
    (SeccompProfile(architectures=("x68_64",)), "s.architectures[0]", "did you mean 'x86_64'"),
    (SeccompProfile(arch_map=(ArchMap("vax"),)), "s.arch_map[0].architecture", "is not one of"),
    (SeccompProfile(arch_map=(ArchMap("x86_64", ("vax",)),)), "s.arch_map[0].sub_architectures[0]", "is not one of"),
    (SeccompProfile(flags=("LOG",)), "s.flags[0]", "is not one of"),  # type: ignore[arg-type]
    (SeccompProfile(listener_metadata=""), "s", "no listener path"),
    (SeccompProfile(rules=[Rule(("x",))]), "s.rules", "is no tuple"),  # type: ignore[arg-type]
    (SeccompProfile(rules=("mount",)), "s.rules", "is no tuple"),  # type: ignore[arg-type]
    (SeccompProfile(rules=(Rule("mount"),)), "s.rules[0].names", "names no call"),  # type: ignore[arg-type]
    (SeccompProfile(rules=(Rule((5,)),)), "s.rules[0].names[0]", "no name"),  # type: ignore[arg-type]
    (SeccompProfile(rules=(Rule(("x",), "no"),)), "s.rules[0].action", "is not one of"),  # type: ignore[arg-type]
    (SeccompProfile(rules=(Rule(("x",), args=(1,)),)), "s.rules[0].args", "is no tuple"),  # type: ignore[arg-type]
    (SeccompProfile(rules=(Rule(("x",), args=(Arg(True, "eq", 1),)),)), "s.rules[0].args[0].index", "0 to 5"),
    (SeccompProfile(rules=(Rule(("x",), args=(Arg(0, "is", 1),)),)), "s.rules[0].args[0].op", "is not one of"),  # type: ignore[arg-type]
    (SeccompProfile(rules=(Rule(("x",), args=(Arg(0, "eq", 1, 3),)),)), "s.rules[0].args[0]", "only masked_eq"),
    (SeccompProfile(rules=(Rule(("x",), args=(Arg(0, "masked_eq", 4, 3),)),)), "s.rules[0].args[0]", "never holds"),
    (SeccompProfile(rules=(Rule(("x",), args=(Arg(0, "eq", 1),) * 2),)), "s.rules[0].args[1]", "a second condition"),
    (SeccompProfile(rules=(Rule(("x",), includes=When(("X",))),)), "s.rules[0].includes.caps[0]", "no capability"),
    (SeccompProfile(rules=(Rule(("x",), excludes=When(min_kernel=(5,))),)), "s.rules[0].excludes", "no version"),  # type: ignore[arg-type]
    (SeccompProfile(rules=(Rule(("x",), includes=("KILL",)),)), "s.rules[0].includes", "is no When"),  # type: ignore[arg-type]
    (SeccompProfile(rules=(Rule(("x",), excludes=When("KILL")),)), "s.rules[0].excludes.caps", "is no tuple"),  # type: ignore[arg-type]
    (SeccompProfile(rules=(Rule(("x",), excludes=When((), "x86")),)), "s.rules[0].excludes.arches", "is no tuple"),  # type: ignore[arg-type]
    (SeccompProfile(architectures="i386"), "s.architectures", "is no tuple"),  # type: ignore[arg-type]
    (SeccompProfile(arch_map=("i386",)), "s.arch_map", "is no tuple of ArchMap"),  # type: ignore[arg-type]
    (SeccompProfile(flags="log"), "s.flags", "is no tuple"),  # type: ignore[arg-type]
    (
        SeccompProfile(default_action="log", rules=(Rule(("raed",), "trap"),)),
        "s.rules[0].names[0]",
        "did you mean 'read'",
    ),
]


@pytest.mark.parametrize(("profile", "place", "text"), BAD_VALUES, ids=range(len(BAD_VALUES)))
def test_bad_values_are_problems_at_their_place(profile: SeccompProfile, place: str, text: str) -> None:
    (problem,) = profile.problems("s")
    assert problem.where == place
    assert text in problem.what


def test_a_call_to_come_may_be_allowed_but_not_denied_in_vain() -> None:
    assert list(SeccompProfile(rules=(Rule(("call_of_linux_9",)),)).problems("")) == []
    assert (
        len(list(SeccompProfile(default_action="allow", rules=(Rule(("call_of_linux_9",), "errno"),)).problems("")))
        == 1
    )


def test_allow_and_deny_take_a_call_out_of_every_rule() -> None:
    profile = DEFAULT.allow("keyctl", "clone3").deny("ptrace", errno=38)
    about = {name: [rule for rule in profile.rules if name in rule.names] for name in ("keyctl", "clone3", "ptrace")}
    assert {name: [(rule.action, rule.errno) for rule in rules] for name, rules in about.items()} == {
        "keyctl": [("allow", None)],
        "clone3": [("allow", None)],
        "ptrace": [("errno", 38)],
    }
    assert all(rule.names for rule in profile.rules)

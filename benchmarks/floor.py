"""The floor's source: what isolib would do for a spec, written out as straight C, and compiled."""

import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from isolib.handles.cgroup import CGroup
from isolib.handles.cgroup.applying import order_of
from isolib.launch.compile import first_registers
from isolib.launch.start import Prepared
from isolib.launch.steps import FIRST_FREE, HOST, REGISTERS, Step
from isolib.spec.limits import Limits

HERE = Path(__file__).resolve().parent
MAP = "0 1700000000 65536\\n"  # a fixed range: the floor leases nothing
READS = {1: ("memory.max_usage_in_bytes", "memory.oom_control"), 2: ("memory.peak", "memory.events")}


def build(prepared: Prepared, folder: Path, inside: CGroup | None = None) -> Path:
    """The compiled floor of one start; of an entering where ``inside`` is the group of the container, which runs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "floor_plan.h").write_text(source(prepared, inside))
    program = folder / "floor"
    flags = ["-std=gnu11", "-O2", "-Wall", "-Wextra", "-static", f"-I{folder}"]
    subprocess.run(["cc", *flags, "-o", str(program), str(HERE / "floor.c")], check=True)
    return program


def source(prepared: Prepared, inside: CGroup | None = None) -> str:
    """floor_plan.h: constants, the groups, the caller's trees, and the child's steps."""
    steps = prepared.plan.steps
    fork = next(i for i, step in enumerate(steps) if step.word == "fork")
    trees = next(step.trees for step in steps if step.word == "sync")
    child = ["sys(umask, 0);", *_child(steps[:fork]), "payload_or_init();", *_child(steps[fork + 1 :])]
    lines = [
        f"#define NAMESPACES {prepared.plan.flags:#x}",
        f"#define TREES {len(trees)}",
        f'#define ID_MAP "{MAP}"',
        *_groups(prepared.spec.limits, inside),
        *_joined(prepared),
        f"static int r[{REGISTERS}];",
        "static void meet_the_caller(void);",
        "",
        *_function("void open_trees(long pid, int *trees)", _trees(trees)),
        *_function("void child(void)", child),
    ]
    return "\n".join(lines) + "\n"


def _joined(prepared: Prepared) -> Iterator[str]:
    """The namespaces that are joined, and their registers."""
    _, registers = first_registers(prepared.spec)
    rows = ", ".join(f"{{{_text(kind)}, {register}}}" for kind, register in registers.items())
    yield f"#define JOINED {len(registers)}"
    yield f"static const struct {{ const char *kind; int at; }} joined[] = {{ {rows or '{0}'} }};"


def _function(head: str, body: Sequence[str]) -> list[str]:
    return [f"static {head}", "{", *(f"\t{line}" for line in body), "}", ""]


def _text(raw: bytes | str) -> str:
    raw = raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else raw
    return '"' + "".join(chr(b) if 32 <= b < 127 and b not in b'"\\?' else f"\\{b:03o}" for b in raw) + '"'


def _groups(limits: Limits | None, inside: CGroup | None) -> Iterator[str]:
    """Where a group with these limits has directories, which files are written, and which are read at its end."""
    rows: dict[str, list[str]] = {"hierarchies": [], "limits": [], "reads": []}
    folder = ""
    if limits is not None or inside is not None:
        with inside.child("floor") if inside is not None else CGroup.create("floor", limits) as group:
            places = group._places
        folder = places[0].path.rpartition("/")[0]
        at = {name: i for i, place in enumerate(places) for name in place.hierarchy.controllers}
        rows["hierarchies"] = [f"{{{_text(place.hierarchy.point)}, -1}}" for place in places]
        if limits is not None:
            rows["limits"] = [
                f"{{{at[w.controller]}, {_text(w.file)}, {_text(w.text)}}}" for w in order_of(limits).writes or ()
            ]
            reads = READS[places[at["memory"]].hierarchy.version]
            rows["reads"] = [f"{{{at['memory']}, {_text(file)}}}" for file in reads]
    yield f"#define GROUP_FOLDER {_text(folder)}"
    for name, fields in _FIELDS.items():
        yield f"#define {name.upper()} {len(rows[name])}"
        yield f"static struct {{ {fields} }} {name}[] = {{ {', '.join(rows[name]) or '{0}'} }};"


_FIELDS = {
    "hierarchies": "const char *point; int fd;",
    "limits": "int at; const char *file, *text;",
    "reads": "int at; const char *file;",
}


def _trees(trees: Sequence[object]) -> list[str]:
    body = ["(void)pid;", "(void)trees;"]
    for i, tree in enumerate(trees):
        path, recursive, owner = tree.path, tree.recursive, tree.owner  # type: ignore[attr-defined]
        flags = "OPEN_TREE_CLONE" + (" | AT_RECURSIVE" if recursive else "")
        body.append(f"trees[{i}] = tree_of(AT_FDCWD, {_text(path)}, {flags});")
        if owner != "host":
            raise NotImplementedError("the floor id-maps no tree: start from a directory whose mount is not")
    return body


def _reg(number: int) -> str:
    given = {HOST: "AT_FDCWD", 0: "channel", 1: "caller", 2: "null_fd", 3: "out_pipe", 4: "err_pipe"}
    return given[number] if number < FIRST_FREE else f"r[{number}]"


def _child(steps: Sequence[Step]) -> list[str]:
    return [line for step in steps for line in _WORDS[step.word](step)]


def _sync(step: Step) -> list[str]:
    first, count = step.n
    return ["meet_the_caller();", *(f"r[{first + i}] = handed[{i}];" for i in range(count))]


def _mount_new(step: Step) -> list[str]:
    words = step.s[1].split(b"\0")[:-1]
    options = ", ".join([*map(_text, words), "0"])
    return [f"r[{step.n[0]}] = new_mount({_text(step.s[0])}, (const char *[]){{{options}}}, {step.n[1]:#x});"]


def _mount(step: Step) -> list[str]:
    """mount(2), its ``%N`` printed as paths of descriptors."""
    kind, point = step.s[0].split(b"\0", 1)
    lines = ["{", "\tchar point[4096], data[4096];"]
    for name, text in (("point", point), ("data", step.s[1])):
        form, numbers = _expanded(text.decode())
        lines.append(f"\tsnprintf({name}, sizeof({name}), {_text(form)}{''.join(f', {_reg(n)}' for n in numbers)});")
    return [*lines, f"\tMUST(sys(mount, {_text(kind)}, point, {_text(kind)}, {step.n[0]}, data));", "}"]


def _expanded(text: str) -> tuple[str, list[int]]:
    form, numbers, rest = "", [], text
    while rest:
        before, percent, rest = rest.partition("%")
        form += before
        if percent and rest.startswith("%"):
            form, rest = form + "%%", rest[1:]
        elif percent:
            digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
            numbers.append(int(digits))
            form, rest = form + "/proc/self/fd/%d", rest[len(digits) :]
    return form, numbers


def _fds(step: Step) -> list[str]:
    values = memoryview(step.s[0]).cast("i").tolist()
    return [f"MUST(sys(dup3, {_reg(values[i])}, {values[i + 1]}, 0));" for i in range(0, len(values), 2)]


def _seccomp(step: Step) -> list[str]:
    words = ", ".join(f"{word:#x}" for word in memoryview(step.s[0]).cast("Q"))
    return [
        f"static const u64 code[] = {{{words}}};",
        f"seccomp_filter(code, {len(step.s[0]) // 8}, {step.n[0]});",
    ]


def _exec(step: Step) -> list[str]:
    argv, envp = (", ".join([*map(_text, part.split(b"\0")[:-1]), "0"]) for part in step.s)
    return [f"execute((const char *[]){{{argv}}}, (const char *[]){{{envp}}});"]


def _ids(step: Step) -> str:
    return ", ".join(map(str, memoryview(step.s[0]).cast("I")))


def _call(form: str) -> Callable[[Step], list[str]]:
    """``{0}`` an integer, ``{r0}`` the register or root it names, ``{s0}`` a text."""

    def write(step: Step) -> list[str]:
        numbers = [*step.n, 0, 0, 0, 0, 0][:5]
        roots = {f"r{i}": _reg(n) for i, n in enumerate(numbers) if n == HOST or 0 <= n < REGISTERS}
        return [form.format(*numbers, **roots, **{f"s{i}": _text(text) for i, text in enumerate(step.s)})]

    return write


_WORDS: dict[str, Callable[[Step], list[str]]] = {
    "sync": _sync,
    "mount_new": _mount_new,
    "mount": _mount,
    "fds": _fds,
    "seccomp": _seccomp,
    "exec": _exec,
    "prctl": _call("MUST(sys(prctl, {0}, {1}, {2}, {3}, {4}));"),
    "setns": _call("MUST(sys(setns, {r0}, {1}));"),
    "unshare": _call("MUST(sys(unshare, {0}));"),
    "hostname": lambda step: [f"MUST(sys(sethostname, {_text(step.s[0])}, {len(step.s[0])}));"],
    "loopback": _call("loopback_up();"),
    "open": _call("r[{2}] = MUST(inside({r0}, {s0}, {1}));"),
    "close": _call("sys(close, {r0});"),
    "open_tree": _call("r[{2}] = tree_of({r0}, {s0}, {1});"),
    "set_attributes": _call("set_attributes({r0}, {1}, {2}, {3}, {4});"),
    "attach": _call("attach({r0}, {r1}, {s0});"),
    "propagate": _call('MUST(sys(mount, 0, "/", 0, {0}, 0));'),
    "mkdir": _call("make_directory({r0}, {s0}, {1});"),
    "symlink": _call("make_link({r0}, {s0}, {s1});"),
    "mask": _call("mask({r0}, {s0}, {r1}, {r2});"),
    "read_only": _call("read_only({r0}, {s0});"),
    "pivot": _call("pivot({r0}, {r1});"),
    "setsid": _call("MUST(sys(setsid));"),
    "umask": _call("sys(umask, {0});"),
    "keyring": _call("sys(keyctl, 1 /* KEYCTL_JOIN_SESSION_KEYRING */, 0);"),
    "groups": lambda step: [f"MUST(sys(setgroups, {len(step.s[0]) // 4}, (const u32[]){{{_ids(step)}}}));"],
    "gid": _call("MUST(sys(setresgid, {0}, {0}, {0}));"),
    "uid": _call("MUST(sys(setresuid, {0}, {0}, {0}));"),
    "chdir": _call("change_directory({s0});"),
    "capabilities": _call("capabilities({0}, {1}, {2}, {3});"),
}

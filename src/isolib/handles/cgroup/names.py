"""Names of groups: ``"tests/a"`` is a group in a group. What cannot be one, or not safely, is refused."""

from collections.abc import Iterator

from isolib.errors import Problem

LONGEST = 200  # bytes of one part: NAME_MAX is 255, and the mark of its owner follows
DEEPEST = 64  # parts; the kernel walks the whole line of parents at every charge

# A name that begins like a file of a controller could be one, with the next kernel if not with this.
_FILES = (
    *("cgroup", "cpu", "cpuset", "cpuacct", "memory", "io", "blkio", "pids", "hugetlb", "rdma", "misc", "dmem"),
    *("devices", "freezer", "net_cls", "net_prio", "perf_event", "irq", "debug"),
)
_V1_FILES = {"tasks", "notify_on_release", "release_agent"}


def problems(name: object, where: str = "name") -> Iterator[Problem]:
    """All that is wrong with the name of a group."""
    if not isinstance(name, str) or not name:
        yield Problem(where, f"{name!r} is no name: give text, as 'tests/a'")
        return
    if name.startswith("/") or name.endswith("/"):
        yield Problem(where, f"{name!r} begins or ends with a slash; names are relative, as 'tests/a'")
        return
    parts = name.split("/")
    if len(parts) > DEEPEST:
        yield Problem(where, f"{len(parts)} groups in one another are too many: {DEEPEST} at most")
    for part in parts:
        if wrong := _wrong(part):
            yield Problem(where, f"{name[:LONGEST]!r}: {wrong}")
            return


def _wrong(part: str) -> str:
    if not part:
        return "an empty part: one slash alone parts two names"
    if part in (".", ".."):
        return f"{part!r} leads out of the place where groups are made"
    if not part.isprintable() or part != part.strip():
        return "a character that cannot be printed, or a blank at an end"
    if len(part.encode("utf-8", "surrogateescape")) > LONGEST:
        return f"a part longer than {LONGEST} bytes"
    if part in _V1_FILES or (part.partition(".")[0] in _FILES and "." in part):
        return f"{part!r} is or may become a file of the kernel's; put another word first"
    if part[0] in ".-":
        return f"{part!r} begins with {part[0]!r}"
    return ""

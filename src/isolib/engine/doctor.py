"""doctor(): what this host lets this user do, each thing tried out, and what would help where it does not."""

import os
import textwrap
from collections.abc import Iterator

import msgspec

from isolib.errors import IsolibError, StepError, Unavailable
from isolib.handles.cgroup.facts import KNOWN, cgroup_facts
from isolib.handles.ids.wish import hold
from isolib.launch.facts import REMEDIES, host_facts
from isolib.launch.start import prepare, start
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts
from isolib.spec.ids import Ids

OLDEST = (5, 10)  # the kernel that isolib is tested on and no older one

# What each thing is for, as a person would look for it.
_FOR = {
    "kernel": "isolib as such",
    "a run": "a container with the defaults, started and ended",
    "user namespace": "containers of ordinary users, and the boundary of root's",
    "mount calls": "a root of the container's own",
    "openat2": "paths that stay inside the container's root",
    "mount_setattr": "mounts that are read-only with all below them, id-mapped mounts",
    "procfs": "/proc of the container alone",
    "sysfs": "/sys of the container alone",
    "mqueue": "/dev/mqueue",
    "overlay": "a root whose changes are thrown away",
    "overlay on tmpfs": "thrown-away changes in memory",
    "time namespace": "clocks with an offset",
    "id-mapped /": "this machine's files with root's rights (host:root)",
    "sub-ids": "more than one user in a container",
    "cgroup namespace": "a container that sees no control group above its own",
    "cgroup2": "/sys/fs/cgroup of the container alone",
    "seccomp": "filters over system calls",
    "Landlock": "rules over files and ports for one process",
    "limits": "limits of memory, CPU and processes; a kill of all at once",
}


class Finding(msgspec.Struct, frozen=True):
    """One thing: whether it can be had, why not (or what was found), what would help, and what it is for."""

    feature: str
    ok: bool
    why: str = ""
    remedy: str = ""
    use: str = ""


class Diagnosis(msgspec.Struct, frozen=True):
    """All findings on one host and user; printed, a table. ``ok``: containers can be run, whatever else is missing."""

    host: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether a container with the defaults starts."""
        return self["a run"].ok

    def __getitem__(self, feature: str) -> Finding:
        """The finding on a feature, by its name in the table. KeyError."""
        for finding in self.findings:
            if finding.feature == feature:
                return finding
        raise KeyError(feature)

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def table(self, width: int = 100, yes: str = "yes", no: str = "no ") -> str:
        """The findings, a paragraph each; ``yes`` and ``no`` as they are to be printed."""
        names = max(len(finding.feature) for finding in self.findings) + 2
        lines = [self.host, ""]
        for finding in self.findings:
            mark, name = yes if finding.ok else no, finding.feature.ljust(names)
            first, *more = _wrapped(finding, width - names - 5) or [""]
            lines.append(f"{mark}  {name}{first}".rstrip())
            lines += [" " * (names + 5) + line for line in more]
        lacks = [finding.feature for finding in self.findings if not finding.ok]
        verdict = "Containers can be run here" if self.ok else "Containers cannot be run here"
        lines += ["", f"{verdict}; missing: {', '.join(lacks)}." if lacks else f"{verdict}, and nothing is missing."]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.table()

    __repr__ = __str__


def _wrapped(finding: Finding, width: int) -> list[str]:
    """A line on what was found or what it is for; where it is missing, why and what helps."""
    texts = [finding.why or finding.use] if finding.ok else [f"for {finding.use}" if finding.use else "", finding.why]
    if not finding.ok and finding.remedy:
        texts.append(f"remedy: {finding.remedy}")
    return [line for text in texts if text for line in textwrap.wrap(text, max(width, 30))]


def doctor() -> Diagnosis:
    """Tries out what containers need, and says what this host and user can have: a table when printed."""
    facts = host_facts()
    rights = "root" if facts.uid == 0 else f"user {facts.uid}"
    rights += "" if facts.privileged or facts.uid else " without the right to mount"
    host = f"Linux {facts.kernel[0]}.{facts.kernel[1]} on {facts.arch}, as {rights}, control groups: "
    findings = [_kernel(facts), _run(), *_features(facts), _sub_ids(), *_limits()]
    named = (msgspec.structs.replace(finding, use=_FOR.get(finding.feature, "")) for finding in findings)
    return Diagnosis(host + cgroup_facts().version, tuple(named))


def _kernel(facts: HostFacts) -> Finding:
    found = f"Linux {facts.kernel[0]}.{facts.kernel[1]}; isolib is made for {OLDEST[0]}.{OLDEST[1]} and newer"
    ok = facts.kernel >= OLDEST
    return Finding("kernel", ok, found, "" if ok else "a newer kernel")


def _run() -> Finding:
    """A container with the defaults. That it has no such program as `true` is its own matter."""
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    try:
        with start(prepare(ContainerSpec(argv=("true",), cwd="/")), (null, null, null)) as process:
            process.wait()
    except StepError as error:
        if error.call != "execve":
            return Finding("a run", False, f"{error.call}({error.subject}): {error.strerror}", error.hint)
    except Unavailable as error:
        return Finding("a run", False, error.feature, error.remedy)
    except (IsolibError, OSError) as error:
        return Finding("a run", False, str(error))
    finally:
        os.close(null)
    return Finding("a run", True)


def _features(facts: HostFacts) -> Iterator[Finding]:
    missing = dict(facts.missing)
    for name in dict.fromkeys((*REMEDIES, *missing)):
        if name == "sub-ids":
            continue
        remedy = REMEDIES.get(name, "")
        yield Finding(name, name not in missing, missing.get(name, "").removesuffix(f"; {remedy}"), remedy)


def _sub_ids() -> Finding:
    try:
        with hold(Ids("auto")) as lease:
            count = sum(row.size for row in lease.uids)
    except Unavailable as error:
        return Finding("sub-ids", False, error.feature, error.remedy)
    except (IsolibError, OSError) as error:
        return Finding("sub-ids", False, str(error), REMEDIES["sub-ids"])
    return Finding("sub-ids", True, f"{count} ids for a container")


def _limits() -> Iterator[Finding]:
    facts = cgroup_facts()
    if facts.reason:
        yield Finding("limits", False, "this user may make no control group", facts.reason)
        return
    others = f" and in {len(facts.places) - 1} more hierarchies" if len(facts.places) > 1 else ""
    yield Finding("limits", True, f"groups are made in {facts.places[0]}{others}")
    for name in KNOWN:
        if controller := facts.controllers.get(name):
            found = f"cgroup v{controller.version}" if controller.usable else controller.reason
            yield Finding(f"limits: {name}", controller.usable, found)

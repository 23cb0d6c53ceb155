"""The chapter on the payload's own process: terminal, identity, limits, rights given up one by one, and the exec."""

import struct

from isolib.launch import steps
from isolib.launch.compile.story import CLONE, O_PATH, Identity, Story
from isolib.launch.steps import STDERR, STDIN, STDOUT, Step
from isolib.spec.capabilities import CAPABILITIES, Capabilities
from isolib.spec.container import ContainerSpec
from isolib.spec.landlock import ON_A_FILE, ruleset
from isolib.spec.process import IO_CLASSES, PERSONALITIES, POLICIES, RLIMITS, Scheduling, rlimit_pair
from isolib.spec.seccomp import SeccompProfile

PR_SET_KEEPCAPS, PR_SET_NO_NEW_PRIVS = 8, 38
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def payload(story: Story) -> None:
    """Everything after the fork. The order is a demand of the kernel's: each step still has the rights it needs."""
    spec, process = story.spec, story.spec.process
    story.add(steps.setsid())
    table = _terminal(story) if spec.terminal else {0: STDIN, 1: STDOUT, 2: STDERR}
    extra = {number: steps.FIRST_FREE + i for i, number in enumerate(sorted(process.fds))}
    story.add(steps.fds(table | extra))
    for name, value in process.rlimits.items():
        story.add(steps.rlimit(name, RLIMITS[name], *rlimit_pair(value)))
    if process.scheduling is not None:
        _scheduling(story, process.scheduling)
    story.add(steps.umask(process.umask if process.umask is not None else 0o022))
    if process.personality is not None:
        story.add(steps.personality(PERSONALITIES[process.personality]))
    story.add(steps.keyring())
    _identity(story)
    story.add(steps.chdir(spec.cwd or "/"))
    _rights(story)
    story.add(command(spec, story.identity))


def _terminal(story: Story) -> dict[int, int]:
    story.add(steps.controlling(story.terminal))
    return dict.fromkeys((0, 1, 2), story.terminal)


def terminal(story: Story) -> None:
    """init's part of it, of a process that enters: the pair is made from the container's devpts."""
    with story.borrowed() as root:
        story.add(steps.open_(steps.HOST, "/", O_PATH, root))
        _pair(story, root, "dev/pts/ptmx")


def own_terminal(story: Story) -> None:
    """The same for a new container, whose /dev/console it is as well."""
    _pair(story, *story.place("/dev/pts/ptmx"))
    if "/dev/console" not in story.targets:
        with story.borrowed() as tree:
            story.add(steps.open_tree(story.terminal, "", CLONE, tree))
            story.add(steps.attach(tree, *story.place("/dev/console"), why="the terminal"))


def _pair(story: Story, root: int, path: str) -> None:
    """The caller gets the master."""
    master, story.terminal = story.take(), story.take()
    story.add(steps.pty(root, path, master, story.terminal, story.spec.window or (0, 0)))
    if story.identity.uid:
        story.add(steps.chown(story.terminal, story.identity.uid, -1, "the terminal"))
    story.add(steps.send(master, "terminal", "the caller's side"))
    story.give_back(master)


def _scheduling(story: Story, wish: Scheduling) -> None:
    if wish.cpus:
        story.add(steps.affinity(wish.cpus))
    if wish.policy != "other":
        raw = (48, POLICIES[wish.policy], 0, wish.nice or 0, wish.priority, wish.runtime, wish.deadline, wish.period)
        story.add(steps.scheduler(struct.pack("<IIQiIQQQ", *raw), f"{wish.policy}, {wish.priority}"))
    if wish.nice is not None and wish.policy != "deadline":
        story.add(steps.nice(wish.nice))
    if wish.io is not None:
        story.add(steps.ioprio(IO_CLASSES[wish.io] << 13 | wish.io_level, f"{wish.io}, {wish.io_level}"))


def _identity(story: Story) -> None:
    """Groups, group, user. A self map has no right to setgroups(2) (user_namespaces(7)), and nothing to give up by
    it.
    """
    who = story.identity
    if story.range_map or story.spec.namespace("user") == "host":
        story.add(steps.groups(who.groups, perhaps=isinstance(story.spec.namespace("user"), int)))
    if who.uid:
        story.add(steps.prctl("PR_SET_KEEPCAPS", PR_SET_KEEPCAPS, 1, why="until the sets are chosen below"))
    story.add(steps.gid(who.gid), steps.uid(who.uid))


def _rights(story: Story) -> None:
    security = story.spec.security
    masks = _capabilities(story).masks()
    words = f"{bin(masks.permitted).count('1')} of {len(CAPABILITIES)} kept"
    strict = security.no_new_privs
    if not strict:  # without it, installing a filter needs a capability that the next step drops (seccomp(2))
        _seccomp(story)
    register = _landlock_paths(story)
    order = (masks.bounding, masks.permitted, masks.effective, masks.inheritable, masks.ambient)
    if not strict:
        _landlock(story, register)
    story.add(steps.capabilities(*order, words))
    if strict:
        why = "no set-user-id program gives more"
        story.add(steps.prctl("PR_SET_NO_NEW_PRIVS", PR_SET_NO_NEW_PRIVS, 1, why=why))
        _landlock(story, register)
        _seccomp(story)


def _capabilities(story: Story) -> Capabilities:
    """The default of another user than root is none in effect, as execve(2) would have it (capabilities(7))."""
    wish = story.spec.security.capabilities
    if story.identity.uid and wish == Capabilities():
        return Capabilities(bounding=wish.bounding, permitted=(), effective=(), inheritable=(), ambient=())
    return wish


def _seccomp(story: Story) -> None:
    wish = story.spec.security.seccomp
    if wish == "unconfined":
        return
    from isolib.launch.seccomp import assemble
    from isolib.spec.seccomp_default import DEFAULT, STRICT

    profile = wish if isinstance(wish, SeccompProfile) else STRICT if wish == "strict" else DEFAULT
    held = _capabilities(story).names()
    program = assemble(profile, arch=story.host.arch, capabilities=held, kernel=story.host.kernel)
    story.add(steps.seccomp(program.code, program.flags, f"a filter of {program.count} instructions"))


def _landlock_paths(story: Story) -> dict[str, int]:
    """Registers of the paths, opened once all mounts are there (landlock(7): a rule follows the file, not the name)."""
    wish = story.spec.security.landlock
    if wish is None:
        return {}
    rules = ruleset(wish, story.host.landlock, best_effort=story.spec.security.best_effort)
    found = {path: story.take() for path, _ in rules.paths}
    story.add(*(steps.open_(steps.HOST, path, O_PATH, register) for path, register in found.items()))
    return found


def _landlock(story: Story, registers: dict[str, int]) -> None:
    wish = story.spec.security.landlock
    if wish is None:
        return
    rules = ruleset(wish, story.host.landlock, best_effort=story.spec.security.best_effort)
    packed = [(access, registers[path], 0) for path, access in rules.paths]
    packed += [(access, steps.NONE, port) for port, access in rules.ports]
    words = f"{len(rules.paths)} paths, {len(rules.ports)} ports"
    handled = (rules.handled_fs, rules.handled_net, rules.scoped)
    story.add(steps.landlock(handled, rules.size, ON_A_FILE, packed, words))


def command(spec: ContainerSpec, identity: Identity) -> Step:
    """The exec, the only step that knows of argv and env: what every program expects, under what was asked for."""
    defaults = {"PATH": DEFAULT_PATH, "HOME": identity.home}
    if spec.terminal:
        defaults["TERM"] = "xterm"
    return steps.exec_(spec.argv, [f"{name}={value}" for name, value in (defaults | dict(spec.env)).items()])

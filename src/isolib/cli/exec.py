"""`isolib exec`."""

from functools import partial

from isolib.cli.help import Page
from isolib.cli.options import Given, number, parse, wrong
from isolib.cli.output import width
from isolib.cli.words import ELSEWHERE, EXEC

PAGE = Page(
    "exec",
    ("isolib exec [OPTIONS] PID COMMAND [WORD…]",),
    "run another command in a container that runs",
    """
    PID is a process of the container, isolib's init in front of it, or the isolib run that started it: $! of a shell.

    The command starts as that process did: its user, directory, environment, capabilities and control group. Its
    system calls are filtered by the default profile. It ends with the container.
    """,
    EXEC,
    (
        ("look around in a container that runs in the background", "isolib run -- sleep 60 & isolib exec $! ps ax"),
        ("a shell in the container that process 4711 is in", "isolib exec -it 4711 sh"),
    ),
)


def main(words: list[str]) -> int:
    """Runs it to its end; its exit code."""
    given = parse(words, PAGE.options, ELSEWHERE)
    if given.on("help"):
        print(PAGE.render(width()))
        return 0
    pid, argv = _words(given)
    from isolib.cli.environment import environment
    from isolib.cli.request import Request
    from isolib.cli.run import seconds, told
    from isolib.cli.session import Session
    from isolib.engine.entering import entered
    from isolib.engine.running import Running
    from isolib.errors import SpecError, Unavailable
    from isolib.handles.terminal import window
    from isolib.spec.container import ContainerSpec

    timeout, env = seconds(given.one("timeout")), environment(given)
    with Running(pid) as running:
        if timeout is not None and running.target.group is None:
            remedy = "give the container limits, so that it has a control group; or use timeout(1) inside"
            raise Unavailable("a timeout that kills all that is started inside", remedy)
        user = given.one("user")
        spec = ContainerSpec(
            argv=tuple(argv),
            env={**running.env, **env},
            cwd=given.one("workdir") or running.cwd,
            user=user or running.user,
            security=running.security_of(user),
            terminal=given.on("tty"),
            window=window(),
        )
        session = Session(interactive=given.on("interactive"), terminal=given.on("tty"), timeout=timeout)
        try:
            ended = session.run(partial(entered, spec, running.target))
        except SpecError as error:
            raise Request(spec, {"cwd": "--workdir", "user": "--user", "argv": "the command"}).told(error) from None
    return told(ended, given, session.timed_out)


def _words(given: Given) -> tuple[int, list[str]]:
    words = list(given.words)
    if not words:
        raise wrong("", "no container is named: isolib exec PID COMMAND")
    where = words.pop(0)
    if not (where.isascii() and where.isdigit()) or not 0 < number("", where) < 2**31:
        raise wrong("", f"{where!r} is no pid: a container is named by the pid of a process in it")
    words = words[1:] if words[:1] == ["--"] else words
    if not words:
        raise wrong("", f"there is no command: isolib exec {where} COMMAND")
    return int(where), words

"""Words of a command line to a spec: as Docker reads them, and whatever they are, a spec or a SpecError."""

import pytest
from hypothesis import given, strategies as st

from isolib import SpecError
from isolib.cli.environment import environment
from isolib.cli.help import option_lines
from isolib.cli.options import Given, Option, parse
from isolib.cli.request import Request, request
from isolib.cli.run import PAGE, seconds
from isolib.cli.words import ELSEWHERE
from isolib.errors import Problem
from isolib.spec.container import ContainerSpec

NAMES = [name for option in PAGE.options for name in option.spellings]


def read(*words: str) -> Given:
    return parse(words, PAGE.options, ELSEWHERE)


@pytest.mark.parametrize(
    ("words", "values", "rest", "dashes"),
    [
        ("", {}, [], False),
        ("true", {}, ["true"], False),
        ("-- true", {}, ["true"], True),
        ("-i -t -- sh", {"interactive": ["true"], "tty": ["true"]}, ["sh"], True),
        ("-it -- sh", {"interactive": ["true"], "tty": ["true"]}, ["sh"], True),
        ("-itm 64M -- sh", {"interactive": ["true"], "tty": ["true"], "memory": ["64M"]}, ["sh"], True),
        ("-m64M -- sh", {"memory": ["64M"]}, ["sh"], True),
        ("-m=64M -- sh", {"memory": ["64M"]}, ["sh"], True),
        ("--memory 64M -- sh", {"memory": ["64M"]}, ["sh"], True),
        ("--memory=64M -- sh", {"memory": ["64M"]}, ["sh"], True),
        ("--memory= -- sh", {"memory": [""]}, ["sh"], True),
        ("-e A=1 -e=B=2 --env=C=3 -eD=4 sh", {"env": ["A=1", "B=2", "C=3", "D=4"]}, ["sh"], False),
        ("--rm=false --init=T sh", {"rm": ["false"], "init": ["true"]}, ["sh"], False),
        ("-i=false sh", {"interactive": ["false"]}, ["sh"], False),
        ("--oom-score-adj -500 sh", {"oom-score-adj": ["-500"]}, ["sh"], False),
        ("--workdir --rm sh", {"workdir": ["--rm"]}, ["sh"], False),
        ("sh -c x -- -i", {}, ["sh", "-c", "x", "--", "-i"], False),
        ("-- sh -- -i", {}, ["sh", "--", "-i"], True),
        ("- x", {}, ["-", "x"], False),
    ],
)
def test_as_docker_reads_them(words: str, values: dict[str, list[str]], rest: list[str], dashes: bool) -> None:
    assert read(*words.split()) == (values, rest, dashes)


def test_the_last_one_counts() -> None:
    words = read("-m", "1G", "-m", "2G", "-i", "-i=false", "--", "true")
    assert (words.one("memory"), words.on("interactive"), words.one("cpus"), words.all("env")) == (
        "2G",
        False,
        None,
        [],
    )


def asked(*words: str) -> Request | SpecError:
    try:
        return request(read(*words))
    except SpecError as error:
        return error


WORD = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(st.sampled_from(NAMES), WORD), max_size=6), st.booleans())
def test_whatever_it_is(pairs: list[tuple[str, str]], apart: bool) -> None:
    words = [word for name, value in pairs for word in ([name, value] if apart else [f"{name}={value}"])]
    found = asked(*words, "--", "true")
    problems = found.problems if isinstance(found, SpecError) else tuple(found.spec.problems())
    assert all(isinstance(problem, Problem) for problem in problems)
    assert problems or not isinstance(found, SpecError)


VALUES = """
    1 0 -1 1.5 64M max 2:3 a=b a: :b /a:/b /a:/b:ro ./a:/b:rslave,noexec type=bind,src=/,dst=/x type=tmpfs,dst=/x
    /dev/null /dev/null:r /dev/null:/dev/x:rw host none auto auto:5 self keep-id:1 0:1:1 0-3 nofile=1:2 core=-1 ALL
    CHOWN net.a=1 seccomp=unconfined unmask=ALL mask=/a size=1m /x:size=1m,mode=700 1000:1000 root true false
    /dev/sda:1M
"""


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES.split())), max_size=8))
def test_what_might_be_right_elsewhere(pairs: list[tuple[str, str]]) -> None:
    found = asked(*(f"{name}={value}" for name, value in pairs), "host", "true")
    assert isinstance(found, SpecError) or found.spec.argv == ("true",)


def test_errors_stand_at_the_words_they_came_from() -> None:
    found = request(read("-v", "./a:/b", "-m", "1", "-w", "x", "--", "true"))
    problems = (
        Problem("mounts[0].source", "is not there"),
        Problem("limits.memory", "is little"),
        Problem("cwd", "bad"),
    )
    told = found.told(SpecError([*problems, Problem("argv[0]", "odd"), Problem("root", "mounts[0] and mounts[7]")]))
    assert [str(problem) for problem in told.problems] == [
        "-v ./a:/b: is not there",
        "--memory: is little",
        "--workdir: bad",
        "the command: odd",
        "root: -v ./a:/b and mounts[7]",
    ]


def test_pythons_words_become_the_command_lines() -> None:
    found = Request(ContainerSpec(argv=("true",)), {})
    (problem,) = found.told(SpecError(Problem("", "create it, or use optional=True"))).problems
    assert problem.what == "create it, or use the option optional"


@pytest.mark.parametrize("text", ["60", "0.5", "3.", ".5"])
def test_seconds(text: str) -> None:
    assert seconds(text) == float(text)


@pytest.mark.parametrize("text", ["", "0", "-1", "1e3", "nan", "inf", "1.2.3", "1_0", " 1", "9" * 30, "٣"])
def test_no_seconds(text: str) -> None:
    with pytest.raises(SpecError):
        seconds(text)


def test_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE", "1=2")
    monkeypatch.delenv("NOT_MINE", raising=False)
    words = read("-e", "A=b=c", "-e", "MINE", "-e", "NOT_MINE", "-e", "B=", "-e", "A=d", "--", "true")
    assert environment(words) == {"A": "d", "MINE": "1=2", "B": ""}


def test_the_columns_of_the_help() -> None:
    short = option_lines(Option("-m, --memory", "SIZE", "text " * 30))
    assert short[0].startswith("  -m, --memory SIZE             text text")
    assert all(line.startswith(" " * 32 + "text") for line in short[1:])
    assert option_lines(Option("--a-name-that-is-long", "AND ITS VALUE", "text")) == [
        "      --a-name-that-is-long AND ITS VALUE",
        " " * 32 + "text",
    ]

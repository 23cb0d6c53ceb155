"""What isolib prints for people and for programs: help, version, plan, doctor."""

import json
import os
import pty
import re
import subprocess

import pytest

import isolib
from isolib.cli.main import VERBS
from isolib.cli.options import parse
from tests.e2e.line import PATIENCE, PROGRAM, environment, line

HELP = {verb: __import__(f"isolib.cli.{verb}", fromlist=["PAGE"]).PAGE for verb in VERBS}


def test_the_overview() -> None:
    done = line("--help")
    assert (done.code, done.err) == (0, "")
    assert line("help") == line("-h") == done
    assert all(re.search(rf"^  {verb} +\w", done.out, flags=re.M) for verb in VERBS)
    without = line()
    assert (without.code, without.out, without.err) == (125, "", done.out)


def test_the_version() -> None:
    assert line("--version") == (0, f"isolib {isolib.__version__}\n", "")


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb(verb: str) -> None:
    done = line(verb, "--help")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: isolib {verb} ")
    assert f"  isolib {verb} " in done.out.partition("Example")[2]
    assert max(map(len, done.out.splitlines())) <= 100
    for option in HELP[verb].options:
        assert re.search(rf"^ +{re.escape(option.names)}( |$)", done.out, flags=re.M), option
    assert line("help", verb) == done


@pytest.mark.parametrize("verb", VERBS)
def test_an_option_stands_once_and_has_help(verb: str) -> None:
    options = HELP[verb].options
    names = [name for option in options for name in option.spellings]
    assert len(names) == len(set(names))
    assert all(option.help and not option.help.endswith(".") for option in options)


@pytest.mark.parametrize("verb", VERBS)
def test_the_examples_are_read(verb: str) -> None:
    """As far as their words go: options that are there."""
    for _, command in HELP[verb].examples:
        for words in re.findall(rf"isolib {verb} ([^|&)]*)", command):
            parse(words.replace('"', "").split(), HELP[verb].options, {})


needs_user_namespace = pytest.mark.needs_user_namespace


@needs_user_namespace
def test_a_plan_in_words() -> None:
    done = line("plan", "--tmpfs", "/mnt", "--", "sh", "-c", "exit 3")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert re.match(r" *-2 +clone3\(", lines[0])
    assert re.search(r"move_mount\(/mnt\)", done.out)
    assert re.search(r"execve\(sh\)$", lines[-1])


@needs_user_namespace
@pytest.mark.parametrize("words", [("--json",), ("--format", "json"), ("--format=json",)])
def test_a_plan_for_programs(words: tuple[str, ...]) -> None:
    done = line("plan", *words, "--", b"odd\xff")
    plan = json.loads(done.out)
    assert {"NEWPID", "NEWUSER"} <= set(plan["clone"])
    assert plan["steps"][-1] == {"step": "exec", "call": "execve", "subject": "odd\udcff", "why": None}


def test_doctor() -> None:
    done = line("doctor")
    assert done.code in (0, 1)
    assert done.err == ""
    assert done.out.startswith("Linux ")
    assert "\033" not in done.out
    assert ("Containers can be run here" in done.out) == (done.code == 0)


def test_doctor_for_programs() -> None:
    done = line("doctor", "--json")
    found = json.loads(done.out)
    assert found["ok"] == (done.code == 0)
    assert {"feature", "ok", "why", "remedy", "use"} == set(found["findings"][0])


@pytest.mark.parametrize(("no_colour", "coloured"), [("", True), ("1", False)])
def test_colours_are_for_terminals(no_colour: str, coloured: bool) -> None:
    master, terminal = pty.openpty()
    env = environment({"TERM": "xterm", "NO_COLOR": no_colour})
    subprocess.run([*PROGRAM, "doctor"], stdout=terminal, env=env, timeout=PATIENCE, check=False)
    os.close(terminal)
    with open(master, "rb", 0) as shown:
        assert (b"\033[32myes\033[0m" in shown.read(1 << 16)) == coloured

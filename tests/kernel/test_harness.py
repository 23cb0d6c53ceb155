"""The look for what tests leave behind can fail: each kind of leak, made on purpose by a small test, is told of."""

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import leaking, leaks
from tests.harness.facts import PATH, HostFacts

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", autouse=True)
def spare_descriptor() -> Iterator[None]:
    """The module of leaks opens one to close it; here it is only read."""
    yield
    os.close(leaking.spare)


@pytest.fixture(scope="module")
def report(host_facts: HostFacts) -> str:
    """What pytest says of all leaks in one run of its own, for root apart from the machine's mounts and devices."""
    argv = [sys.executable, "-m", "pytest", "-q", "-rfEp", "-p", "no:cacheprovider", leaking.__file__]
    apart = ["unshare", "--mount", "--net", "--propagation", "private"] if host_facts.root else []
    env = {"PATH": PATH, "ISOLIB_TEST_PATIENCE": "0.2"}
    return subprocess.run([*apart, *argv], cwd=TOP, capture_output=True, text=True, check=False, env=env).stdout


def lines(report: str, pattern: str) -> list[str]:
    return re.findall(rf"^{pattern}$", report, re.MULTILINE)


def test_a_clean_test_passes(report: str) -> None:
    assert lines(report, "PASSED .*::test_clean")
    assert not lines(report, "ERROR .*::test_clean")


@pytest.mark.parametrize("leak", leaking.LEAKS, ids=lambda leak: leak.__name__)
def test_each_leak_is_told_of(report: str, leak: Callable[..., None]) -> None:
    if any(mark.name == "needs_root" for mark in getattr(leak, "pytestmark", ())) and os.geteuid() != 0:
        pytest.skip("HostFact: not root")
    told = re.search(rf"::{leak.__name__} left this behind:\n((?: +.*\n)+)", report)
    assert told, f"nothing is said of {leak.__name__}; all that was said ends so:\n{report[-1000:]}"
    assert re.search(leak.__doc__ or "", told[1]), told[1]


def test_a_skip_without_a_fact_fails(report: str) -> None:
    assert "skipped without a HostFact: no time today" in report
    assert lines(report, " +1  no such thing")


def test_a_marker_skips_for_its_fact(report: str) -> None:
    assert "a marker did not hold" not in report


def test_the_look_is_quick() -> None:
    """By count of what it does, not by the clock: no command is run, and a look opens few files."""
    script = "import sys; from tests.harness import leaks; leaks.snapshot(); seen = []; "
    script += "sys.addaudithook(lambda event, _: seen.append(event)); leaks.snapshot(); "
    script += "print(seen.count('open'), seen.count('subprocess.Popen'))"
    done = subprocess.run([sys.executable, "-c", script], cwd=TOP, capture_output=True, text=True, check=True)
    opened, started = map(int, done.stdout.split())
    assert opened < 40
    assert started == 0


def test_a_difference_names_both_sides() -> None:
    assert leaks.differences({"a": Counter("xy")}, {"a": Counter("yz")}) == ["a: - x", "a: + z"]

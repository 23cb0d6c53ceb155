"""What every test gets: the facts of this host, a look for what it leaves behind, roots to run in, and honest skips."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

from isolib.launch import facts
from isolib.linux import spawn
from tests.harness import leaks, roots
from tests.harness.facts import FACTS, HostFacts, header

HOST = HostFacts()
SKIPS = pytest.StashKey[Counter[str]]()

# Software emulation is 5 to 20 times slower: no example has a deadline, the test as a whole has one.
hypothesis.settings.register_profile("isolib", deadline=None, database=None)
hypothesis.settings.load_profile("isolib")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rows", type=int, metavar="N", help="of a parametrized test only N rows, from all over its table"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With --rows: each test still runs, with fewer of its parameters; for where a row takes seconds."""
    wanted = config.getoption("rows")
    tables: dict[str, list[pytest.Item]] = {}
    for item in items:
        tables.setdefault(item.nodeid.partition("[")[0], []).append(item)
    left_out = {
        item
        for rows in tables.values()
        if wanted and len(rows) > wanted
        for item in set(rows) - {rows[number * (len(rows) - 1) // max(wanted - 1, 1)] for number in range(wanted)}
    }
    if left_out:
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SKIPS] = Counter()
    for name, fact in FACTS.items():
        config.addinivalue_line("markers", f"needs_{name}: skipped where there is {fact.lack}")
    # A folder of temporary files and one of state for this run alone: what is left in them is a test's.
    os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="isolib-tests-")
    os.environ["ISOLIB_ROOT"] = f"{tempfile.tempdir}/state"


def pytest_unconfigure() -> None:
    folder = os.environ.get("TMPDIR", "")
    if Path(folder).name.startswith("isolib-tests-"):
        shutil.rmtree(folder, ignore_errors=True)


def pytest_sessionstart(session: pytest.Session) -> None:
    """The line on the host, shown with -q and --no-header too."""
    if reporter := session.config.pluginmanager.get_plugin("terminalreporter"):
        reporter.write_line(header())


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers():
        name = mark.name.removeprefix("needs_")
        if name != mark.name and not getattr(HOST, name):
            pytest.skip(HOST.lack(name))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip without a fact of the host is a failure: it would hide that nothing is tested."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        if reason.startswith("HostFact: "):
            item.config.stash[SKIPS][reason.removeprefix("HostFact: ")] += 1
        else:
            report.outcome, report.longrepr = "failed", f"skipped without a HostFact: {reason}"
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if skips := config.stash[SKIPS]:
        terminalreporter.section("skipped, for what this host lacks")
        for reason, number in sorted(skips.items()):
            terminalreporter.write_line(f"{number:5}  {reason}")


@pytest.fixture(scope="session", autouse=True)
def nothing_left_by_the_session() -> Iterator[None]:
    # What isolib opens once in a process and keeps: its init, a pidfd of the process itself, and its list of mounts.
    spawn.init_program()
    spawn.caller_pidfd()
    facts.host_facts()
    before = leaks.snapshot(leaks.SESSION_SUBJECTS)
    yield
    if left := leaks.differences(before, leaks.snapshot(leaks.SESSION_SUBJECTS)):
        pytest.fail("the tests together left this behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Before = after, for all that leaks.SUBJECTS names."""
    before = leaks.snapshot()
    yield
    if left := leaks.settled(before):
        pytest.fail(f"{request.node.nodeid} left this behind:\n  " + "\n  ".join(left), pytrace=False)


@pytest.fixture(scope="session")
def host_facts() -> HostFacts:
    return HOST


@pytest.fixture(scope="session")
def busybox_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root of busybox alone: /bin/sh and the rest; users root, nobody and app. Shared: not to be written to."""
    try:
        return roots.make_busybox_root(tmp_path_factory.mktemp("busybox"))
    except roots.NotHere as lack:
        pytest.skip(f"HostFact: no busybox root ({lack})")


@pytest.fixture(scope="session")
def debian_root() -> Path:
    """A Debian root directory with Python, kept between runs. Shared: not to be written to."""
    try:
        return roots.printed_by("debian-root")
    except roots.NotHere as lack:
        pytest.skip(f"HostFact: no Debian root ({lack})")

"""doctor(): findings that agree with what happens, as a table that can be read."""

import pytest

import isolib
from isolib import Diagnosis, Finding, Limits, Unavailable
from isolib.engine import doctor as module
from isolib.launch.facts import host_facts


@pytest.fixture(scope="module")
def found() -> Diagnosis:
    return isolib.doctor()


def test_a_run_is_what_decides(found: Diagnosis) -> None:
    assert found.ok == found["a run"].ok
    if found.ok:
        assert isolib.run(["true"]).exit_code == 0
    else:
        with pytest.raises(isolib.IsolibError):
            isolib.run(["true"])


def test_findings_are_the_facts(found: Diagnosis) -> None:
    missing = {name for name, _ in host_facts().missing}
    told = {finding.feature for finding in found if not finding.ok}
    assert missing - {"sub-ids"} <= told
    assert all(found[name].why for name in missing)


@pytest.mark.needs_groups
def test_limits_can_be_had(found: Diagnosis) -> None:
    assert found["limits"].ok
    assert found["limits: pids"].ok


def test_limits_are_as_told(found: Diagnosis) -> None:
    if found["limits"].ok and found["limits: pids"].ok:
        assert isolib.run(["true"], limits=Limits(pids=10)).exit_code == 0
    else:
        with pytest.raises(Unavailable):
            isolib.run(["true"], limits=Limits(pids=10))


def test_sub_ids_are_as_told(found: Diagnosis) -> None:
    if found["sub-ids"].ok:
        assert isolib.run(["true"], ids="auto").exit_code == 0
    else:
        with pytest.raises(Unavailable):
            isolib.run(["true"], ids="auto")


def test_every_finding_says_what_it_is_for(found: Diagnosis) -> None:
    assert [finding.feature for finding in found if not finding.use and ":" not in finding.feature] == []
    assert [finding.feature for finding in found if not finding.ok and not (finding.why or finding.remedy)] == []


def test_the_table() -> None:
    findings = (
        Finding("a run", True, use="everything"),
        Finding("wings", False, "this is a pig", "another animal " * 12, "flying"),
    )
    found = Diagnosis("a farm", findings)
    assert str(found) == repr(found)
    lines = str(found).splitlines()
    assert lines[:5] == ["a farm", "", "yes  a run  everything", "no   wings  for flying", "            this is a pig"]
    assert lines[5].startswith("            remedy: another animal")
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "Containers can be run here; missing: wings."
    assert (len(found), found.ok, found["wings"].ok) == (2, True, False)
    with pytest.raises(KeyError):
        found["tail"]


def test_a_host_that_cannot(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Unavailable("user namespace", "allow them")

    monkeypatch.setattr(module, "prepare", refuse)
    found = isolib.doctor()
    assert not found.ok
    assert found["a run"] == Finding("a run", False, "user namespace", "allow them", found["a run"].use)
    assert "Containers cannot be run here; missing: a run" in str(found)

"""The class of runc's CVE-2022-29162 and crun's CVE-2022-27650: inheritable capabilities that nobody asked for."""

import pytest

import isolib
from isolib import Capabilities, Container, Security

READ = ["/bin/sh", "-c", "grep Cap /proc/self/status"]
MODES: dict[str, Security] = {
    "default": Security(),
    "none": Security(capabilities=Capabilities.of()),
    "all": Security(capabilities=Capabilities.of("ALL")),
    "few": Security(capabilities=Capabilities.of("CHOWN", "KILL")),
    "unfiltered": Security(seccomp="unconfined"),
    "new privileges": Security(no_new_privs=False),
}


def sets(text: str) -> dict[str, int]:
    return {line.split(":")[0]: int(line.split()[1], 16) for line in text.splitlines()}


@pytest.mark.parametrize("how", ["start", "enter"])
@pytest.mark.parametrize("mode", MODES)
def test_nothing_is_inheritable(mode: str, how: str) -> None:
    security = MODES[mode]
    if how == "start":
        found = sets(isolib.run(READ, security=security, cwd="/").text())
    else:
        with Container(None, ["/bin/sleep", "100"], security=security, cwd="/") as container:
            found = sets(container.exec(READ).text())
    asked = security.capabilities.masks()
    assert found == {
        "CapInh": 0,
        "CapPrm": asked.permitted,
        "CapEff": asked.effective,
        "CapBnd": asked.bounding,
        "CapAmb": 0,
    }

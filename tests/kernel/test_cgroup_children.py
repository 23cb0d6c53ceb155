"""A group in a group: who is moved there is under the limits of both, on every version of cgroups."""

import pytest

from isolib.engine.container import Container
from isolib.handles.cgroup import CGroup
from isolib.handles.cgroup.facts import cgroup_facts
from isolib.image.image import Image
from isolib.spec.limits import Limits

LIMITS = Limits(memory="256M", pids=50, cpus=0.5, cpuset="0")


@pytest.fixture(autouse=True)
def _can_be_limited() -> None:
    if lacks := cgroup_facts().lacks(LIMITS):
        pytest.skip(f"HostFact: {lacks[0]}")


def test_a_child_has_every_directory_of_v1_that_its_parent_has() -> None:
    with CGroup.create("parent", LIMITS) as parent, parent.child("child") as child:
        if not any(place.hierarchy.version == 1 for place in parent._places):
            pytest.skip("HostFact: cgroup v2 alone, where there is one directory")
        assert {place.parent.absolute for place in child._places} >= {place.absolute for place in parent._places}


def test_a_command_that_enters_is_under_the_limits_of_the_container() -> None:
    with Container(Image.host(), ["sleep", "60"], limits=LIMITS) as container:
        found = container.exec(["grep", "Cpus_allowed_list", "/proc/self/status"], check=True)
        assert found.text().split() == ["Cpus_allowed_list:", "0"]

"""Values that are passed without a closer look: the closer look finds nothing wrong with them either."""

import re

import msgspec
from hypothesis import given, strategies as st

from isolib.spec import paths
from isolib.spec.container import ContainerSpec
from isolib.spec.paths import path_problems
from isolib.spec.security import DEFAULT, Security


def test_the_default_security_has_no_problems() -> None:
    same = Security()
    assert same == DEFAULT
    assert same is not DEFAULT
    assert list(same.problems("security")) == []
    assert ContainerSpec(argv=("true",)).security is DEFAULT


def test_any_other_security_is_looked_at() -> None:
    spoilt = msgspec.structs.replace(DEFAULT, masked=("relative",))
    assert [problem.where for problem in spoilt.problems("security")] == ["security.masked[0]"]


@given(st.one_of(st.from_regex(paths._USUAL, fullmatch=True), st.text(alphabet="/.a\n\0é-", max_size=12)))
def test_a_usual_path_is_one_without_problems(path: str) -> None:
    if not (len(path) < paths.PATH_MAX and paths._USUAL.fullmatch(path)):
        return
    usual, paths._USUAL = paths._USUAL, re.compile("(?!)")
    try:
        assert list(path_problems("path", path)) == []
    finally:
        paths._USUAL = usual

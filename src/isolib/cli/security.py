"""--cap-add, --cap-drop and --security-opt: words to a Security."""

from collections.abc import Iterator
from typing import Literal

from isolib.cli.options import Given, switched, wrong
from isolib.errors import SpecError
from isolib.spec.capabilities import Capabilities
from isolib.spec.seccomp import SeccompProfile
from isolib.spec.security import MASKED, READ_ONLY, Security
from isolib.spec.words import did_you_mean

_KNOWN = ("seccomp", "no-new-privileges", "systempaths", "mask", "unmask")
_REFUSED = {
    "apparmor": "isolib loads no AppArmor profiles: the host's rules stay as they are",
    "label": "isolib sets no SELinux labels: the host's rules stay as they are",
    "writable-cgroups": "isolib shows control groups read-only",
}


def security(given: Given) -> Security:
    """The default, loosened or tightened as asked."""
    options = list(_options(given))
    masked, read_only = _paths(options)
    seccomp = [value for name, value in options if name == "seccomp"]
    privileges = [value for name, value in options if name == "no-new-privileges"]
    return Security(
        capabilities=_capabilities(given),
        seccomp=_seccomp(seccomp[-1]) if seccomp else "default",
        no_new_privs=switched("--security-opt no-new-privileges", privileges[-1] or "true") if privileges else True,
        masked=masked,
        read_only=read_only,
    )


def _options(given: Given) -> Iterator[tuple[str, str]]:
    """``name=value``, and the older ``name:value``."""
    for text in given.all("security-opt"):
        at = min((at for at in (text.find("="), text.find(":")) if at >= 0), default=len(text))
        name, value = text[:at], text[at + 1 :]
        if name in _REFUSED:
            raise wrong(f"--security-opt {text}", _REFUSED[name])
        if name not in _KNOWN:
            raise wrong(f"--security-opt {text}", f"no option {name!r}{did_you_mean(name, _KNOWN)}")
        if not value and name != "no-new-privileges":
            raise wrong(f"--security-opt {text}", f"write {name}=VALUE")
        yield name, value


def _capabilities(given: Given) -> Capabilities:
    wish = Capabilities()
    more = [name for text in given.all("cap-add") for name in text.split(",")]
    less = [name for text in given.all("cap-drop") for name in text.split(",")]
    if not more and not less:
        return wish
    try:
        return wish.adjust(more, less)
    except SpecError as error:
        found = [(f"--cap-{problem.where.split('[')[0]}", problem.what) for problem in error.problems]
        raise wrong(*found[0]) from None


def _seccomp(value: str) -> SeccompProfile | Literal["default", "unconfined"]:
    if value in ("unconfined", "default", "builtin"):
        return "unconfined" if value == "unconfined" else "default"
    from isolib.spec.seccomp_json import from_json

    where = f"--security-opt seccomp={value}"
    try:
        with open(value, "rb") as file:
            return from_json(file.read(), value)
    except OSError as error:
        raise wrong(where, f"{error.strerror}; it is unconfined, default, or the file of a profile") from None


def _paths(options: list[tuple[str, str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The masked and the read-only paths: Podman's mask= and unmask=, paths with colons between, and Docker's word."""
    masked, read_only = list(MASKED), list(READ_ONLY)
    for name, value in options:
        if name == "systempaths" and value != "unconfined":
            raise wrong("--security-opt systempaths", f"{value!r}: the only value is unconfined")
        if name == "systempaths" or (name == "unmask" and value == "ALL"):
            masked, read_only = [], []
        elif name == "mask":
            masked += [path for path in value.split(":") if path not in masked]
        elif name == "unmask":
            masked, read_only = (
                [path for path in paths if path not in value.split(":")] for paths in (masked, read_only)
            )
    return tuple(masked), tuple(read_only)

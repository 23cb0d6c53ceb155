"""What compile() must not look at: files of the host that a spec names, and users known to the root alone."""

import os
from collections.abc import Iterator

import msgspec

from isolib.errors import Problem, SpecError
from isolib.launch.compile import Identity
from isolib.launch.users import lookup
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts
from isolib.spec.mounts import Bind
from isolib.spec.root import DirectoryRoot, HostRoot


def resolve(spec: ContainerSpec, host: HostFacts) -> tuple[ContainerSpec, Identity]:
    """The spec with every choice made that depends on the host's files, and the payload's numeric identity.

    Raises SpecError with all problems at once.
    """
    problems = [*spec.problems()]
    if problems:
        raise SpecError(problems)
    problems += _missing(spec)
    identity = lookup(spec, problems)
    if problems:
        raise SpecError(problems)
    mounts = tuple(
        mount for mount in spec.mounts if not (isinstance(mount, Bind) and mount.optional and _absent(mount))
    )
    cwd = spec.cwd or (_seen_cwd(spec, host) if isinstance(spec.root, HostRoot) else "/")
    return msgspec.structs.replace(spec, mounts=mounts, cwd=cwd), identity


def _absent(bind: Bind) -> bool:
    return not os.path.exists(bind.source)


def _missing(spec: ContainerSpec) -> Iterator[Problem]:
    for i, mount in enumerate(spec.mounts):
        if isinstance(mount, Bind) and not mount.optional and _absent(mount):
            yield Problem(
                f"mounts[{i}].source", f"{os.fspath(mount.source)!r} does not exist: create it, or use optional=True"
            )
    if isinstance(spec.root, DirectoryRoot):
        for i, layer in enumerate(spec.root.layers):
            if not os.path.isdir(layer):
                yield Problem(f"root.layers[{i}]", f"{layer!r} is no directory")


def _seen_cwd(spec: ContainerSpec, host: HostFacts) -> str:
    """The caller's working directory where a container on the host's own root shows it, else /."""
    from isolib.launch.compile.root import EMPTY, FRESH
    from isolib.spec.paths import below

    if any(below(host.cwd, top) for top in (*FRESH, *EMPTY)):
        return "/"
    if host.privileged and getattr(spec.root, "rights", "user") == "user" and not _open_to_all(host.cwd):
        return "/"
    return host.cwd


def _open_to_all(path: str) -> bool:
    """Whether any user may enter the directory."""
    while True:
        try:
            if not os.stat(path).st_mode & 0o001:
                return False
        except OSError:
            return False
        if path == "/":
            return True
        path = os.path.dirname(path)

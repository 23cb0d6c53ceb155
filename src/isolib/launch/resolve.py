"""What compile() must not look at: files and descriptors that a spec names, users known to the root alone, id maps."""

import os
import stat
from collections.abc import Iterator

import msgspec

from isolib.errors import Problem, SpecError
from isolib.handles import nsfs
from isolib.handles.ids.caller import caller_area
from isolib.handles.ids.wish import hold
from isolib.launch.compile import Identity
from isolib.launch.compile.hostroot import EMPTY, FRESH, hides, own_directory
from isolib.launch.compile.story import is_outsider
from isolib.launch.surroundings import first_closed
from isolib.launch.users import lookup
from isolib.spec.container import ContainerSpec
from isolib.spec.host import HostFacts
from isolib.spec.idrows import IdMap
from isolib.spec.ids import IdMaps, Ids
from isolib.spec.mounts import Bind, Device
from isolib.spec.paths import below
from isolib.spec.root import DirectoryRoot, HostRoot

NOBODY = 65534


def resolve(spec: ContainerSpec, host: HostFacts) -> tuple[ContainerSpec, Identity]:
    """The spec with every choice made that depends on the host's files, and the payload's numeric identity.

    Raises SpecError with all problems at once.
    """
    spec = spec.absolute(host.cwd)
    if problems := list(spec.problems()):
        raise SpecError(problems)
    if spec.ids is None and spec.namespace("user") == "new":
        spec = msgspec.structs.replace(spec, ids=Ids("auto" if host.privileged else "self"))
    problems += [*_descriptor_problems(spec), *_mount_problems(spec), *_root_problems(spec, host)]
    identity = _identity(spec, host, problems)
    if problems:
        raise SpecError(problems)
    mounts = tuple(m for m in spec.mounts if not (isinstance(m, Bind | Device) and m.optional and _is_missing(m)))
    cwd = spec.cwd or (_seen_cwd(spec, host) if isinstance(spec.root, HostRoot) else "/")
    return msgspec.structs.replace(spec, mounts=mounts, cwd=cwd), identity


def _descriptor_problems(spec: ContainerSpec) -> Iterator[Problem]:
    for number, fd in spec.process.fds.items():
        if not _is_open(fd):
            yield Problem(f"process.fds[{number}]", f"{fd} is not open in the caller")
    for kind in spec.joined:
        fd = int(spec.namespace(kind))
        found = nsfs.kind_of(fd) if _is_open(fd) else ""
        if found != kind:
            what = f"descriptor {fd} is that of a {found} namespace" if found else f"descriptor {fd} is no namespace"
            yield Problem(f"namespaces['{kind}']", what)
        elif kind == "user" and os.path.samestat(os.fstat(fd), os.stat("/proc/self/ns/user")):
            yield Problem("namespaces['user']", "is the caller's own, which is joined already: write 'host'")


def _is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def _mount_problems(spec: ContainerSpec) -> Iterator[Problem]:
    for i, mount in enumerate(spec.mounts):
        if not isinstance(mount, Bind | Device):
            continue
        place = f"mounts[{i}].source"
        try:
            mode = os.stat(mount.source).st_mode
        except (FileNotFoundError, NotADirectoryError):
            if not mount.optional:
                yield Problem(place, f"{os.fspath(mount.source)!r} does not exist: create it, or use optional=True")
        except OSError as error:
            yield Problem(place, f"{os.fspath(mount.source)!r}: {error.strerror}")
        else:
            if isinstance(mount, Device) and not (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)):
                yield Problem(place, f"{os.fspath(mount.source)!r} is no device: use Bind")


def _is_missing(mount: Bind | Device) -> bool:
    return not os.path.exists(mount.source)


def _root_problems(spec: ContainerSpec, host: HostFacts) -> Iterator[Problem]:
    for i, layer in enumerate(spec.root.layers if isinstance(spec.root, DirectoryRoot) else ()):
        if not os.path.isdir(layer):
            yield Problem(f"root.layers[{i}]", f"{layer!r} is no directory")
        elif is_outsider(spec, host) and os.stat(layer).st_mode & 0o005 != 0o005:
            what = (
                f"{layer!r} is closed to the container's root, whose id is not the caller's: chmod o+rx, or ids='self'"
            )
            yield Problem(f"root.layers[{i}]", what)
    place = spec.scratch.directory
    if place is not None and not (os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK)):
        yield Problem("scratch.directory", f"{place!r} is no directory that the caller may write to")


def _identity(spec: ContainerSpec, host: HostFacts, problems: list[Problem]) -> Identity:
    """Who the payload is; what is wrong with it is added to problems."""
    maps = _maps(spec)
    if maps is None:
        identity = lookup(spec, problems, lambda _gid: True)
    else:
        identity = lookup(_kept_user(spec), problems, lambda gid: _has(maps.gids, gid))
        problems += _unmapped(maps, identity)
        has_root = _has(maps.uids, 0) and _has(maps.gids, 0)
        identity = msgspec.structs.replace(identity, has_root=has_root, has_tty=_has(maps.gids, 5))
    if isinstance(spec.root, HostRoot) and spec.root.rights == "user" and host.privileged:
        identity = msgspec.structs.replace(identity, closed=tuple(_closed(spec, host)))
    if spec.user is None and isinstance(spec.root, HostRoot) and host.home != "/":
        identity = msgspec.structs.replace(identity, home=host.home)
    return identity


def _closed(spec: ContainerSpec, host: HostFacts) -> Iterator[str]:
    """The directories that are closed to others on the way to the working directory and to each mount: empty ones are
    shown in their places, for what is in them is not to be seen anyway.
    """
    done: list[str] = []
    for path in sorted({own_directory(spec, host), *(mount.path for mount in spec.mounts)} - {""}):
        if hides(spec, host, path) or any(below(path, top) for top in (*EMPTY, *FRESH, *done)):
            continue
        if (top := first_closed(path)) and top != host.home:
            done.append(top)
            yield top


def _kept_user(spec: ContainerSpec) -> ContainerSpec:
    """Who keeps his number is himself, unless somebody else is asked for."""
    if spec.user is None and spec.ids is not None and spec.ids.word == "keep-id":
        return msgspec.structs.replace(spec, user=f"{os.geteuid()}:{os.getegid()}")
    return spec


def _maps(spec: ContainerSpec) -> IdMaps | None:
    """The rows that the ids will come to, as far as the numbers inside go; None: nobody knows yet."""
    ids = spec.ids
    if ids is None or spec.namespace("user") != "new":
        return None
    if ids.word != "auto":
        return hold(ids).maps
    area = caller_area()
    size = ids.size or (area.unit if len(area) else 0)
    if not size:
        return None
    rows: tuple[IdMap, ...] = (IdMap(0, 0, size),)
    if 1 < size <= NOBODY:  # the last one is nobody, as handles/ids/area.py has it
        rows = (IdMap(0, 0, size - 1), IdMap(NOBODY, size - 1))
    return IdMaps(rows, rows)


def _has(rows: tuple[IdMap, ...], number: int) -> bool:
    return any(row.container <= number < row.container + row.size for row in rows)


def _unmapped(maps: IdMaps, who: Identity) -> Iterator[Problem]:
    remedy = "ask for ids that have it: 'auto' (needs sub-ids), or rows"
    if not _has(maps.uids, who.uid):
        yield Problem("user", f"user {who.uid} is not in the container's id map: {remedy}")
    if not _has(maps.gids, who.gid):
        yield Problem("user", f"group {who.gid} is not in the container's id map: {remedy}")
    for group in who.groups:
        if not _has(maps.gids, group):
            yield Problem("process.groups", f"group {group} is not in the container's id map: {remedy}")


def _seen_cwd(spec: ContainerSpec, host: HostFacts) -> str:
    """The caller's working directory where a container on the host's own root shows it, else /."""
    if hides(spec, host, host.cwd):
        return "/"
    own = own_directory(spec, host) == host.cwd
    as_user = isinstance(spec.root, HostRoot) and spec.root.rights == "user"
    if host.privileged and as_user and not own and host.cwd != host.home and not host.cwd_is_open:
        return "/"
    return host.cwd

"""-v, --mount, --tmpfs and --device: words to mounts, each with the words it came from."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping

from isolib.cli.options import Given, switched, wrong
from isolib.spec.mounts import OPTIONS, Bind, Device, Mount, Tmpfs
from isolib.spec.words import did_you_mean

Told = tuple[str, Mount]  # what was said, what it means

_PROPAGATION = {f"{r}{word}": word for word in ("private", "slave", "shared", "unbindable") for r in ("r", "")}
_NOTHING = ("rw", "nocopy", "consistent", "cached", "delegated", "rbind")  # Docker's words for what is so anyway
_REFUSED = {
    **dict.fromkeys(("z", "Z"), "isolib sets no SELinux labels: leave it out where there is no SELinux"),
    "U": "isolib changes no owners: files belong to the caller through an id-mapped mount",
    "O": "isolib puts no overlay over a volume: show it read-only, or copy it",
    "suid": "set-user-id programs of a mount work unless nosuid is said",
    "dev": "devices of a mount work unless nodev is said",
    "exec": "programs of a mount can be run unless noexec is said",
}
_LETTERS = set("rwm")
# What every container may use, where only some access to a device is given: the rest is then forbidden by its group.
_DEVICE_RULES = (
    "c *:* m",
    "b *:* m",
    *(f"c 1:{n} rwm" for n in (3, 5, 7, 8, 9)),
    "c 5:0 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
)


def mounts(given: Given) -> list[Told]:
    """All of them, in the order of the kinds; of one kind in the order given."""
    found: list[Told] = [(f"-v {text}", _volume(text)) for text in given.all("volume")]
    found += [(f"--mount {text}", _mount(text)) for text in given.all("mount")]
    found += [(f"--tmpfs {text}", _tmpfs(text)) for text in given.all("tmpfs")]
    found += [(f"--device {text}", _device(text)[0]) for text in given.all("device")]
    return found


def _volume(text: str) -> Bind:
    parts = text.split(":")
    if len(parts) == 1 or not parts[0] or (len(parts) == 2 and not parts[1].startswith("/")):
        raise wrong(f"-v {text}", "write SOURCE:TARGET, as ./src:/src; for an empty directory there is --tmpfs")
    if len(parts) > 3:
        raise wrong(f"-v {text}", "at most SOURCE:TARGET:OPTIONS; a path with a colon goes into --mount")
    if "/" not in parts[0] and parts[0] not in (".", ".."):
        raise wrong(f"-v {text}", f"there are no volumes with names: for a directory, write ./{parts[0]}")
    words = parts[2].split(",") if len(parts) == 3 else []
    return _bind(f"-v {text}", parts[0], parts[1], words)


def _bind(where: str, source: str, target: str, words: Iterable[str], *, recursive: bool = True) -> Bind:
    words = list(words)
    propagation = [_PROPAGATION[word] for word in words if word in _PROPAGATION]
    known = ("ro", "optional", "idmap", "readonly", *_PROPAGATION, *_NOTHING, *OPTIONS)
    for word in words:
        if word in _REFUSED:
            raise wrong(where, f"{word}: {_REFUSED[word]}")
        if word not in known:
            raise wrong(where, f"no option {word!r} of a mount{did_you_mean(word, known)}")
    return Bind(
        source,
        target,
        readonly="ro" in words or "readonly" in words,
        optional="optional" in words,
        recursive=recursive,
        owner="inside" if "idmap" in words else None,
        options=tuple(word for word in words if word in OPTIONS),
        propagation=propagation[-1] if propagation else "private",  # type: ignore[arg-type]
    )


def _fields(text: str) -> dict[str, str]:
    """``type=bind,"source=a,b",readonly``: a line of comma-separated values, as Docker reads it."""
    import csv

    try:
        (words,) = csv.reader([text], strict=True)
    except (csv.Error, ValueError):
        raise wrong(f"--mount {text}", "not a list of NAME=VALUE with commas between") from None
    return {name.strip().lower(): value for name, _, value in (word.partition("=") for word in words)}


_SAME = {"src": "source", "dst": "target", "destination": "target", "ro": "readonly"}


def _mount(text: str) -> Mount:
    where = f"--mount {text}"
    fields = {_SAME.get(name, name): value for name, value in _fields(text).items()}
    kind = fields.pop("type", "")
    if kind not in ("bind", "tmpfs"):
        raise wrong(where, f"type={kind}: there are type=bind and type=tmpfs")
    if not fields.get("target"):
        raise wrong(where, "needs target=, the place inside")
    return (_mount_bind if kind == "bind" else _mount_tmpfs)(where, fields)


def _only(where: str, fields: Mapping[str, str], known: Iterable[str]) -> None:
    for name in fields:
        if name not in known:
            raise wrong(where, f"no field {name!r} here{did_you_mean(name, known)}")


def _flag(where: str, fields: Mapping[str, str], name: str) -> bool:
    """``readonly``, ``readonly=true``, ``readonly=false``."""
    return name in fields and (fields[name] == "" or switched(where, fields[name]))


def _mount_bind(where: str, fields: Mapping[str, str]) -> Bind:
    flags = ("readonly", "optional", "idmap", "bind-nonrecursive")
    _only(where, fields, ("source", "target", *flags, "bind-propagation", "bind-recursive", "consistency"))
    if not fields.get("source"):
        raise wrong(where, "needs source=, the path on the host")
    words = [flag for flag in flags[:3] if _flag(where, fields, flag)]
    recursive = not _flag(where, fields, "bind-nonrecursive")
    match fields.get("bind-recursive", "enabled"):
        case "disabled":
            recursive = False
        case "enabled" | "readonly":
            pass
        case other:
            raise wrong(where, f"bind-recursive={other}: one of enabled, disabled, readonly")
    if spread := fields.get("bind-propagation"):
        if spread not in _PROPAGATION:
            raise wrong(where, f"bind-propagation={spread}: one of {', '.join(_PROPAGATION)}")
        words.append(spread)
    return _bind(where, fields["source"], fields["target"], words, recursive=recursive)


def _mount_tmpfs(where: str, fields: Mapping[str, str]) -> Tmpfs:
    _only(where, fields, ("target", "tmpfs-size", "tmpfs-mode", "tmpfs-options"))
    words = [word for word in fields.get("tmpfs-options", "").split(",") if word]
    words += [f"{name}={fields[f'tmpfs-{name}']}" for name in ("size", "mode") if f"tmpfs-{name}" in fields]
    return _memory(where, fields["target"], words)


def _tmpfs(text: str) -> Tmpfs:
    target, _, words = text.partition(":")
    return _memory(f"--tmpfs {text}", target, [word for word in words.split(",") if word])


def _memory(where: str, target: str, words: Iterable[str]) -> Tmpfs:
    """With Docker's defaults: everybody may write (1777), and nothing in it is run, set-user-id, or a device."""
    size: str | None = None
    mode, inodes, options = 0o1777, None, ["noexec", "nosuid", "nodev"]
    for word in words:
        name, _, value = word.partition("=")
        if name == "size":
            size = value
        elif name == "mode":
            mode = octal(where, value)
        elif name == "nr_inodes" and value.isascii() and value.isdigit():
            inodes = int(value)
        elif word in ("exec", "suid", "dev"):
            options.remove(f"no{word}") if f"no{word}" in options else None
        elif word in OPTIONS:
            options += [] if word in options else [word]
        elif word != "rw":
            known = ("size=", "mode=", "nr_inodes=", "exec", "suid", "dev", *OPTIONS)
            raise wrong(where, f"no option {word!r} of a tmpfs{did_you_mean(word, known)}")
    return Tmpfs(target, size=size, mode=mode, inodes=inodes, options=tuple(options))


def octal(where: str, text: str) -> int:
    """A mode as chmod(1) takes it; its bounds are the spec's to check."""
    if not text or len(text) > 8 or set(text) - set("01234567"):
        raise wrong(where, f"{text!r} is no mode: octal digits, as 1777")
    return int(text, 8)


def _device(text: str) -> tuple[Device, str]:
    """The device, and what may be done with the device."""
    where = f"--device {text}"
    parts = text.split(":")
    access = parts.pop() if len(parts) > 1 and parts[-1] and set(parts[-1]) <= _LETTERS else "rwm"
    if len(parts) > 2 or not all(part.startswith("/") for part in parts):
        raise wrong(where, "write /dev/NAME, /dev/NAME:/dev/OTHER, or one of them and :r, :rw or :rwm")
    try:
        mode = os.stat(parts[0]).st_mode
    except OSError as error:
        raise wrong(where, f"{parts[0]}: {error.strerror}") from None
    if not stat.S_ISCHR(mode) and not stat.S_ISBLK(mode):
        raise wrong(where, f"{parts[0]} is no device; for files there is -v")
    return Device(parts[0], parts[-1]), access


def device_rules(given: Given) -> tuple[str, ...] | None:
    """What the group's device controller has to allow, where not every device given may be used in every way."""
    devices = [_device(text) for text in given.all("device")]
    if all(set(access) == _LETTERS for _, access in devices):
        return None
    return (*_DEVICE_RULES, *_rules(devices))


def _rules(devices: Iterable[tuple[Device, str]]) -> Iterator[str]:
    for device, access in devices:
        found = os.stat(device.source)
        kind = "c" if stat.S_ISCHR(found.st_mode) else "b"
        letters = "".join(letter for letter in "rwm" if letter in access)
        yield f"{kind} {os.major(found.st_rdev)}:{os.minor(found.st_rdev)} {letters}"

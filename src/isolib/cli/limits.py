"""-m, --cpus, --pids-limit and the like: words to Limits; --ulimit: to limits of one process."""

import re
from collections.abc import Mapping
from typing import Literal

from isolib.cli.mounts import device_rules
from isolib.cli.options import Given, number, wrong
from isolib.spec.limits import IoLimit, Limits
from isolib.spec.process import RLIMITS, Rlimit
from isolib.spec.units import parse_size
from isolib.spec.words import did_you_mean

_DECIMAL = re.compile(r"[0-9]{1,6}(\.[0-9]{1,9})?|\.[0-9]{1,9}", re.ASCII)
_RATES = {"read-bps": "rbps", "write-bps": "wbps", "read-iops": "riops", "write-iops": "wiops"}


def limits(given: Given) -> Limits | None:
    """The limits; None where none is asked for, so that no group is made."""
    found = Limits(
        memory=given.one("memory"),
        memory_low=given.one("memory-reservation"),
        swap=_swap(given),
        cpus=_cpus(given.one("cpus")),
        cpu_weight=_weight(given),
        cpuset=given.one("cpuset-cpus"),
        mems=given.one("cpuset-mems"),
        pids=_pids(given.one("pids-limit")),
        io=_io(given),
        io_weight=_io_weight(given.one("blkio-weight")),
        devices=device_rules(given),
        unified=_unified(given),
    )
    return found if found != Limits() else None


def _swap(given: Given) -> int | str | None:
    """Docker counts memory and swap together; equal to the memory means no swap."""
    text, memory = given.one("memory-swap"), given.one("memory")
    if text is None:
        return None
    where = f"--memory-swap {text}"
    if memory is None:
        raise wrong(where, "is memory and swap together: say --memory too")
    if text == "-1":
        return "max"
    try:
        both, alone = parse_size(text), parse_size(memory)
    except ValueError as error:
        raise wrong(where, str(error)) from None
    if both == "max" or alone == "max":
        return "max"
    if both < alone:
        raise wrong(where, f"is less than --memory {memory}: it is memory and swap together")
    return both - alone


def _cpus(text: str | None) -> float | None:
    if text is not None and not _DECIMAL.fullmatch(text):
        raise wrong("--cpus", f"{text!r} is no number of CPUs: write 2 or 1.5")
    return None if text is None else float(text)


def _weight(given: Given) -> int | None:
    weight, shares = given.one("cpu-weight"), given.one("cpu-shares")
    if weight is not None and shares is not None:
        raise wrong("--cpu-shares", "the same as --cpu-weight, in another measure: give one of the two")
    if shares is None:
        return None if weight is None else number("--cpu-weight", weight)
    value = number("--cpu-shares", shares)
    if not 2 <= value <= 262_144:
        raise wrong("--cpu-shares", f"{value} is out of range: 2 to 262144")
    return max(1, min(10_000, round(value * 100 / 1024)))  # 1024 of the one is 100 of the other


def _pids(text: str | None) -> int | Literal["max"] | None:
    if text is None:
        return None
    value = number("--pids-limit", text)
    return "max" if value in (0, -1) else value


def _io_weight(text: str | None) -> int | None:
    """Docker's measure is BFQ's, 10 to 1000, and 100 is usual: up to that as cgroup v2's, above it steeper."""
    if text is None:
        return None
    value = number("--blkio-weight", text)
    if not 10 <= value <= 1000:
        raise wrong("--blkio-weight", f"{value} is out of range: 10 to 1000")
    return value if value <= 100 else 100 + (value - 100) * 11


def _io(given: Given) -> tuple[IoLimit, ...]:
    disks: dict[str, dict[str, int | str]] = {}
    for word, field in _RATES.items():
        for text in given.all(f"device-{word}"):
            device, _, value = text.rpartition(":")
            if not device:
                raise wrong(f"--device-{word} {text}", "write DEVICE:RATE, as /dev/sda:10M")
            rate = value if word.endswith("bps") else number(f"--device-{word} {text}", value)
            disks.setdefault(device, {})[field] = rate
    return tuple(IoLimit(device, **fields) for device, fields in disks.items())  # type: ignore[arg-type]


def _unified(given: Given) -> dict[str, int | str]:
    pairs = [text.partition("=") for text in given.all("cgroup-conf")]
    for name, equals, _ in pairs:
        if not equals:
            raise wrong(f"--cgroup-conf {name}", "write FILE=VALUE, as memory.high=1G")
    return {name: value for name, _, value in pairs}


def rlimits(given: Given) -> Mapping[str, Rlimit]:
    """``nofile=1024``, ``nofile=1024:4096``, ``core=unlimited``."""
    return dict(_rlimit(text) for text in given.all("ulimit"))


def _rlimit(text: str) -> tuple[str, Rlimit]:
    name, equals, value = text.partition("=")
    where = f"--ulimit {text}"
    if not equals:
        raise wrong(where, "write NAME=SOFT or NAME=SOFT:HARD, as nofile=1024")
    if name not in RLIMITS:
        raise wrong(where, f"no limit {name!r}{did_you_mean(name, RLIMITS) or ': there are ' + ', '.join(RLIMITS)}")
    parts = [part if part == "unlimited" else number(where, part) for part in value.split(":")]
    parts = ["unlimited" if part == -1 else part for part in parts]
    if len(parts) > 2:
        raise wrong(where, "at most a soft and a hard limit, SOFT:HARD")
    return name, (parts[0], parts[-1])  # type: ignore[return-value]

"""The cpu controller: quota, burst, weight; and the CPU time that a group has had (cpuacct on v1)."""

from msgspec import Struct

from isolib.handles.cgroup.frame import Read, Version, Write, number, table
from isolib.spec.limits import PERIOD, Limits


class CpuStats(Struct, frozen=True):
    """CPU time in seconds, of processes that are gone too. periods, throttled: bandwidth periods, and those cut short.

    throttled_seconds: how long the group's threads were kept waiting by its quota.
    """

    seconds: float
    user_seconds: float | None = None
    system_seconds: float | None = None
    periods: int | None = None
    throttled: int | None = None
    throttled_seconds: float | None = None


def weight_of_shares(shares: int) -> int:
    """v1's cpu.shares (2 to 262144, 1024 is usual) as v2's cpu.weight (1 to 10000), as runc and crun have it."""
    return 1 + (max(2, min(shares, 262_144)) - 2) * 9999 // 262_142


def shares_of_weight(weight: int) -> int:
    """v2's cpu.weight as v1's cpu.shares: the same share among groups of one kind, 100 being 1024."""
    return max(2, min(262_144, round(weight * 1024 / 100)))


def weight_of_v1(shares: int) -> int:
    """The inverse of ``shares_of_weight``, to read a limit back."""
    return max(1, min(10_000, round(shares * 100 / 1024)))


def writes(limits: Limits, version: Version) -> list[Write]:
    """The files to write: a period before the quota in it, the quota before the burst beyond it."""
    found = _bandwidth(limits, version)
    if limits.cpu_weight is not None:
        file, text = (
            ("cpu.weight", limits.cpu_weight) if version == 2 else ("cpu.shares", shares_of_weight(limits.cpu_weight))
        )
        found.append(Write("cpu_weight", "cpu", file, str(text)))
    if limits.cpu_idle is not None:
        found.append(Write("cpu_idle", "cpu", "cpu.idle", str(int(limits.cpu_idle))))
    return found


def _bandwidth(limits: Limits, version: Version) -> list[Write]:
    if limits.cpus is None:
        return []
    period = limits.cpu_period or PERIOD
    quota = "max" if limits.cpus == "max" else str(round(limits.cpus * period))
    burst = None if limits.cpu_burst is None else str(round(limits.cpu_burst * period))
    if version == 2:
        found = [Write("cpus", "cpu", "cpu.max", f"{quota} {period}")]
        return found if burst is None else [*found, Write("cpu_burst", "cpu", "cpu.max.burst", burst)]
    found = [
        Write("cpus", "cpu", "cpu.cfs_period_us", str(period)),
        Write("cpus", "cpu", "cpu.cfs_quota_us", "-1" if quota == "max" else quota),
    ]
    if limits.cpu_period is None:  # as a new group has it
        del found[0]
    return found if burst is None else [*found, Write("cpu_burst", "cpu", "cpu.cfs_burst_us", burst)]


def limits_of(read: Read, version: Version) -> dict[str, object]:
    """The fields of Limits that a group's files say."""
    if version == 2:
        quota_text, _, period_text = (read("cpu.max") or "").partition(" ")
        quota, period, burst = number(quota_text), number(period_text), number(read("cpu.max.burst"))
        unlimited = quota_text == "max"
        weight = number(read("cpu.weight"))
    else:
        quota, period = number(read("cpu.cfs_quota_us")), number(read("cpu.cfs_period_us"))
        burst, unlimited = number(read("cpu.cfs_burst_us")), quota is not None and quota < 0
        shares = number(read("cpu.shares"))
        weight = None if shares is None else weight_of_v1(shares)
    fields: dict[str, object] = {"cpu_weight": weight or None}  # v2 shows 0 for an idle group
    idle = number(read("cpu.idle"))
    fields["cpu_idle"] = None if idle is None else bool(idle)
    if unlimited:
        return fields | {"cpus": "max"}
    if quota is None or not period:
        return fields
    fields |= {"cpus": quota / period, "cpu_period": None if period == PERIOD else period}
    return fields | ({"cpu_burst": burst / period} if burst else {})


def stats(read: Read) -> CpuStats | None:
    """v2's cpu.stat counts in every group, whether the cpu controller is enabled in it or not; else v1's cpuacct does.

    On a hybrid host a group has two of the name: ``read`` gives both.
    """
    rows = table(read("cpu.stat"))
    times = {name: rows[f"{name}_usec"] / 1e6 for name in ("usage", "user", "system") if f"{name}_usec" in rows}
    if not times:
        files = (("usage", "cpuacct.usage"), ("user", "cpuacct.usage_user"), ("system", "cpuacct.usage_sys"))
        times = {name: value / 1e9 for name, file in files if (value := number(read(file))) is not None}
    if "usage" not in times:
        return None
    waited = rows["throttled_usec"] / 1e6 if "throttled_usec" in rows else None
    return CpuStats(
        times["usage"],
        user_seconds=times.get("user"),
        system_seconds=times.get("system"),
        periods=rows.get("nr_periods"),
        throttled=rows.get("nr_throttled"),
        throttled_seconds=rows["throttled_time"] / 1e9 if "throttled_time" in rows else waited,  # v1: ns
    )

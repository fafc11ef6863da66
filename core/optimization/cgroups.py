"""The limits of the container or service this process runs in: Linux control groups, versions 1 and 2 and both at once.

A limit binds wherever it stands between the process and the root, so every level is read. Source: the kernel's
admin-guide/cgroup-v2.rst and cgroup-v1/memory.rst.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from core.optimization.host import Host

UNLIMITED_BYTES = 1 << 60
"""version 1 writes "no limit" as the largest multiple of a page below 2^63"""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """One level's limit, in bytes."""

    limit_bytes: int
    used_bytes: int
    """without the file cache that the kernel gives back first"""

    @property
    def left_bytes(self) -> int:
        return max(0, self.limit_bytes - self.used_bytes)


@dataclass(frozen=True, slots=True)
class _Group:
    """The levels of one controller that this process is under, its own first."""

    levels: tuple[str, ...]
    version: int


def cpu_quota(host: Host) -> float | None:
    """The least share of processor time at any level, in processors; None without a quota."""
    quotas = [
        quota for group in _groups(host, "cpu") for level in group.levels if (quota := _quota(host, group, level))
    ]
    return min(quotas, default=None)


def memory_limits(host: Host) -> tuple[MemoryLimit, ...]:
    """Every level's limit that is one."""
    limits = (_limit(host, group, level) for group in _groups(host, "memory") for level in group.levels)
    return tuple(limit for limit in limits if limit is not None)


def _quota(host: Host, group: _Group, level: str) -> float | None:
    if group.version == 2:
        words = (host.word(f"{level}/cpu.max") or "max").split()
        quota, period = words[0], words[1] if len(words) > 1 else "100000"
    else:
        quota = host.word(f"{level}/cpu.cfs_quota_us") or "-1"
        period = host.word(f"{level}/cpu.cfs_period_us") or "100000"
    if not (quota.isdigit() and period.isdigit() and int(period)):
        return None
    return int(quota) / int(period)


def _limit(host: Host, group: _Group, level: str) -> MemoryLimit | None:
    if group.version == 2:
        # memory.high does not kill, but above it the kernel stops the process again and again.
        limits = [_number(host, f"{level}/memory.max"), _number(host, f"{level}/memory.high")]
        used, cached = _number(host, f"{level}/memory.current"), _stat(host, level, "inactive_file")
    else:
        limits = [_number(host, f"{level}/memory.limit_in_bytes")]
        used, cached = _number(host, f"{level}/memory.usage_in_bytes"), _stat(host, level, "total_inactive_file")
    least = min((limit for limit in limits if limit is not None and limit < UNLIMITED_BYTES), default=None)
    return None if least is None else MemoryLimit(least, max(0, (used or 0) - cached))


def _number(host: Host, path: str) -> int | None:
    word = host.word(path)
    return int(word) if word and word.isdigit() else None


def _stat(host: Host, level: str, name: str) -> int:
    for line in (host.text(f"{level}/memory.stat") or "").splitlines():
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdigit():
            return int(value)
    return 0


def _groups(host: Host, controller: str) -> Iterator[_Group]:
    """The controller's hierarchies: the one that does not hold it has no such files, so both may be looked at."""
    memberships = [line.split(":", 2) for line in (host.text("/proc/self/cgroup") or "").splitlines()]
    mounts = list(_mounts(host))
    for fields in memberships:
        if len(fields) != 3:
            continue
        number, controllers, path = fields
        unified = number == "0" and not controllers
        if not unified and controller not in controllers.split(","):
            continue
        for mount in mounts:
            if mount.unified == unified and (unified or controller in mount.controllers):
                yield _Group(tuple(_levels(mount, path)), 2 if unified else 1)


@dataclass(frozen=True, slots=True)
class _Mount:
    root: str
    """the group that stands at the mount point"""
    point: str
    unified: bool
    controllers: frozenset[str]


def _mounts(host: Host) -> Iterator[_Mount]:
    for line in (host.text("/proc/self/mountinfo") or "").splitlines():
        before, _, after = line.partition(" - ")
        fields, kind = before.split(), after.split()
        if len(fields) < 5 or not kind or kind[0] not in ("cgroup", "cgroup2"):
            continue
        options = kind[2].split(",") if len(kind) > 2 else []
        yield _Mount(fields[3], fields[4], kind[0] == "cgroup2", frozenset(options))


def _levels(mount: _Mount, path: str) -> Iterator[str]:
    """Folders from the process's own group up to the mount point.

    In a container without a namespace of its own, the path is the host's and the mount shows only the container's
    part of it; after a move out of the namespace it begins with `/..`. The mount point is then all there is to see.
    """
    group, root = PurePosixPath(path), PurePosixPath(mount.root)
    inside = group.relative_to(root) if group.is_relative_to(root) and ".." not in group.parts else PurePosixPath()
    for level in (inside, *inside.parents):
        if level != PurePosixPath():
            yield f"{mount.point}/{level}"
    yield mount.point

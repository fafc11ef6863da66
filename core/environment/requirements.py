"""The lists in pyproject.toml, and whether a folder of installed packages meets them.

Standard library only, no pip. Looks at the named requirements, not at what those need in turn; a requirement with a
marker counts as wanted everywhere.
"""

from __future__ import annotations

import csv
import hashlib
import re
import shutil
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from core.environment.failures import SetupError
from core.environment.pip import normalise

_REQUIREMENT = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)\s*(?:\[[^\]]*\])?\s*\(?([^;)]*)\)?\s*(?:;.*)?$")
_CLAUSE = re.compile(r"^\s*(===|==|>=|<=|~=|!=|<|>)\s*([^\s,]+)\s*$")
_VERSION = re.compile(
    r"^v?(?:\d+!)?(\d+(?:\.\d+)*)(?:[-_.]?(a|b|c|rc|alpha|beta|pre|preview|dev)[-_.]?(\d*))?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Declared:
    """pyproject.toml's requirements: the default list and the extras, with the megabytes to fetch and on the disk."""

    default: tuple[str, ...]
    extras: dict[str, tuple[str, ...]]
    disk_mb: dict[str, int]
    fetch_mb: dict[str, int]

    def requirements(self, group: str) -> tuple[str, ...]:
        """The list of `group`: "default" or an extra's name. Raises SetupError for another."""
        if group == "default":
            return self.default
        if group not in self.extras:
            raise SetupError(f"pyproject.toml has no extra '{group}'; it has: {', '.join(sorted(self.extras))}")
        return self.extras[group]

    def digest(self, group: str) -> str:
        """Changes with what `group` names, not with comments, order or layout. `full` also follows the default list."""
        names = [*self.requirements(group), *(self.default if group == "full" else ())]
        lines = sorted(re.sub(r"\s+", "", name) for name in names)
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def read_declared(pyproject: Path) -> Declared:
    """Read pyproject.toml. Raises SetupError when it is absent or not TOML."""
    try:
        with pyproject.open("rb") as file:
            content = tomllib.load(file)
        project = content["project"]
        sizes = content.get("tool", {}).get("merline", {})
        return Declared(
            tuple(project["dependencies"]),
            {name: tuple(names) for name, names in project.get("optional-dependencies", {}).items()},
            dict(sizes.get("disk-mb", {})),
            dict(sizes.get("fetch-mb", {})),
        )
    except FileNotFoundError:
        raise SetupError(
            f"{pyproject} is missing; restore it from the checkout (git checkout pyproject.toml)"
        ) from None
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise SetupError(f"{pyproject} cannot be used ({error}); correct it, or restore it from the checkout") from None


def unmet(requirements: Iterable[str], folders: Sequence[str]) -> list[str]:
    """Which of the requirements the packages installed in `folders` (site-packages) do not meet."""
    installed: dict[str, str] = {}
    for distribution in distributions(path=list(folders)):
        name, version = distribution.metadata["Name"], distribution.metadata["Version"]
        if name and version:
            installed.setdefault(normalise(name), version)
    return [requirement for requirement in requirements if not _met(requirement, installed)]


def _met(requirement: str, installed: dict[str, str]) -> bool:
    found = _REQUIREMENT.match(requirement)
    if not found or normalise(found[1]) not in installed:
        return False
    version = installed[normalise(found[1])]
    return all(version_fits(version, clause) for clause in found[2].split(",") if clause.strip())


def version_fits(version: str, clause: str) -> bool:
    """Whether `version` meets one clause such as ">=1.2" or "==2.*" (the part of PEP 440 that requirements use)."""
    found = _CLAUSE.match(clause)
    if not found:
        return False
    operator, wanted = found[1], found[2]
    if operator == "===":
        return version == wanted
    if operator in ("==", "!=") and wanted.endswith(".*"):
        prefix = _parts(wanted[:-2])[0]
        return (_padded(_parts(version)[0], len(prefix))[: len(prefix)] == prefix) == (operator == "==")
    if operator == "~=":
        prefix = _parts(wanted)[0][:-1]
        return _compare(version, wanted) >= 0 and _padded(_parts(version)[0], len(prefix))[: len(prefix)] == prefix
    order = _compare(version, wanted)
    return {"==": order == 0, "!=": order != 0, ">=": order >= 0, "<=": order <= 0, ">": order > 0, "<": order < 0}[
        operator
    ]


def _parts(version: str) -> tuple[tuple[int, ...], tuple[int, str, int]]:
    """(release, rank of the pre-release); a local part (+cpu) and a post-release do not count."""
    found = _VERSION.match(version)
    if not found:
        return (), (0, "", 0)
    release = tuple(int(number) for number in found[1].split("."))
    if not found[2]:
        return release, (2, "", 0)
    kind = found[2].lower()
    rank = 0 if kind == "dev" else 1
    return release, (
        rank,
        {"c": "rc", "pre": "rc", "preview": "rc", "alpha": "a", "beta": "b"}.get(kind, kind),
        int(found[3] or 0),
    )


def _padded(release: tuple[int, ...], length: int) -> tuple[int, ...]:
    return release + (0,) * (length - len(release))


def _compare(left: str, right: str) -> int:
    (left_release, left_pre), (right_release, right_pre) = _parts(left), _parts(right)
    length = max(len(left_release), len(right_release))
    ours = (_padded(left_release, length), left_pre)
    theirs = (_padded(right_release, length), right_pre)
    return (ours > theirs) - (ours < theirs)


def drop_damaged(site_packages: Path) -> list[str]:
    """Forget packages whose installation was cut off, so that pip installs them again; returns their names.

    pip believes a package installed once its metadata folder exists. It is whole when RECORD exists and every
    file that RECORD lists is there with its size.
    """
    damaged: list[str] = []
    for leftover in site_packages.glob("~*"):  # what pip moved aside in the middle of an upgrade
        shutil.rmtree(leftover, ignore_errors=True)
    for info in site_packages.glob("*.dist-info"):
        if not _is_whole(info):
            shutil.rmtree(info)
            damaged.append(info.name.removesuffix(".dist-info"))
    return sorted(damaged)


def _is_whole(info: Path) -> bool:
    if not (info / "METADATA").is_file():
        return False
    try:
        with (info / "RECORD").open(encoding="utf-8", newline="") as record:
            rows = list(csv.reader(record))
    except OSError:
        return False
    for row in rows:
        if len(row) < 3 or row[0].startswith("..") or row[0].endswith(".pyc"):
            continue  # scripts and byte code are made anew, or not at all, without harm
        try:
            size = (info.parent / row[0]).stat().st_size
        except OSError:
            return False
        if row[2] and size != int(row[2]):
            return False
    return bool(rows)

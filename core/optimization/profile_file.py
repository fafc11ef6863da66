"""A machine's profile from a file, for planning ahead of the machine: every mistake in it is named with its key."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from core.optimization.profile import Cpu, Disk, MachineProfile, Memory, Speed
from core.utils.errors import ConfigError
from core.utils.gpu import Gpu, GpuProcess

CURE = "write one with `python3 main.py optimize analyze --json`"
PARTS: Mapping[str, type] = {"cpu": Cpu, "memory": Memory, "disk": Disk, "speed": Speed}


def load_profile(path: Path) -> MachineProfile:
    """Read what `MachineProfile.as_json` gave. Raises ConfigError naming the file, the key and the cure."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path given to --profile") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not a UTF-8 text file; {CURE}") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}: is not JSON (line {error.lineno}: {error.msg}); {CURE}") from None
    return parse_profile(plain, str(path))


def parse_profile(plain: object, origin: str) -> MachineProfile:
    """Check plain values and make the profile of them. Raises ConfigError."""
    from pydantic import TypeAdapter, ValidationError

    if not isinstance(plain, dict):
        raise ConfigError(f"{origin}: must hold one JSON object, not a {type(plain).__name__}; {CURE}")
    problems = list(_unknown(plain))
    try:
        profile: MachineProfile = TypeAdapter(MachineProfile).validate_python(plain)
    except ValidationError as error:
        problems += [_explain(problem) for problem in error.errors()]
    if problems:
        raise ConfigError(f"{origin}: {'; '.join(problems)}; {CURE}")
    return profile


def _unknown(plain: Mapping[str, Any]) -> Iterator[str]:
    yield from _unknown_keys("", plain, MachineProfile)
    for name, kind in PARTS.items():
        yield from _unknown_keys(f"{name}.", plain.get(name), kind)
    for number, gpu in enumerate(_listed(plain.get("gpus"))):
        yield from _unknown_keys(f"gpus.{number}.", gpu, Gpu)
        processes = _listed(gpu.get("processes")) if isinstance(gpu, dict) else []
        for place, process in enumerate(processes):
            yield from _unknown_keys(f"gpus.{number}.processes.{place}.", process, GpuProcess)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _unknown_keys(prefix: str, plain: object, kind: type) -> Iterator[str]:
    if not isinstance(plain, dict):
        return
    known = [field.name for field in fields(kind)]
    for key in plain:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean '{close[0]}'?" if close else f"known here: {', '.join(known)}"
            yield f"{prefix}{key}: unknown key ({hint})"


def _explain(problem: Any) -> str:
    dotted = ".".join(str(part) for part in problem["loc"])
    if problem["type"] in ("missing", "missing_argument"):
        return f"{dotted}: missing"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{dotted}: {problem.get('input')!r} is not accepted: {message}"

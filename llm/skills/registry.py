"""Finds the skills of a folder: every module in it that defines `SKILL`. Loads nothing else and keeps no state."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Collection
from pathlib import Path
from types import ModuleType

from core.utils.errors import ConfigError
from llm.skills.base import Skill

SKILLS_FOLDER = Path(__file__).resolve().parent


def load_skills(enabled: Collection[str] = (), *folders: Path) -> tuple[Skill, ...]:
    """The skills of `folders` (default: this one), or only those named in `enabled`.

    Raises ConfigError for a name that no skill has, or an intent that two skills claim.
    """
    skills: dict[str, Skill] = {}
    owners: dict[str, str] = {}
    for folder in folders or (SKILLS_FOLDER,):
        for file in sorted(folder.glob("*.py")):
            skill = getattr(_import(file), "SKILL", None)
            if not isinstance(skill, Skill):
                continue
            for intent in skill.actions:
                if intent in owners:
                    raise ConfigError(f"{file}: intent {intent} already belongs to skill '{owners[intent]}'; rename it")
                owners[intent] = skill.name
            skills[skill.name] = skill
    unknown = sorted(set(enabled) - set(skills))
    if unknown:
        raise ConfigError(f"skills.enabled: no skill is called '{unknown[0]}'; known: {', '.join(sorted(skills))}")
    return tuple(skill for skill in skills.values() if not enabled or skill.name in enabled)


def _import(file: Path) -> ModuleType:
    if file.parent == SKILLS_FOLDER:
        return importlib.import_module(f"llm.skills.{file.stem}" if file.stem != "__init__" else "llm.skills")
    spec = importlib.util.spec_from_file_location(f"merline_skill_{file.stem}", file)
    if spec is None or spec.loader is None:
        raise ConfigError(f"{file}: is not a Python module; remove it from the skills folder")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

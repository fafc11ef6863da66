"""Which models the plan would use on this machine if all of them were here: those that are worth fetching."""

from __future__ import annotations

from pathlib import Path

from core.app import answering, hearing, speaking
from core.messages import Language
from core.optimization.analyzer import SystemAnalyzer
from core.optimization.catalogue import ALL_ENGINES
from core.optimization.profile import MachineProfile
from core.utils.config import Config
from core.utils.model_catalogue import KnownModel, is_hub_name, known_model, with_needs
from core.utils.model_store import ModelStore
from stt.smart_turn import NAME as SMART_TURN


def planned_models(
    config: Config, store: ModelStore, language: Language, profile: MachineProfile | None = None
) -> tuple[KnownModel, ...]:
    """What hears, answers and speaks, what each needs before it; a stage that stays with its small engine has none.

    With Whisper comes Smart Turn, which needs the package that Whisper's brings.

    A model that the configuration names takes the planned one's place. Raises what planning raises.
    """
    plan = answering.tuner(config, ALL_ENGINES, store).plan(profile or SystemAnalyzer().analyze())
    voice = config.tts.voice
    voices = [voice] if isinstance(voice, str) else list(voice or ())
    named = {"stt": config.stt.model, "llm": None if config.llm.engine == answering.REMOTE else config.llm.model}
    wanted: list[str] = []
    for stage, planned, engine in (("stt", plan.stt, hearing.ENGINE), ("llm", plan.llm, answering.ENGINE)):
        if (name := named[stage]) is not None:
            wanted += [name] if _can_be_fetched(name, store) else []
        elif planned.engine == engine:
            sizes = {model.size: model.name for model in store.catalogue if model.engine == engine}
            wanted += [sizes[planned.model]] if planned.model in sizes else []
        if stage == "stt" and wanted and config.endpoint.model == "auto":
            wanted.append(SMART_TURN)
    if voices:
        wanted += [name for name in voices if _can_be_fetched(name, store)]
    elif plan.tts.engine == speaking.ENGINE:
        wanted.append(speaking.voice_for(language, store))
    found = [model for name in wanted for model in with_needs(name, store.catalogue)]
    return tuple({model.name: model for model in found}.values())


def is_fetchable_language_model(name: str, store: ModelStore) -> bool:
    """Whether it names a language model of the catalogue or of the hub, and is no folder here."""
    return _can_be_fetched(name, store) and known_model(name, store.catalogue).engine == answering.ENGINE


def _can_be_fetched(name: str, store: ModelStore) -> bool:
    known = any(name in (model.name, model.repository) for model in store.catalogue)
    return known or (is_hub_name(name) and not Path(name).expanduser().exists())

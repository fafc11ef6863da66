"""Which engine speaks, and with which voices: by configuration, plan, installed packages and the voices here."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from core.messages import Language
from core.optimization.memory import MemoryOptimizer
from core.utils.config import Config
from core.utils.errors import ConfigError, MissingDependencyError, ModelError
from core.utils.model_catalogue import known_model
from core.utils.model_store import ModelStore
from tts.espeak import EspeakEngine

if TYPE_CHECKING:
    from core.optimization.plan import Plan, StagePlan
    from tts.engine import SpeechEngine, SpokenLanguage
    from tts.melo.voice_files import VoiceFiles

logger = logging.getLogger(__name__)

ENGINE = "melo"
EMBEDDED = "espeak"
LANGUAGE_MODEL = "mlx"
PACKAGES = ("torch", "safetensors")
"""all of which a voice needs besides what its language's front end reads"""


@dataclass(frozen=True, slots=True)
class SpeakingParts:
    """What an engine needs from the rest of the assistant."""

    language: Language = "en"
    """of the conversation: its voice is loaded first"""
    memory: MemoryOptimizer | None = None
    tell: Callable[[str], None] = lambda text: None
    """hears, once, why another engine than the best speaks"""


def engines_here(config: Config, store: ModelStore | None = None) -> frozenset[str]:
    """The speaking engines to plan with. MeloTTS where it is asked for, or can be had without a download."""
    from core.optimization.catalogue import EMBEDDED_ENGINES

    asked = config.tts.engine == ENGINE
    return EMBEDDED_ENGINES | {ENGINE} if asked or voice_is_here(config, store) else EMBEDDED_ENGINES


def voice_is_here(config: Config, store: ModelStore | None = None) -> bool:
    """Whether a voice could be loaded now, as far as looking tells."""
    store = store or ModelStore()
    if config.tts.voice is None and not any(store.find(m.name) for m in store.catalogue if m.engine == ENGINE):
        return False
    return all(importlib.util.find_spec(package) for package in PACKAGES)


def wants_voice(config: Config, store: ModelStore | None = None) -> bool:
    """Whether one may be loaded; without, nothing needs to be known of the machine to speak."""
    wish = config.tts.engine
    return wish == ENGINE or (wish == "auto" and voice_is_here(config, store))


def plan_speaking(config: Config) -> None:
    """Make the plan the process's, for commands that do nothing else with torch, where a voice may be loaded."""
    if wants_voice(config):
        from core.app.planning import apply_plan, make_plan

        apply_plan(config, make_plan(config))


def make_engine(
    config: Config, parts: SpeakingParts, plan: Plan | None = None, store: ModelStore | None = None
) -> SpeechEngine:
    """The engine, not yet loaded. With `tts.engine: auto` a voice that cannot be used leaves the embedded one.

    The plan is made unless given. Raises ModelError where tts.engine demands what is not here.
    """
    embedded = EspeakEngine(config.tts)
    wish = config.tts.engine
    if wish in ("piper", "melotts"):
        return _asked_for(config, parts, embedded)
    try:
        if wish != EMBEDDED:
            _refuse_piper(config)
        if not wants_voice(config, store):
            return embedded
        if plan is None:
            from core.app.planning import make_plan

            plan = make_plan(config)
        if wish == "auto" and plan.tts.engine != ENGINE and config.tts.voice is None:
            return embedded
        voices = find_voices(config, parts.language, store)
    except ModelError as error:
        if wish == ENGINE:
            raise
        parts.tell(f"{EMBEDDED} speaks instead of {ENGINE}: {error}")
        return embedded
    from tts.fallback import FallbackEngine
    from tts.melo.voice import VoiceManner
    from tts.melo_engine import MeloEngine, MeloSettings

    tts = config.tts
    manner = VoiceManner(tts.speaker, tts.precision, _share(plan), plan.threads)
    engine = MeloEngine(MeloSettings(voices, manner, tts.speed, tts.cache_mb), parts.memory)
    return FallbackEngine([engine, embedded], parts.tell, required=wish == ENGINE)


def _share(plan: Plan) -> StagePlan | None:
    """Of the machine. Where no language model writes the next sentence meanwhile, all threads are the voice's."""
    if plan.tts.engine != ENGINE:
        return None
    return plan.tts if plan.llm.engine == LANGUAGE_MODEL else replace(plan.tts, threads=plan.threads)


def _asked_for(config: Config, parts: SpeakingParts, embedded: EspeakEngine) -> SpeechEngine:
    """An engine of somebody else's, which has to load and is helped out sentence by sentence."""
    from tts.fallback import FallbackEngine
    from tts.melo_package import MeloPackageEngine
    from tts.piper import PiperEngine

    engine = PiperEngine(config.tts) if config.tts.engine == "piper" else MeloPackageEngine(config.tts)
    return FallbackEngine([engine, embedded], parts.tell, required=True)


def find_voices(config: Config, language: Language, store: ModelStore | None = None) -> tuple[VoiceFiles, ...]:
    """The voices of tts.voice, else those of the catalogue that are here: one a language, that of `language` first.

    Raises MissingDependencyError without torch, ModelError for a voice that is not here or not whole, and
    ConfigError for two of one language in tts.voice.
    """
    _refuse_piper(config)
    missing = [package for package in PACKAGES if importlib.util.find_spec(package) is None]
    if missing:
        raise MissingDependencyError(
            f"MeloTTS needs {' and '.join(missing)}; install the extra `full`: MERLINE_EXTRAS=full python3 main.py"
        )
    store = store or ModelStore()
    wanted = config.tts.voice
    if wanted is None:
        names = [model.name for model in store.catalogue if model.engine == ENGINE and store.find(model.name)]
        if not names:
            best = voice_for(language, store)
            raise ModelError(f"no MeloTTS voice is here; `models download {best}` fetches one")
    else:
        names = [wanted] if isinstance(wanted, str) else list(wanted)
    first = language if config.tts.language == "auto" else config.tts.language
    found: dict[SpokenLanguage, VoiceFiles] = {}
    for name in names:
        voice = _find(name, config, store)
        other = found.setdefault(voice.language, voice)
        if other is not voice and wanted is not None:
            raise ConfigError(f"tts.voice: {other.folder} and {voice.folder} both speak {voice.language}; keep one")
    return tuple(sorted(found.values(), key=lambda voice: voice.language != first))


def _refuse_piper(config: Config) -> None:
    """Raises ModelError where tts.voice names a voice of Piper's."""
    wanted = config.tts.voice
    for name in (wanted,) if isinstance(wanted, str) else wanted or ():
        path = Path(name).expanduser()
        if path.suffix == ".onnx" or (path.is_dir() and any(path.glob("*.onnx.json"))):
            raise ModelError(f"tts.voice: {name} is a Piper voice; `--set tts.engine=piper` speaks with it")


def voice_for(language: str, store: ModelStore | None = None) -> str:
    """The name of the catalogue's first voice in a language."""
    catalogue = (store or ModelStore()).catalogue
    return next(model.name for model in catalogue if model.engine == ENGINE and language in model.languages)


def _find(name: str, config: Config, store: ModelStore) -> VoiceFiles:
    from tts.melo.configuration import read_config
    from tts.melo.voice_files import find_voice, language_of

    folder = store.resolve(name)
    language = None if config.tts.language == "auto" else config.tts.language
    spoken = language_of(read_config(folder)) or language
    return find_voice(folder, _bert_of(name, spoken, store), language)


def _bert_of(name: str, language: SpokenLanguage | None, store: ModelStore) -> Path | None:
    """That of the catalogue's voice of this name, else of its language; None where it is not here."""
    known = next((model for model in store.catalogue if model.name == name), None)
    if known is None and language is not None:
        known = known_model(voice_for(language, store), store.catalogue)
    return store.find(known.needs[0]) if known is not None and known.needs else None

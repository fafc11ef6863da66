"""Which recogniser listens: by configuration, plan, installed packages and the models on this machine."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from core.app.model_fit import ModelFit
from core.messages import Language
from core.optimization.catalogue import EMBEDDED_ENGINES, WHISPER
from core.optimization.disk_cache import DiskCache, DiskCacheConfig
from core.optimization.memory import MemoryOptimizer
from core.optimization.plan import StagePlan
from core.stage import Span, Stage, no_span
from core.utils.clock import Clock, SystemClock
from core.utils.config import Config
from core.utils.model_store import ModelStore
from core.utils.paths import data_folder
from core.utils.vad_compat import load_vad
from llm.skills.recognise import SkillRecogniser
from stt.commands import Commands, CommandSource, kept_commands
from stt.echo_guard import EchoGuard
from stt.first_that_loads import FirstThatLoads
from stt.transcriber import Transcriber

if TYPE_CHECKING:
    from stt.whisper_transcriber import WhisperTranscriber

logger = logging.getLogger(__name__)

ENGINE = "whisper"
BACKENDS = ("faster_whisper", "whisper")
"""packages, one of which it needs"""
CACHE = "cache"
"""folder of the data folder for what the next start need not reckon again"""
CACHE_BYTES = 8 * 2**20
"""a few of the command grammar's half megabyte: other versions' go first"""


@dataclass(frozen=True, slots=True)
class HearingParts:
    """What a recogniser needs from the rest of the assistant."""

    recogniser: SkillRecogniser
    first_language: Language
    guard: EchoGuard | None = None
    clock: Clock | None = None
    span: Span = no_span
    is_complete: Callable[[str, Language], bool] | None = None
    """whether words are a whole command; the skills decide unless given"""
    memory: MemoryOptimizer = field(default_factory=MemoryOptimizer)
    """the app's, where a loaded model is registered"""


def engines_here(config: Config, store: ModelStore | None = None) -> frozenset[str]:
    """The engines to plan with. Whisper where it is asked for, or can be had without a download."""
    asked = config.stt.engine == ENGINE
    return EMBEDDED_ENGINES | {ENGINE} if asked or _whisper_is_here(config, store) else EMBEDDED_ENGINES


def make_transcriber(config: Config, plan: StagePlan | None, parts: HearingParts) -> Stage:
    """The stage, not yet loaded. With `stt.engine: auto` a Whisper that cannot be loaded leaves the embedded one.

    Without a plan, `auto` means the embedded one unless stt.model is set.
    """
    wish = config.stt.engine
    planned = plan is not None and plan.engine == ENGINE
    if wish == "pocketsphinx" or (wish == "auto" and not planned and config.stt.model is None):
        return _pocketsphinx(config, parts)
    whisper = _whisper(config, plan, parts)
    return whisper if wish == ENGINE else FirstThatLoads(whisper, lambda: _pocketsphinx(config, parts))


def model_to_load(config: Config, planned: str | None, store: ModelStore | None = None) -> str:
    """The configured model, else the planned size if it is here, else the largest smaller one, else the smallest.

    Where none is here it is the planned one, so that what is missing has a name.
    """
    if config.stt.model is not None:
        return config.stt.model
    store = store or ModelStore()
    sizes = [size.name for size in WHISPER]
    names = {model.size: model.name for model in store.catalogue if model.engine == ENGINE}
    wanted = sizes.index(planned) if planned in sizes else 0
    order = [*reversed(sizes[: wanted + 1]), *sizes[wanted + 1 :]]
    here = [names[size] for size in order if size in names and store.find(names[size]) is not None]
    known = [names[size] for size in order if size in names]
    return (here or known)[0]


def _whisper_is_here(config: Config, store: ModelStore | None) -> bool:
    if not any(importlib.util.find_spec(name) for name in BACKENDS):
        return False
    if config.stt.model is not None:
        return True
    store = store or ModelStore()
    return any(store.find(model.name) for model in store.catalogue if model.engine == ENGINE)


def _whisper(config: Config, plan: StagePlan | None, parts: HearingParts) -> WhisperTranscriber:
    from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber

    mine = plan if plan is not None and plan.engine == ENGINE else None
    # what was planned was reckoned a moment ago, before the other engines took their part
    planned = f"{ENGINE}-{mine.model}" if mine else None
    settings = WhisperSettings(
        model=model_to_load(config, mine.model if mine else None),
        languages=config.stt.languages,
        first_language=parts.first_language,
        device=mine.device if mine else config.optimization.device,
        compute_type=mine.compute_type if mine else "default",
        threads=mine.threads if mine else config.optimization.threads,
        backend=config.stt.backend,
        partial_ms=config.stt.partial_ms,
        plan=mine,
    )
    around = Surroundings(
        voice=load_vad("auto"),  # not vad.engine: Whisper makes sentences of what a plain detector takes for a voice
        is_complete=parts.is_complete or parts.recogniser.is_complete,
        guard=parts.guard,
        clock=parts.clock or SystemClock(),
        span=parts.span,
        admit=lambda model: None if model == planned else ModelFit(config).check(model),
        memory=parts.memory,
    )
    return WhisperTranscriber(settings, around)


def _pocketsphinx(config: Config, parts: HearingParts) -> Transcriber:
    is_complete = parts.is_complete or parts.recogniser.is_complete
    commands = partial(english_commands, parts.recogniser)
    return Transcriber(config.stt, commands, lambda text: is_complete(text, "en"), parts.guard)


def english_commands(recogniser: SkillRecogniser) -> Commands:
    """The skills' templates as the embedded recogniser takes them, compiled at the first start alone."""
    cache = DiskCache(DiskCacheConfig(data_folder() / CACHE, CACHE_BYTES))
    return kept_commands(CommandSource(recogniser.source("en"), lambda: recogniser.intents("en")), cache)

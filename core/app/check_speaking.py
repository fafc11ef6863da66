"""The part of `check` about speaking: which engine it will be, with which voices, and whether they are here.

Loads no model; that the engine really speaks is the question's check.
"""

from __future__ import annotations

from core.app.first_voice import model_to_fetch
from core.app.language import first_language
from core.app.models import plain_size
from core.app.planning import make_plan
from core.app.speaking import EMBEDDED, ENGINE, find_voices, wants_voice
from core.messages import Language
from core.optimization.plan import StagePlan
from core.selfcheck import Check, Finding
from core.utils.config import Config
from core.utils.errors import ModelError
from core.utils.model_store import ModelStore


def speaking_checks(config: Config, store: ModelStore | None = None) -> list[Check]:
    """One check."""
    return [Check("voice", lambda: judge_speaking(config, store or ModelStore(), first_language(config)))]


def judge_speaking(config: Config, store: ModelStore, language: Language, plan: StagePlan | None = None) -> Finding:
    """What `talk` would speak with now; `plan` is that of speaking, made unless given.

    Raises what planning raises, and with `tts.engine: melo` ModelError where it cannot speak.
    """
    wish = config.tts.engine
    if wish in ("piper", "melotts"):
        return Finding("pass", f"{wish}, as tts.engine asks; not loaded now")
    if not wants_voice(config, store):
        return Finding("pass", _embedded(config, store, language))
    plan = plan or make_plan(config).tts
    if wish == "auto" and plan.engine != ENGINE and config.tts.voice is None:
        return Finding("pass", f"{EMBEDDED}; a MeloTTS voice is here, but this machine is too small or slow for it")
    from tts.melo.voice_files import check_ready

    try:
        voices = find_voices(config, language, store)
        check_ready(voices, config.tts.speaker)
    except ModelError as error:
        if wish == ENGINE:
            raise
        what, _, cure = str(error).partition("; ")
        return Finding("warn", f"{EMBEDDED} speaks instead of {ENGINE}: {what}", cure)
    names = ", ".join(f"{voice.folder.name} ({voice.language})" for voice in voices)
    size = sum(file.stat().st_size for voice in voices for file in voice.files())
    return Finding("pass", f"MeloTTS with {names}: on this machine, {plain_size(size)}")


def _embedded(config: Config, store: ModelStore, language: Language) -> str:
    """The embedded engine, and what would better it."""
    better = model_to_fetch(config, store, language)
    if better is None:
        return EMBEDDED
    size = plain_size(better.size_bytes)
    return f"{EMBEDDED}; {better.name} is not here ({size}): `python3 main.py models download {better.name}`"

"""The part of `check` about understanding speech: which engine it will be, with which model, and whether that is here.

Loads no model but the small ones that hear a wake word and a turn's end; that the engine really understands is the
question's check.
"""

from __future__ import annotations

from core.app.first_whisper import model_to_fetch
from core.app.hearing import ENGINE, model_to_load
from core.app.model_fit import ModelFit
from core.app.models import plain_size
from core.app.planning import make_plan
from core.app.turn_taking import load_smart_turn, turn_model_folder
from core.optimization.plan import StagePlan
from core.selfcheck import Check, Finding
from core.utils.config import Config
from core.utils.errors import ModelError
from core.utils.model_catalogue import known_model
from core.utils.model_store import ModelStore
from core.utils.whisper.choice import choose, known_loaders
from core.utils.whisper.languages import knows_only_english, not_understood
from stt.smart_turn import NAME as SMART_TURN


def hearing_checks(config: Config, store: ModelStore | None = None) -> list[Check]:
    """The recogniser's and the turn's end, and the wake word's where one is asked for."""
    checks = [
        Check("recogniser", lambda: judge_hearing(config, store or ModelStore())),
        Check("turn taking", lambda: judge_turn_taking(config, store or ModelStore())),
    ]
    if config.wake.mode == "word":
        checks.append(Check("wake word", lambda: judge_wake_word(config.wake.word)))
    return checks


def judge_wake_word(word: str) -> Finding:
    """What has to be said first. Raises MissingDependencyError and ModelLoadError, as `talk` would."""
    from stt.wake_word import MicroWakeWord

    wake_word = MicroWakeWord(word)
    wake_word.load()
    return Finding("pass", f"say {wake_word.phrase!r} first")


def judge_turn_taking(config: Config, store: ModelStore) -> Finding:
    """What tells that the user has finished, and what would better it."""
    if config.endpoint.model == "off":
        return Finding("pass", "by words and pauses alone: endpoint.model is off")
    folder, model = turn_model_folder(config, store), known_model(SMART_TURN, store.catalogue)
    if folder is None:
        what = (
            f"by words and pauses; {model.name} is not here ({plain_size(model.size_bytes)}, licence {model.licence})"
        )
        return Finding(
            "pass", f"{what} and would cut you off less often: `python3 main.py models download {model.name}`"
        )
    try:
        load_smart_turn(folder)
    except ModelError as error:
        what, _, cure = str(error).partition("; ")
        if config.endpoint.model != "auto":
            return Finding("fail", f"endpoint.model: {what}", cure)
        return Finding("warn", f"by words and pauses alone: {what}", cure)
    return Finding("pass", f"by words, pauses and sound, with {model.name}")


def judge_hearing(config: Config, store: ModelStore, plan: StagePlan | None = None) -> Finding:
    """What `talk` would listen with now; `plan` is that of hearing, made unless given.

    Raises what planning raises, and with `stt.engine: whisper` ModelError where it cannot listen.
    """
    plan = plan or make_plan(config).stt
    wish = config.stt.engine
    if wish == "pocketsphinx" or (wish == "auto" and plan.engine != ENGINE and config.stt.model is None):
        return Finding("pass", _embedded(config, store))
    model = model_to_load(config, plan.model if plan.engine == ENGINE else None, store)
    try:
        if model != f"{ENGINE}-{plan.model}":
            ModelFit(config).check(model)
        folder = store.resolve(model)
        backend = choose(known_loaders(), config.stt.backend, str(folder), plan.device).loader.name
    except ModelError as error:
        if wish == ENGINE:
            raise
        what, _, cure = str(error).partition("; ")
        return Finding("warn", f"pocketsphinx listens instead of {ENGINE}: {what}", cure)
    known = ["en"] if knows_only_english(folder) else config.stt.languages
    what, _, cure = not_understood(model, config.stt.languages, known).partition("; ")
    if what:
        return Finding("warn", what, cure)
    size = plain_size(sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()))
    return Finding("pass", f"{ENGINE} with {model} through {backend}: on this machine, {size}")


def _embedded(config: Config, store: ModelStore) -> str:
    """The embedded recogniser, and what would better it."""
    better = model_to_fetch(config, store)
    if better is None:
        return "pocketsphinx"
    size = plain_size(better.size_bytes)
    return f"pocketsphinx; {better.name} is not here ({size}): `python3 main.py models download {better.name}`"

"""Which Whisper a first run should fetch: the one the plan would take if it were here. Fetches nothing itself."""

from __future__ import annotations

import importlib
import importlib.util

from core.app import answering, speaking
from core.app.hearing import ENGINE, engines_here
from core.app.model_fit import ModelFit
from core.optimization.analyzer import SystemAnalyzer
from core.optimization.profile import MachineProfile
from core.utils.config import Config
from core.utils.model_catalogue import KnownModel
from core.utils.model_store import ModelStore
from core.utils.whisper.choice import unread_format

CLIENT = "huggingface_hub"


def planned_model(config: Config, store: ModelStore, profile: MachineProfile | None = None) -> KnownModel | None:
    """What the plan would understand speech with, if all of the catalogue were here; None: the embedded engine.

    Raises what planning raises.
    """
    free = config.model_copy(update={"stt": config.stt.model_copy(update={"engine": "auto"})})
    others = answering.engines_here(free, store) | speaking.engines_here(free, store)
    engines = engines_here(free, store) | others | {ENGINE}
    planned = answering.tuner(free, engines, store).plan(profile or SystemAnalyzer().analyze()).stt
    return next(
        (model for model in store.catalogue if (model.engine, model.size) == (planned.engine, planned.model)), None
    )


def model_to_fetch(config: Config, store: ModelStore, profile: MachineProfile | None = None) -> KnownModel | None:
    """The Whisper that `talk` should fetch while the embedded recogniser listens; None where nothing is to be done.

    That is with `stt.engine: auto` alone: the model that stt.model names, if it is not here and fits; or, where no
    Whisper is here at all, the one whose download was interrupted if it fits, else the planned one.
    """
    if config.stt.engine != "auto":
        return None
    whispers = {model.name: model for model in store.catalogue if model.engine == ENGINE}
    if config.stt.model is not None:
        named = whispers.get(config.stt.model)
        return named if named and not store.find(named.name) and ModelFit(config, profile).fits(named.name) else None
    if any(store.find(name) for name in whispers):
        return None
    fit = ModelFit(config, profile)
    begun = next((model for name, model in whispers.items() if store.begun(name) and fit.fits(name)), None)
    return begun or planned_model(config, store, profile)


def packages_are_here() -> bool:
    """Whether a Whisper could be fetched and loaded by this process now."""
    importlib.invalidate_caches()
    return importlib.util.find_spec(CLIENT) is not None and not unread_format()

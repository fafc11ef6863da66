"""When the user's turn is over: endpointing with the pauses learnt before, the model if it is here, and their wish."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from core.app.brain import Brain
from core.utils.config import Config
from core.utils.errors import InferenceError, ModelError, ModelLoadError
from core.utils.model_store import ModelStore
from stt.endpointing import Endpointing, TurnModel
from stt.pauses import Pauses, read_pauses
from stt.smart_turn import NAME, SmartTurn

logger = logging.getLogger(__name__)

PAUSES_SETTING = "pauses"


def make_endpointing(config: Config, brain: Brain, store: ModelStore | None = None) -> Endpointing:
    """As configured. What the user's pauses are like is kept in the data file, unless nothing is to be remembered."""
    endpoint, kept = config.endpoint, config.endpoint.learn and config.memory.enabled
    learnt = read_pauses(brain.store.setting(PAUSES_SETTING)) if kept else ()
    keep = partial(brain.store.set_setting, PAUSES_SETTING) if kept else None
    model = _model(store or ModelStore()) if endpoint.model == "auto" else None
    return Endpointing(endpoint, Pauses(learnt, keep), model, lambda: brain.patient)


def load_smart_turn(folder: Path) -> SmartTurn:
    """Smart Turn of a folder, warm. Raises MissingDependencyError, ModelLoadError."""
    model = SmartTurn(folder)
    try:
        model.warm_up()
    except InferenceError as error:
        raise ModelLoadError(f"{folder}: {error}") from error
    return model


def _model(store: ModelStore) -> TurnModel | None:
    """Smart Turn where it is here and can be run; the words alone serve as well."""
    folder = store.find(NAME)
    if folder is None:
        return None
    try:
        return load_smart_turn(folder)
    except ModelError as error:
        logger.warning("pauses are judged by words alone: %s", error)
        return None

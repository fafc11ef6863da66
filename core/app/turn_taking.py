"""When the user's turn is over: endpointing with the pauses learnt before, the model if it is here, and their wish."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

from core.app.brain import Brain
from core.utils.config import Config
from core.utils.errors import ConfigError, InferenceError, ModelError, ModelLoadError
from core.utils.model_store import ModelStore
from stt.endpointing import Endpointing, TurnModel
from stt.pauses import Pauses, read_pauses
from stt.smart_turn import NAME, SmartTurn

logger = logging.getLogger(__name__)

PAUSES_SETTING = "pauses"


def make_endpointing(config: Config, brain: Brain, store: ModelStore | None = None) -> Endpointing:
    """As configured. What the user's pauses are like is kept in the data file, unless nothing is to be remembered.

    Raises ConfigError where `endpoint.model` names nothing that is here or can be run, MissingDependencyError where it
    names what only a package that is not installed can run.
    """
    endpoint, kept = config.endpoint, config.endpoint.learn and config.memory.enabled
    learnt = read_pauses(brain.store.setting(PAUSES_SETTING)) if kept else ()
    keep = partial(brain.store.set_setting, PAUSES_SETTING) if kept else None
    folder = turn_model_folder(config, store or ModelStore())
    model = _model(folder, named=endpoint.model != "auto")
    return Endpointing(endpoint, Pauses(learnt, keep), model, lambda: brain.patient)


def turn_model_folder(config: Config, store: ModelStore) -> Path | None:
    """Where Smart Turn lies: as `endpoint.model` names it, else where it was fetched to; None: it is off or not here.

    Raises ConfigError where nothing is at the place named.
    """
    wish = config.endpoint.model
    if wish in ("auto", "off"):
        return store.find(NAME) if wish == "auto" else None
    folder = Path(wish).expanduser()
    if not folder.exists():
        raise ConfigError(f"endpoint.model: {wish!r} is neither auto nor off, and no file or folder is there")
    return folder


def load_smart_turn(folder: Path) -> SmartTurn:
    """Smart Turn of a folder, warm. Raises MissingDependencyError, ModelLoadError."""
    model = SmartTurn(folder)
    try:
        model.warm_up()
    except InferenceError as error:
        raise ModelLoadError(f"{folder}: {error}") from error
    return model


def _model(folder: Path | None, named: bool) -> TurnModel | None:
    """Smart Turn where it is here and can be run; the words alone serve as well, unless it was `named`."""
    if folder is None:
        return None
    try:
        return load_smart_turn(folder)
    except ModelError as error:
        if named and isinstance(error, ModelLoadError):
            what, _, _ = str(error).partition("; ")
            cure = "name the folder or the .onnx file of a Smart Turn, or set it to auto"
            raise ConfigError(f"endpoint.model: {what}; {cure}") from error
        if named:
            raise
        logger.warning("pauses are judged by words alone: %s", error)
        return None

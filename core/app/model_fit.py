"""Refuses a model that this machine's memory does not hold, and names the largest that it does."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from core.optimization.analyzer import SystemAnalyzer
from core.optimization.catalogue import WHISPER
from core.optimization.fitting import VOICE_ENGINE, Fit, WhisperFitting, fit_voice, with_all_memory
from core.optimization.language_choice import Prediction, predict
from core.optimization.model_folder import size_of
from core.optimization.profile import MachineProfile
from core.utils.config import Config
from core.utils.errors import ModelTooLargeError
from core.utils.model_catalogue import CATALOGUE, KnownModel

GB = 10**9
ENGINE = "whisper"
LANGUAGE_ENGINE = "mlx"


class ModelFit:
    """This machine as a measure of models; `profile` stands for another one.

    `alone`: as if no other program were running, for what is fetched today and used on many days.
    """

    def __init__(self, config: Config, profile: MachineProfile | None = None, alone: bool = False) -> None:
        profile = profile or SystemAnalyzer().analyze()
        self._sizes = WhisperFitting(config, profile, alone)
        self._predict = partial(predict, with_all_memory(profile) if alone else profile, config)
        self._language = {one.size: one for one in self._predict()}
        self._voice = fit_voice(config, profile, alone)
        self._or_wait = "" if alone else ", or close other programs"

    def check(self, model: str) -> None:
        """Raises ModelTooLargeError for a model that does not fit: a name, or a folder of a language model or Whisper.

        What is neither known nor there passes: that it cannot be loaded is told by whoever loads it.
        """
        known = next((one for one in CATALOGUE if one.name == model and one.engine == LANGUAGE_ENGINE), None)
        if known is not None:
            self._check_language(model, self._language[known.size])
            return
        if any(one.name == model and one.engine == VOICE_ENGINE for one in CATALOGUE):
            self._check_voice(model)
            return
        folder = Path(model).expanduser()
        language_model = size_of(folder) if folder.is_dir() else None
        if language_model is not None:
            self._check_language(model, *self._predict((language_model,)))
            return
        fit = self._fit(model)
        if fit is not None and not fit.fits:
            raise ModelTooLargeError(
                f"{model}: is too large for this machine: the assistant with it takes {fit.needs_bytes / GB:.2f} GB of "
                f"{fit.place}, and {fit.room_bytes / GB:.2f} GB can be had; {self._cure()}"
            )

    def fits(self, model: str) -> bool:
        """Whether `check` passes."""
        try:
            self.check(model)
        except ModelTooLargeError:
            return False
        return True

    def _check_voice(self, model: str) -> None:
        fit = self._voice
        if not fit.fits:
            raise ModelTooLargeError(
                f"{model}: is too large for this machine: the assistant with it takes {fit.needs_bytes / GB:.2f} GB of "
                f"{fit.place}, and {fit.room_bytes / GB:.2f} GB can be had; set tts.engine: espeak{self._or_wait}"
            )

    def _check_language(self, model: str, prediction: Prediction) -> None:
        if prediction.fits:
            return
        fitting = {one.size for one in self._language.values() if one.fits}
        names = [one.name for one in CATALOGUE if one.engine == LANGUAGE_ENGINE and one.size in fitting]
        cure = f"take {names[-1]}" if names else "no language model fits: set llm.engine: skills"
        needs, have = prediction.needs_bytes / GB, prediction.room_bytes / GB
        raise ModelTooLargeError(
            f"{model}: is too large for this machine: the assistant with it takes {needs:.2f} GB, and {have:.2f} GB "
            f"can be had; {cure}{self._or_wait}"
        )

    def largest(self) -> KnownModel | None:
        """The largest of the catalogue that fits."""
        size = self._sizes.largest()
        return next((known for known in CATALOGUE if (known.engine, known.size) == (ENGINE, size)), None)

    def _fit(self, model: str) -> Fit | None:
        known = next((one for one in CATALOGUE if one.name == model and one.engine == ENGINE), None)
        if known is not None:
            return self._sizes.of(next(size for size in WHISPER if size.name == known.size))
        folder = Path(model).expanduser()
        if not folder.is_dir():
            return None
        return self._sizes.of_files(
            max((file.stat().st_size for file in folder.iterdir() if file.is_file()), default=0)
        )

    def _cure(self) -> str:
        largest = self.largest()
        if largest is None:
            return f"no Whisper fits: set stt.engine: pocketsphinx{self._or_wait}"
        return f"take {largest.name}, the largest that fits{self._or_wait}"

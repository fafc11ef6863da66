"""Wake words by microWakeWord's models, a few of which come inside the package pymicro-wakeword (the extra `wake`).

A model looks at three spectra of 10 ms at a time; the mean of its last probabilities decides.
"""

from __future__ import annotations

import difflib
import json
import logging
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from core.messages import Samples
from core.utils.errors import MissingDependencyError, ModelLoadError

logger = logging.getLogger(__name__)

_MARK = b"TFL3"
"""bytes 4 to 8 of a TensorFlow Lite file"""


class WakeWord(Protocol):
    """Listens for one phrase."""

    @property
    def phrase(self) -> str:
        """As people say it."""
        ...

    def load(self) -> None: ...

    def heard(self, samples: Samples) -> bool:
        """Whether the phrase ended within the next [n] samples at 16 kHz, which follow those given before."""
        ...

    def reset(self) -> None:
        """Forget the sound so far."""
        ...


class MicroWakeWord:
    """`word` is a name the package knows, e.g. "okay_nabu", or the .json file of a model of one's own."""

    def __init__(self, word: str) -> None:
        self.phrase = word.replace("_", " ")
        self._word = word
        self._features: Any = None
        self._model: Any = None

    def load(self) -> None:
        """Raises MissingDependencyError, ModelLoadError."""
        try:
            import pymicro_wakeword
        except ImportError:
            raise MissingDependencyError(
                "pymicro-wakeword: is not installed, and wake.mode: word needs it; .venv/bin/pip install "
                "'pymicro-wakeword>=2.5' (the extra `wake`), or set wake.mode: key"
            ) from None
        if self._word.endswith(".json"):
            self._model = pymicro_wakeword.MicroWakeWord.from_config(_checked(Path(self._word).expanduser()))
        else:
            names = {model.value: model for model in pymicro_wakeword.Model}
            if self._word not in names:
                near = difflib.get_close_matches(self._word, names, n=1)
                cure = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(names))}"
                raise ModelLoadError(f"wake.word: {self._word!r} is no wake word; {cure}")
            self._model = pymicro_wakeword.MicroWakeWord.from_builtin(names[self._word])
        self._features = pymicro_wakeword.MicroWakeWordFeatures()
        self.phrase = self._model.wake_word

    def heard(self, samples: Samples) -> bool:
        """See WakeWord."""
        if self._model is None:
            self.load()
        sound = (np.clip(samples, -1.0, 1.0) * 32767).astype(np.int16).tobytes()
        # each step is looked at, for the model keeps what it has seen
        found = [self._model.process_streaming(spectrum) for spectrum in self._features.process_streaming(sound)]
        return any(found)

    def reset(self) -> None:
        """See WakeWord."""
        if self._model is not None:
            self._model.reset()
            self._features.reset()


def _checked(path: Path) -> Path:
    """The path, if it and the model it names can be read: the library itself ends the process over one that cannot."""
    try:
        described = json.loads(path.read_text(encoding="utf-8"))
        model = path.parent / described["model"]
        micro = described["micro"]
        known = isinstance(described["wake_word"], str) and isinstance(micro["sliding_window_size"], int)
        known = known and isinstance(micro["probability_cutoff"], (int, float))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError) as error:
        raise ModelLoadError(f"wake.word: {path} does not describe a microWakeWord model ({error!r})") from error
    try:
        mark = model.read_bytes()[4:8]
    except OSError as error:
        raise ModelLoadError(f"wake.word: {path} names {model}, which cannot be read ({error})") from error
    if not known or mark != _MARK:
        raise ModelLoadError(f"wake.word: {model} is not a microWakeWord model; fetch it again")
    return path

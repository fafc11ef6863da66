"""Which voice a sentence is for: the configured language, else its own by its words, among those that can be spoken."""

from __future__ import annotations

import logging
from typing import Literal, cast

from core.messages import Sentence
from tts.engine import SpokenLanguage
from tts.melo.text.routing import route

logger = logging.getLogger(__name__)


class LanguageChoice:
    """`wish` as tts.language has it. What cannot be spoken is said once for each language."""

    def __init__(self, wish: SpokenLanguage | Literal["auto"] = "auto") -> None:
        self._wish = wish
        self._missed: set[SpokenLanguage] = set()

    def of(self, message: Sentence, voices: tuple[SpokenLanguage, ...]) -> SpokenLanguage:
        """The language to speak a sentence in, one of `voices`."""
        current = message.language if self._wish == "auto" else self._wish
        if self._wish == "auto":
            current = cast(SpokenLanguage, route(message.text, (*voices, current), current))
        if current in voices:
            return current
        if current not in self._missed:
            self._missed.add(current)
            logger.warning("no voice for %r is installed; speaking with the %r voice instead", current, voices[0])
        return voices[0]

"""Turns that the assistant's own voice had opened, counted; the guard against its echo has dropped them."""

from __future__ import annotations

import logging

from core.messages import EchoDropped, Language
from core.pipeline import Pipeline

logger = logging.getLogger(__name__)

_WORDS: dict[Language, str] = {
    "en": "turns opened by my own echo and dropped: {count}",
    "fr": "tours ouverts par mon propre écho et ignorés : {count}",
}


class EchoTurns:
    """Each counts once, whatever was dropped of it."""

    def __init__(self) -> None:
        self._turns: set[int] = set()

    def watch(self, pipeline: Pipeline) -> None:
        """Observe what the guard drops."""
        pipeline.observe(EchoDropped, self._count)

    def words(self, language: Language) -> str:
        """A line for the user; empty while there was none."""
        return _WORDS[language].format(count=len(self._turns)) if self._turns else ""

    def _count(self, message: EchoDropped) -> None:
        self._turns.add(message.turn)
        logger.info("turn %d was the assistant's own voice, dropped: %r", message.turn, message.text)

"""What the assistant has just said aloud, so that its echo can be told from the user."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from core.messages import Heard, Sentence
from core.pipeline import Pipeline

REMEMBERED_S = 12.0
"""longer than an utterance that echo could open, with the room's tail"""


@dataclass(slots=True)
class _Said:
    """A sentence, and when its latest word left the speaker."""

    text: str
    heard_at: float | None = None


class SpokenText:
    """Keeps the sentences of which something left the speaker in the last seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._sentences: dict[tuple[int, int], _Said] = {}

    def watch(self, pipeline: Pipeline) -> None:
        """Observe what is said and how much of it was heard."""
        pipeline.observe(Sentence, self._note_sentence)
        pipeline.observe(Heard, self._note_heard)

    def __call__(self) -> str:
        """The text said within the last `REMEMBERED_S` seconds, sentences under way as a whole."""
        horizon = self._now() - REMEMBERED_S
        with self._lock:
            said = [s.text for s in self._sentences.values() if s.heard_at is not None and s.heard_at >= horizon]
        return " ".join(said)

    def _note_sentence(self, sentence: Sentence) -> None:
        horizon = self._now() - REMEMBERED_S
        with self._lock:
            for key, said in list(self._sentences.items()):
                if key[0] < sentence.turn and (said.heard_at is None or said.heard_at < horizon):
                    del self._sentences[key]
            self._sentences[sentence.turn, sentence.index] = _Said(sentence.text)

    def _note_heard(self, heard: Heard) -> None:
        with self._lock:
            said = self._sentences.get((heard.turn, heard.index))
            if said is not None and heard.characters:
                said.heard_at = self._now()

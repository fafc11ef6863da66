"""What the assistant has just said aloud, so that its echo can be told from the user."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from core.messages import Heard, Sentence
from core.pipeline import Pipeline

REMEMBERED_S = 12.0
"""longer than an utterance that echo could open, with the room's tail"""


class SpokenText:
    """Keeps the words that left the speaker in the last seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._sentences: dict[tuple[int, int], str] = {}
        self._said: deque[tuple[float, tuple[int, int], int]] = deque()

    def watch(self, pipeline: Pipeline) -> None:
        """Observe what is said and how much of it was heard."""
        pipeline.observe(Sentence, self._note_sentence)
        pipeline.observe(Heard, self._note_heard)

    def __call__(self) -> str:
        """The text said within the last `REMEMBERED_S` seconds, the sentence under way as a whole."""
        with self._lock:
            self._forget()
            keys = dict.fromkeys(key for _, key, characters in self._said if characters)
            return " ".join(self._sentences[key] for key in keys if key in self._sentences)

    def _note_sentence(self, sentence: Sentence) -> None:
        with self._lock:
            self._sentences[sentence.turn, sentence.index] = sentence.text

    def _note_heard(self, heard: Heard) -> None:
        with self._lock:
            self._said.append((self._now(), (heard.turn, heard.index), heard.characters))
            self._forget()

    def _forget(self) -> None:
        horizon = self._now() - REMEMBERED_S
        while self._said and self._said[0][0] < horizon:
            self._said.popleft()
        recent = {key[0] for _, key, _ in self._said}
        newest = max((turn for turn, _ in self._sentences), default=0)
        for key in [key for key in self._sentences if key[0] not in recent and key[0] < newest]:
            del self._sentences[key]

"""Says once why a language model is silent: a new one has its weights packed and its kernels compiled for this machine.

That takes up to a minute, a part of it while it is loaded and the rest in its first answer; later starts take seconds.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from core.messages import Language

TOLD_AFTER_S = 3.0
"""who waits less is told nothing: this is longer than a model takes whose kernels are there"""
WORDS: dict[Language, str] = {
    "en": "Getting the language model ready: with a new one that takes up to a minute, its first answer included, as "
    "its weights are packed and its kernels compiled. Later it is quicker.",
    "fr": "Je prépare le modèle de langue : pour un nouveau modèle cela prend jusqu'à une minute, première réponse "
    "comprise, car ses poids sont compactés et ses noyaux compilés. Ensuite, c'est plus rapide.",
}


class FirstWait:
    """`watched` the loading and each answer; of the first of them that takes long it is told, on `stream`."""

    def __init__(self, language: Language, stream: TextIO, after_s: float = TOLD_AFTER_S) -> None:
        self._text = WORDS[language]
        self._stream = stream
        self._after_s = after_s
        self._lock = threading.Lock()
        self._over = False
        self._waiting = False

    def over(self) -> None:
        """The model has begun to answer: nobody wonders any more."""
        with self._lock:
            self._over = True

    @contextmanager
    def watched(self) -> Iterator[None]:
        """What is done inside may take long."""
        timer = threading.Timer(self._after_s, self._tell)
        timer.daemon = True
        with self._lock:
            self._waiting = True
            idle = self._over
        if not idle:
            timer.start()
        try:
            yield
        finally:
            with self._lock:
                self._waiting = False
            timer.cancel()

    def _tell(self) -> None:
        with self._lock:
            if self._over or not self._waiting:
                return
            self._over = True
            print(self._text, file=self._stream, flush=True)

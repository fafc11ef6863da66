"""A recogniser stage whose engine can be exchanged while it listens: between two turns, never within one.

Guarantees: a turn is heard by one engine from its first message to its last, and each message goes to one engine once.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.messages import Interjection, Utterance
from core.stage import Stage
from core.utils.engine_exchange import EngineExchange

INTERJECTION = -1
"""stands for the turn of what has none"""


class SwitchingTranscriber:
    """Forwards to the present engine; `offer` may be called from any thread, the rest of a stage as ever."""

    def __init__(self, first: Stage) -> None:
        self._engines = EngineExchange(first, "listens", _name)

    @property
    def engine_name(self) -> str:
        """Of the engine in use."""
        return _name(self._engines.present)

    @property
    def fallback_reason(self) -> str:
        """Of the engine in use."""
        return str(getattr(self._engines.present, "fallback_reason", ""))

    def offer(self, stage: Stage) -> bool:
        """Take over to `stage`, loaded and warm: at once where no turn is under way, else before the next.

        Its closing is this one's duty from now on. False, and `stage` is left alone, once all is closed. One engine
        offered before and not yet taken is retired unused.
        """
        return self._engines.offer(stage)

    def close_retired(self) -> bool:
        """Close what has been replaced, on the calling thread; whether what was offered has been taken since."""
        return self._engines.close_retired()

    def load(self) -> None:
        """Load the first engine; raises what it raises."""
        self._engines.present.load()

    def load_words(self, wait: bool = False) -> None:
        """What the engine in use loads beside the conversation, if it does; `wait`: return when it is there."""
        load_words = getattr(self._engines.present, "load_words", None)
        if load_words is not None:
            load_words(wait)

    def process(self, message: Any) -> Iterator[Any]:
        """As the engine in use does. A turn not seen before is where another engine may begin."""
        stage = self._engines.begin(getattr(message, "turn", INTERJECTION))
        try:
            yield from stage.process(message)
        finally:
            # answered, lost or cut off by the next turn: of a final utterance nothing more comes
            if isinstance(message, Interjection):
                self._engines.end(INTERJECTION)
            elif isinstance(message, Utterance) and message.final:
                self._engines.end(message.turn)

    def close(self) -> None:
        """Give every engine back."""
        self._engines.close()


def _name(stage: Stage) -> str:
    return str(getattr(stage, "engine_name", type(stage).__name__.lower()))

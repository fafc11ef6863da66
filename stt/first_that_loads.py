"""A recogniser stage that stands back for a plainer one when its model cannot be loaded, and says so once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

from core.stage import Stage
from core.utils.errors import DeviceError, ModelError

logger = logging.getLogger(__name__)


class FirstThatLoads:
    """`preferred`, or what `spare()` makes. Both take and give the same messages."""

    def __init__(self, preferred: Stage, spare: Callable[[], Stage]) -> None:
        self._stage = preferred
        self._spare = spare
        self._reason = ""

    @property
    def fallback_reason(self) -> str:
        """Why the preferred one is not used, else what the one in use cannot do, with the cure; else empty."""
        return self._reason or str(getattr(self._stage, "fallback_reason", ""))

    @property
    def engine_name(self) -> str:
        """Of the one in use."""
        return str(getattr(self._stage, "engine_name", type(self._stage).__name__.lower()))

    def load(self) -> None:
        """Load the preferred one, else the spare one, whose errors are raised: ModelError, DeviceError."""
        try:
            self._stage.load()
        except (ModelError, DeviceError) as error:
            wanted = self.engine_name
            self._stage = self._spare()
            self._reason = f"{wanted} cannot be used, {self.engine_name} listens instead: {error}"
            logger.warning("%s", self._reason)
            self._stage.load()

    def load_words(self, wait: bool = False) -> None:
        """What the one in use loads beside the conversation, if it does; `wait`: return when it is there."""
        load_words = getattr(self._stage, "load_words", None)
        if load_words is not None:
            load_words(wait)

    def process(self, message: Any) -> Iterator[Any]:
        """As the one in use does."""
        return self._stage.process(message)

    def close(self) -> None:
        """Give the one in use back."""
        self._stage.close()

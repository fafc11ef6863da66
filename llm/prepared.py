"""What is ready of a reply before it is known that the user has finished."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.messages import Transcript
from llm.skills.base import Intent, Reply

if TYPE_CHECKING:
    from llm.language_answers import Unit


@dataclass(slots=True)
class Prepared:
    """The beginning of a reply to words after which the user may go on: a skill's, or a model's."""

    heard: Transcript
    intent: Intent | None = None
    reply: Reply | None = None
    units: Generator[Unit, None, None] | None = None
    sentences: int = 0
    """of the model, that were sent"""

    def is_for(self, message: Transcript) -> bool:
        """Whether these are the same words, and the user has finished."""
        heard = (self.heard.turn, self.heard.revision, self.heard.text, self.heard.language)
        return message.final and heard == (message.turn, message.revision, message.text, message.language)

    def close(self) -> None:
        """The user went on: nothing of it remains."""
        if self.units is not None:
            self.units.close()

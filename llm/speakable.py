"""A language model's text, as it is written, to units that can be spoken: the first a clause, then sentences.

Thoughts and calls of tools are never among them. The units are the same however the text is cut into pieces.
"""

from __future__ import annotations

import re

from core.messages import Language
from llm.hidden_text import HiddenText
from llm.sentences import SentenceSplitter
from llm.spoken_lines import LineSpeech

_SPACE_BEFORE = re.compile(r"\s+([.,])(?=\s|$)")


class SpeakableText:
    """One reply. `push(piece)` returns the units that are complete; `flush()` the rest, at the end of the text."""

    def __init__(self, language: Language = "en", thinking: bool = False) -> None:
        self._hidden = HiddenText(thinking)
        self._lines = LineSpeech(language)
        self._splitter = SentenceSplitter()
        self._written = ""

    @property
    def written(self) -> str:
        """The text so far as the model wrote it, without thoughts and calls."""
        return self._written

    @property
    def calls(self) -> tuple[str, ...]:
        """What the model asked of tools so far, as it wrote it; after `flush` also one left open."""
        return self._hidden.calls

    @property
    def open_call(self) -> str:
        """The call that is being written, as far as it goes; empty where there is none."""
        return self._hidden.open_call

    def end(self, call: str) -> None:
        """The call that is being written is this one, and the text is at its end."""
        self._hidden.end(call)

    def push(self, piece: str) -> list[str]:
        """Take a piece of any length in. After a call of a tool nothing more is spoken: it has not seen the result."""
        units = []
        for character in piece:
            for visible in self._hidden.feed(character):
                self._written += visible
                if not self.calls:
                    units += self._splitter.push(self._lines.feed(visible))
        return _spoken(units)

    def flush(self) -> list[str]:
        """End of the text."""
        visible = self._hidden.flush()
        self._written += visible
        said = "" if self.calls else "".join(self._lines.feed(character) for character in visible)
        return _spoken(self._splitter.push(said + self._lines.flush()) + self._splitter.flush())


def _spoken(units: list[str]) -> list[str]:
    """Without spare spaces, and without those in which there is nothing to say."""
    tidy = (_SPACE_BEFORE.sub(r"\1", " ".join(unit.split())) for unit in units)
    return [unit for unit in tidy if any(character.isalnum() for character in unit)]

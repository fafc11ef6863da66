"""One reply of a language model on its way: what is known of it, and whether it has lost its way."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from core.messages import Language
from llm.call_text import LONGEST_CALL
from llm.skills.languages import guess_language
from llm.speakable import SpeakableText
from llm.spoken_inline import FENCE
from llm.tool_calls import Words

LOOKED_AT = 400
"""characters at the end of what is written"""
_ROUND = re.compile(r"(?s)(?:(.{8,80}?)\1{3}|(.{2,7}?)\2{11})$")
_WHOLE = re.compile(r"[.!?…:;][\"'”’»)\]\s]*$")


@dataclass(slots=True)
class Draft:
    """What is written for one turn."""

    turn: int
    words: Words
    speakable: SpeakableText
    language: Language
    """that it is written in: what was asked for, else the question's; guessed again from its first unit"""
    begun: bool = False
    acts: bool = False
    """it ends with calls of tools"""
    ending: list[str] = field(default_factory=list)
    written: str = ""
    """empty where it holds code: that was not heard, and small models answer with code from then on"""
    call: str = ""

    def begin(self, unit: str) -> None:
        """Note its first unit."""
        if not self.begun:
            self.begun = True
            self.language = guess_language(unit, self.language)

    @property
    def is_lost(self) -> bool:
        """Whether it says the same again and again, or writes a call that does not end."""
        return len(self.speakable.open_call) > LONGEST_CALL or bool(_ROUND.search(self.speakable.written[-LOOKED_AT:]))

    def end(self, cut: bool) -> None:
        """All is written. Of one that was `cut` off, a half sentence at the end is left out, if others stand before."""
        self.ending = self.speakable.flush()
        more = self.begun or len(self.ending) > 1
        if cut and self.ending and more and not _WHOLE.search(self.ending[-1]):
            del self.ending[-1]
        if self.ending:
            self.begin(self.ending[0])
        self.acts = bool(self.speakable.calls)
        if not self.acts and FENCE not in self.speakable.written:
            self.written = self.speakable.written.strip()

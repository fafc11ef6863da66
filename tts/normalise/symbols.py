"""What is said for a single character that no rule took: letters and pauses are kept, symbols have names.

Only punctuation, marks that belong to their neighbour and control characters are left unsaid.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass

KEPT = frozenset(".,;:!?…'’\"()-–—")
"""Punctuation whose pause or elision espeak-ng reads rightly."""

_LEFT_UNSAID = frozenset({"Cf", "Mn", "Me", "Mc"})
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_SKIN_TONES = range(0x1F3FB, 0x1F400)
_FLAG_LETTERS = range(0x1F1E6, 0x1F200)


@dataclass(frozen=True, slots=True)
class SymbolNames:
    """A language's names of symbols."""

    names: Mapping[str, str]
    unknown: str
    """said for a symbol without a name"""
    number: Callable[[int], str]
    speaks_unicode_names: bool
    """whether Unicode's English name may stand in for a missing one"""

    def name(self, character: str) -> str | None:
        """What to say for `character`: None to keep it, "" or a space to leave it unsaid."""
        if character in self.names:
            return self.names[character]
        if character in KEPT or character.isspace():
            return None
        category = unicodedata.category(character)
        if category[0] == "L" or category == "Nd":
            return None
        if category[0] == "N":
            value = unicodedata.numeric(character, -1.0)
            return self.number(int(value)) if value >= 0 and value == int(value) else self._named(character)
        code = ord(character)
        if category in _LEFT_UNSAID:
            # Marks of scripts such as Devanagari are vowels; a variation selector or a joiner has no sound.
            return None if category == "Mc" or (category == "Mn" and code not in _VARIATION_SELECTORS) else ""
        if category[0] in "PZ" or category == "Cc" or code in _SKIN_TONES:
            return " "
        if code in _FLAG_LETTERS:
            return chr(ord("A") + code - _FLAG_LETTERS.start)
        return self._named(character)

    def _named(self, character: str) -> str:
        name = unicodedata.name(character, "").lower().replace("-", " ")
        return name if name and self.speaks_unicode_names else self.unknown

"""Which part of a text has been said once a word piece has: what an engine's marks are made from.

Letters are matched one by one; where the front end put figures in words, the words as a whole stand for the figures.
"""

from __future__ import annotations

import unicodedata
from difflib import SequenceMatcher
from itertools import accumulate

from tts.melo.text.phonemes import Phonemes
from tts.melo.text.wordpiece import UNKNOWN_TOKEN

_LONGEST_MATCHED = 1000
"""letters of a text that are matched one by one; a longer one that was changed is shared out evenly"""


def characters_said(text: str, phonemes: Phonemes) -> tuple[int, ...]:
    """[tokens] how many characters of `text` have been said after each token; never less than before.

    The last token stands for the whole text.
    """
    letters, places = _letters_of(text)
    pieces = ["" if token == UNKNOWN_TOKEN else token.removeprefix("##") for token in phonemes.tokens]
    ends: list[int] = []
    spoken: list[str] = []
    for piece in pieces:
        spoken += _letters_of(piece)[0]
        ends.append(len(spoken))
    reached = _reached(letters, spoken)
    said = [places[reached[end] - 1] + 1 if reached[end] else 0 for end in ends]
    if said:
        said[-1] = len(text)
    return tuple(said)


def _reached(written: list[str], spoken: list[str]) -> list[int]:
    """[spoken + 1] how many written letters are behind the first so many spoken ones."""
    if written == spoken:
        return list(range(len(spoken) + 1))
    if len(written) > _LONGEST_MATCHED:
        return [len(written) * count // max(1, len(spoken)) for count in range(len(spoken) + 1)]
    reached = [0] * (len(spoken) + 1)
    for block in SequenceMatcher(None, written, spoken, autojunk=False).get_matching_blocks():
        for offset in range(block.size):
            reached[block.b + offset + 1] = block.a + offset + 1
        if block.b < len(spoken):
            # What is said before this match stands for all that is written before it.
            reached[block.b] = block.a
    reached[-1] = len(written)
    return list(accumulate(reached, max))


def _letters_of(text: str) -> tuple[list[str], list[int]]:
    """Letters and figures in one form whatever their case and accents, and the place of each."""
    letters: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for letter in unicodedata.normalize("NFKD", character.lower()):
            if letter.isalnum():
                letters.append(letter)
                places.append(place)
    return letters, places

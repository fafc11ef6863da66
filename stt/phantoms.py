"""Tells the phrases that Whisper says where nobody speaks: thanks to viewers, subtitlers' credits, names of sounds.

Judges words alone; what speaks for a voice is weighed in stt.speech_evidence.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

LIST = Path(__file__).with_name("phantoms.yaml")
_SOUND = re.compile(r"\s*(?:[\[(*♪♫][^\])*♪♫]*[\])*♪♫]|[♪♫]+)[\s.!,]*")
"""[Music], (applause), *sighs*, a line of song"""


class Phantom(Enum):
    """What kind of phrase a text is."""

    NONE = "none"
    COURTESY = "courtesy"
    """people say it too"""
    CREDIT = "credit"
    """nobody says it to an assistant, or it is the name of a sound"""


@dataclass(frozen=True, slots=True)
class PhantomList:
    """Phrases as word lists joined by spaces."""

    credits: frozenset[str]
    credit_openings: tuple[str, ...]
    courtesies: frozenset[str]


@cache
def phantom_list() -> PhantomList:
    """The phrases of phantoms.yaml."""
    import yaml

    content = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return PhantomList(
        frozenset(content["credits"]), tuple(content["credit_openings"]), frozenset(content["courtesies"])
    )


def phantom_of(text: str) -> Phantom:
    """Whether the whole text is one or several of those phrases."""
    if text.strip() and not _SOUND.sub("", text).strip():
        return Phantom.CREDIT
    words = plain(text)
    if not words:
        return Phantom.NONE
    known = phantom_list()
    if any(words == opening or words.startswith(f"{opening} ") for opening in known.credit_openings):
        return Phantom.CREDIT
    if _consists_of(words, known.courtesies):
        return Phantom.COURTESY
    if _consists_of(words, known.credits | known.courtesies):
        return Phantom.CREDIT
    return Phantom.NONE


def plain(text: str) -> str:
    """Words of the list's spelling: lower case, no accents, no punctuation."""
    decomposed = unicodedata.normalize("NFKD", text.casefold().replace("œ", "oe"))
    kept = "".join(character for character in decomposed if not unicodedata.combining(character))
    return " ".join(re.findall(r"[^\W_]+", kept))


def _consists_of(words: str, phrases: Iterable[str]) -> bool:
    """Whether the words are phrases one after the other."""
    split = words.split()
    reachable = [True] + [False] * len(split)
    sizes: dict[int, set[tuple[str, ...]]] = {}
    for phrase in phrases:
        parts = tuple(phrase.split())
        sizes.setdefault(len(parts), set()).add(parts)
    for end in range(1, len(split) + 1):
        reachable[end] = any(
            size <= end and reachable[end - size] and tuple(split[end - size : end]) in known
            for size, known in sizes.items()
        )
    return reachable[-1]

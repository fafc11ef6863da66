"""Leaves out the sounds of who is looking for a word: "a timer for, um, ten minutes", "ajoute euh des œufs"."""

from __future__ import annotations

import re

_OPEN = (
    "a|an|the|for|to|of|at|in|on|and|or|my|add|set|is|"
    "un|une|le|la|les|du|des|de|à|pour|dans|sur|et|ou|mon|ma|mes|ajoute|mets"
)
"""words that more follows: the comma after one was for the sound"""
_SOUND = re.compile(
    rf"(?P<open>\b(?:{_OPEN}))?(?P<comma>\s*,)?\s*"
    r"(?<![\w'’-])(?:uh+m*|u+mm*|erm+|er(?=,?\s)|euh+|heu+)(?![\w'’-]|\s+(?:huh|oh|uh)\b)(?:\.{2,3}|…)?"
    r"(?P<after>\s*,)?",
    re.IGNORECASE,
)


def without_hesitations(text: str) -> str:
    """The words alone; "uh-huh" and "uh oh" are some, and so is the ER that somebody has to go to."""
    spoken = _SOUND.sub(_joined, text)
    return text if spoken == text else " ".join(spoken.split()).lstrip(" ,")


def _joined(found: re.Match[str]) -> str:
    if "ER" in found[0]:
        return found[0]
    if found["open"]:
        return found["open"]
    return "," if found["comma"] or found["after"] else ""

"""Leaves out the oaths before what is meant: "a bloody timer", "un putain de minuteur"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.messages import Language

if TYPE_CHECKING:
    from llm.skills.normalise import Token

_OATHS: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"bloody|fucking|damn|damned|goddamn|freaking|fricking|frigging|stupid"),
    "fr": re.compile(r"putain|foutu|foutue|fichu|fichue|satane|satanee|sacre|sacree|maudit|maudite"),
}
_SWORN_AT = re.compile(
    r"timers?|alarms?|reminders?|notes?|list|volume|lights?|minuteurs?|minuteries?|alarmes?|reveils?|rappels?|liste|son"
)
"""words before which an oath is none of what is meant; a note may hold it, and a cocktail has the name"""


def without_oaths(tokens: Sequence[Token], language: Language) -> list[Token]:
    """ "A bloody timer" is a timer, "un putain de minuteur" too."""
    kept: list[Token] = []
    for token in tokens:
        if _SWORN_AT.fullmatch(token.text):
            of = 1 if language == "fr" and kept and kept[-1].text == "de" else 0
            oath = kept[-1 - of] if len(kept) > of else None
            if oath is not None and _OATHS[language].fullmatch(oath.text):
                del kept[-1 - of :]
        kept.append(token)
    return kept

"""What "cancel the last one" is said of: an alarm or a reminder, where one was spoken of last, and else a timer.

Only right after something was said of them; any other text is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from core.messages import Language
from llm.skills.base import Intent, Session
from llm.skills.normalise import fold

_KINDS: tuple[tuple[frozenset[str], dict[Language, str]], ...] = (
    (
        frozenset(("ListAlarms", "CancelAlarm", "ChangeAlarm", "NextAlarm", "SetAlarm")),
        {"en": "cancel the {} alarm", "fr": "annule le {} réveil"},
    ),
    (
        frozenset(("ListReminders", "CancelReminder", "ChangeReminder", "SetReminder")),
        {"en": "cancel the {} reminder", "fr": "annule le {} rappel"},
    ),
    (
        frozenset(("ListTimers", "CancelTimer", "TimeLeft")),
        {"en": "cancel the {} timer", "fr": "annule le {} minuteur"},
    ),
)
_MASCULINE = {"premiere": "premier", "derniere": "dernier", "seconde": "deuxieme", "second": "deuxieme"}
_SAID: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"(?:cancel|delete|remove|turn off) (?:the )?(first|second|third|last)(?: one)?"),
    "fr": re.compile(
        r"(?:annule|supprime|enleve|efface|eteins)[rz]? l[ea] (premiere?|deuxieme|seconde?|troisieme|derniere?)"
    ),
}
Recognise = Callable[[str, Language], Intent | None]


def of_last_kind(text: str, language: Language, session: Session, recognise: Recognise) -> Intent | None:
    """The cancelling that is meant; None where the text is none, or nothing of the kind was spoken of last."""
    said = _SAID[language].fullmatch(fold(text).strip(" .,;:!?"))
    sentence = next((sentences[language] for names, sentences in _KINDS if session.last in names), "")
    if said is None or not sentence:
        return None
    place = said[1] if language == "en" else _MASCULINE.get(said[1], said[1])
    return recognise(sentence.format(place), language)

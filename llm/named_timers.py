"""What is said of a timer by its name alone: "pause the potatoes", "add a minute to the rice", "annule le riz".

Only where a timer of that name runs, and only for what is done with timers; any other text is left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from core.messages import Language
from llm.schedule import Item
from llm.skills.base import Intent
from llm.skills.normalise import fold

OF_TIMERS = frozenset(("TimeLeft", "CancelTimer", "PauseTimer", "ResumeTimer", "RestartTimer", "AddTime"))
_ARTICLES: dict[Language, tuple[tuple[str, str], ...]] = {
    "en": ((r"(?:the|my)\s+{name}(?:\s+one)?", "the {name} timer"),),
    "fr": (
        (r"(?:celui|celle)\s+(?:pour\s+)?(?:les?|la|l['’]|des|du|de la|de l['’])\s*{name}", "le minuteur {name}"),
        (r"pour (?:les?|la|l['’])\s*{name}", "sur le minuteur {name}"),
        (r"(?:au|aux|à la|à l['’])\s*{name}", "au minuteur {name}"),
        (r"(?:des|du|de la|de l['’])\s*{name}", "au minuteur {name}"),
        (r"(?:les?|la|l['’])\s*{name}", "le minuteur {name}"),
    ),
}

Recognise = Callable[[str, Language], Intent | None]


def of_named_timer(text: str, language: Language, timers: Iterable[Item], recognise: Recognise) -> Intent | None:
    """What the text asks for with "timer" beside the name that it holds; None where it holds none."""
    text = fold(text)
    for name, called in {fold(timer.text): timer.text for timer in timers if timer.text}.items():
        for pattern, whole in _ARTICLES[language]:
            wanted = re.compile(rf"(?<!\w){fold(pattern).format(name=re.escape(name))}(?!\w)")
            begin, *more = wanted.split(text)
            # the name as it was given: of "thé" the folded "the" would be an article
            written = f"{begin}{whole.format(name=called)}{''.join(more)}"
            found = recognise(written, language) if len(more) == 1 else None
            if found is not None and found.name in OF_TIMERS:
                return found
    return None

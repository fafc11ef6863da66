"""What the user has had forgotten: a model is shown no exchange that tells of it, or it would still know.

Known by the exchanges themselves: each fact that one of them had remembered and that is no longer kept. One that comes
back, as its forgetting is undone, is shown again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from llm.call_text import ToolCallRefusedError, loaded, named
from llm.conversation import Exchange
from llm.grounding import is_about, telling
from llm.skills.normalise import fold
from llm.skills.reminders import clean
from llm.tool_calls import CALL_BETWEEN, REMEMBERING

SHARE = 0.5
"""of a fact's telling words, and two where it has as many, that an exchange about it has at least"""


class Forgotten:
    """Of facts that `calls` had remembered, those that `facts` no longer has."""

    def __init__(self, calls: Iterable[str], facts: Sequence[str]) -> None:
        kept = {fold(clean(fact)) for fact in facts}
        remembered = (text for call in calls if REMEMBERING in call for text in _facts_of(call))
        self._told = [telling((text,)) for text in remembered if fold(clean(text)) not in kept]

    def holds(self, exchange: Exchange) -> bool:
        """Whether an exchange tells of one of them."""
        text = f"{exchange.user}\n{exchange.reply}"
        return any(_tells(text, words) for words in self._told)


def _tells(text: str, words: frozenset[str]) -> bool:
    found = sum(is_about(text, frozenset((word,))) for word in words)
    return found >= max(SHARE * len(words), min(2, len(words)), 1)


def _facts_of(calls: str) -> Iterator[str]:
    for call in calls.split(CALL_BETWEEN):
        try:
            name, arguments = named(loaded(call))
        except ToolCallRefusedError:
            continue
        if name == REMEMBERING:
            yield str(arguments.get("text") or "")

"""The messages a language model sees: instructions, what both have said as far as it was heard, and the new words.

Trimmed by tokens, in large steps: whatever is dropped moves all that follows, so that the model's cache of it is lost.
Dropping one exchange a turn would lose it every turn; dropping down to KEPT_SHARE loses it once in many.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from core.messages import Language
from llm.apologies import is_apology
from llm.conversation import Conversation, Exchange
from llm.engine import ChatMessage, Prompt, Tool, alternating
from llm.forgotten import Forgotten
from llm.grounding import claims
from llm.hidden_text import CALL_CLOSES, CALL_OPENS
from llm.persona import system_prompt

logger = logging.getLogger(__name__)

KEPT_SHARE = 0.5
"""of what the instructions and the new words leave"""
CALLS_KNOWN = 64
"""exchanges whose calls are not reckoned twice"""
EARLIER = 8
"""exchanges of an earlier session that are gone on from"""
EARLIER_S = 6 * 3600.0
"""and how old they may be"""


@dataclass(frozen=True, slots=True)
class Around:
    """What the history is made of."""

    conversation: Conversation
    facts: Callable[[], Sequence[str]]
    """what the user asked to be remembered; read for each turn"""
    wall: Callable[[], datetime]
    """local time"""
    language: Language = "en"
    """of the instructions; they stay in it, so that their cache does"""
    speaks: Callable[[], Language | None] = lambda: None
    """the language that the user has asked for, whatever theirs is; the instructions change to it, and are read anew"""
    call_for: Callable[[str, Language], str] = lambda text, language: ""
    """the call that a skill's answer to these words would have been; empty where no skill is sure of them"""


class ChatHistory:
    """`room` is how many tokens a prompt may have; `count` tells how many it has."""

    def __init__(self, around: Around, tools: Sequence[Tool], room: int, count: Callable[[Prompt], int]) -> None:
        self._around = around
        self._tools = tuple(tools)
        self._room = room
        self._count = count
        self._began = around.wall()
        self._call_for = lru_cache(CALLS_KNOWN)(around.call_for)
        self._first = 0
        """exchanges since the start that are left out"""
        not_before = self._began.timestamp() - EARLIER_S
        self._earlier = list(around.conversation.earlier(EARLIER, not_before))

    def prompt(self, text: str, but_last: bool = False) -> Prompt:
        """For the user's new words. The same exchanges as before stand in it, unless it has outgrown its room.

        All `but_last`: that one has been begun with other words of the same turn, and small models say the rest again
        behind it.
        """
        prompt = self._prompt(text, but_last)
        if self._count(prompt) <= self._room:
            return prompt
        before, alone = len(prompt.messages), self._count(self.alone(text))
        kept = alone + max(self._room - alone, 0) * KEPT_SHARE
        while self._drop_oldest():
            prompt = self._prompt(text, but_last)
            if self._count(prompt) <= kept:
                break
        logger.info(
            "the conversation outgrew the model's context: %d of %d messages stay", len(prompt.messages), before
        )
        return prompt

    def alone(self, text: str) -> Prompt:
        """The user's new words as if they were the first."""
        return self._around_words(text, ())

    def _drop_oldest(self) -> bool:
        if self._earlier:
            del self._earlier[0]
            return True
        stretch = self._around.conversation.since(self._first)
        if not stretch.exchanges:
            return False
        self._first = stretch.first + 1
        return True

    def _prompt(self, text: str, but_last: bool) -> Prompt:
        exchanges = self._around.conversation.since(self._first).exchanges
        return self._around_words(text, (*self._earlier, *(exchanges[:-1] if but_last else exchanges)))

    def _around_words(self, text: str, exchanges: Iterable[Exchange]) -> Prompt:
        around = self._around
        if around.wall().date() != self._began.date():
            self._began = around.wall()
        facts = around.facts()
        system = system_prompt(around.language, self._began, facts, bool(self._tools), around.speaks())
        messages = [ChatMessage("system", system)]
        called = [(exchange, self._called(exchange)) for exchange in exchanges]
        forgotten = Forgotten((call for _, call in called), facts)
        for exchange, call in called:
            messages += [] if forgotten.holds(exchange) else self._told(exchange, call)
        return Prompt(tuple(alternating([*messages, ChatMessage("user", text)])), self._tools)

    def _called(self, exchange: Exchange) -> str:
        return exchange.call or ("" if exchange.written else self._call_for(exchange.user, exchange.language))

    def _told(self, exchange: Exchange, call: str) -> list[ChatMessage]:
        """Both sides of an exchange; of a reply cut short only what was heard. What was said unasked is left out.

        What a skill did is shown as the call it would have been: else the model learns to say that a timer is set, and
        not to set one. A reply that tells of a deed, whose call nobody knows, is left out for the same reason, and so
        is one that failed: the model fails again, in the same words.
        """
        if not exchange.user or is_apology(exchange.reply):
            return []
        user = ChatMessage("user", exchange.user)
        heard = exchange.written if exchange.written and exchange.heard_whole else exchange.heard
        reply = [ChatMessage("assistant", heard)] if heard.strip() else []
        if not call:
            return [] if claims(heard) else [user, *reply]
        called = ChatMessage("assistant", f"{CALL_OPENS}\n{call}\n{CALL_CLOSES}")
        reply = [ChatMessage("assistant", exchange.heard)] if reply else []
        return [user, called, ChatMessage("tool", exchange.reply), *reply]

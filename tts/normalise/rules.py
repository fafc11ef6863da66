"""Applies a language's rules to a text: each rule finds a written form and says it in words.

Never raises, whatever the text; what no rule takes is kept, or said by its symbol's name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from tts.normalise.spoken import SpokenText, SpokenTextBuilder
from tts.normalise.symbols import SymbolNames


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern (no named groups, no global flags) and the words for a match, None when it is not such a form."""

    pattern: re.Pattern[str]
    speak: Callable[[re.Match[str]], str | None]
    within_word: bool = False
    """whether the match is part of a word, so that no space may come around it"""


def plain(pattern: str, words: str) -> Rule:
    """A rule that always says the same words."""
    return Rule(re.compile(pattern), lambda match: words)


class LanguageRules:
    """The rules of one language, tried in order at every place of the text."""

    def __init__(self, rules: tuple[Rule, ...], symbols: SymbolNames) -> None:
        self._rules = rules
        self._symbols = symbols
        self._any = re.compile("|".join(f"(?:{rule.pattern.pattern})" for rule in rules))

    def apply(self, text: str) -> SpokenText:
        """The spoken form of `text`."""
        builder = SpokenTextBuilder(text)
        position = 0
        while position < len(text):
            found = self._any.search(text, position)
            start = found.start() if found else len(text)
            self._plain(builder, text, position, start)
            position = self._rewrite(builder, text, start) if found else start
        return builder.build()

    def _rewrite(self, builder: SpokenTextBuilder, text: str, start: int) -> int:
        for rule in self._rules:
            match = rule.pattern.match(text, start)
            words = rule.speak(match) if match and match.end() > start else None
            if match and words is not None:
                builder.say(words, start, match.end(), joined=rule.within_word)
                return match.end()
        self._plain(builder, text, start, start + 1)
        return start + 1

    def _plain(self, builder: SpokenTextBuilder, text: str, start: int, end: int) -> None:
        kept_from = start
        for index in range(start, end):
            name = self._symbols.name(text[index])
            if name is None:
                continue
            if kept_from < index:
                builder.keep(kept_from, index)
            builder.say(name, index, index + 1)
            kept_from = index + 1
        if kept_from < end:
            builder.keep(kept_from, end)

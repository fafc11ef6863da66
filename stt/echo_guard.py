"""Recognises the assistant's own words in a transcript: the last defence against answering itself."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from core.messages import EchoDropped, Interjection, InterjectionHeard, Language, Transcript, Utterance

logger = logging.getLogger(__name__)

MATCHED_SHARE = 0.75
"""of the recognised words must occur, in order and close together, in what was spoken"""
_SLACK_WORDS = 2
"""words the recogniser may have dropped from within the echo"""

_WORD = re.compile(r"(?:[^\W\d_]|')+|\d+")


class EchoGuard:
    """Compares words with `spoken()`, the text that left the speaker in the last seconds; by default nothing did."""

    def __init__(self, spoken: Callable[[], str] = str) -> None:
        self._spoken = spoken

    def is_echo(self, text: str) -> bool:
        """Whether nearly all words of `text` were just spoken by the assistant, in the same order."""
        words, spoken = _words(text), _words(self._spoken())
        if not words or not spoken:
            return False
        length = len(words) + _SLACK_WORDS
        windows = (spoken[start : start + length] for start in range(max(1, len(spoken) - length + 1)))
        return any(longest_common(words, window) >= MATCHED_SHARE * len(words) for window in windows)

    def interjection(self, message: Interjection, text: str, language: Language) -> InterjectionHeard:
        """The words of a sound that is no turn yet, none where they are the assistant's own."""
        echo = message.echo_suspected and self.is_echo(text)
        return InterjectionHeard(message.number, "" if echo else text, language)

    def conclusion(self, message: Utterance, answer: Transcript) -> Iterator[Transcript | EchoDropped]:
        """What an utterance was understood as, without words where they are the assistant's own.

        Of a final one that is told.
        """
        if answer.text and message.echo_suspected and self.is_echo(answer.text):
            if message.final:
                logger.info("turn %d dropped: the assistant heard itself say %r", message.turn, answer.text)
                yield EchoDropped(message.turn, answer.text)
            answer = replace(answer, text="", stable=0, complete=False)
        yield replace(answer, final=message.final, stable=len(answer.text), paused=True)


def longest_common(left: list[str], right: list[str]) -> int:
    """Length of the longest common subsequence of two word lists."""
    row = [0] * (len(right) + 1)
    for word in left:
        diagonal = 0
        for column, other in enumerate(right, 1):
            diagonal, row[column] = (
                row[column],
                diagonal + 1 if word == other else max(row[column], row[column - 1]),
            )
    return row[-1]


def _words(text: str) -> list[str]:
    from stt.numbers import number_words

    words: list[str] = []
    for token in _WORD.findall(text.lower().replace("’", "'")):
        words += number_words(int(token) % 1_000_000).split() if token.isdigit() else [token]
    return words

"""Whose words count, by the scores of two hypotheses alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

from core.messages import FREE_WORDS
from core.utils.config import SttConfig
from stt.hypothesis import Hypothesis, Word
from stt.understanding import GRAMMAR, understand

CONFIG = SttConfig()
FRAMES = 100


def heard(text: str, acoustic: float, score: float = -1.0) -> Hypothesis:
    """Its words one after the other over a second, each frame's sound as likely as `acoustic`."""
    words = text.split()
    length = 1.0 / max(len(words), 1)
    timed = tuple(Word(word, at * length, (at + 1) * length) for at, word in enumerate(words))
    return Hypothesis(timed, score, np.full(FRAMES, acoustic, np.float32))


@pytest.mark.parametrize(("above", "source"), [(0.05, GRAMMAR), (-0.05, FREE_WORDS)])
def test_the_grammar_counts_from_its_margin_on(above: float, source: str) -> None:
    command = heard("what time is it", -2.0 + CONFIG.command_margin + above)
    found = understand(command, heard("what crime visit", -2.0), CONFIG)
    assert (found.source, found.text) == (source, "what time is it" if above > 0 else "what crime visit")
    assert found.margin == pytest.approx(above, abs=1e-5)
    assert (found.confidence > 0.5) if above > 0 else (found.confidence == pytest.approx(math.exp(-1.0)))


@pytest.mark.parametrize(("above", "text"), [(0.1, "stop"), (-0.1, "")])
def test_where_there_is_no_ngram_model_yet_the_grammars_score_decides(above: float, text: str) -> None:
    found = understand(heard("stop", -2.0, CONFIG.command_score + above), None, CONFIG, alone=True)
    assert found.text == text


def test_nothing_is_understood_of_nothing() -> None:
    for command, words in ((None, None), (heard("stop", -2.0), None), (None, heard("hmm", -2.0))):
        found = understand(command, words, CONFIG)
        assert (found.text, found.source, found.confidence) == ("", FREE_WORDS, 0.0)


def test_an_open_slot_takes_the_ngram_models_words() -> None:
    command = Hypothesis(
        (Word("add", 0.0, 0.3), Word("_M", 0.3, 0.6), Word("please", 0.6, 1.0)), -1.0, np.full(FRAMES, -2.0, np.float32)
    )
    assert understand(command, heard("at milk please", -2.0), CONFIG).text == "add milk please"

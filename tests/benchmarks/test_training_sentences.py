"""The small Whisper's sentences follow the skills' templates: a slot that has no words there stops its evaluation."""

from __future__ import annotations

import random

import pytest

from benchmarks.whisper.training.sentences import Sentences
from core.messages import Language

DRAWS = 1000


@pytest.mark.parametrize("language", ["en", "fr"])
def test_every_slot_of_the_skills_has_words_to_be_trained_with(language: Language):
    sentences = Sentences(language)
    lines = [sentences.draw(random.Random(seed)) for seed in range(DRAWS)]
    assert len({line.text for line in lines}) > DRAWS // 2

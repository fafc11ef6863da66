"""The fit of a turn's end: its halves are apart, its regression finds what is there, its shares are the pauses'."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks.endpoint_parts.fit import Pause, longer, regression, waited_ms
from benchmarks.endpoint_parts.material import PEOPLE, TEXTS, VOICES, Said, phrases_of
from core.messages import Transcript
from core.utils.config import EndpointConfig
from stt.endpointing import Endpointing

CHOSEN, REPORTED = "chosen on", "reported on"
CONFIG = EndpointConfig(learn=False)


def pause(ends: bool, sentence_end: float, text: str = "It is time.") -> Pause:
    heard = Transcript(1, 0, text, 0, "en", False, sentence_end=sentence_end)
    return Pause(Said("somebody", ()), ends, heard, None)


@pytest.mark.parametrize("what", [PEOPLE, VOICES, TEXTS])
def test_nobody_and_no_text_is_in_both_halves(what: dict[str, tuple[str, ...]]) -> None:
    assert not set(what[CHOSEN]) & set(what[REPORTED])
    assert len(set(what[CHOSEN])) == len(what[CHOSEN])


def test_a_text_is_cut_behind_its_commas() -> None:
    assert phrases_of("Who was it, and when, do you know?") == ["Who was it,", "and when,", "do you know?"]


def test_the_regression_finds_how_much_the_marks_tell() -> None:
    random = np.random.default_rng(1)
    pauses = []
    for _ in range(4000):
        likely = float(random.uniform(0.02, 0.98))
        told = 1.0 / (1.0 + math.exp(-2.0 * math.log(likely / (1.0 - likely))))
        pauses.append(pause(bool(random.uniform() < told), likely))
    base, marks, dangling = regression(pauses)
    assert (base, marks, dangling) == (pytest.approx(0.0, abs=0.15), pytest.approx(2.0, abs=0.15), 0.0)


def test_the_share_of_pauses_that_are_longer() -> None:
    shares = [longer(wait) for wait in (100, 250, 700, 2400, 2500)]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (1.0, 0.0)
    assert shares[2] == pytest.approx(0.296, abs=0.001)


def test_nobody_is_answered_before_the_words_are_there() -> None:
    endpointing = Endpointing(CONFIG)
    assert waited_ms(pause(True, 0.99), 426.0, False, endpointing) == 426.0
    assert waited_ms(pause(True, 0.99), 215.0, False, endpointing) == CONFIG.complete_ms
    assert waited_ms(pause(False, 0.2), 215.0, False, endpointing) > CONFIG.incomplete_ms

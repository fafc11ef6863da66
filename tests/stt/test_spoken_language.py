"""One short word does not flip the conversation; a clear longer utterance does."""

from __future__ import annotations

import pytest

from core.messages import Language
from core.utils.whisper.languages import LanguageRule, pick_language
from stt.spoken_language import LanguageChoice

Heard = tuple[float, float]
"""seconds of voice, and the probability that they were French"""


@pytest.mark.parametrize(
    ("heard", "spoken", "expected"),
    [
        ([(0.4, 0.99)], "e", "en"),
        ([(0.4, 0.99), (0.4, 0.05)], "ee", "en"),
        ([(2.5, 0.97)], "f", "fr"),
        ([(2.5, 0.76)], "f", "fr"),
        ([(2.5, 0.5)], "e", "en"),
        ([(1.2, 0.5)], "e", "en"),
        ([(0.9, 0.7)], "f", "fr"),
        ([(0.65, 0.9)], "f", "fr"),
        ([(2.5, 0.97), (1.2, 0.1)], "ff", "fr"),
        ([(2.5, 0.97), (1.2, 0.04)], "fe", "en"),
        ([(2.5, 0.97), (1.2, 0.1), (1.2, 0.1)], "ffe", "en"),
        ([(2.5, 0.97), (2.5, 0.4)], "ff", "fr"),
        ([(0.5, 0.97), (0.5, 0.97)], "ef", "fr"),
        ([(0.5, 0.8), (1.2, 0.55)], "ee", "en"),
        ([(2.5, 0.97), (1.2, 0.1), (2.0, 0.9), (1.2, 0.1)], "ffff", "fr"),
        ([(2.5, 0.97), (0.4, 0.02)], "ff", "fr"),
        ([(2.5, 0.97), (2.5, 0.02)], "fe", "en"),
        ([], "", "en"),
    ],
)
def test_hysteresis(heard: list[Heard], spoken: str, expected: Language):
    choice = LanguageChoice(("en", "fr"), "en")
    decoded_in = ""
    for speech_s, french in heard:
        guess = pick_language((("de", 0.5), ("fr", french / 2), ("en", (1 - french) / 2)), choice.rule(speech_s))
        decoded_in += guess.language[0]
        assert choice.conclude(guess.detected, speech_s) == choice.current
        assert choice.current == guess.language
    assert (decoded_in, choice.current) == (spoken, expected)


def test_one_language_is_fixed_and_stays():
    choice = LanguageChoice(("fr",), "en")
    assert (choice.current, choice.fixed) == ("fr", "fr")
    assert choice.conclude((("fr", 1.0),), 3.0) == "fr"
    assert LanguageChoice(("en", "fr"), "fr").fixed is None


def test_nothing_detected_changes_nothing():
    choice = LanguageChoice(("en", "fr"), "fr")
    assert choice.conclude((), 5.0) == "fr"


def test_no_language_is_a_mistake():
    with pytest.raises(ValueError, match="at least one"):
        LanguageChoice((), "en")


EVERY = (("de", 0.6), ("fr", 0.3), ("en", 0.1))


@pytest.mark.parametrize(
    ("rule", "language", "probability"),
    [
        (None, "de", 0.6),
        (LanguageRule(("en", "fr")), "fr", 0.75),
        (LanguageRule(("en", "fr"), "en", 0.7), "fr", 0.75),
        (LanguageRule(("en", "fr"), "en", 0.8), "en", 0.25),
        (LanguageRule(("en", "fr"), "en", 1.1), "en", 0.25),
        (LanguageRule(("en", "fr"), "de", 1.1), "fr", 0.75),
        (LanguageRule(("en",)), "en", 1.0),
    ],
)
def test_only_the_candidates_count(rule: LanguageRule | None, language: str, probability: float):
    guess = pick_language(EVERY, rule)
    assert guess.language == language
    assert guess.probability == pytest.approx(probability)
    assert sum(value for _, value in guess.detected) == pytest.approx(1.0)
    assert [value for _, value in guess.detected] == sorted((value for _, value in guess.detected), reverse=True)


def test_a_model_without_the_languages_says_so():
    with pytest.raises(ValueError, match="none of the languages it"):
        pick_language(EVERY, LanguageRule(("it",)))


def test_languages_of_no_probability_are_alike():
    assert pick_language((("en", 0.0), ("fr", 0.0), ("de", 1.0)), LanguageRule(("en", "fr"))).probability == 0.5

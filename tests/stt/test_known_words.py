"""A short, doubtful sound over a reply is taken for one of the words that people say there, where one fits it."""

from __future__ import annotations

import pytest

from core.messages import Interjection, Language
from stt.backchannel import is_backchannel
from stt.known_words import KNOWN, best_known, is_doubtful
from tests.stt.scripted_whisper import Scores, ScriptedBackend, loaded, settings, speak


def heard(
    text: str,
    logprob: float,
    fitting: dict[str, float],
    language: Language = "en",
    word_s: float = 0.4,
    echo: bool = False,
) -> str:
    """What becomes of a word over a reply that Whisper writes as `text`."""
    backend = ScriptedBackend(phrase=text, scores=Scores(avg_logprob=logprob))
    backend.fitting = fitting
    stage = loaded(backend, settings((language,), language))
    (told,) = stage.process(Interjection(1, speak("word", word_s=word_s).samples, echo))
    return told.text


@pytest.mark.parametrize(
    ("text", "logprob", "fitting", "language", "meant"),
    [
        ("remember", -0.8, {"Mm.": -7.1, "No.": -8.9}, "en", "Mm."),
        ("S'il y a", -1.1, {"Très bien.": -7.7, "Non.": -10.7}, "fr", "Très bien."),
        ("Pas de...", -1.4, {"Attends.": -5.9, "D'accord.": -8.1}, "fr", "Attends."),
        ("Ajo", -1.9, {"Attends.": -5.3}, "fr", "Attends."),
    ],
)
def test_a_doubtful_word_is_the_known_one_that_fits(
    text: str, logprob: float, fitting: dict[str, float], language: Language, meant: str
) -> None:
    assert heard(text, logprob, fitting, language) == meant


@pytest.mark.parametrize(
    ("text", "logprob", "fitting", "word_s", "stays"),
    [
        ("louder", -0.9, {"Yeah.": -8.8}, 0.4, "louder"),
        ("How many?", -0.3, {"Yeah.": -7.0}, 0.4, "How many?"),
        ("Stop.", -0.9, {"Okay.": -1.0}, 0.4, "Stop."),
        ("tea timer", -0.9, {"Yeah.": -7.0}, 0.9, "tea timer"),
        ("and", -1.9, {"Yeah.": -2.0}, 0.4, ""),
        ("and", -1.9, {"Wait.": -7.5}, 0.4, ""),
    ],
    ids=["none fits", "it is sure", "it is known", "it is long", "no words, and none is needed", "no words for sure"],
)
def test_what_was_written_stays_where(
    text: str, logprob: float, fitting: dict[str, float], word_s: float, stays: str
) -> None:
    assert heard(text, logprob, fitting, word_s=word_s) == stays


def test_of_an_echo_that_is_no_speech_no_word_is_made() -> None:
    assert heard("Ajo", -1.9, {"Attends.": -5.3}, "fr", echo=True) == ""


@pytest.mark.parametrize("language", ["en", "fr"])
def test_of_the_known_words_some_let_the_reply_go_on_and_some_end_it(language: Language) -> None:
    assert {is_backchannel(word) for word in KNOWN[language]} == {True, False}
    assert best_known([-50.0] * len(KNOWN[language]), language) == ""
    assert not any(is_doubtful(word, language, -1.2, 0.4) for word in KNOWN[language])

"""A lone "oui" in a conversation in English is heard; what English makes a word of stays English."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from core.messages import Language, Samples
from core.utils.whisper.backend import WindowRequest
from core.utils.whisper.results import Decoded
from stt.lone_words import is_lone_word
from tests.stt.scripted_whisper import ScriptedBackend, hear, last, loaded, settings, speak


@dataclass(frozen=True, slots=True)
class Heard:
    """What a sound is in one language."""

    text: str
    avg_logprob: float


class TwoEars(ScriptedBackend):
    """Hears the same sound as another word in each language; takes it for English as long as it may choose."""

    def __init__(self, english: Heard, french: Heard) -> None:
        super().__init__()
        self.heard = {"en": english, "fr": french}

    def asked_in(self, language: str) -> int:
        return sum(request.language == language for request in self.requests)

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded:
        language = request.language or ScriptedBackend.decode_window(self, samples, request).language
        self.phrase = self.heard[language].text
        decoded = super().decode_window(samples, request)
        return replace(decoded, avg_logprob=self.heard[language].avg_logprob, language=language)


def answer(english: Heard, french: Heard, languages: tuple[Language, ...] = ("en", "fr"), voice_s: float = 0.4):
    backend = TwoEars(english, french)
    stage = loaded(backend, settings(languages))
    said = last(hear(stage, speak("word", word_s=voice_s).samples, chunk=100_000))
    return said, backend, stage


def test_a_word_of_the_other_language_alone_is_heard():
    said, backend, stage = answer(Heard("We", -0.6), Heard("Oui.", -0.3))
    assert (said.text, said.language) == ("Oui.", "fr")
    assert backend.asked_in("fr") == 1  # of a final utterance that is unchanged, nothing is decoded again
    assert said.sentence_end is not None
    assert stage.language == "en"  # one word flips no conversation


@pytest.mark.parametrize(
    ("english", "french"),
    [
        (Heard("No.", -0.6), Heard("Non.", -0.3)),  # it is a word in English
        (Heard("Seven", -0.4), Heard("Sept", -0.3)),  # nobody says it alone
        (Heard("We", -0.3), Heard("Oui.", -0.6)),  # English is likelier
    ],
)
def test_what_stays_english(english: Heard, french: Heard):
    said, _, _ = answer(english, french)
    assert (said.text, said.language) == (english.text, "en")


def test_a_sentence_and_a_single_language_are_heard_once():
    said, backend, _ = answer(Heard("We are", -0.6), Heard("Oui", -0.3), voice_s=1.2)
    assert (said.text, backend.asked_in("fr")) == ("We are", 0)
    said, backend, _ = answer(Heard("We", -0.6), Heard("Oui", -0.3), languages=("en",))
    assert (said.text, backend.asked_in("fr")) == ("We", 0)


def test_a_lone_word_is_all_of_the_text_in_its_own_language():
    assert is_lone_word(" Arrête ! ", "fr")
    assert is_lone_word("D’accord.", "fr")
    assert not is_lone_word("Arrête", "en")
    assert not is_lone_word("oui c'est vrai", "fr")
    assert not is_lone_word("", "en")

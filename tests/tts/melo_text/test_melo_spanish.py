"""Spanish: figures in words, and fifty sentences of our own."""

from __future__ import annotations

import pytest
from melo_texts import needs_spanish, own, spanish_front_end

from tts.melo.text.lexicon import Lexicon
from tts.melo.text.spanish import clean
from tts.melo.text.wordpiece import WordPiece

pytestmark = needs_spanish

WORDS = WordPiece(["[CLS]", "[SEP]", "[UNK]"], strip_accents=False)


def test_fifty_sentences_of_our_own() -> None:
    front_end = spanish_front_end()
    sentences = own("spanish_sentences.json")
    assert len(sentences) >= 50
    for sentence in sentences:
        normalized = front_end.normalise(sentence["text"])
        assert normalized == sentence["normalized"]
        sounds = [front_end.pronounce(word.text) for word in WORDS.words(normalized)]
        assert " | ".join(sounds) == sentence["sounds"]
        assert set(front_end.process(sentence["text"]).tones) == {0}


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        ("21 libros y 21 mesas", "veintiún libros y veintiuna mesas."),
        ("el 21 de enero", "el veintiuno de enero."),
        ("1 casa, 31 euros", "una casa, treinta y un euros."),
        ("1.250.000", "un millón doscientos cincuenta mil."),
        ("3,14", "tres coma catorce."),
        ("0,05", "cero coma cero cinco."),
        ("2,71828", "dos coma siete uno ocho dos ocho."),
        ("12,50 €", "doce euros con cincuenta céntimos."),
        ("1,01 €", "un euro con un céntimo."),
        ("5,00 $", "cinco dólares."),
        ("£21", "veintiuna libras."),
        ("$1,5", "uno coma cinco dólares."),
        ("19:05", "diecinueve y cinco."),
        ("a las 7:15", "a las siete y cuarto."),
        ("a la 1:00 h", "a la una en punto."),
        ("21 h", "veintiuna horas."),
        ("-3 °C", "menos tres grados."),
        ("20-25 km/h", "veinte veinticinco kilómetros por hora."),
        ("30 % o 100%", "treinta por ciento o cien por ciento."),
        ("1º, 2.ª y 3er", "primero, segunda y tres er."),
        ("3º piso", "tercer piso."),
        ("H2O", "h dos o."),
        ("007", "cero cero siete."),
        ("sr. Ruiz, dra. Gil, etc.", "señor ruiz, doctora gil, etcétera."),
        ("a@b.es", "a arroba b.es."),
        ("", ""),
    ],
)
def test_figures_are_read(written: str, cleaned: str) -> None:
    assert clean(written) == cleaned


def test_every_word_of_the_lexicon_is_found_by_bisection() -> None:
    lexicon = Lexicon("gruut_lang_es", "abc", "full")
    assert lexicon.find("hola") == "ˈola"
    table = lexicon._table
    assert table is not None
    rows = table.execute("SELECT word FROM word_phonemes WHERE id % 3000 = 0 OR id < 20 OR id > 596980").fetchall()
    assert len(rows) > 200
    assert [word for (word,) in rows if lexicon._row(word) is None] == []

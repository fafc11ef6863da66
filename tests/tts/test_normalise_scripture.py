"""Places in the Bible, and the B of a model's size, in both languages; times, ratios and bytes stay what they are."""

from __future__ import annotations

import pytest

from tts.normalise.speakable import normalise

ENGLISH = [
    ("Read John 3:16.", "Read John three sixteen."),
    ("Genesis 1:1 and Psalm 23:1-4", "Genesis one one and Psalm twenty-three, one to four"),
    ("1 Corinthians 13:4–7", "First Corinthians thirteen, four to seven"),
    ("Rom. 8:28; Matt 5:3", "Romans eight twenty-eight; Matthew five three"),
    ("Isaiah 40:31", "Isaiah forty thirty-one"),
    ("Meet John at 3:16.", "Meet John at three sixteen."),
    ("John 3:16 PM", "John three sixteen p m"),
    ("Mark 4:05:10", "Mark four oh five and ten seconds"),
    ("a ratio of 1:4", "a ratio of one to four"),
    ("It has 1 B parameters.", "It has one billion parameters."),
    ("a 13B-parameter model", "a thirteen billion-parameter model"),
    ("a 7B model or a 7 B model", "a seven B model or a seven B model"),
    ("1.5 B people", "one point five billion people"),
    ("The file has 7 B.", "The file has seven bytes."),
]
FRENCH = [
    ("Jean 3:16", "Jean trois seize"),
    ("Genèse 1:1 et Psaume 23:1-4", "Genèse un un et Psaume vingt-trois, un à quatre"),
    ("1 Corinthiens 13,4-7", "premier Corinthiens treize, quatre à sept"),
    ("Mt 5,3", "Matthieu cinq trois"),
    ("Jean vient à 3:16.", "Jean vient à trois heures seize."),
    ("Ph 7,4", "Ph sept virgule quatre"),
    ("Un modèle de 7B paramètres", "Un modèle de sept milliards de paramètres"),
    ("1 B de paramètres", "un milliard de paramètres"),
    ("Le modèle 7B", "Le modèle sept B"),
]


@pytest.mark.parametrize(("written", "said"), ENGLISH)
def test_english(written: str, said: str) -> None:
    assert normalise(written, "en").text == said


@pytest.mark.parametrize(("written", "said"), FRENCH)
def test_french(written: str, said: str) -> None:
    assert normalise(written, "fr").text == said

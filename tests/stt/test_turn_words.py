"""What is said by the way a text ends."""

from __future__ import annotations

import pytest

from core.messages import Language
from stt.turn_words import Wording, dangles, wording


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("What time is it?", "en", Wording.FINISHED),
        ("Set a timer for ten minutes.", "en", Wording.FINISHED),
        ("what time is it", "en", Wording.PLAIN),
        ("", "en", Wording.PLAIN),
        ("?", "en", Wording.PLAIN),
        ("add milk and", "en", Wording.OPEN),
        ("Add milk and.", "en", Wording.OPEN),
        ("I would like to know the", "en", Wording.OPEN),
        ("after dinner,", "en", Wording.OPEN),
        ("remind me because", "en", Wording.OPEN),
        ("Tell me how.", "en", Wording.OPEN),
        ("turn it on", "en", Wording.PLAIN),
        ("set a timer for twenty", "en", Wording.NUMBER),
        ("add milk, eggs, bread", "en", Wording.NUMBER),
        ("add milk, eggs, and bread", "en", Wording.PLAIN),
        ("my number is 555 12", "en", Wording.NUMBER),
        ("call 555 1234", "en", Wording.PLAIN),
        ("so I thought um", "en", Wording.HESITATION),
        ("I was wondering...", "en", Wording.HESITATION),
        ("I was wondering…", "en", Wording.HESITATION),
        ("Quelle heure est-il ?", "fr", Wording.FINISHED),
        ("quelle heure est-il", "fr", Wording.PLAIN),
        ("ajoute du lait et", "fr", Wording.OPEN),
        ("rappelle-moi de", "fr", Wording.OPEN),
        ("je pense que.", "fr", Wording.OPEN),
        ("c'est l'", "fr", Wording.OPEN),
        ("parce qu’", "fr", Wording.OPEN),
        ("mets un minuteur de vingt", "fr", Wording.NUMBER),
        ("mon numéro est le 06 12 34", "fr", Wording.NUMBER),
        ("mon numéro est le 06 12 34 56 78", "fr", Wording.PLAIN),
        ("je voudrais euh", "fr", Wording.HESITATION),
        ("what is eleven", "en", Wording.NUMBER),
        ("what is eleven plus thirteen", "en", Wording.PLAIN),
        ("combien font onze", "fr", Wording.NUMBER),
        ("j'en veux plus", "fr", Wording.NUMBER),
        ("wake me at half past", "en", Wording.NUMBER),
        ("wake me at half past six", "en", Wording.PLAIN),
        ("he lived in the past", "en", Wording.PLAIN),
        ("I need, let me think.", "en", Wording.HESITATION),
        ("Oh, hang on.", "en", Wording.HESITATION),
        ("how do you know", "en", Wording.PLAIN),
        ("Demain, c’est-à-dire.", "fr", Wording.HESITATION),
        ("Attends voir.", "fr", Wording.HESITATION),
        ("attends", "fr", Wording.PLAIN),
        ("If it rains tomorrow.", "en", Wording.OPEN),
        ("We took the bus. Because my feet hurt.", "en", Wording.FINISHED),
        ("when I was a boy", "en", Wording.OPEN),
        ("When the bell rings,", "en", Wording.OPEN),
        ("if it rains tomorrow, what should I do", "en", Wording.PLAIN),
        ("when is my next alarm", "en", Wording.PLAIN),
        ("if so", "en", Wording.PLAIN),
        ("If you like.", "en", Wording.FINISHED),
        ("If the shop is open I would like some bread.", "en", Wording.FINISHED),
        ("Si le train est en retard.", "fr", Wording.OPEN),
        ("s'il pleut demain", "fr", Wording.OPEN),
        ("Parce que j’étais malade.", "fr", Wording.OPEN),
        ("quand il fera nuit", "fr", Wording.OPEN),
        ("quand il fera nuit, allume la lumière", "fr", Wording.PLAIN),
        ("quand est-ce que le train part", "fr", Wording.PLAIN),
        ("s'il te plaît", "fr", Wording.PLAIN),
        ("si tu veux", "fr", Wording.PLAIN),
        ("Je voudrais savoir si.", "fr", Wording.OPEN),
        ("ajoute du beurre, du sucre, de la farine", "fr", Wording.NUMBER),
        ("ajoute du beurre, du sucre, de la farine et de l'huile", "fr", Wording.PLAIN),
        ("mais si", "fr", Wording.PLAIN),
        ("je crois que si", "fr", Wording.PLAIN),
        ("mon numéro est le zéro six, douze, trente, quarante-cinq, dix-huit", "fr", Wording.PLAIN),
        ("my number is five five five, one two three four", "en", Wording.PLAIN),
        ("my number is five five five, one two", "en", Wording.NUMBER),
        ("appelle le zéro six douze", "fr", Wording.NUMBER),
        ("appelle le zéro six douze trente-quatre quatre-vingt-dix soixante-dix-sept", "fr", Wording.PLAIN),
    ],
)
def test_how_a_text_ends(text: str, language: Language, expected: Wording) -> None:
    assert wording(text, language) is expected


def test_a_language_without_rules_goes_by_punctuation() -> None:
    assert wording("¿Qué hora es?", "es") is Wording.FINISHED  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("What is 19 times?", "en"),
        ("how much is a hundred divided by", "en"),
        ("What is 11?", "en"),
        ("Combien font vingt-cinq ?", "fr"),
        ("twenty-five point.", "en"),
        ("What is 15 percent of?", "en"),
        ("Remind me to.", "en"),
        ("I would like to know if.", "en"),
        ("Je voudrais savoir si.", "fr"),
        ("Read me the!", "en"),
        ("Let me think.", "en"),
        ("Combien font six fois ?", "fr"),
        ("trente-deux virgule", "fr"),
        ("Il est dix heures moins.", "fr"),
        ("Rappelle-moi d’.", "fr"),
        ("Je voudrais aller chez.", "fr"),
        ("Euh...", "fr"),
    ],
)
def test_hardly_a_sentence_ends_so(text: str, language: Language) -> None:
    assert dangles(text, language)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("It is time.", "en"),
        ("Because I said so.", "en"),
        ("Je crois que si.", "fr"),
        ("I have been there three times.", "en"),
        ("How many times?", "en"),
        ("Where are you from?", "en"),
        ("What is it for?", "en"),
        ("Who is number one?", "en"),
        ("What is 11 plus 30?", "en"),
        ("Turn it on.", "en"),
        ("Set it to twenty.", "en"),
        ("", "en"),
        ("Je l'ai appelé trois fois.", "fr"),
        ("Combien de fois ?", "fr"),
        ("J'en veux plus.", "fr"),
        ("Où est-il ?", "fr"),
    ],
)
def test_a_sentence_may_end_so(text: str, language: Language) -> None:
    assert not dangles(text, language)

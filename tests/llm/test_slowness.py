""" "Why was that slow?" is answered from the record of the turn before, in plain seconds."""

from __future__ import annotations

import pytest
from skill_rig import make_skills

from core.messages import Language
from core.utils.waterfall import WAITING, Reason, Wait
from llm.responder import Responder
from llm.skills.slowness import PART_NAMES

SLOW = Wait(2340.0, Reason("stt", 1520.0, 410.0), 930.0, slow=True)
AS_USUAL = Wait(1010.0, Reason("first_audio", 600.0, 590.0), 990.0)
FIRST = Wait(1960.0, Reason("endpoint", 1400.0, None))


def answer(wait: Wait | None, language: Language) -> str:
    skills = make_skills(language=language)
    skills.context.session.last_wait = lambda: wait
    said = "pourquoi c'était si long ?" if language == "fr" else "Why was that slow?"
    return Responder(skills).reply(said).text


@pytest.mark.parametrize(
    ("wait", "english", "french"),
    [
        (
            SLOW,
            "It took 2.3 seconds from your last word to my first sound. What took longer than usual was understanding "
            "the words: 1.5 seconds, usually 0.4.",
            "Il s'est passé 2,3 secondes entre votre dernier mot et mon premier son. Ce qui a pris plus de temps que "
            "d'habitude, c'est la compréhension de vos mots : 1,5 seconde, d'habitude 0,4.",
        ),
        (
            AS_USUAL,
            "It took 1 second from your last word to my first sound, which is about usual. The longest part was "
            "speaking it: 0.6 seconds, usually 0.6.",
            "Il s'est passé 1 seconde entre votre dernier mot et mon premier son, à peu près comme d'habitude. Le plus "
            "long, c'était la mise en voix : 0,6 seconde, d'habitude 0,6.",
        ),
        (
            FIRST,
            "It took 2 seconds from your last word to my first sound. The longest part was waiting to hear if you go "
            "on: 1.4 seconds.",
            "Il s'est passé 2 secondes entre votre dernier mot et mon premier son. Le plus long, c'était l'attente de "
            "la fin de votre phrase : 1,4 seconde.",
        ),
    ],
)
def test_the_wait_its_longest_part_and_its_usual_are_told(wait: Wait, english: str, french: str) -> None:
    assert (answer(wait, "en"), answer(wait, "fr")) == (english, french)


def test_without_an_answer_before_nothing_is_made_up() -> None:
    assert "no answer before" in answer(None, "en")
    assert "aucune réponse avant" in answer(None, "fr")


def test_every_part_of_the_wait_has_a_name_in_both_languages() -> None:
    assert tuple(PART_NAMES) == WAITING

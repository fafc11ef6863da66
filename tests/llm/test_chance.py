"""What chance decides is drawn from the generator that the skills are given, in its whole range, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from random import Random, SystemRandom

import pytest
from skill_rig import make_skills

from core.messages import Language
from llm.responder import Responder


class Counting(Random):
    """Draws the lowest number, then the highest, and so on; remembers between what it drew."""

    def __init__(self) -> None:
        super().__init__(0)
        self.drawn: list[tuple[int, int]] = []

    def randint(self, a: int, b: int) -> int:
        self.drawn.append((a, b))
        return a if len(self.drawn) % 2 else b


def responder(chance: Random, language: Language = "en") -> Responder:
    skills = make_skills(language=language)
    return Responder(replace(skills, context=replace(skills.context, chance=chance)))


SAID: tuple[tuple[Language, str, str, list[tuple[int, int]]], ...] = (
    ("en", "could you flip a coin please", "Tails.", [(0, 1)]),
    ("en", "toss a coin three times", "1 heads and 2 tails.", [(0, 1)] * 3),
    ("en", "roll a dice", "It's 1.", [(1, 6)]),
    ("en", "roll two dice", "1 and 6: 7 together.", [(1, 6)] * 2),
    ("en", "roll a d20", "It's 1.", [(1, 20)]),
    ("en", "roll a 12-sided die", "It's 1.", [(1, 12)]),
    ("en", "pick a number between 1 and 10", "1.", [(1, 10)]),
    ("en", "choose a number between ten and three", "3.", [(3, 10)]),
    ("en", "give me a random number", "1.", [(1, 100)]),
    ("en", "heads or tails?", "Tails.", [(0, 1)]),
    ("en", "roll zero dice", "I can roll 1 to 20 dice of 2 to 1000 sides.", []),
    ("en", "roll nine hundred dice", "I can roll 1 to 20 dice of 2 to 1000 sides.", []),
    ("en", "pick a number between 4 and 10 and double it", "4. That's 8.", [(4, 10)]),
    ("en", "roll a dice three times", "1, 6 and 1: 8 together.", [(1, 6)] * 3),
    ("fr", "pile ou face ?", "Pile.", [(0, 1)]),
    ("fr", "lance une piece", "Pile.", [(0, 1)]),
    ("fr", "tu peux lancer deux dés", "1 et 6 : 7 en tout.", [(1, 6)] * 2),
    ("fr", "lance un dé à vingt faces", "C'est 1.", [(1, 20)]),
    ("fr", "choisis un nombre entre un et dix", "1.", [(1, 10)]),
    ("fr", "donne-moi un chiffre au hasard", "1.", [(1, 100)]),
)


@pytest.mark.parametrize(("language", "text", "said", "drawn"), SAID, ids=[line[1] for line in SAID])
def test_what_is_drawn(language: Language, text: str, said: str, drawn: list[tuple[int, int]]) -> None:
    chance = Counting()
    assert responder(chance, language).reply(text).text == said
    assert chance.drawn == drawn


def test_a_drawn_number_can_be_gone_on_from() -> None:
    one = responder(Counting())
    assert one.reply("roll two dice").text == "1 and 6: 7 together."
    assert one.reply("double that").text == "That's 14."


def test_the_systems_own_generator_is_used_where_none_is_given() -> None:
    assert type(make_skills().context.chance) is SystemRandom

"""Things on the shopping list: named behind it, offered, put right; nothing goes there that was not asked for."""

from __future__ import annotations

import pytest
from skill_rig import ZoneClock, make_skills

from core.messages import Language
from llm.responder import Responder
from llm.skills.shopping import LIST

LISTED: tuple[tuple[Language, str, list[str]], ...] = (
    ("en", "add tea to my list and biscuits", ["tea", "biscuits"]),
    ("en", "put bread on the shopping list and some butter and jam", ["bread", "butter", "jam"]),
    ("en", "add milk to my list and dance with me", []),
    ("en", "add milk to my list and what time is it", ["milk"]),
    ("en", "add soap to my list and set a timer for five minutes", ["soap"]),
    ("en", "i need milk | yes", ["milk"]),
    ("en", "We need 6 eggs. | yes please", ["6 eggs"]),
    ("en", "we've run out of coffee | sure", ["coffee"]),
    ("en", "i need milk", []),
    ("en", "i need milk | no", []),
    ("en", "i need milk | what time is it | yes", []),
    ("en", "i need help | yes", []),
    ("en", "i need a break | yes", []),
    ("en", "add milk to my list | no, oat milk", ["oat milk"]),
    ("en", "add butter to my list | i meant salted butter | actually two packs of butter", ["two packs of butter"]),
    ("en", "add butter to my list | no not butter, margarine", ["margarine"]),
    ("en", "add breath to my list | No, bread.", ["bread"]),
    ("en", "add eggs, milk and bread to my list | no, brown bread", ["eggs", "milk", "brown bread"]),
    ("en", "add eggs, milk and bread to my list | no, cheese", ["eggs", "milk", "bread"]),
    ("en", "add milk to my list | no way", ["milk"]),
    ("en", "add milk to my list | no, problem", ["milk"]),
    ("en", "add milk to my list | no, really", ["milk"]),
    ("en", "add milk to my list | no i don't want that", []),
    ("en", "add milk to my list | change milk to oat milk", ["oat milk"]),
    ("en", "add milk to my list | replace the milk with oat milk on my list", ["oat milk"]),
    ("en", "add milk to my list | change the subject to politics", ["milk"]),
    ("en", "add milk to my list | change milk to oat milk | never mind", ["milk"]),
    ("en", "add milk, no, oat milk to my list", ["oat milk"]),
    ("en", "add bread, I mean butter, and jam to my list", ["butter", "jam"]),
    ("en", "add milk to my list | and eggs | also some bread please", ["milk", "eggs", "bread"]),
    ("en", "add milk to my list | what time is it | and eggs", ["milk"]),
    ("en", "add milk to my list | and no butter", ["milk"]),
    ("en", "add milk to my list | actually no bread", ["milk"]),
    ("en", "add milk to my list | no milk", ["milk"]),
    ("en", "add milk to my list | add milk again", ["milk"]),
    ("en", "i need milk | ok", ["milk"]),
    ("en", "i need milk | yes, add it", ["milk"]),
    ("en", "i need milk | no thanks", []),
    ("en", "there are no messages | yes", []),
    ("fr", "ajoute du lait à ma liste | et des œufs | aussi du pain", ["lait", "œufs", "pain"]),
    ("fr", "ajoute du lait à ma liste | en fait pas de pain", ["lait"]),
    ("fr", "il me faut une ampoule | d'accord", ["ampoule"]),
    ("fr", "ajoute du thé à ma liste et des biscuits", ["thé", "biscuits"]),
    ("fr", "ajoute du pain à ma liste de courses et du beurre et de la confiture", ["pain", "beurre", "confiture"]),
    ("fr", "ajoute du sel à ma liste et chante avec moi", ["sel"]),
    ("fr", "il me faut du lait", ["lait"]),
    ("fr", "il me faut une ampoule | oui", ["ampoule"]),
    ("fr", "il nous faut six oeufs | oui s'il te plaît", ["six oeufs"]),
    ("fr", "il me faut une ampoule | non", []),
    ("fr", "il faut du temps | oui", []),
    ("fr", "il faut partir | oui", []),
    ("fr", "ajoute du lait à ma liste | non, du lait d'avoine", ["lait d'avoine"]),
    ("fr", "ajoute du pain à ma liste | je voulais dire du pain complet", ["pain complet"]),
    ("fr", "ajoute du vin à ma liste | Non, du pain.", ["pain"]),
    ("fr", "ajoute du lait à ma liste | remplace le lait par du lait de soja", ["lait de soja"]),
    ("fr", "ajoute du lait à ma liste | remplace le chat par un chien", ["lait"]),
    ("fr", "ajoute du lait à ma liste | non, vraiment", ["lait"]),
)


@pytest.mark.parametrize(("language", "dialogue", "listed"), LISTED, ids=[line[1] for line in LISTED])
def test_what_is_on_the_list_after_it(language: Language, dialogue: str, listed: list[str]) -> None:
    clock = ZoneClock()
    skills = make_skills(clock, language)
    responder = Responder(skills)
    for text in dialogue.split(" | "):
        responder.reply(text)
        clock.advance(4)
    assert [entry.text for entry in skills.context.store.entries(LIST)] == listed


def test_an_offer_is_a_question_and_its_answer_a_minute_later_is_none() -> None:
    clock = ZoneClock()
    skills = make_skills(clock)
    responder = Responder(skills)
    assert responder.reply("i need milk").text == "Shall I add milk to your shopping list?"
    clock.advance(61)
    assert responder.reply("yes").text == "All right."
    assert not skills.context.store.entries(LIST)

"""Lists of the user's own, beside the shopping list."""

from __future__ import annotations

import pytest
from skill_rig import make_skills

from core.messages import Language
from llm.responder import Responder
from llm.skills.shopping import LIST

SAID: tuple[tuple[Language, str, str], ...] = (
    ("en", "add call the bank to my to-do list", "Added to your to-do list: call the bank."),
    ("en", "add call the bank to my to-do list | what's on my todo list", "On your todo list: call the bank."),
    ("en", "create a new list called holiday", "What shall I put on your holiday list?"),
    ("en", "create a new list called holiday | sunscreen", "Added to your holiday list: sunscreen."),
    ("en", "add sunscreen and towels to my packing list", "Added to your packing list: sunscreen and towels."),
    ("en", "put soap on my packing list | take soap off my packing list", "Removed: soap."),
    ("en", "put soap on my packing list | clear my packing list | undo", "Your packing list is back."),
    ("en", "put soap on my packing list | put soap on my packing list", "Already on your packing list: soap."),
    ("en", "add call Bob I mean call Rob to my to-do list", "Added to your to-do list: call Rob."),
    ("fr", "ajoute appeler Paul, non, je veux dire Pierre à ma liste de tâches", "liste « tâches » : Pierre."),
    ("en", "what's on my guest list", "can't do that yet"),
    ("en", "make a list of people who like jazz", "can't do that yet"),
    ("fr", "ajoute appeler la banque à ma liste de tâches", "Ajouté à la liste « tâches » : appeler la banque."),
    ("fr", "crée une liste vacances | crème solaire", "Ajouté à la liste « vacances » : crème solaire."),
    (
        "fr",
        "ajoute appeler la banque à ma liste de taches | lis ma liste de choses à faire",
        "Sur la liste « choses à faire » : appeler la banque.",
    ),
    ("en", "add sunscreen to my holiday list | add towels", "Added to your holiday list: towels."),
    ("en", "add sunscreen to my holiday list | and a hat | what's on it", "On your holiday list: sunscreen and hat."),
    ("en", "what's on my holiday list | add a book to it", "Added to your holiday list: a book."),
    ("en", "add sunscreen to my holiday list | remove the sunscreen", "Removed: sunscreen."),
    ("fr", "ajoute un livre à ma liste de vacances | ajoute des serviettes", "liste « vacances » : des serviettes."),
    ("fr", "ajoute un livre à ma liste de vacances | ajoute-y un chapeau", "liste « vacances » : un chapeau."),
    ("fr", "lis ma liste de vacances", "La liste « vacances » est vide."),
)


@pytest.mark.parametrize(("language", "dialogue", "reply"), SAID, ids=[line[1] for line in SAID])
def test_a_list_of_ones_own(language: Language, dialogue: str, reply: str) -> None:
    skills = make_skills(language=language)
    responder = Responder(skills)
    assert reply in [responder.reply(text).text for text in dialogue.split(" | ")][-1]
    assert not skills.context.store.entries(LIST)


KEPT: tuple[tuple[Language, str, str, list[str]], ...] = (
    ("en", "remove everything except milk", "Removed: bread and butter. Still on the list: milk.", ["milk"]),
    ("en", "delete everything but the milk and bread", "Removed: butter.", ["milk", "bread"]),
    ("en", "only keep bread on my shopping list", "Removed: milk and butter.", ["bread"]),
    ("en", "clear everything from my list except milk | undo", "Back on the list", ["milk", "bread", "butter"]),
    ("en", "remove everything except cheese", "Not on the list: cheese.", ["milk", "bread", "butter"]),
    ("en", "delete everything except milk and cheese", "Not on the list: cheese.", ["milk", "bread", "butter"]),
    ("en", "delete everything except the pasta timer", "can't do that yet", ["milk", "bread", "butter"]),
    ("en", "put soap on my packing list | remove everything except soap", "Nothing else", ["milk", "bread", "butter"]),
    ("fr", "enlève tout sauf du milk", "Retiré : bread et butter.", ["milk"]),
    ("fr", "garde seulement le bread", "Retiré : milk et butter.", ["bread"]),
    ("fr", "enlève tout de la liste sauf le milk", "Retiré : bread et butter.", ["milk"]),
)


@pytest.mark.parametrize(("language", "dialogue", "reply", "left"), KEPT, ids=[line[1] for line in KEPT])
def test_all_goes_but_what_is_named(language: Language, dialogue: str, reply: str, left: list[str]) -> None:
    """Where what is to stay is not there, nothing goes."""
    skills = make_skills(language=language)
    responder = Responder(skills)
    for thing in ("milk", "bread", "butter"):
        skills.context.store.add_entry(LIST, thing)
    assert reply in [responder.reply(text).text for text in dialogue.split(" | ")][-1]
    assert [entry.text for entry in skills.context.store.entries(LIST)] == left


@pytest.mark.parametrize(
    ("language", "text", "shopping"),
    [
        ("en", "add bananas to my shoping list", ["bananas"]),
        ("en", "add bananas to my shoppng list", ["bananas"]),
        ("en", "add milk to my grocery list", ["milk"]),
        ("en", "add soap to my packing list | buy milk", ["milk"]),
        ("en", "add soap to my packing list | add milk to my list", ["milk"]),
        ("en", "add milk to my list and put eggs on my packing list", ["milk"]),
        ("fr", "ajoute du lait à la liste de course", ["lait"]),
        ("fr", "ajoute du lait à ma liste et chante avec moi", ["lait"]),
    ],
)
def test_the_shopping_list_stays_the_one_it_is(language: Language, text: str, shopping: list[str]) -> None:
    skills = make_skills(language=language)
    responder = Responder(skills)
    for said in text.split(" | "):
        responder.reply(said)
    assert [entry.text for entry in skills.context.store.entries(LIST)] == shopping

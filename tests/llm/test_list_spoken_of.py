"""What is said of the list that was spoken of last, and of what stands where on it."""

from __future__ import annotations

import pytest
from skill_rig import make_skills

from core.messages import Language
from llm.responder import Responder

THREE = "add apples, milk and eggs to my shopping list"
TIMERS = "set a timer for five minutes | set a timer for ten minutes"
SAID: tuple[tuple[Language, str, str], ...] = (
    ("en", f"{THREE} | remove apples | put apples back | read my list", "milk, eggs and apples."),
    ("en", f"{THREE} | remove apples | put the apples back on the list", "Added to your shopping list: apples."),
    ("en", "put the apples back on my shopping list", "Added to your shopping list: apples."),
    ("en", f"{THREE} | remove apples and milk | add them back", "Back on the list: apples and milk."),
    ("en", f"{THREE} | delete the second one | what's on it", "On your shopping list: apples and eggs."),
    ("en", f"{THREE} | remove the first item", "Removed: apples."),
    ("en", f"{THREE} | remove the last item from my shopping list", "Removed: eggs."),
    ("en", f"{THREE} | remove number two", "Removed: milk."),
    ("en", f"{THREE} | delete both apples and eggs | read it to me", "On your shopping list: milk."),
    ("en", f"{THREE} | clear it | read my list", "Your shopping list is empty."),
    ("en", f"{TIMERS} | {THREE} | delete the second one", "Removed: milk."),
    ("en", f"{THREE} | {TIMERS} | delete the second one", "Cancelled the 10 minute timer."),
    ("en", f"{THREE} | {TIMERS} | remove the last one", "Not on the list: last one."),
    ("en", f"{THREE} | what time is it | read it to me", "can't do that yet"),
    ("en", "add something to my shopping list | bread and butter", "Added to your shopping list: bread and butter."),
    ("en", "add tent to my camping list | add stove to my camping list | take off the first one", "Removed: tent."),
    ("en", "add socks and shirts to my packing list | remove shirts from my packing list", "Removed: shirts."),
    (
        "en",
        "add socks and shirts to my packing list | remove shirts from my packing list | read my packing list",
        "On your packing list: socks.",
    ),
    (
        "en",
        "add socks and shirts to my packing list | remove shirts from my packing list | undo | read my packing list",
        "On your packing list: socks and shirts.",
    ),
    (
        "en",
        "add call mum and dad to my to do list | remove call mum and dad from my to do list",
        "Removed: call mum and dad.",
    ),
    ("en", "note call Tom | note buy bulbs | delete the second one", "Note deleted: buy bulbs."),
    ("en", "write this down | buy a new bulb", "Noted: buy a new bulb."),
    ("en", "lower the volume to 30", "Volume 30 percent."),
    ("en", "minimum volume", "Volume 6 percent."),
    ("en", "hang on a sec", ""),
    ("en", f"{THREE} | we don't need milk any more", "Removed: milk."),
    ("en", f"{THREE} | don't add eggs", "Removed: eggs."),
    ("en", "we don't need milk any more", "can't do that yet"),
    ("en", "I want to add cheese to my shopping list", "Added to your shopping list: cheese."),
    ("en", "remember this | the door code is 4455 | what do you know about me", "You told me: the door code is 4455."),
    ("en", "I can hardly hear you", "Is this better?"),
    ("en", "stop everything", ""),
    ("en", "okay thanks bye", "Goodbye!"),
    ("en", "who created you", "I'm Merline"),
    ("fr", "ajoute du lait à ma liste de courses | on n'a plus besoin de lait", "Retiré : lait."),
    ("fr", "ajoute du lait à ma liste de courses | n'ajoute pas de lait", "Retiré : lait."),
    ("fr", "retiens ça | le code de la porte est 4455", "Je retiens : le code de la porte est 4455."),
    ("fr", "je voudrais ajouter du fromage à la liste", "Ajouté à la liste de courses : fromage."),
    ("fr", "monte le volume au maximum", "Volume à 100 %."),
    ("fr", "arrête tout", ""),
    ("fr", "ajoute du lait et des œufs à ma liste de courses | supprime la deuxième", "Retiré : œufs."),
    ("fr", "ajoute du lait et des œufs à ma liste de courses | enlève le premier article", "Retiré : lait."),
    ("fr", "ajoute du lait et des œufs à ma liste de courses | retire le dernier de la liste", "Retiré : œufs."),
    (
        "fr",
        "ajoute du lait et des œufs à ma liste de courses | enlève les œufs | remets les œufs | relis-la",
        "Sur la liste de courses : lait et œufs.",
    ),
    (
        "fr",
        "mets un minuteur de cinq minutes | mets un minuteur de dix minutes | ajoute du lait à ma liste de courses | "
        "supprime la première",
        "Retiré : lait.",
    ),
    ("fr", "ajoute du lait à ma liste de courses | coupe le son | remets le son", "Me revoici"),
    ("fr", "ajoute tente et sac à ma liste de camping | retire la tente de ma liste de camping", "Retiré : la tente."),
    ("fr", "note appeler Tom | note acheter du fil | supprime le premier", "Note supprimée : appeler Tom."),
    ("fr", "ajoute quelque chose à ma liste de courses | du pain", "Ajouté à la liste de courses : pain."),
    ("fr", "écris ça | acheter une ampoule", "C'est noté : acheter une ampoule."),
    ("fr", "liste de courses", "La liste de courses est vide."),
    ("fr", "baisse le volume à 30", "Volume à 30 %."),
    ("fr", "attends un peu", ""),
)


@pytest.mark.parametrize(("language", "dialogue", "reply"), SAID, ids=[line[1] for line in SAID])
def test_what_is_said_of_a_list(language: Language, dialogue: str, reply: str) -> None:
    responder = Responder(make_skills(language=language))
    said = [responder.reply(text).text for text in dialogue.split(" | ")][-1]
    assert reply in said if reply else said == ""

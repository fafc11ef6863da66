""" "Cancel the last one" is said of what was spoken of last."""

from __future__ import annotations

import pytest
from skill_rig import make_responder

from core.messages import Language

CANCELLED: tuple[tuple[Language, str, str], ...] = (
    (
        "en",
        "set a timer for 5 minutes | set a timer for 10 minutes | cancel the 10 minute timer | cancel the last one",
        "Cancelled the 5 minute timer.",
    ),
    ("en", "set an alarm for 7 am | set an alarm for 8 am | what alarms do I have | cancel the last one", "8:00 AM"),
    ("en", "set an alarm for 7 am | set an alarm for 8 am | cancel the first one", "7:00 AM"),
    ("en", "remind me to call Bob at 5 | remind me to eat at 6 | what are my reminders | delete the second one", "eat"),
    ("en", "take a note buy paint | take a note call Bob | delete the last one", "Note deleted: call Bob."),
    ("fr", "mets un réveil à 7 h | mets un réveil à 8 h | annule le dernier", "Alarme annulée : demain à 8 h."),
    ("fr", "rappelle-moi de manger à 17 h | rappelle-moi de boire à 18 h | annule le dernier", "boire"),
    (
        "fr",
        "mets un minuteur de 5 minutes | mets un minuteur de 6 minutes | annule le premier",
        "minuteur de 5 minutes",
    ),
)


@pytest.mark.parametrize(("language", "dialogue", "reply"), CANCELLED, ids=[line[1] for line in CANCELLED])
def test_the_one_that_is_meant_goes(language: Language, dialogue: str, reply: str) -> None:
    responder = make_responder(language=language)
    assert reply in [responder.reply(text).text for text in dialogue.split(" | ")][-1]


def test_where_something_else_was_spoken_of_it_takes_back_what_was_done() -> None:
    responder = make_responder()
    for text in ("set an alarm for 7 am", "add milk to my list"):
        responder.reply(text)
    assert responder.reply("cancel the last one").text == "Taken off the list again: milk."

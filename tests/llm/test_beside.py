"""A command with something else in one breath: the command is done, the rest is passed on, and one thing stays one."""

from __future__ import annotations

from pathlib import Path

import pytest
from skill_rig import make_skills, recogniser
from test_language_answers import Rig, sentences

from core.messages import Heard, Language, Transcript
from llm.responder import Responder
from llm.skills.beside import beside

COLOUR = "set a timer for twelve minutes and tell me a colour"


def halves(text: str, language: Language = "en") -> tuple[list[str], str] | None:
    """The commands in a text, and its rest."""
    found = beside(text, recogniser().recognise(text, language), language, recogniser().recognise)
    return None if found is None else ([part.name for part in found.parts or (found,)], found.rest)


@pytest.mark.parametrize(
    ("text", "commands", "rest"),
    [
        (COLOUR, ["SetTimer"], "tell me a colour"),
        ("tell me a colour and set a timer for twelve minutes", ["SetTimer"], "tell me a colour"),
        ("Set a timer for ten minutes. What's the capital of France?", ["SetTimer"], "What's the capital of France"),
        ("set a timer for five minutes, tell me a fact and buy tea", ["SetTimer", "AddItem"], "tell me a fact"),
        ("what time is it and what is the meaning of life", ["TellTime"], "what is the meaning of life"),
        ("buy bread and tell me something about cats", ["AddItem"], "tell me something about cats"),
        ("add eggs, milk and bread to my list, what's a llama", ["AddItem"], "what's a llama"),
        ("play some jazz and set a timer for ten minutes", ["SetTimer", "CannotDo"], ""),
        ("call mum and set a timer for five minutes", ["SetTimer", "CannotDo"], ""),
        ("what's the weather and set an alarm for seven", ["SetAlarm", "CannotDo"], ""),
        ("set a timer for ten minutes and tell me when it's done", ["SetTimer"], ""),
        ("what's six times seven and tell me the result", ["Calculate"], ""),
    ],
)  # fmt: skip
def test_the_command_and_the_rest(text: str, commands: list[str], rest: str) -> None:
    assert halves(text) == (commands, rest)


@pytest.mark.parametrize(
    ("text", "commands", "rest"),
    [
        ("mets un minuteur de douze minutes et dis-moi une couleur", ["SetTimer"], "dis-moi une couleur"),
        ("dis-moi une couleur et mets un minuteur de douze minutes", ["SetTimer"], "dis-moi une couleur"),
        ("quelle heure est-il et quel est le sens de la vie", ["TellTime"], "quel est le sens de la vie"),
        ("achète du pain et raconte-moi quelque chose sur Rome", ["AddItem"], "raconte-moi quelque chose sur Rome"),
        ("quel temps fait-il et mets une alarme à sept heures", ["SetAlarm", "CannotDo"], ""),
        ("mets un minuteur de dix minutes et préviens-moi quand c'est fini", ["SetTimer"], ""),
    ],
)
def test_the_command_and_the_rest_in_french(text: str, commands: list[str], rest: str) -> None:
    assert halves(text, "fr") == (commands, rest)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("remind me to buy bread and tell Anna", "en"),
        ("remind me at six to call mum and what is the time", "en"),
        ("add salt and pepper to the list", "en"),
        ("add toilet paper and play dough to the list", "en"),
        ("write a note: buy bread and tell Anna what is up", "en"),
        ("remember that my sister is Ann and what is her age", "en"),
        ("text Anna that I'm late and set a timer for six minutes", "en"),
        ("send a message to Anna, wake me at seven", "en"),
        ("tell me a story about a man who got up and set an alarm for seven", "en"),
        ("explain how to open the app and set an alarm for six", "en"),
        ("what is the date and place of Napoleon's birth", "en"),
        ("what's the difference between a clock and a timer", "en"),
        ("thanks. tell me a story about cats", "en"),
        ("write a poem about love and stop", "en"),
        ("rappelle-moi d'acheter du pain et dis-le à Anna", "fr"),
        ("ajoute du sel et du poivre à la liste", "fr"),
        ("note que la réunion est à six heures et dis-moi quand", "fr"),
        ("raconte-moi l'histoire d'un homme qui se lève et met un réveil à sept heures", "fr"),
    ],
)
def test_what_is_one_thing_stays_one(text: str, language: Language) -> None:
    assert halves(text, language) is None


def test_without_a_model_the_rest_alone_is_declined() -> None:
    skills = make_skills()
    responder = Responder(skills)
    said = responder.reply(COLOUR).text
    assert said == 'Timer set for 12 minutes. I can\'t do the rest yet: "tell me a colour".'
    assert len(skills.context.schedule.items("timer")) == 1
    assert responder.reply("set a timer and tell me a colour").text.endswith("For how long?")
    french = (
        Responder(make_skills(language="fr")).reply("mets un minuteur de 12 minutes et dis-moi une couleur", "fr").text
    )
    assert french == "Minuteur de 12 minutes lancé. Le reste, je ne sais pas encore le faire : « dis-moi une couleur »."


def test_a_correction_does_not_ask_the_rest_again() -> None:
    responder = Responder(make_skills())
    responder.reply(COLOUR)
    assert responder.reply("no, fifteen minutes").text == "Changed. Timer set for 15 minutes."


def test_a_model_answers_the_rest_alone_in_the_same_exchange(tmp_path: Path) -> None:
    rig = Rig(("colour", "Blue it is. A fine one."), path=tmp_path / "data.db")
    said = rig.ask(COLOUR)
    assert [(one.index, one.text, one.last) for one in said] == [
        (0, "Timer set for 12 minutes.", False), (1, "Blue it is.", False), (2, "A fine one.", True)
    ]  # fmt: skip
    assert all("twelve" not in prompt for prompt in rig.runtime.prompts)
    (exchange,) = rig.skills.context.conversation.exchanges
    assert exchange.user == COLOUR
    assert exchange.heard == exchange.reply == "Timer set for 12 minutes. Blue it is. A fine one."
    assert '"SetTimer"' in exchange.call
    rig.say("why is the sky blue")
    assert rig.runtime.prompts[-1].count("Blue it is") == 2  # of the call's result, and of what was heard
    rig.responder.close()
    rows = rig.skills.context.store.query("SELECT user, reply FROM turns WHERE user = ?", (COLOUR,))
    assert [row["reply"] for row in rows] == ["Timer set for 12 minutes. Blue it is. A fine one."]


def test_typed_words_are_told_as_they_come() -> None:
    rig = Rig(("colour", "Blue it is. A fine one."))
    told: list[str] = []
    reply = rig.responder.reply(COLOUR, turn=1, told=told.append)
    assert told == ["Timer set for 12 minutes.", "Blue it is.", "A fine one."]
    assert reply.text == " ".join(told)
    assert rig.skills.context.conversation.exchanges[-1].heard == reply.text


def test_what_is_interrupted_before_the_model_answers_is_kept_as_far_as_it_came() -> None:
    rig = Rig(("colour", "Blue it is."))
    messages = rig.responder.process(Transcript(1, 0, COLOUR, len(COLOUR), "en", True))
    next(messages)
    rig.skills.context.conversation.heard(Heard(1, 0, 0, 5))
    messages.close()
    (exchange,) = rig.skills.context.conversation.exchanges
    assert exchange.heard == "Timer"
    assert not rig.runtime.prompts


def test_never_mind_takes_the_command_back() -> None:
    rig = Rig(("colour", "Blue."))
    rig.say(COLOUR)
    assert rig.say("never mind") == ["I cancelled the 12 minute timer."]
    assert not rig.skills.context.schedule.items("timer")


@pytest.mark.parametrize("typed", [True, False])
def test_never_mind_takes_both_back_where_the_model_did_something_too(typed: bool) -> None:
    rig = Rig(("keys", '<tool_call>\n{"name": "RememberFact", "arguments": {"text": "keys lie here"}}\n</tool_call>'))
    text = "set a timer for twelve minutes. Tell me my keys lie here"
    if typed:
        rig.responder.reply(text, turn=1)
    else:
        rig.say(text)
    assert len(rig.skills.context.schedule.items("timer")) == 1
    assert " ".join(rig.say("never mind")) == "I've forgotten: keys lie here. I cancelled the 12 minute timer."
    assert not rig.skills.context.schedule.items("timer")


def test_words_that_go_on_take_the_whole_turn_back() -> None:
    rig = Rig(("colour", "Blue."))
    rig.say(COLOUR)
    rig.responder.supersede(rig.turn)
    rig.say(f"{COLOUR} that I like")
    assert len(rig.skills.context.schedule.items("timer")) == 1
    assert [exchange.user for exchange in rig.skills.context.conversation.exchanges] == [f"{COLOUR} that I like"]


def test_nothing_is_done_at_a_pause() -> None:
    rig = Rig(("colour", "Blue."))
    held = Transcript(1, 0, COLOUR, len(COLOUR), "en", False, paused=True)
    assert sentences(rig.responder.process(held)) == []
    assert not rig.skills.context.schedule.items("timer")
    said = sentences(rig.responder.process(Transcript(1, 0, COLOUR, len(COLOUR), "en", True)))
    assert [one.text for one in said] == ["Timer set for 12 minutes.", "Blue."]

"""The answering stage in and without a pipeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skill_rig import ZoneClock, make_responder, make_skills, recogniser

from core.messages import FREE_WORDS, Heard, Language, Sentence, Transcript
from core.utils.config import Config, SkillsConfig
from core.utils.errors import ConfigError
from llm.assistant import build_skills
from llm.responder import Responder
from llm.schedule import Item
from llm.skills.numbers import words_of
from llm.skills.recognise import RecogniserConfig, SkillRecogniser
from llm.store import Store


def transcript(text: str, **changes: Any) -> Transcript:
    return replace(Transcript(4, 1, text, len(text), "en", True), **changes)


def answer(responder: Responder, text: str, **changes: Any) -> list[Sentence]:
    return list(responder.process(transcript(text, **changes)))


def test_a_reply_carries_its_turn_and_ends_once() -> None:
    sentences = answer(make_responder(), "what can you do")
    assert len(sentences) > 1
    assert {(s.turn, s.revision, s.language) for s in sentences} == {(4, 1, "en")}
    assert [s.index for s in sentences] == list(range(len(sentences)))
    assert [s.last for s in sentences] == [False] * (len(sentences) - 1) + [True]


def test_silence_and_unfinished_words_get_no_answer() -> None:
    responder = make_responder()
    assert answer(responder, "what time is it", final=False) == []
    assert answer(responder, "  ") == []


def test_an_action_without_words_still_ends_the_turn() -> None:
    assert answer(make_responder(), "stop") == [Sentence(4, 1, 0, "", True, "en")]


def test_french_typed_into_an_english_session_is_answered_in_french_and_the_session_follows() -> None:
    skills = make_skills()
    responder = Responder(skills)
    assert responder.reply("hello").language == "en"
    assert responder.reply("quelle heure est-il ?").text == "Il est 14 h 30."
    assert skills.context.session.language == "fr"
    assert responder.reply("stop").language == "fr"
    assert responder.reply("what time is it").text == "It's 2:30 PM."


@pytest.mark.parametrize(("text", "language"), [("pourquoi le ciel est-il bleu", "fr"), ("why is the sky blue", "en")])
@pytest.mark.parametrize("session", ["en", "fr"])
def test_what_it_cannot_do_it_says_in_the_users_language(text: str, language: Language, session: Language) -> None:
    reply = make_responder(language=session).reply(text)
    assert reply.language == language
    assert not reply.understood


def test_words_that_were_perhaps_misheard_are_said_again_and_ability_is_not_blamed() -> None:
    responder = make_responder()
    heard = answer(responder, "so many on c r u two colleagues", source=FREE_WORDS)
    assert "".join(s.text + " " for s in heard) == (
        'I heard "so many on c r u two colleagues"; I can\'t help with that. '
    )
    long = answer(responder, " ".join(["word"] * 40), source=FREE_WORDS)
    assert sum(s.text.count("word") for s in long) < 20
    assert "I can't do that yet" in answer(responder, "so many on c r u two colleagues")[0].text
    assert answer(responder, "what time is it", source=FREE_WORDS)[0].text == "It's 2:30 PM."


def test_a_full_disk_is_said_and_the_assistant_goes_on() -> None:
    skills = make_skills()
    responder = Responder(skills)
    skills.context.store.query("PRAGMA query_only = ON")
    (sentence, *_) = answer(responder, "take a note call Bob")
    assert sentence.text.startswith("Sorry, I couldn't save that.")
    assert answer(responder, "what time is it")[0].text == "It's 2:30 PM."
    skills.context.store.query("PRAGMA query_only = OFF")
    assert answer(responder, "take a note call Bob")[0].text == "Noted: call Bob."


def test_any_word_dismisses_an_alarm_that_rings() -> None:
    clock = ZoneClock()
    skills = make_skills(clock)
    schedule = skills.context.schedule
    schedule.add(Item("alarm", "", "en", schedule.now))
    schedule.rung(schedule.due())
    assert schedule.items()
    Responder(skills).reply("stop")
    assert schedule.items() == []


def test_snooze_after_an_alarm_rang() -> None:
    clock = ZoneClock()
    skills = make_skills(clock)
    schedule = skills.context.schedule
    schedule.add(Item("alarm", "", "en", schedule.now))
    schedule.rung(schedule.due())
    assert Responder(skills).reply("snooze for ten minutes").text == "Again in 10 minutes."
    assert [item.due_at - schedule.now for item in schedule.items()] == [600]


def test_never_mind_long_after_undoes_nothing() -> None:
    clock = ZoneClock()
    skills = make_skills(clock)
    responder = Responder(skills)
    responder.reply("take a note call Bob")
    clock.advance(3600)
    assert responder.reply("never mind").text == "OK."
    assert len(skills.context.store.entries("notes")) == 1


def test_never_mind_undoes_once() -> None:
    skills = make_skills()
    responder = Responder(skills)
    responder.reply("add milk to the shopping list")
    responder.reply("take a note call Bob")
    assert responder.reply("never mind").text.startswith("I removed the note")
    assert responder.reply("never mind").text == "OK."
    assert [entry.text for entry in skills.context.store.entries("shopping")] == ["milk"]


def test_what_was_heard_reaches_the_conversation() -> None:
    skills = make_skills()
    answer(Responder(skills), "what time is it")
    skills.context.conversation.heard(Heard(4, 1, 0, 4))
    assert skills.context.conversation.exchanges[-1].heard == "It's"


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("what time is it", True),
        ("set a timer for five minutes", True),
        ("what is twelve times seven", True),
        ("what is twelve times twenty", False),
        ("stop", False),
        ("set a timer for", False),
        ("set a timer", False),
        ("wake me at seven", False),
        ("remind me to call john", False),
        ("take a note buy milk", False),
        ("add milk to the shopping list", False),
        ("", False),
        ("what", False),
        ("take a note", False),
        ("add five", False),
        ("what is fifteen percent", False),
        ("how long is", False),
        ("how long is left", True),
        ("how long is left on the", False),
        ("what's the remaining time on my timer", True),
        ("repeat", False),
        ("repeat that", True),
    ],
)
def test_only_a_whole_command_may_end_the_turn_early(text: str, complete: bool) -> None:
    assert recogniser().is_complete(text, "en") is complete


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("combien de temps reste-t-il", True),
        ("combien de temps reste-t-il sur", False),
        ("combien de temps reste-t-il sur le minuteur", True),
        ("prends une note", False),
        ("ajoute deux", False),
        ("encore", False),
        ("comment", False),
    ],
)
def test_a_french_command_that_goes_on_is_not_whole(text: str, complete: bool) -> None:
    assert recogniser().is_complete(text, "fr") is complete


def test_skills_can_be_chosen_and_an_unknown_one_is_named() -> None:
    clock = ZoneClock()
    voice = make_skills().context.voice
    skills = build_skills(Config(skills=SkillsConfig(enabled=("time",))), Store(None), clock, voice)
    assert skills.recogniser.recognise("what time is it", "en") is not None
    assert skills.recogniser.recognise("what can you do", "en") is None
    with pytest.raises(ConfigError, match=r"skills\.enabled: no skill is called 'tim'; known: .*timers"):
        build_skills(Config(skills=SkillsConfig(enabled=("tim",))), Store(None), clock, voice)


def test_every_intent_has_a_template_in_both_languages_and_every_template_an_action() -> None:
    from llm.skills.blocks import yaml_blocks
    from llm.skills.recognise import SENTENCES_FOLDER

    actions = set(make_skills().actions)
    for language in ("en", "fr"):
        files = SENTENCES_FOLDER.glob(f"{language}*.yaml")
        blocks = [block for file in files for block in yaml_blocks(file.read_text(encoding="utf-8"))]
        assert {name for block in blocks for name in block["intents"]} == actions


def test_at_the_start_the_sessions_language_alone_is_read_and_the_other_at_its_first_use(tmp_path: Path) -> None:
    (tmp_path / "en.yaml").write_text('intents: {TellTime: {data: [{sentences: ["what time is it"]}]}}', "utf-8")
    (tmp_path / "fr.yaml").write_text("intents: [", "utf-8")
    found = SkillRecogniser(RecogniserConfig((tmp_path,)), make_skills().skills)
    skills = replace(make_skills(), recogniser=found)
    responder = Responder(skills)
    responder.load()
    assert responder.reply("what time is it").text == "It's 2:30 PM."
    with pytest.raises(ConfigError, match=r"fr\.yaml"):
        responder.reply("quelle heure est-il")
    with pytest.raises(ConfigError, match=r"fr\.yaml"):
        found.load()


def test_the_templates_for_the_speech_grammar_keep_their_words() -> None:
    intents = recogniser().intents("en")
    assert {"polite_start", "polite_end"} <= set(intents.expansion_rules)
    assert any("{minutes}" in str(rule.text) for rule in intents.expansion_rules.values())


@settings(deadline=None)
@given(st.text(max_size=80), st.sampled_from(["en", "fr"]))
def test_no_text_is_too_strange_to_answer(text: str, language: Language) -> None:
    assert make_responder(language=language).reply(text).language in ("en", "fr")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "1" + ")" * 5000,
        "minus " * 3000 + "1",
        "1+" * 3000 + "1",
        "square root of " * 2000 + "4",
        "5 " * 2000,
    ],
    ids=["parentheses", "minus", "sum", "roots", "digits"],
)
def test_a_monstrous_sum_is_declined(text: str) -> None:
    assert make_responder().reply(text).text


WORDS = st.sampled_from(
    words_of(
        "set timer for five minutes remind me to at six wake up add milk the list what is times plus seven note that "
        "cancel all how much and a half in every monday 12.5 % ( ) convert km miles one hundred"
    )
)


@settings(deadline=None)
@given(st.lists(WORDS, max_size=12))
def test_no_order_of_known_words_breaks_a_skill(words: list[str]) -> None:
    responder = make_responder()
    assert responder.reply(" ".join(words)).text is not None
    assert responder.reply("never mind").text


def test_who_asks_for_a_language_is_answered_in_it_whatever_they_speak() -> None:
    responder = make_responder()
    assert responder.reply("speak french", "en").language == "fr"
    sum_asked, unknown = responder.reply("what is twelve times seven", "en"), responder.reply("blub the gnarf", "en")
    assert (sum_asked.text, sum_asked.language, unknown.language) == ("Cela fait 84.", "fr", "fr")
    added = responder.reply("add milk and eggs to my shopping list", "en")
    assert added.text == "Ajouté à la liste de courses : milk et eggs."
    assert "milk" in responder.reply("what is on my shopping list", "en").text
    assert responder.reply("undo", "en").language == "fr"
    assert responder.reply("parle anglais", "fr").language == "en"
    assert responder.reply("combien font deux plus deux", "fr").text == "That's 4."


@pytest.mark.parametrize(
    ("asked", "heard_as", "answered_in"),
    [
        ("answer me in French", "en", "fr"),
        ("let's speak French", "en", "fr"),
        ("go back to French", "en", "fr"),
        ("stop speaking English", "en", "fr"),
        ("réponds-moi en français", "fr", "fr"),
        ("repasse en français", "fr", "fr"),
        ("switch back to English", "en", "en"),
        ("could you come back to English", "en", "en"),
        ("stop speaking French", "en", "en"),
        ("parlons anglais", "fr", "en"),
        ("reviens à l'anglais", "fr", "en"),
        ("arrête de parler français", "fr", "en"),
    ],
)
def test_a_language_is_asked_for_in_many_words(asked: str, heard_as: Language, answered_in: Language) -> None:
    responder = make_responder()
    responder.reply("parle anglais" if answered_in == "fr" else "speak French", "en" if answered_in == "en" else "fr")
    assert responder.reply(asked, heard_as).language == answered_in
    assert responder.reply("what is twelve times seven", "en").language == answered_in


def cut_short(language: Language, asked: str, characters: int) -> Responder:
    """After a reply of which so much of the first sentence was heard."""
    skills = make_skills(language=language)
    responder = Responder(skills)
    answer(responder, asked, language=language)
    skills.context.conversation.heard(Heard(4, 1, 0, characters))
    return responder


@pytest.mark.parametrize(
    ("language", "asked", "characters", "again", "said", "yes"),
    [
        ("en", "what can you do", 19, "what did you just say", 'I had said: "I can tell the time"', "yes"),
        ("fr", "que sais-tu faire", 16, "qu'est-ce que tu as dit ?", "J'ai dit : « Je donne l'heure »", "oui"),
    ],
)
def test_what_was_said_is_told_as_far_as_it_was_heard(
    language: Language, asked: str, characters: int, again: str, said: str, yes: str
) -> None:
    whole = make_responder(language=language).reply(asked).text
    responder = cut_short(language, asked, characters)
    assert responder.reply(again).text.startswith(said)
    assert responder.reply(yes).text == whole
    responder = cut_short(language, asked, characters)
    assert responder.reply({"en": "repeat that", "fr": "répète ce que tu as dit"}[language]).text == whole

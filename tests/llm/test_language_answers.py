"""The responder with a language model: who answers what, tools, errors, cancellation, exchange while running."""

from __future__ import annotations

import json
import queue
import re
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_model import OneFolder, PlainOptimizer, ScriptedRuntime
from skill_rig import ZoneClock, make_skills

from core.messages import Heard, Language, ReplyUnderWay, Sentence, Transcript, TurnFailed
from core.stage import StageThread
from core.turn_clock import TurnClock
from core.utils.errors import InferenceError, ModelLoadError
from llm.engine import Prompt
from llm.language_answers import AnswerSettings, LanguageAnswers
from llm.language_model import LanguageModel, LanguageModelSettings
from llm.responder import Responder


def sentences_of(messages: Iterator[Sentence | ReplyUnderWay]) -> Iterator[Sentence]:
    return (message for message in messages if isinstance(message, Sentence))


def sentences(messages: Iterator[Sentence | ReplyUnderWay]) -> list[Sentence]:
    return list(sentences_of(messages))


class Rig:
    """A responder with scripted replies: text -> reply, by what the user's last words hold."""

    def __init__(
        self,
        *replies: tuple[str, str],
        language: Language = "en",
        load: bool = True,
        path: Path | None = None,
        clock: ZoneClock | None = None,
        **settings: Any,
    ) -> None:
        self.replies = replies
        self.words: dict[str, str] = {}
        """what is written where no tool may be called"""
        self.runtime = ScriptedRuntime(self.write)
        self.skills = make_skills(clock, language, path)
        self.responder = Responder(self.skills)
        model = LanguageModel(LanguageModelSettings("m"), OneFolder(), self.runtime, PlainOptimizer())
        self.answers = LanguageAnswers(model, self.responder.skills, AnswerSettings(**settings))
        self.responder.use(self.answers)
        if load:
            self.responder.load()
        self.runtime.prompts.clear()
        self.runtime.words_only.clear()
        self.turn = 0

    def write(self, prompt: str) -> str:
        asked = prompt.rpartition("<|im_start|>user\n")[2]
        if self.runtime.words_only[-1]:
            for words, reply in self.words.items():
                if words in asked:
                    return reply
        return next((reply for words, reply in self.replies if words in asked), "I see.")

    def ask(self, text: str, language: Language = "en", heard: bool = True) -> list[Sentence]:
        self.turn += 1
        said = sentences(self.responder.process(Transcript(self.turn, 0, text, len(text), language, True)))
        assert [sentence.index for sentence in said] == list(range(len(said)))
        assert [sentence.last for sentence in said] == [False] * (len(said) - 1) + [True]
        for sentence in said if heard else ():
            self.skills.context.conversation.heard(Heard(self.turn, 0, sentence.index, len(sentence.text)))
        return said

    def say(self, text: str, language: Language = "en") -> list[str]:
        return [sentence.text for sentence in self.ask(text, language) if sentence.text]


def call(name: str, arguments: str = "{}") -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


def test_what_a_skill_is_sure_of_costs_no_model() -> None:
    rig = Rig()
    assert rig.responder.engine_name == "mlx"
    assert rig.say("what time is it") == ["It's 2:30 PM."]
    assert rig.say("set a timer for five minutes") == ["Timer set for 5 minutes."]
    assert rig.runtime.prompts == []


def test_the_rest_is_the_models_first_a_clause_then_sentences() -> None:
    rig = Rig(("sky", "Because of the air, **mostly**. It scatters blue. 😀"))
    assert rig.say("why is the sky blue") == ["Because of the air,", "mostly.", "It scatters blue."]
    exchange = rig.skills.context.conversation.exchanges[-1]
    assert exchange.written == "Because of the air, **mostly**. It scatters blue. 😀"
    assert exchange.heard_whole


def test_the_next_prompt_holds_what_was_heard_and_what_the_skills_did() -> None:
    rig = Rig(("cat", "Tom is a fine name. Really."))
    rig.ask("my cat is called Tom", heard=False)
    rig.skills.context.conversation.heard(Heard(1, 0, 0, 6))
    rig.ask("set a timer for five minutes")
    rig.ask("is that a good name")
    _, dialogue = rig.runtime.prompts[-1].split("TOOLS", 1)
    assert "<|im_start|>user\nmy cat is called Tom<|im_end|>\n<|im_start|>assistant\nTom is<|im_end|>" in dialogue
    assert '"name": "SetTimer", "arguments": {"minutes": 5}' in dialogue
    assert "<|im_start|>tool\nTimer set for 5 minutes.<|im_end|>" in dialogue
    assert dialogue.endswith("<|im_start|>user\nis that a good name<|im_end|>\n<|im_start|>assistant\n")


def test_what_was_done_in_an_earlier_session_or_before_a_model_came_is_shown_with_its_call(tmp_path: Path) -> None:
    clock = ZoneClock(datetime.now(UTC))
    first = Rig(("pasta", call("SetTimer", '{"minutes": 9}')), path=tmp_path / "merline.db", clock=clock)
    assert first.say("my pasta needs nine minutes, can you tell me when") == ["Timer set for 9 minutes."]
    first.responder.close()
    first.skills.context.store.close()
    second = Rig(path=tmp_path / "merline.db", load=False, clock=clock)
    second.responder = Responder(second.skills)
    second.responder.load()
    assert second.say("put milk on the shopping list") == ["Added to your shopping list:", "milk."]
    second.answers.load()
    assert second.responder.offer(second.answers)
    second.say("why is the sky blue")
    dialogue = second.runtime.prompts[-1].split("TOOLS", 1)[1]
    made = [json.loads(made) for made in re.findall(r"<tool_call>\n(.*?)\n</tool_call>", dialogue)]
    assert made == [
        {"name": "SetTimer", "arguments": {"minutes": 9}},
        {"name": "AddItem", "arguments": {"item": "milk"}},
    ]
    assert "<|im_start|>tool\nTimer set for 9 minutes.<|im_end|>" in dialogue
    second.skills.context.store.close()


def test_several_commands_of_one_breath_are_shown_as_their_calls() -> None:
    rig = Rig()
    rig.say("put milk on my list and set a timer for five minutes")
    rig.say("why is the sky blue")
    dialogue = rig.runtime.prompts[-1].split("TOOLS", 1)[1]
    made = [json.loads(made) for made in re.findall(r"<tool_call>\n(.*?)\n</tool_call>", dialogue)]
    assert made == [
        {"name": "AddItem", "arguments": {"item": "milk"}},
        {"name": "SetTimer", "arguments": {"minutes": 5}},
    ]


@pytest.mark.parametrize(
    ("asked", "began", "question", "told", "reply"),
    [
        ("speak French", "en", "why is the sky blue", "réponds toujours en français", "À cause de l'air."),
        ("parle anglais", "fr", "pourquoi le ciel est bleu", "always answer in English", "Because of the air."),
    ],
)
def test_who_asks_for_a_language_has_it_from_the_model_too_until_it_is_taken_back(
    asked: str, began: Language, question: str, told: str, reply: str
) -> None:
    rig = Rig((question, reply), language=began)
    rig.ask(question, began)
    assert told not in rig.runtime.prompts[-1]
    switched = rig.ask(asked, began)[-1].language
    assert switched != began
    assert rig.ask(question, began)[-1].language == switched
    assert told in rig.runtime.prompts[-1]
    assert rig.ask("annule" if switched == "fr" else "undo", switched)
    rig.ask(question, began)
    assert told not in rig.runtime.prompts[-1]


def test_what_cannot_be_answered_is_said_in_the_language_asked_for() -> None:
    rig = Rig(("nothing", ""), ("tool", call("NoSuchTool")))
    rig.ask("speak French")
    assert rig.say("say nothing") == ["Désolée, je n'ai pas de réponse à cela."]
    assert rig.say("use a tool please") == ["Désolée, je n'ai pas pu le faire."]


def test_a_skill_that_the_model_calls_answers_in_the_language_asked_for() -> None:
    rig = Rig(("pasta", call("SetTimer", '{"minutes": 9}')))
    rig.ask("speak French")
    assert "9 minutes" in rig.say("my pasta needs nine")[0]
    assert rig.skills.context.conversation.exchanges[-1].language == "fr"


def test_words_heard_so_far_are_prepared_unless_a_skill_will_answer_them() -> None:
    rig = Rig()
    before = rig.runtime.computed
    list(rig.responder.process(Transcript(1, 0, "what time is it", 15, "en", False)))
    assert rig.runtime.computed == before
    list(rig.responder.process(Transcript(1, 0, "why is the sky blew", 14, "en", False)))
    prepared = rig.runtime.computed - before
    assert 6 <= prepared <= 12
    rig.turn = 0
    assert rig.say("why is the sky blue today") == ["I see."]
    assert rig.runtime.prompts[-1].endswith("user\nwhy is the sky blue today<|im_end|>\n<|im_start|>assistant\n")


def test_after_words_that_were_prepared_whole_only_the_reply_is_computed() -> None:
    rig = Rig()
    list(rig.responder.process(Transcript(1, 0, "why is the sky blew", 10, "en", False)))
    list(rig.responder.process(Transcript(1, 0, "why is the sky blue", 14, "en", False)))
    before = rig.runtime.computed
    rig.turn = 0
    assert rig.say("why is the sky blue") == ["I see."]
    assert rig.runtime.computed - before == len(rig.runtime.tokenizer.encode("I see."))


def test_what_stands_before_the_first_words_is_computed_beside_until_they_come() -> None:
    rig = Rig(beside=True, load=False)
    begun, go_on = threading.Event(), threading.Event()
    compute = rig.runtime.read_prompt

    def slow(*arguments: Any, **options: Any) -> Any:
        begun.set()
        assert go_on.wait(10)
        return compute(*arguments, **options)

    rig.runtime.read_prompt = slow  # type: ignore[method-assign]
    rig.responder.load()
    assert begun.wait(10)
    go_on.set()
    assert rig.say("why is the sky blue") == ["I see."]
    assert rig.runtime.prompts[-1].endswith("user\nwhy is the sky blue<|im_end|>\n<|im_start|>assistant\n")
    rig.responder.close()


def test_a_model_that_has_come_back_reads_what_stands_before_the_next_words() -> None:
    rig = Rig()
    assert rig.say("why is the sky blue") == ["I see."]
    before = rig.runtime.computed
    rig.answers.engine.close()
    rig.answers.engine.load()
    rig.responder.get_ready()
    rig.answers._prefill.wait(10)
    read = rig.runtime.computed - before
    assert read > 60
    assert rig.say("and at night") == ["I see."]
    assert rig.runtime.computed - before - read < 60, "only the new words, and the reply"


def test_whether_a_turn_waits_for_the_model_is_known_while_it_does() -> None:
    rig = Rig()
    list(rig.responder.process(Transcript(1, 0, "what time is it", 15, "en", True)))
    assert not rig.responder.asks_model
    asked = rig.responder.process(Transcript(2, 0, "why is the sky blue", 19, "en", True))
    next(asked)
    assert rig.responder.asks_model
    list(asked)
    assert not rig.responder.asks_model


def test_a_tool_is_called_once_and_its_own_reply_is_said() -> None:
    asked = call("SetTimer", '{"minutes": 9, "name": "pasta"}')
    rig = Rig(("pasta", f"Sure thing, let me see. {asked} It is set!"))
    said = rig.say("I am cooking pasta which takes nine minutes so look after that")
    assert said == ["Sure thing, let me see.", "'pasta' timer set for 9 minutes."]
    (timer,) = rig.skills.context.schedule.items("timer")
    assert timer.text == "pasta"
    assert rig.say("never mind") == ["I cancelled the 'pasta' timer."]


def test_two_calls_are_both_made_and_the_same_one_only_once() -> None:
    milk, tea = call("AddItem", '{"item": "milk"}'), call("AddItem", '{"item": "tea"}')
    rig = Rig(("fridge", milk + milk + tea))
    rig.say("the fridge lacks milk and tea")
    assert [entry.text for entry in rig.skills.context.store.entries("shopping")] == ["milk", "tea"]


@pytest.mark.parametrize(
    "written",
    [
        call("AddItem", '{"item": "milk"}') + call("AddItem", '{"thing": "tea"}'),
        call("AddItem", '{"item": "milk"}') + "<tool_call>{",
        call("AddItem", '{"item": "milk"}') + call("Explode"),
        "".join(call("AddItem", f'{{"item": "{number}"}}') for number in range(9)),
    ],
)
def test_where_one_call_cannot_be_read_none_is_made(written: str) -> None:
    rig = Rig(("fridge", written))
    assert rig.say("the fridge lacks a few things") == ["Sorry, I couldn't do that."]
    assert rig.skills.context.store.entries("shopping") == []


def test_without_tools_none_is_declared() -> None:
    rig = Rig(tools=False)
    rig.say("why")
    assert "TOOLS" not in rig.runtime.prompts[-1]


def test_thoughts_are_not_said_and_no_words_at_all_are_told() -> None:
    rig = Rig(("joke", "<think>Hm. Long.</think>"), ("riddle", "<think>Hm.</think>Yes."))
    assert rig.say("tell me a joke about hats") == ["Sorry, I have no answer to that."]
    assert rig.say("and a riddle about hats") == ["Yes."]


def test_the_reply_is_spoken_in_the_language_it_is_written_in() -> None:
    rig = Rig(("ciel", "Le ciel est bleu parce que la lumière est diffusée."), ("french", "Le chat est sur la table."))
    assert rig.ask("pourquoi le ciel est-il bleu", "en")[0].language == "fr"
    assert rig.skills.context.session.language == "fr"
    assert rig.ask("say something about a cat in french words for me", "en")[0].language == "fr"


def test_facts_reach_the_model() -> None:
    rig = Rig()
    rig.say("remember that my name is Ada")
    rig.say("why is the sky blue")
    assert "- my name is Ada" in rig.runtime.prompts[-1]
    rig.say("forget everything you know about me")
    rig.say("why is the sky blue")
    assert "Ada" not in rig.runtime.prompts[-1].partition("<|im_end|>")[0]


def test_a_failure_is_told_in_the_users_language_and_the_next_turn_is_right() -> None:
    rig = Rig()
    rig.runtime.fail_after = 0
    assert rig.say("pourquoi le ciel est-il bleu")[0].startswith("Désolée, je ne peux pas répondre")
    assert "the cable came off" in rig.responder.fallback_reason
    assert rig.say("what time is it") == ["It's 2:30 PM."]
    rig.runtime.fail_after = None
    assert rig.say("why is the sky blue") == ["I see."]
    assert rig.responder.fallback_reason == ""


def test_a_failure_in_the_middle_ends_the_reply_with_an_apology() -> None:
    rig = Rig(("sky", "Because of the air, mostly. It scatters."))
    rig.runtime.fail_after = 8
    assert rig.say("why is the sky blue")[0] == "Because of the air,"
    assert rig.say("why is the sky blue")[-1].startswith("Sorry, I can't answer")


def test_a_reply_cut_off_leaves_the_conversation_with_what_was_heard() -> None:
    rig = Rig(("story", "Once upon a time, there was a cat. It slept. It ate."))
    under_way = rig.responder.process(Transcript(1, 0, "tell me a story about cats", 26, "en", True))
    (first,) = islice(sentences_of(under_way), 1)
    assert first.text == "Once upon a time,"
    rig.skills.context.conversation.heard(Heard(1, 0, 0, 9))
    under_way.close()
    assert rig.skills.context.conversation.exchanges[-1].heard == "Once upon"
    assert [row["heard"] for row in rig.skills.context.store.export()["turns"]] == ["Once upon"]
    rig.turn = 1
    assert rig.say("why is the sky blue") == ["I see."]
    assert "assistant\nOnce upon<|im_end|>" in rig.runtime.prompts[-1]


def test_a_turn_that_is_over_ends_its_reply_within_one_token() -> None:
    rig = Rig(("story", "word " * 200))
    clock, sent = TurnClock(), queue.Queue[Any]()
    thread = StageThread("llm", rig.responder, sent, clock, lambda message, wait_s: True)
    turn = clock.open()
    sent.put(Transcript(turn, 0, "tell me a story about cats", 26, "en", True))
    for _ in range(20):
        thread.step()
    before = rig.runtime.computed
    clock.open()
    for _ in range(20):
        thread.step()
    assert rig.runtime.computed - before <= 1


def test_typed_words_are_answered_whole_and_told_as_they_come() -> None:
    rig = Rig(("sky", "Because of the air, mostly. It scatters."))
    told: list[str] = []
    reply = rig.responder.reply("why is the sky blue", turn=3, told=told.append)
    assert reply.text == "Because of the air, mostly. It scatters."
    assert told == ["Because of the air,", "mostly.", "It scatters."]
    assert rig.skills.context.conversation.exchanges[-1].heard == reply.text
    assert rig.responder.reply("what time is it", turn=4).text == "It's 2:30 PM."


class Engine:
    """As little of one as a test needs."""

    name = "mlx"
    elsewhere = False
    is_small = True
    context_tokens = 1000

    def __init__(self, write: Callable[[Prompt], Iterator[str]] = lambda prompt: iter(("Other.",))) -> None:
        self.write = write
        self.closed = 0
        self.failure: Exception | None = None

    def load(self) -> None:
        if self.failure is not None:
            raise self.failure

    def count(self, prompt: Prompt) -> int:
        return len(prompt.messages)

    def prefill(self, prompt: Prompt, at_most: int = 0, whole: bool = False) -> None:
        if at_most < 1000:
            raise InferenceError("not now")

    def answer(self, prompt: Prompt) -> Iterator[str]:
        return self.write(prompt)

    def close(self) -> None:
        self.closed += 1


def test_a_model_that_cannot_be_loaded_is_done_without_where_that_is_allowed() -> None:
    for may_fall_back in (True, False):
        responder = Responder(make_skills())
        engine = Engine()
        engine.failure = ModelLoadError("m: is not on this machine")
        responder.use(LanguageAnswers(engine, responder.skills), may_fall_back)
        if not may_fall_back:
            with pytest.raises(ModelLoadError):
                responder.load()
            continue
        responder.load()
        assert responder.engine_name == "skills"
        assert responder.fallback_reason.startswith("the skills answer alone: m: is not on this machine"), (
            "no engine failed"
        )
        assert not responder.reply("why is the sky blue").understood


@pytest.mark.parametrize(("elsewhere", "words"), [(False, "Nothing you say leaves it."), (True, "the server you")])
def test_who_is_asked_whether_words_leave_the_machine_tells_the_truth(elsewhere: bool, words: str) -> None:
    responder, engine = Responder(make_skills()), Engine()
    engine.elsewhere = elsewhere
    responder.use(LanguageAnswers(engine, responder.skills))
    responder.load()
    assert words in responder.reply("who are you").text
    assert "answer questions" in responder.reply("what can you do").text


def test_a_preparation_that_fails_costs_nothing() -> None:
    responder = Responder(make_skills())
    responder.use(LanguageAnswers(Engine(), responder.skills))
    responder.load()
    assert list(responder.process(Transcript(1, 0, "why is the sky", 14, "en", False))) == []
    assert responder.reply("why is the sky blue").text == "Other."


def test_a_model_offered_between_two_messages_takes_over_at_once() -> None:
    responder = Responder(make_skills())
    responder.load()
    assert not responder.reply("why is the sky blue").understood
    first, second = Engine(), Engine(lambda prompt: iter(("Second.",)))
    offered = [LanguageAnswers(engine, responder.skills) for engine in (first, second)]
    for language in offered:
        language.load()
    assert not responder.close_retired()
    assert responder.offer(offered[0])
    assert responder.close_retired(), "taken, though none was there before"
    assert responder.engine_name == "mlx"
    assert responder.reply("why is the sky blue").text == "Other."
    assert responder.offer(offered[1])
    assert responder.reply("why is the sky blue").text == "Second."
    assert responder.close_retired()
    assert first.closed == 1
    responder.close()
    assert second.closed == 1
    assert not responder.offer(offered[0])


@cache
def talker() -> tuple[Responder, Engine]:
    responder, engine = Responder(make_skills()), Engine()
    responder.use(LanguageAnswers(engine, responder.skills))
    responder.load()
    return responder, engine


@settings(deadline=None)
@given(st.text(max_size=200))
def test_whatever_a_model_writes_is_answered_by_one_whole_reply(text: str) -> None:
    responder, engine = talker()
    engine.write = lambda prompt: iter(text)
    said = sentences(responder.process(Transcript(1, 0, "why is the sky blue", 19, "en", True)))
    assert [sentence.last for sentence in said] == [False] * (len(said) - 1) + [True]
    assert any(character.isalnum() for sentence in said for character in sentence.text)


def pause(rig: Rig, text: str, revision: int = 0) -> list[Sentence]:
    return sentences(rig.responder.process(Transcript(1, revision, text, len(text), "en", False, paused=True)))


def finish(rig: Rig, text: str, revision: int = 0) -> list[Sentence]:
    return sentences(rig.responder.process(Transcript(1, revision, text, len(text), "en", True, paused=True)))


def exchanges(rig: Rig) -> list[str]:
    return [exchange.user for exchange in rig.skills.context.conversation.exchanges]


SKY = "why is the sky blue"


def test_a_pause_prepares_the_first_sentence_and_the_end_adds_the_rest() -> None:
    rig = Rig(("sky", "Because of the air, mostly. It scatters blue."))
    (first,) = pause(rig, SKY)
    assert (first.index, first.text, first.last) == (0, "Because of the air,", False)
    assert exchanges(rig) == []
    written = rig.runtime.computed
    rest = finish(rig, SKY)
    assert [(one.index, one.text, one.last) for one in rest] == [
        (1, "mostly.", False), (2, "It scatters blue.", True)
    ]  # fmt: skip
    assert len(rig.runtime.prompts) == 1, "nothing is asked twice"
    assert rig.runtime.computed >= written
    (exchange,) = rig.skills.context.conversation.exchanges
    assert exchange.sentences == ("Because of the air,", "mostly.", "It scatters blue.")
    rows = rig.skills.context.store.query("SELECT user, reply FROM turns")
    assert [tuple(row) for row in rows] == [(SKY, exchange.reply)]


def test_who_goes_on_leaves_no_trace_of_what_was_prepared() -> None:
    rig = Rig(("sky", "Because of the air, mostly."), ("sea", "It mirrors the sky."))
    pause(rig, SKY)
    longer = "why is the sky blue and the sea"
    list(rig.responder.process(Transcript(1, 1, longer, 20, "en", False)))
    assert exchanges(rig) == []
    assert [one.text for one in finish(rig, longer, 1)] == ["Because of the air,", "mostly."]
    assert exchanges(rig) == [longer]
    assert rig.skills.context.store.query("SELECT count(*) FROM turns")[0][0] == 1
    assert "sky blue<|im_end|>" not in rig.runtime.prompts[-1]


def test_a_preparation_that_is_cut_off_leaves_the_engine_free() -> None:
    rig = Rig(("sky", "Because of the air, mostly."))
    messages = rig.responder.process(Transcript(1, 0, SKY, len(SKY), "en", False, paused=True))
    next(messages)
    messages.close()  # type: ignore[attr-defined]
    assert exchanges(rig) == []
    assert rig.say("why is the sky blue at noon") == ["Because of the air,", "mostly."]


def test_a_tool_is_called_only_when_the_user_has_finished() -> None:
    rig = Rig(("eggs", call("SetTimer", '{"minutes": 6}')))
    said = pause(rig, "my eggs need six minutes or so")
    assert said == []
    assert rig.skills.context.schedule.items() == []
    list(rig.responder.process(Transcript(1, 1, "my eggs need six minutes or so no", 20, "en", False)))
    assert rig.skills.context.schedule.items() == []
    pause(rig, "my eggs need six minutes or so now", 2)
    (only,) = finish(rig, "my eggs need six minutes or so now", 2)
    assert (only.text, only.index, only.last) == ("Timer set for 6 minutes.", 0, True)
    assert len(rig.skills.context.schedule.items()) == 1


def test_a_skill_that_changes_nothing_is_prepared_and_one_that_does_is_not() -> None:
    rig = Rig()
    (time,) = pause(rig, "what time is it")
    assert (time.text, time.last) == ("It's 2:30 PM.", True)
    assert pause(rig, "set a timer for five minutes", 1) == []
    assert rig.skills.context.schedule.items() == []
    assert exchanges(rig) == []
    assert [one.text for one in finish(rig, "set a timer for five minutes", 1)] == ["Timer set for 5 minutes."]
    assert pause(rig, "what is twelve times seven")[0].text == "That's 84."
    assert rig.skills.context.session.result is None
    assert finish(rig, "what is twelve times seven") == []
    assert rig.skills.context.session.result == 84


def test_without_leave_words_are_read_and_no_reply_is_written() -> None:
    rig = Rig(("sky", "Because of the air."))
    rig.responder.may_prepare = lambda: False
    assert pause(rig, SKY) == []
    assert rig.runtime.prompts == []
    assert [one.text for one in finish(rig, SKY)] == ["Because of the air."]


def test_a_lost_preparation_is_not_apologised_for_and_the_reply_is_written_anew() -> None:
    rig = Rig(("sky", "Because of the air."))
    pause(rig, SKY)
    assert list(rig.responder.process(TurnFailed(1, 0, "tts", "no voice", prepared=True))) == []
    assert list(rig.responder.process(TurnFailed(1, 0, "llm", "no words", prepared=True))) == []
    assert [one.text for one in finish(rig, SKY)] == ["Because of the air."]


def test_a_new_model_takes_over_behind_what_was_prepared() -> None:
    rig = Rig(("sky", "Because of the air, mostly."))
    pause(rig, SKY)
    assert rig.responder.offer(Rig(("sky", "Physics.")).answers)
    assert not rig.responder.close_retired(), "what is prepared is the old one's"
    assert [one.text for one in finish(rig, SKY)] == ["mostly."]
    assert rig.responder.close_retired()
    rig.turn = 1
    assert rig.say(SKY) == ["Physics."]


def test_a_new_model_waits_for_the_reply_under_way_and_not_for_what_was_prepared_in_vain() -> None:
    rig = Rig(("sky", "Because of the air, mostly."))
    reply = rig.responder.process(Transcript(1, 0, SKY, len(SKY), "en", True))
    assert isinstance(next(reply), Sentence | ReplyUnderWay)
    assert rig.responder.offer(Rig(("sky", "Physics.")).answers)
    assert not rig.responder.close_retired()
    reply.close()
    assert rig.responder.close_retired(), "the turn was ended"
    rig = Rig(("sky", "Because of the air, mostly."))
    pause(rig, SKY)
    assert rig.responder.offer(Rig(("sky", "Physics.")).answers)
    assert list(rig.responder.process(Transcript(1, 1, "", 0, "en", True))) == []
    assert rig.responder.close_retired()


def test_a_call_without_its_tags_is_a_call_and_never_read_aloud() -> None:
    rig = Rig(("pasta", '```json\n{"name": "SetTimer", "arguments": {"minutes": 9}}\n```'))
    assert rig.say("my pasta needs nine") == ["Timer set for 9 minutes."]


def test_words_that_ask_for_no_tool_are_answered_in_words_and_others_may_call_one() -> None:
    rig = Rig()
    rig.say("what is the capital of France")
    rig.say("my pasta needs nine")
    rig.say("qui a écrit Les Misérables", "fr")
    rig.say("il faudra que tu me réveilles assez tôt", "fr")
    words = [True]  # where a call may be asked for it is, and the words come where none is made
    assert rig.runtime.words_only == [*words, False, *words, *words, False, *words]


def test_a_small_model_is_asked_for_a_call_before_what_was_said_and_the_conversation_stays_in_its_cache() -> None:
    rig = Rig(("pasta", call("SetTimer", '{"minutes": 9}')), ("nine planets", "Well, there are eight."))
    rig.words = {"planets": "There are eight.", "sky": "Because of the air."}
    rig.say("why is the sky blue")
    assert rig.say("my pasta needs nine minutes, can you tell me when") == ["Timer set for 9 minutes."]
    asked = rig.runtime.prompts[-1]
    assert "sky" not in asked
    assert "pasta" in asked
    before = rig.runtime.computed
    assert rig.say("are there nine planets") == ["There are eight."]
    alone, whole = rig.runtime.prompts[-2:]
    assert "sky" not in alone
    assert "pasta" not in alone
    assert "sky" in whole
    assert "<tool_call>" in whole
    assert rig.runtime.computed - before < 150  # the instructions alone have more


def test_of_a_small_models_call_only_as_much_is_waited_for_as_is_taken() -> None:
    zeros = ", ".join(f'"hours": {hour}' for hour in range(200))
    rig = Rig(
        ("pasta", f'<tool_call>\n{{"name": "SetTimer", "arguments": {{{zeros}'),
        ("pills", f'{{"name": "SetReminder", "arguments": {{"text": "take my pills", {zeros}'),
    )
    rig.words = {"pasta": "I see.", "pills": "I see."}
    assert rig.say("my pasta needs nine minutes, can you tell me when") == ["Timer set for 9 minutes."]
    assert rig.say("at eight I want to hear that I must take my pills")[0].startswith("I'll remind you")


def test_of_a_reminders_text_the_time_goes_whole() -> None:
    rig = Rig(("pills", call("SetReminder", '{"text": "Take my pills at eight AM."}')))
    said = rig.say("at eight I want to hear that I must take my pills")
    assert "".join(said).endswith("take my pills.") or "".join(said).endswith("Take my pills.")


def test_where_asking_for_a_call_fails_the_next_turn_asks_again() -> None:
    rig = Rig(("pasta", call("SetTimer", '{"minutes": 9}')))
    rig.say("why is the sky blue")
    rig.runtime.fail_after = 0
    assert rig.say("my pasta needs nine minutes")[0].startswith("Sorry, I can't answer that")
    rig.runtime.fail_after = None
    assert rig.say("my pasta needs nine minutes") == ["Timer set for 9 minutes."]
    assert "sky" in rig.runtime.prompts[0]


def test_an_alarm_at_a_time_that_nobody_said_or_on_a_day_alone_is_not_set() -> None:
    wrong = call("SetAlarm", '{"day": "friday", "hour": 9}')
    rig = Rig(("plumber", wrong), ("long day", wrong))
    rig.words = {"plumber": "I see.", "long day": "Have a rest."}
    assert rig.say("would you jot that the plumber comes on friday") == ["I see."]
    assert rig.say("I had a long day at work") == ["Have a rest."]
    assert rig.skills.context.schedule.items("alarm") == []


def test_a_larger_model_chooses_for_itself_when_a_tool_is_wanted() -> None:
    rig = Rig(("butter", call("AddItem", '{"item": "butter"}')))
    rig.words = {"butter": "Butter is made of cream."}
    unasked = "there is no more butter in the house"
    assert rig.say(unasked) == ["Butter is made of cream."]
    rig.answers.engine.is_small = False
    assert rig.say(unasked) == ["Added to your shopping list:", "butter."]


def test_a_call_that_nobody_asked_for_is_refused_and_the_question_answered_in_words() -> None:
    wrong = call("TellTime", '{"hours": 12, "name": "What time is it"}')
    rig = Rig(("Romeo", wrong))
    rig.words = {"Romeo": "William Shakespeare did."}
    assert rig.say("who wrote Romeo and Juliet in 1597") == ["William Shakespeare did."]
    assert rig.runtime.words_only == [False, True]
    exchange = rig.skills.context.conversation.exchanges[-1]
    assert (exchange.written, exchange.call) == ("William Shakespeare did.", "")


@pytest.mark.parametrize(
    ("asked", "language", "written", "said"),
    [
        ("which city is the capital of France", "en", call("TimeLeft", '{"name": "TOMORROW"}'), "Paris."),
        ("What is left of the Roman Empire?", "en", call("TimeLeft", '{"name": "TOMORROW"}'), "Ruins."),
        ("who invented alarm clocks in 1787", "en", call("SetAlarm", '{"day": "someday"}'), "Levi Hutchins."),
        ("combien de côtés a un carré", "fr", call("TimeLeft", '{"name": "TOMORROW"}'), "Quatre."),
    ],
)
def test_a_plain_question_is_answered_in_words_though_a_word_of_it_is_a_tools(
    asked: str, language: Language, written: str, said: str
) -> None:
    rig = Rig((asked, written))
    rig.words = {asked: said}
    rig.answers.engine.is_small = False
    assert rig.say(asked, language) == [said]
    assert rig.runtime.words_only == [False, True]


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("please do wake us up rather early", '{"name": "SetAlarm", "arguments": {"hour": "30:00:00"}}'),
        ("I had a note about buying things", call("AddNote", '{"text": "Add 10 to 10"}')),
    ],
)
def test_a_wrong_call_of_what_was_asked_for_is_owned_up_to(asked: str, written: str) -> None:
    rig = Rig((asked, written))
    rig.words = {asked: "Done!"}
    assert rig.say(asked) == ["Sorry, I couldn't do that."]
    assert not rig.skills.context.store.entries("notes")


@pytest.mark.parametrize(
    ("asked", "written"),
    [
        ("je viens de finir un marathon", call("TimeLeft", '{"name": "marathon 42"}')),
        ("voici une recette en liste", call("ListAlarms", '{"recipe": "soup"}')),
    ],
)
def test_a_senseless_call_is_answered_in_words(asked: str, written: str) -> None:
    rig = Rig((asked, written), language="fr")
    rig.words = {asked: "Bravo à vous !"}
    rig.answers.engine.is_small = False
    assert rig.say(asked, "fr") == ["Bravo à vous !"]


def test_a_fact_that_the_model_made_up_is_not_remembered() -> None:
    made_up = "Rome is the capital city of Italy, known for its rich history"
    rig = Rig(("Rome", call("RememberFact", json.dumps({"text": made_up}))))
    rig.words = {"Rome": "It has seven hills."}
    assert rig.say("tell me a fact about Rome") == ["It has seven hills."]
    assert not rig.skills.context.store.entries("facts")


@pytest.mark.parametrize("is_small", [True, False])
@pytest.mark.parametrize(
    ("asked", "language", "written"),
    [
        ("do not set a timer for ten minutes", "en", call("SetTimer", '{"minutes": 10}')),
        ("please don't add milk to my list", "en", call("AddItem", '{"item": "milk"}')),
        ("ne mets pas de minuteur de dix minutes", "fr", call("SetTimer", '{"minutes": 10}')),
        ("n'ajoute pas de lait à ma liste", "fr", call("AddItem", '{"item": "lait"}')),
    ],
)
def test_what_is_forbidden_is_not_done(asked: str, language: Language, written: str, is_small: bool) -> None:
    rig = Rig((asked, written), language=language)
    rig.words = {asked: "Fine."}
    rig.answers.engine.is_small = is_small
    assert rig.say(asked, language) == ["Fine."]
    assert not rig.skills.context.schedule.items()
    assert not rig.skills.context.store.entries("shopping")


def test_a_number_that_nobody_gave_is_asked_for() -> None:
    rig = Rig(("egg", call("SetTimer", '{"minutes": 5}')))
    assert rig.say("could the timer look after my egg")[0].endswith("?")


def test_a_reply_that_goes_round_in_circles_ends() -> None:
    rig = Rig(("why", "Because of the air. " + "It is blue as it is blue. " * 40))
    said = rig.say("why is the sky blue")
    assert said[0] == "Because of the air."
    assert len(said) <= 5


def test_half_a_sentence_at_the_end_of_a_reply_that_is_cut_off_is_not_said() -> None:
    rig = Rig(("tale", "Once there was a fox. It ran. And then it"))
    rig.runtime.most_tokens = 11
    assert rig.say("tell me a tale") == ["Once there was a fox.", "It ran."]


@pytest.mark.parametrize(
    ("asked", "language", "written", "said"),
    [
        ("could somebody wake me quite soon", "en", "Sure, I could wake you quite soon.", "Sorry, I couldn't do that."),
        ("do put eggs on a list there", "en", "Well. I've added eggs to the list! Bye.", "Sorry, I couldn't do that."),
        ("il faudra me réveiller tôt", "fr", "Je vais vous réveiller tôt.", "Désolée, je n'ai pas pu le faire."),
    ],
)
def test_a_model_that_only_says_that_it_is_done_is_not_believed(
    asked: str, language: Language, written: str, said: str
) -> None:
    rig = Rig((asked, written))
    assert rig.say(asked, language)[-1] == said
    assert not any(word in " ".join(rig.say(asked, language)) for word in ("could wake", "added", "Bye", "vais"))


def test_a_model_that_says_again_what_a_tool_has_said_is_not_believed() -> None:
    rig = Rig(("get up", "Timer set for 9 minutes."), ("pasta", call("SetTimer", '{"minutes": 9}')))
    assert rig.say("my pasta needs nine") == ["Timer set for 9 minutes."]
    assert rig.say("it is time to get up") == ["Sorry, I couldn't do that."]


def test_what_failed_is_not_shown_to_the_model_which_would_say_it_again() -> None:
    rig = Rig(("milk", "I have added it to your list."))
    assert rig.say("there is no milk, my list should have it") == ["Sorry, I couldn't do that."]
    rig.say("why is the sky blue")
    assert "Sorry" not in rig.runtime.prompts[-1]
    assert "milk, my list" not in rig.runtime.prompts[-1]


def test_what_is_told_of_a_tools_subject_is_no_promise() -> None:
    rig = Rig(("alarm clocks", "I will be brief. The first alarm clocks rang at four."))
    assert rig.say("who invented alarm clocks") == ["I will be brief.", "The first alarm clocks rang at four."]


def test_code_that_was_not_heard_is_not_shown_to_the_model_again() -> None:
    rig = Rig(("adds", "Here you are:\n```python\nadd = sum\n```\nThat adds."))
    assert rig.say("what adds numbers up") == ["Here you are:", "I leave the code out.", "That adds."]
    rig.say("why is the sky blue")
    assert "add = sum" not in rig.runtime.prompts[-1]
    assert "Here you are: I leave the code out. That adds." in rig.runtime.prompts[-1]


def test_a_sentence_about_a_tool_is_for_no_ear() -> None:
    rig = Rig(("chatting", "To call the TellTime function, say so. Bye."), ("odd", "Hello. SetTimer takes minutes."))
    assert rig.say("we were chatting nicely") == ["Sorry, I have no answer to that."]
    assert rig.say("an odd remark here") == ["Hello.", "Sorry, I have no answer to that."]

"""A reply's sentences as messages of its turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from core.messages import ReplyUnderWay, Sentence, Transcript
from llm.language_answers import Unit
from llm.reply_messages import model_messages, sentences_of, skill_messages
from llm.skills.base import Reply

ASKED = Transcript(4, 2, "how are you", 11, "en", True)
ENGINE: Any = SimpleNamespace(prefill_s=0.25)


def said(messages: Any) -> list[tuple[int, str, bool]]:
    return [(one.index, one.text, one.last) for one in messages if isinstance(one, Sentence)]


def test_exactly_one_sentence_of_a_skills_reply_is_the_last_unless_it_goes_on() -> None:
    reply = Reply("Fine, thanks. And you? Tell me.", "en")
    texts = sentences_of(reply)
    assert len(texts) > 1
    count = len(texts)
    assert said(skill_messages(reply, ASKED)) == [(at, text, at == count - 1) for at, text in enumerate(texts)]
    assert not any(last for _, _, last in said(skill_messages(reply, ASKED, goes_on=True)))
    parts = said(skill_messages(reply, ASKED, end=1)) + said(skill_messages(reply, ASKED, begin=1))
    assert parts == said(skill_messages(reply, ASKED))


def test_an_empty_reply_is_one_empty_sentence() -> None:
    assert said(skill_messages(Reply("", "en"), ASKED)) == [(0, "", True)]


def test_a_models_units_are_sentences_or_signs_that_it_writes() -> None:
    units = [Unit("", "en", False), Unit("Fine.", "en", False), Unit("", "en", False, acts=True), Unit("", "en", True)]
    found = list(model_messages(iter(units), ASKED, ENGINE, index=3))
    assert found[0] == ReplyUnderWay(4, 2, 0.25)
    assert said(found) == [(3, "Fine.", False), (4, "", True)]
    assert len(found) == 3


def test_until_the_first_sentence_or_a_deed() -> None:
    for units, kinds in (
        ([Unit("", "en", False), Unit("Fine.", "en", False), Unit("Well.", "en", True)], [ReplyUnderWay, Sentence]),
        ([Unit("", "en", False, acts=True), Unit("Timer set.", "en", True)], []),
    ):
        left = iter(units)
        assert [type(one) for one in model_messages(left, ASKED, ENGINE, until_first=True)] == kinds
        assert len(list(left)) == 1

"""A reply as the messages of its turn: a skill's, which is there as a whole, and a model's, as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from core.messages import ReplyUnderWay, Sentence, Transcript
from llm.engine import Engine
from llm.sentences import split
from llm.skills.base import Reply

if TYPE_CHECKING:
    from llm.language_answers import Unit


def sentences_of(reply: Reply) -> tuple[str, ...]:
    """Of a skill's reply; an empty one where there are none."""
    return tuple(text for unit in split([reply.text]) if (text := unit.strip())) or ("",)


def skill_messages(
    reply: Reply, message: Transcript, begin: int = 0, end: int | None = None, goes_on: bool = False
) -> Iterator[Sentence]:
    """Sentences `begin` to `end` of a skill's reply; where it `goes_on`, none is the last of the turn."""
    texts = sentences_of(reply)
    for index, text in list(enumerate(texts))[begin:end]:
        last = index == len(texts) - 1 and not goes_on
        yield Sentence(message.turn, message.revision, index, text, last, reply.language)


def model_messages(
    units: Iterator[Unit], message: Transcript, engine: Engine, index: int = 0, until_first: bool = False
) -> Iterator[Sentence | ReplyUnderWay]:
    """A model's sentences, the first of which is number `index`.

    With `until_first` that alone, or what comes before the model asks for something to be done.
    """
    for unit in units:
        if unit.text or unit.last:
            yield Sentence(message.turn, message.revision, index, unit.text, unit.last, unit.language)
            index += 1
        elif not unit.acts:
            yield ReplyUnderWay(message.turn, message.revision, getattr(engine, "prefill_s", None))
        if until_first and (index or unit.acts):
            return

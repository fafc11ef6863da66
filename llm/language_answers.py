"""Answers by a language model: the conversation goes in, speakable units come out; tools it calls are carried out.

A tool's own reply is spoken, not the model's words about it: it is exact, in the user's language, and there at once,
where a second round would cost seconds. All calls of a reply are carried out, or none where one cannot be read.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace

from core.messages import Language
from core.utils.errors import DataError, InferenceError
from llm.apologies import CANNOT_ANSWER, NO_ANSWER, NOT_DONE
from llm.asking import asked_for_call
from llm.call_text import ToolCallRefusedError
from llm.chat_history import Around, ChatHistory
from llm.conversation import Exchange
from llm.draft import Draft
from llm.engine import Engine, Prompt
from llm.prefill import Prefill
from llm.sentences import split
from llm.skill_answers import SkillAnswers
from llm.skills.base import Intent, choose
from llm.skills.languages import guess_language
from llm.skills.memory import facts
from llm.speakable import SpeakableText
from llm.tool_calls import CALL_BETWEEN, ToolBox, Words
from llm.tools import declare

logger = logging.getLogger(__name__)

MOST_CALLS = 4
"""in one reply; a model that asks for more has lost its way"""
NONE: frozenset[str] = frozenset()
"""of the tools"""
RECENT = 3
"""exchanges that a call may take its values from, beside the user's words"""


@dataclass(frozen=True, slots=True)
class Unit:
    """A part of a reply that can be spoken."""

    text: str
    """empty where there is nothing to say: not yet, or, at the end, no more"""
    language: Language
    last: bool
    acts: bool = False
    """nothing to say; what the model asked for is carried out when the next one is taken"""


@dataclass(frozen=True, slots=True)
class AnswerSettings:
    """How a model is used."""

    reply_tokens: int = 256
    """kept free of the context for the reply"""
    tools: bool = True
    beside: bool = False
    """what stands before the user's first words is computed beside what follows loading, and not before it ends"""


class LanguageAnswers:
    """One engine with the conversation it sees. Used by one thread at a time."""

    def __init__(self, engine: Engine, skills: SkillAnswers, settings: AnswerSettings | None = None) -> None:
        self.engine = engine
        self.failure = ""
        """why the last reply failed; empty once one has not"""
        self.asked = False
        """whether a reply is waited for"""
        self._skills = skills
        self._settings = settings or AnswerSettings()
        self._prefill = Prefill(engine)

    def load(self) -> None:
        """Load the engine and give it all that stands before the user's first words. Raises ModelError, DeviceError."""
        context, language = self._skills.context, self._skills.context.session.language
        self.engine.load()
        declared = declare(self._skills.skills, language) if self._settings.tools else {}
        self._box = ToolBox(declared, self._skills.skills.recogniser)
        around = Around(
            context.conversation,
            self._facts,
            lambda: context.schedule.local.wall,
            language,
            lambda: context.session.speaks,
            self._call_for,
        )
        room = max(self.engine.context_tokens - self._settings.reply_tokens, 1)
        self._history = ChatHistory(around, self._box.tools, room, self.engine.count)
        if self._settings.beside:
            self.get_ready()
        else:
            self.engine.prefill(self._history.prompt(""), at_most=self.engine.context_tokens)

    def get_ready(self) -> None:
        """A model that is back, or new, reads all that stands before the next words beside what follows, until they
        come. From any thread.
        """
        self._prefill.begin(lambda: self._history.prompt(""))

    def close(self) -> None:
        """Give the engine back."""
        self._prefill.close()
        self.engine.close()

    def listen(self, text: str, stable: int | None = None) -> None:
        """Words that the user has said so far; the first `stable` characters, or all, are not likely to change."""
        self._prefill.listen(text, stable, self._history.prompt)

    def call_of(self, intent: Intent) -> str:
        """What the model would have written for what a skill did."""
        return self._box.written(intent)

    def _call_for(self, text: str, language: Language) -> str:
        """Of words that a skill has answered: no model was there, or the data are of an earlier version."""
        intent = self._skills.skills.recogniser.recognise_any(text, language)
        return "" if intent is None or intent.unsure else self._box.written(intent)

    def answer(
        self, text: str, language: Language, turn: int, held: bool = False, goes_on: bool = False
    ) -> Generator[Unit, None, None]:
        """The reply, added to the conversation as it comes, exactly one unit of it last. Close it to cancel.

        One that is `held` is kept from the conversation until that confirms it; one that `goes_on` belongs to the
        exchange that a skill has begun with the turn's other words.
        """
        self.asked = True
        try:
            with self._prefill.give_way():
                yield from self._answer(text, language, turn, held, goes_on)
        finally:
            self.asked = False

    def _answer(self, text: str, language: Language, turn: int, held: bool, goes_on: bool) -> Iterator[Unit]:
        context = self._skills.context
        conversation = context.conversation
        language = context.session.language = guess_language(text, language)
        spoken = context.session.speaks or language
        prompt = self._history.prompt(text, but_last=goes_on)
        names = self._box.may_be_called(text, language) if self.engine.is_small else NONE
        if self.engine.is_small:
            prompt = replace(prompt, callable=NONE)
        reply = Draft(turn, Words(text, language, self._said_before()), SpeakableText(spoken), spoken)
        if not goes_on:
            conversation.begin(Exchange(turn, text, (), spoken), held)
        try:
            if names:
                alone = replace(self._history.alone(text), callable=names, aside=True)
                for _ in asked_for_call(
                    self.engine.answer(alone), reply, lambda call: self._box.enough(call, reply.words)
                ):
                    yield Unit("", reply.language, False)
            if not reply.acts:
                yield from self._written(prompt, reply)
            if reply.acts:
                yield Unit("", reply.language, False, acts=True)
                said = self._carry_out(reply)
                if said is None and not reply.begun:
                    reply.speakable, reply.acts = SpeakableText(spoken), False
                    yield from self._written(replace(prompt, callable=NONE), reply)
                    if not (reply.begun or reply.ending):
                        reply.ending = [choose(reply.language, *NOT_DONE)]
                elif said is not None:
                    reply.ending += said
            ending = reply.ending or ([] if reply.begun else [choose(spoken, *NO_ANSWER)]) or [""]
            if goes_on:
                calls = [*(one.call for one in conversation.exchanges[-1:]), reply.call]
                conversation.extend(turn, ending, "", reply.language, CALL_BETWEEN.join(filter(None, calls)))
            else:
                conversation.extend(turn, ending, reply.written, reply.language, reply.call)
            for unit in ending[:-1]:
                yield Unit(unit, reply.language, False)
            yield Unit(ending[-1], reply.language, True)
        finally:
            conversation.settle(turn, again=goes_on)

    def _written(self, prompt: Prompt, reply: Draft) -> Iterator[Unit]:
        """What the model writes, as it comes."""
        pieces = self.engine.answer(prompt)
        try:
            for unit in self._stream(pieces, reply):
                if unit:
                    self._skills.context.conversation.extend(reply.turn, [unit], language=reply.language)
                yield Unit(unit, reply.language, False)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()

    def _said_before(self) -> str:
        exchanges = self._skills.context.conversation.exchanges[-RECENT:]
        return "\n".join(f"{exchange.user}\n{exchange.reply}" for exchange in exchanges)

    def _stream(self, pieces: Iterator[str], reply: Draft) -> Iterator[str]:
        """The units but those of the end, which are left in `reply`; an empty one where a piece completes none."""
        speakable = reply.speakable
        self.failure = ""
        try:
            for piece in pieces:
                if reply.is_lost:
                    logger.warning("turn %d: the reply goes round in circles; it ends here", reply.turn)
                    break
                units = speakable.push(piece)
                for unit in units:
                    refused = self._refused(unit, reply)
                    if refused:
                        reply.ending = refused
                        return
                    reply.begin(unit)
                    yield unit
                if not units:
                    yield ""
            reply.end(cut=getattr(self.engine, "cut", False))
            refused = self._refused(reply.ending[0], reply) if reply.ending and not reply.acts else []
            if refused:
                reply.ending, reply.written = refused, ""
        except InferenceError as error:
            logger.error("turn %d: %s", reply.turn, error)
            self.failure = str(error)
            reply.ending = [choose(reply.language, *CANNOT_ANSWER)]

    def _refused(self, unit: str, reply: Draft) -> list[str]:
        """What is said instead of a sentence that is not to be: a deed that nobody did, or a tool's name. Else none."""
        if self._box.promised(unit, reply.words):
            logger.warning("turn %d: %r is said without a call of a tool", reply.turn, unit)
            return [choose(reply.language, *NOT_DONE)]
        if self._box.is_named(unit):
            logger.warning("turn %d: %r speaks of a tool", reply.turn, unit)
            return [choose(reply.language, *NO_ANSWER)]
        return []

    def _carry_out(self, reply: Draft) -> list[str] | None:
        """What the tools say; all are understood before the first is called, and none is called twice.

        None for a refused call of something that the user has not asked for: words are due.
        """
        words = reply.words
        intents: list[Intent] = []
        try:
            if len(reply.speakable.calls) > MOST_CALLS:
                raise ToolCallRefusedError(f"{len(reply.speakable.calls)} calls in one reply")
            for call in reply.speakable.calls:
                intent = self._box.asked(call, words)
                if not any((one.name, one.slots) == (intent.name, intent.slots) for one in intents):
                    intents.append(intent)
        except ToolCallRefusedError as refusal:
            logger.warning("turn %d: a tool call is refused: %s", reply.turn, refusal)
            meant = any(self._box.is_meant(call, words.text) for call in reply.speakable.calls)
            return [choose(reply.language, *NOT_DONE)] if meant or reply.begun else None
        reply.call = CALL_BETWEEN.join(filter(None, map(self._box.written, intents)))
        said = []
        for intent in intents:
            try:
                told = self._skills.act(intent).text
            except (ValueError, ArithmeticError, LookupError, TypeError) as error:
                logger.warning("turn %d: %s cannot be done with %s: %s", reply.turn, intent.name, intent.slots, error)
                told = choose(reply.language, *NOT_DONE)
            said += [unit.strip() for unit in split([told]) if unit.strip()]
        return said

    def _facts(self) -> tuple[str, ...]:
        try:
            return facts(self._skills.context.store)
        except DataError as error:
            logger.error("what is remembered cannot be read: %s", error)
            return ()

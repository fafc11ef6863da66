"""The answering stage: a final transcript goes in, the sentences of the reply come out, exactly one of them last.

What a skill is sure of it answers, at no cost; the rest is a language model's where there is one, else nobody's.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from core.messages import FREE_WORDS, Heard, Language, ReplyUnderWay, Sentence, Transcript, TurnFailed
from core.utils.engine_exchange import EngineExchange
from core.utils.errors import DeviceError, ModelError
from llm.assistant import SkillSet
from llm.conversation import Exchange
from llm.prepared import Prepared
from llm.reply_messages import model_messages, sentences_of, skill_messages
from llm.skill_answers import HARMLESS, SkillAnswers
from llm.skills.base import Intent, Reply, choose
from llm.taking_back import TakingBack

if TYPE_CHECKING:
    from llm.language_answers import LanguageAnswers

logger = logging.getLogger(__name__)

SKILLS = "skills"
APOLOGY = ("Sorry, that went wrong.", "Désolée, quelque chose s'est mal passé.")
"""in English and in French"""


def _name(model: LanguageAnswers | None) -> str:
    return model.engine.name if model is not None else SKILLS


class Responder:
    """A stage. `reply(text, language)` answers without a pipeline; both must be called from one thread at a time."""

    def __init__(self, skills: SkillSet) -> None:
        self._skills = SkillAnswers(skills)
        self._context = skills.context
        self._models: EngineExchange[LanguageAnswers | None] = EngineExchange(None, "answers", _name)
        self._may_fall_back = True
        self._load_failure = ""
        self._prepared: Prepared | None = None
        self._taking_back = TakingBack(skills.context)
        self.may_prepare: Callable[[], bool] = lambda: True
        """whether a reply may be prepared while the user pauses, perhaps for nothing"""

    def supersede(self, turn: int) -> None:
        """The user has gone on with this turn's words in a new one; from any thread."""
        self._taking_back.supersede(turn)

    @property
    def skills(self) -> SkillAnswers:
        """What answers first."""
        return self._skills

    @property
    def engine_name(self) -> str:
        """Who answers what the skills do not."""
        return _name(self._language)

    @property
    def fallback_reason(self) -> str:
        """Why no model answers although one was to, or why its last reply failed; empty when all is well."""
        return self._load_failure or (self._language.failure if self._language else "")

    @property
    def has_model_here(self) -> bool:
        """Whether a model on this machine is to answer, loaded or not."""
        return self._language is not None and not self._language.engine.elsewhere

    @property
    def asks_model(self) -> bool:
        """Whether the turn under way waits for a model's words, and not for a skill's."""
        return self._language is not None and self._language.asked

    def get_ready(self) -> None:
        """The model has come back before the words for it: it reads what stands before them. From any thread."""
        if self._language is not None:
            self._language.get_ready()

    def use(self, language: LanguageAnswers, may_fall_back: bool = True) -> None:
        """Answer with a model too, not yet loaded; before `load`. One that cannot be loaded may be done without."""
        self._models.start_with(language)
        self._may_fall_back = may_fall_back

    def offer(self, language: LanguageAnswers) -> bool:
        """Take over to a loaded model, between two messages. False, and it is left alone, once all is closed."""
        return self._models.offer(language)

    def close_retired(self) -> bool:
        """Close what has been replaced, on the calling thread; whether what was offered has been taken since."""
        return self._models.close_retired()

    def load(self) -> None:
        """Read the templates of the session's language, and load the model. Raises what loading it raises.

        Those of the other language are read at their first use, or by `SkillRecogniser.load`.
        """
        self._skills.skills.recogniser.load(self._context.session.language)
        if self._language is None:
            return
        try:
            self._language.load()
            self._tell_skills()
        except (ModelError, DeviceError) as error:
            if not self._may_fall_back:
                raise
            self._load_failure = f"the skills answer alone: {error}"
            logger.warning("%s", self._load_failure)
            self._models.start_with(None)

    def process(self, message: Transcript | TurnFailed) -> Iterator[Sentence | ReplyUnderWay]:
        """The reply to a final transcript, its beginning for one after which the user pauses; nothing for others and
        for silence; an apology for a lost turn.
        """
        prepared = self._prepared
        if prepared is not None and not (isinstance(message, Transcript) and prepared.is_for(message)):
            self._forget_prepared()
        self._begin(message.turn)
        try:
            if isinstance(message, TurnFailed):
                yield from self._apologise(message)
            elif self._prepared is not None:
                prepared, self._prepared = self._prepared, None
                yield from self._go_on(prepared, message)
            elif message.text.strip():
                yield from self._answer(message) if message.final else self._overhear(message)
        finally:
            if self._prepared is None:  # else what is prepared is the present model's
                self._models.end(message.turn)

    def reply(
        self,
        text: str,
        language: Language | None = None,
        turn: int = 0,
        told: Callable[[str], None] = lambda unit: None,
    ) -> Reply:
        """Answer typed text; without `language`, in the session's language or, if it fits only there, the other.

        `told` hears of each unit of a model's reply as it comes.
        """
        self._forget_prepared()
        self._begin(turn)
        try:
            return self._replied(text, language or self._context.session.language, turn, told)
        finally:
            self._models.end(turn)

    def close(self) -> None:
        """Write what was heard last, and give the models back."""
        self._forget_prepared()
        self._context.conversation.flush()
        self._models.close()

    @property
    def _language(self) -> LanguageAnswers | None:
        """The model in use."""
        return self._models.present

    def _replied(self, text: str, language: Language, turn: int, told: Callable[[str], None]) -> Reply:
        self._skills.dismiss()
        intent = self._sure(text, language)
        if intent is None and self._language is not None and text.strip():
            return self._by_model(text, language, turn, told)
        reply = self._by_skill(intent, text, language)
        self._keep(reply, intent, turn, text, (reply.text,), (len(reply.text),))
        told(reply.text)
        if intent is not None and intent.rest and self._language is not None:
            rest = self._by_model(intent.rest, intent.words_language, turn, told, (reply.text,))
            self._skills.undo_both(reply.undo)
            return replace(rest, text=f"{reply.text} {rest.text}".strip())
        return reply

    def _begin(self, turn: int) -> None:
        """The model in use stays until the turn's end, and the skills know of it."""
        self._models.begin(turn)
        self._tell_skills()

    def _tell_skills(self) -> None:
        """Who answers besides them, which they are asked about."""
        if self._language is not None:
            self._context.session.model = "elsewhere" if self._language.engine.elsewhere else "here"

    def _apologise(self, failed: TurnFailed) -> Iterator[Sentence]:
        if not failed.silent:
            language = self._context.session.language
            yield Sentence(failed.turn, failed.revision, 0, choose(language, *APOLOGY), True, language)

    def _answer(self, message: Transcript) -> Iterator[Sentence | ReplyUnderWay]:
        """What the user has said to the end."""
        language = message.language
        words = self._taking_back.answered(message.text, lambda text: self._knows(text, language))
        message = replace(message, text=words)
        self._skills.dismiss()
        self._taking_back.begin(message.turn, message.text)
        intent = self._sure(message.text, message.language)
        if intent is None and self._language is not None:
            with closing(self._language.answer(message.text, message.language, message.turn)) as units:
                yield from model_messages(units, message, self._language.engine)
            return
        if intent is not None and intent.rest and self._language is not None:
            yield from self._told_with_rest(intent, message, self._language)
            return
        misheard = message.source == FREE_WORDS
        yield from self._told(self._by_skill(intent, message.text, message.language, misheard), intent, message)

    def _overhear(self, message: Transcript) -> Iterator[Sentence | ReplyUnderWay]:
        """What the user may go on from: prepared at a pause, else listened to."""
        if message.paused and self.may_prepare() and not self._taking_back.pending:
            yield from self._prepare(message)
        else:
            self._listen(message)

    def _prepare(self, message: Transcript) -> Iterator[Sentence | ReplyUnderWay]:
        """The first sentence of a reply that is heard only if the user has finished. What changes anything waits."""
        intent = self._sure(message.text, message.language)
        if intent is not None and intent.rest:
            self._listen(message)
        elif intent is not None and intent.name in HARMLESS:
            reply = self._skills.draft(intent)
            self._prepared = Prepared(message, intent, reply)
            yield from skill_messages(reply, message, end=1)
        elif intent is None and self._language is not None:
            units = self._language.answer(message.text, message.language, message.turn, held=True)
            prepared = Prepared(message, units=units)
            try:
                for sentence in model_messages(units, message, self._language.engine, until_first=True):
                    prepared.sentences += isinstance(sentence, Sentence)
                    yield sentence
                self._prepared = prepared
            finally:
                if self._prepared is not prepared:
                    prepared.close()

    def _go_on(self, prepared: Prepared, message: Transcript) -> Iterator[Sentence | ReplyUnderWay]:
        """The user has finished: what was prepared is part of the conversation, and the rest of it follows."""
        self._skills.dismiss()
        self._taking_back.begin(message.turn, message.text)
        if prepared.units is not None and self._language is not None:
            with closing(prepared.units):
                self._context.conversation.confirm(message.turn)
                yield from model_messages(prepared.units, message, self._language.engine, prepared.sentences)
        elif prepared.intent is not None and prepared.reply is not None:
            self._skills.settle(prepared.intent, prepared.reply)
            yield from self._told(prepared.reply, prepared.intent, message, 1)

    def _told(self, reply: Reply, intent: Intent | None, message: Transcript, begin: int = 0) -> Iterator[Sentence]:
        """A skill's reply, of which the first `begin` sentences were sent before."""
        self._keep(reply, intent, message.turn, message.text, sentences_of(reply), ())
        yield from skill_messages(reply, message, begin)

    def _told_with_rest(
        self, intent: Intent, message: Transcript, language: LanguageAnswers
    ) -> Iterator[Sentence | ReplyUnderWay]:
        """A skill's reply, and behind it the model's to the rest of the words, in one exchange."""
        reply = self._skills.act(intent)
        texts = sentences_of(reply)
        self._keep(reply, intent, message.turn, message.text, texts, ())
        yield from skill_messages(reply, message, goes_on=True)
        units = language.answer(intent.rest, intent.words_language, message.turn, goes_on=True)
        try:
            with closing(units):
                yield from model_messages(units, message, language.engine, len(texts))
        finally:
            self._skills.undo_both(reply.undo)

    def _forget_prepared(self) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.close()
            self._models.end(prepared.heard.turn)

    def _listen(self, message: Transcript) -> None:
        """While the user speaks, a model gets ready for words that no skill will answer."""
        if self._language is None:
            return
        intent = self._sure(message.text, message.language)
        if intent is None:
            self._language.listen(message.text, message.stable)
        elif intent.rest:
            self._language.listen(intent.rest)

    def _sure(self, text: str, language: Language) -> Intent | None:
        intent = self._skills.find(text, language)
        return None if intent is not None and intent.unsure and self._language is not None else intent

    def _knows(self, text: str, language: Language) -> bool:
        return self._skills.find(text, language) is not None

    def _by_skill(self, intent: Intent | None, text: str, language: Language, misheard: bool = False) -> Reply:
        if intent is None:
            return self._skills.sorry(text, language, misheard)
        reply = self._skills.act(intent)
        return self._skills.without_rest(reply, intent.rest) if intent.rest and self._language is None else reply

    def _by_model(
        self, text: str, language: Language, turn: int, told: Callable[[str], None], before: tuple[str, ...] = ()
    ) -> Reply:
        """A model's reply; `before` are the sentences of the turn's exchange that a skill has begun."""
        assert self._language is not None
        said: list[str] = []
        for unit in self._language.answer(text, language, turn, goes_on=bool(before)):
            if unit.text:
                language = unit.language
                told(unit.text)
                self._context.conversation.heard(Heard(turn, 0, len(before) + len(said), len(unit.text)))
                said.append(unit.text)
        return Reply(" ".join(said), language)

    def _keep(
        self,
        reply: Reply,
        intent: Intent | None,
        turn: int,
        text: str,
        sentences: tuple[str, ...],
        heard: tuple[int, ...],
    ) -> None:
        call = self._language.call_of(intent) if self._language is not None and intent is not None else ""
        self._context.conversation.add(
            Exchange(turn, text, sentences, reply.language, heard, repeatable=reply.repeatable, call=call)
        )

"""The answering stage: a final transcript goes in, the sentences of the reply come out, exactly one of them last.

What a skill is sure of it answers, at no cost; the rest is a language model's where there is one, else nobody's.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from core.messages import FREE_WORDS, Heard, Language, ReplyUnderWay, Sentence, Transcript, TurnFailed
from core.utils.errors import DeviceError, ModelError
from llm.assistant import SkillSet
from llm.conversation import Exchange
from llm.prepared import Prepared
from llm.sentences import split
from llm.skill_answers import HARMLESS, SkillAnswers
from llm.skills.base import Intent, Reply, choose
from llm.taking_back import TakingBack

if TYPE_CHECKING:
    from llm.language_answers import LanguageAnswers, Unit

logger = logging.getLogger(__name__)

SKILLS = "skills"
APOLOGY = ("Sorry, that went wrong.", "Désolée, quelque chose s'est mal passé.")
"""in English and in French"""


def _units(reply: Reply) -> tuple[str, ...]:
    """Its sentences; an empty one where there are none."""
    return tuple(text for unit in split([reply.text]) if (text := unit.strip())) or ("",)


class Responder:
    """A stage. `reply(text, language)` answers without a pipeline; both must be called from one thread at a time."""

    def __init__(self, skills: SkillSet) -> None:
        self._skills = SkillAnswers(skills)
        self._context = skills.context
        self._language: LanguageAnswers | None = None
        self._may_fall_back = True
        self._load_failure = ""
        self._lock = threading.Lock()
        self._next: LanguageAnswers | None = None
        self._retired: list[LanguageAnswers] = []
        self._closed = False
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
        return self._language.engine.name if self._language else SKILLS

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
        self._language, self._may_fall_back = language, may_fall_back

    def offer(self, language: LanguageAnswers) -> bool:
        """Take over to a loaded model before the next message. False, and it is left alone, once all is closed."""
        with self._lock:
            if self._closed:
                return False
            if self._next is not None:
                self._retired.append(self._next)
            self._next = language
            return True

    def close_retired(self) -> bool:
        """Close what has been replaced, on the calling thread; whether what was offered has been taken."""
        with self._lock:
            retired, self._retired = self._retired, []
            taken = self._next is None
        for language in retired:
            language.close()
        return taken

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
            name = self._language.engine.name
            self._load_failure = f"{name} cannot be used, the skills answer alone: {error}"
            logger.warning("%s", self._load_failure)
            self._language = None

    def process(self, message: Transcript | TurnFailed) -> Iterator[Sentence | ReplyUnderWay]:
        """The reply to a final transcript, its beginning for one after which the user pauses; nothing for others and
        for silence; an apology for a lost turn.
        """
        prepared, self._prepared = self._prepared, None
        if prepared is not None and isinstance(message, Transcript) and prepared.is_for(message):
            yield from self._go_on(prepared, message)
            return
        if prepared is not None:
            prepared.close()
        self._take_offered()
        if isinstance(message, TurnFailed):
            if not message.silent:
                language = self._context.session.language
                yield Sentence(message.turn, message.revision, 0, choose(language, *APOLOGY), True, language)
            return
        if not message.text.strip():
            return
        if not message.final:
            if message.paused and self.may_prepare() and not self._taking_back.pending:
                yield from self._prepare(message)
            else:
                self._listen(message)
            return
        language = message.language
        words = self._taking_back.answered(message.text, lambda text: self._knows(text, language))
        message = replace(message, text=words)
        self._skills.dismiss()
        self._taking_back.begin(message.turn, message.text)
        intent = self._sure(message.text, message.language)
        if intent is None and self._language is not None:
            with closing(self._language.answer(message.text, message.language, message.turn)) as units:
                yield from self._spoken(units, message)
            return
        if intent is not None and intent.rest and self._language is not None:
            yield from self._told_with_rest(intent, message, self._language)
            return
        misheard = message.source == FREE_WORDS
        yield from self._told(self._by_skill(intent, message.text, message.language, misheard), intent, message)

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
        self._take_offered()
        language = language or self._context.session.language
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

    def close(self) -> None:
        """Write what was heard last, and give the models back."""
        self._forget_prepared()
        self._context.conversation.flush()
        with self._lock:
            self._closed = True
            models = [*self._retired, *filter(None, (self._next, self._language))]
            self._retired, self._next = [], None
        for language in models:
            language.close()

    def _take_offered(self) -> None:
        with self._lock:
            if self._next is None:
                return
            if self._language is not None:
                self._retired.append(self._language)
            self._language, self._next = self._next, None
        self._tell_skills()
        logger.info("%s answers from now on", self.engine_name)

    def _tell_skills(self) -> None:
        """Who answers besides them, which they are asked about."""
        if self._language is not None:
            self._context.session.model = "elsewhere" if self._language.engine.elsewhere else "here"

    def _prepare(self, message: Transcript) -> Iterator[Sentence | ReplyUnderWay]:
        """The first sentence of a reply that is heard only if the user has finished. What changes anything waits."""
        intent = self._sure(message.text, message.language)
        if intent is not None and intent.rest:
            self._listen(message)
        elif intent is not None and intent.name in HARMLESS:
            reply = self._skills.draft(intent)
            self._prepared = Prepared(message, intent, reply)
            text = _units(reply)[0]
            yield Sentence(message.turn, message.revision, 0, text, len(_units(reply)) == 1, reply.language)
        elif intent is None and self._language is not None:
            units = self._language.answer(message.text, message.language, message.turn, held=True)
            prepared = Prepared(message, units=units)
            try:
                for sentence in self._spoken(units, message, until_first=True):
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
        if prepared.units is not None:
            with closing(prepared.units):
                self._context.conversation.confirm(message.turn)
                yield from self._spoken(prepared.units, message, prepared.sentences)
        elif prepared.intent is not None and prepared.reply is not None:
            self._skills.settle(prepared.intent, prepared.reply)
            yield from self._told(prepared.reply, prepared.intent, message, 1)

    def _told(self, reply: Reply, intent: Intent | None, message: Transcript, begin: int = 0) -> Iterator[Sentence]:
        """A skill's reply, of which the first `begin` sentences were sent before."""
        texts = _units(reply)
        self._keep(reply, intent, message.turn, message.text, texts, ())
        for index, text in enumerate(texts[begin:], begin):
            yield Sentence(message.turn, message.revision, index, text, index == len(texts) - 1, reply.language)

    def _told_with_rest(
        self, intent: Intent, message: Transcript, language: LanguageAnswers
    ) -> Iterator[Sentence | ReplyUnderWay]:
        """A skill's reply, and behind it the model's to the rest of the words, in one exchange."""
        reply = self._skills.act(intent)
        texts = _units(reply)
        self._keep(reply, intent, message.turn, message.text, texts, ())
        for index, text in enumerate(texts):
            yield Sentence(message.turn, message.revision, index, text, False, reply.language)
        units = language.answer(intent.rest, intent.words_language, message.turn, goes_on=True)
        try:
            with closing(units):
                yield from self._spoken(units, message, len(texts))
        finally:
            self._skills.undo_both(reply.undo)

    def _forget_prepared(self) -> None:
        prepared, self._prepared = self._prepared, None
        if prepared is not None:
            prepared.close()

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

    def _spoken(
        self, units: Iterator[Unit], message: Transcript, index: int = 0, until_first: bool = False
    ) -> Iterator[Sentence | ReplyUnderWay]:
        """A model's sentences; with `until_first`, the first, or what comes before it asks for something to be done."""
        for unit in units:
            if unit.text or unit.last:
                yield Sentence(message.turn, message.revision, index, unit.text, unit.last, unit.language)
                index += 1
            elif not unit.acts:
                engine = self._language.engine if self._language is not None else None
                yield ReplyUnderWay(message.turn, message.revision, getattr(engine, "prefill_s", None))
            if until_first and (index or unit.acts):
                return

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

"""The answering stage: a final transcript goes in, the sentences of the reply come out, exactly one of them last.

A skill whose data cannot be written costs a short spoken apology, not the assistant.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from core.messages import Language, Sentence, Transcript, TurnFailed
from core.utils.errors import DataError
from llm.assistant import SkillSet
from llm.conversation import Exchange
from llm.sentences import split
from llm.skills.base import Reply, Undoable, choose
from llm.skills.languages import guess_language

logger = logging.getLogger(__name__)

APOLOGY = ("Sorry, that went wrong.", "Désolée, quelque chose s'est mal passé.")
"""in English and in French"""


class Responder:
    """A stage. `reply(text, language)` answers without a pipeline; both must be called from one thread at a time."""

    def __init__(self, skills: SkillSet) -> None:
        self._skills = skills
        self._context = skills.context

    def load(self) -> None:
        """Read the templates of both languages."""
        self._skills.recogniser.load()

    def process(self, message: Transcript | TurnFailed) -> Iterator[Sentence]:
        """The reply to a final transcript, nothing for others and for silence; an apology for a lost turn."""
        if isinstance(message, TurnFailed):
            if not message.silent:
                language = self._context.session.language
                yield Sentence(message.turn, message.revision, 0, choose(language, *APOLOGY), True, language)
            return
        if not message.final or not message.text.strip():
            return
        reply = self._answer(message.text, message.language)
        units = [unit.strip() for unit in split([reply.text])]
        units = [unit for unit in units if unit] or [""]
        self._context.conversation.add(
            Exchange(message.turn, message.text, tuple(units), reply.language, repeatable=reply.repeatable)
        )
        for index, unit in enumerate(units):
            last = index == len(units) - 1
            yield Sentence(message.turn, message.revision, index, unit, last, reply.language)

    def reply(self, text: str, language: Language | None = None, turn: int = 0) -> Reply:
        """Answer typed text; without `language`, in the session's language or, if it fits only there, the other."""
        reply = self._answer(text, language or self._context.session.language)
        heard = (len(reply.text),)
        self._context.conversation.add(
            Exchange(turn, text, (reply.text,), reply.language, heard, repeatable=reply.repeatable)
        )
        return reply

    def close(self) -> None:
        """Write what was heard last."""
        self._context.conversation.flush()

    def _answer(self, text: str, language: Language) -> Reply:
        session = self._context.session
        self._dismiss()
        intent = self._skills.recogniser.recognise_any(text, language)
        if intent is None:
            return self._sorry(text, language)
        session.language = intent.language
        try:
            reply = self._skills.act(intent)
        except DataError as error:
            logger.error("%s failed: %s", intent.name, error)
            return Reply(
                choose(
                    intent.language,
                    "Sorry, I couldn't save that. The disk may be full or read-only.",
                    "Désolée, je n'ai pas pu enregistrer. Le disque est peut-être plein ou protégé.",
                ),
                intent.language,
                understood=True,
            )
        if reply.undo is not None:
            session.undoable = Undoable(reply.undo, self._context.clock.monotonic())
        if reply.result is not None:
            session.result = reply.result
        return reply

    def _dismiss(self) -> None:
        """Any word of the user's ends an alarm that rings."""
        try:
            self._context.schedule.dismiss()
        except DataError as error:
            logger.error("the alarm could not be dismissed: %s", error)

    def _sorry(self, text: str, language: Language) -> Reply:
        language = guess_language(text, language)
        logger.info("not understood: %r", text)
        said = choose(
            language,
            "Sorry, I can't do that yet. Ask me what I can do.",
            "Désolée, je ne sais pas encore faire cela. Demandez-moi ce que je sais faire.",
        )
        return Reply(said, language, understood=False)

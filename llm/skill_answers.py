"""Answers by the skills: finds what is meant, carries it out, and remembers what can be taken back or gone on from."""

from __future__ import annotations

import logging
from dataclasses import replace

from core.messages import Language
from core.utils.errors import DataError
from llm.assistant import SkillSet
from llm.skills.base import Context, Intent, Reply, Undoable, choose
from llm.skills.languages import guess_language

logger = logging.getLogger(__name__)

HARMLESS = frozenset({"TellTime", "TellDate", "TellWeekday", "TellYear", "Calculate", "Convert"}) | frozenset(
    {"Capabilities", "WhoAreYou", "HowAreYou", "CannotDo", "TimeLeft", "ListTimers", "ListAlarms", "ListReminders"}
    | {"ReadNotes", "ReadItems", "HasItem", "ListFacts"}
)
"""intents that change nothing: their replies may be prepared before it is known that the user has finished"""
QUOTED_WORDS = 12
"""how many of the words that were perhaps misheard are said again"""


class SkillAnswers:
    """A skill whose data cannot be written costs a short spoken apology, not the assistant."""

    def __init__(self, skills: SkillSet) -> None:
        self.skills = skills

    @property
    def context(self) -> Context:
        """What the skills share."""
        return self.skills.context

    def find(self, text: str, language: Language) -> Intent | None:
        """What a text asks for, in this language or, if it fits only there, the other; None: no skill's business."""
        return self.skills.recogniser.recognise_any(text, language)

    def act(self, intent: Intent) -> Reply:
        """Carry an intent out."""
        reply = self.draft(intent)
        self.settle(intent, reply)
        return reply

    def draft(self, intent: Intent) -> Reply:
        """Carry an intent out, and remember nothing of it; for `HARMLESS` ones that perhaps nobody will hear."""
        speaks = self.context.session.speaks
        if speaks not in (None, intent.language):
            intent = replace(intent, language=speaks, heard_in=intent.language)
        try:
            return self.skills.act(intent)
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

    def settle(self, intent: Intent, reply: Reply) -> None:
        """What is said about an intent is said: remember what can be taken back or gone on from."""
        session = self.context.session
        session.language = intent.language
        if reply.undo is not None:
            session.undoable = Undoable(reply.undo, self.context.clock.monotonic())
        if reply.result is not None:
            session.result = reply.result

    def dismiss(self) -> None:
        """Any word of the user's ends an alarm that rings."""
        try:
            self.context.schedule.dismiss()
        except DataError as error:
            logger.error("the alarm could not be dismissed: %s", error)

    def sorry(self, text: str, language: Language, misheard: bool = False) -> Reply:
        """For what no skill does. English that was perhaps `misheard` is said again, so that the user knows."""
        language = self.context.session.speaks or (language if misheard else guess_language(text, language))
        logger.info("not understood: %r", text)
        if misheard and language == "en":
            words = text.split()
            heard = " ".join([*words[:QUOTED_WORDS], *(["…"] if len(words) > QUOTED_WORDS else [])])
            return Reply(f'I heard "{heard}"; I can\'t help with that.', language, understood=False)
        said = choose(
            language,
            "Sorry, I can't do that yet. Ask me what I can do.",
            "Désolée, je ne sais pas encore faire cela. Demandez-moi ce que je sais faire.",
        )
        return Reply(said, language, understood=False)

"""Answers by the skills: finds what is meant, carries it out, and remembers what can be taken back or gone on from."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import replace

from core.messages import Language
from core.utils.errors import DataError
from llm.apologies import NOT_UNDERSTOOD
from llm.assistant import SkillSet
from llm.correcting import corrected, corrected_within
from llm.joined import joined, undo_of
from llm.listed import of_last_list
from llm.named_timers import OF_TIMERS, of_named_timer
from llm.near_words import perhaps_meant
from llm.replacing import done_instead
from llm.skills import shopping
from llm.skills.base import ANSWER, Asked, Context, Intent, Reply, Undo, Undoable, choose
from llm.skills.beside import beside
from llm.skills.hesitations import without_hesitations
from llm.skills.languages import guess_language
from llm.skills.normalise import normalise
from llm.skills.several import several
from llm.skills.vocabulary import Vocabulary
from llm.spoken_of import of_last_kind

logger = logging.getLogger(__name__)

HARMLESS = frozenset({"TellTime", "TellDate", "TellWeekday", "TellYear", "TellWeek", "DaysUntil"}) | frozenset(
    {"DaysSince", "TimeUntil", "Calculate", "Convert", "Capabilities", "WhoAreYou", "HowAreYou", "CannotDo"}
    | {"WhatDidIAsk", "TimeLeft", "ListTimers", "ListAlarms", "ListReminders", "ReadNotes", "ReadItems"}
    | {"HasItem", "ListFacts", "TellTimeIn", "TimeDifference", "DateIn", "NextAlarm", "FindNote", "TellVolume"}
    | {
        "TellTimeThere",
        "TellTimeAndDate",
        "ReadList",
        "NameLists",
        "Spell",
        "HowTo",
        "WhySlow",
        "DaysBetween",
        "TellStopwatch",
    }
)
"""intents that change nothing: their replies may be prepared before it is known that the user has finished"""
NO_ANSWER = "CannotDo"
"""an intent that the answer to a question is understood as sooner: "take a note", then "call Bob" """
REMINDS = "SetReminder"
AGAIN = "Repeat"
AGREES = "SaysYes"
LEAVES_OPEN = frozenset({AGAIN, AGREES, "Agreed"})
"""leave a question open"""
ENDS_QUESTION = frozenset({"NeverMind", "Stop", AGAIN})
"""intents that even the answer to "what shall I note?" may be"""
_AROUND_ANSWER: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:the one|that one|the|my)\s+|\s+(?:one|timer|alarm|reminder|of them|please)$", re.IGNORECASE),
    "fr": re.compile(
        r"^(?:(?:celui|celle)\s+(?:pour\s+)?(?:des?|du|d['’])?|les?|la|l['’])\s*\b|\s+s'il te plaît$", re.IGNORECASE
    ),
}
_DO_IT = re.compile(
    r"(?:yes|yeah|oui|ok|okay)?,?\s*(?:ok|okay|fine|all ?right|alright|go ahead|(?:please )?(?:do (?:it|that|so)|do|"
    r"add (?:it|them))(?: please)?|d'accord|vas-y|allez-y|ajoute(?:-l[ea]s?)?|ajoutez(?:-l[ea]s?)?)",
    re.IGNORECASE,
)
"""agrees to what was offered, besides "yes" """
_OTHER: dict[Language, Language] = {"en": "fr", "fr": "en"}
_ANY_WORD = "something"
QUOTED_WORDS = 12
"""how many of the words that were perhaps misheard are said again"""


class SkillAnswers:
    """A skill whose data cannot be written costs a short spoken apology, not the assistant."""

    def __init__(self, skills: SkillSet) -> None:
        self.skills = skills
        self._vocabularies: dict[Language, Vocabulary] = {}

    @property
    def context(self) -> Context:
        """What the skills share."""
        return self.skills.context

    def find(self, text: str, language: Language) -> Intent | None:
        """What a text asks for, in this language or, if it fits only there, the other; None: no skill's business."""
        recogniser, text = self.skills.recogniser, without_hesitations(text)
        intent = recogniser.recognise_any(text, language)
        intent = several(text, intent, intent.language if intent else language, recogniser.recognise) or intent
        if intent is not None and intent.name in OF_TIMERS and not intent.word("name"):
            intent = self._of_named_timer(text, language) or intent
        if intent is not None and intent.name == REMINDS:
            intent = corrected_within(text, recogniser.recognise, intent) or intent
        asked = self._asked()
        if (
            asked is not None
            and asked.meant
            and ((intent is not None and intent.name == AGREES) or _DO_IT.fullmatch(text.strip(" .,;:!")))
        ):
            return recogniser.recognise(asked.meant, asked.language)
        if asked is not None and asked.any_words and (intent is None or intent.name not in ENDS_QUESTION):
            return self._kept(text, asked) or intent
        of_last = self._of_last_list(text, intent, language) or self._of_last_kind(text, language)
        if of_last is not None:
            return of_last
        if intent is None or intent.name == NO_ANSWER:
            known = self._answer(text) or self._of_list(text, language) or self._corrected(text)
            known = known or self._of_named_timer(text, language)
            return known or self._beside(text, intent, language) or intent
        return self._beside(text, intent, intent.language) or intent

    def _beside(self, text: str, whole: Intent | None, language: Language) -> Intent | None:
        recognise = self.skills.recogniser.recognise
        found = beside(text, whole, language, recognise)
        return beside(text, None, _OTHER[language], recognise) if found is None and whole is None else found

    def _of_named_timer(self, text: str, language: Language) -> Intent | None:
        timers = self.context.schedule.items("timer")
        recognise, other = self.skills.recogniser.recognise, _OTHER[language]
        return of_named_timer(text, language, timers, recognise) or of_named_timer(text, other, timers, recognise)

    def _of_last_list(self, text: str, intent: Intent | None, language: Language) -> Intent | None:
        session, recognise = self.context.session, self.skills.recogniser.recognise
        whole = None if intent is not None and intent.name == NO_ANSWER else intent
        return next(
            filter(None, (of_last_list(text, whole, one, session, recognise) for one in (language, _OTHER[language]))),
            None,
        )

    def _of_last_kind(self, text: str, language: Language) -> Intent | None:
        session, recognise = self.context.session, self.skills.recogniser.recognise
        found = of_last_kind(text, language, session, recognise)
        return found or of_last_kind(text, _OTHER[language], session, recognise)

    def _of_list(self, text: str, language: Language) -> Intent | None:
        things, recognise = self.context.store.entries(shopping.LIST), self.skills.recogniser.recognise
        last = self.context.session.last
        for one in (language, _OTHER[language]):
            found = shopping.of_listed(text, one, things, recognise)
            if found is not None:
                return found
            more = shopping.one_more(text, one, last, recognise)
            if more is not None:
                return self._of_last_list(text, more, one) or more
        return None

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
        if intent.parts:
            return joined(self._drafts(intent.parts), intent.language)
        try:
            return self._changed(intent) if intent.corrects else self.skills.act(intent)
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

    def _drafts(self, parts: Sequence[Intent]) -> list[Reply]:
        """The parts one after another: each may go on from the last one's result."""
        session = self.context.session
        before, replies = (session.result, session.measured), []
        for part in parts:
            replies.append(self.draft(part))
            if replies[-1].result is not None:
                session.result, session.measured = replies[-1].result, replies[-1].measured
        session.result, session.measured = before
        return replies

    def settle(self, intent: Intent, reply: Reply) -> None:
        """What is said about an intent is said: remember what can be taken back or gone on from."""
        session = self.context.session
        session.language = intent.language
        now = self.context.clock.monotonic()
        if reply.asks or reply.offers:
            session.asked = Asked(reply.asks, intent.words_language, now, reply.any_words, reply.offers)
        elif intent.name not in LEAVES_OPEN:
            session.asked = None
        if reply.undo is not None:
            session.undoable = Undoable(reply.undo, now, None if intent.parts else intent)
        elif session.undoable is not None:
            session.undoable = replace(session.undoable, followed=True)
        if reply.result is not None:
            session.result, session.measured = reply.result, reply.measured
        session.last, session.last_list = intent.name, intent.word("list_of")

    def _corrected(self, text: str) -> Intent | None:
        now, recognise = self.context.clock.monotonic(), self.skills.recogniser.recognise
        return corrected(text, self.context.session.undoable, now, recognise) or corrected_within(text, recognise)

    def _changed(self, intent: Intent) -> Reply:
        """Do what is meant instead of the last action, which stays where this one cannot be done."""
        before = self.context.session.undoable
        if before is None:
            return self.skills.act(intent)
        return done_instead(before.undo, lambda: self.skills.act(intent), self.context, intent.language)

    def _answer(self, text: str) -> Intent | None:
        """What the text asks for as the answer to the question that was asked last."""
        asked = self._asked()
        if asked is None:
            return None
        words = text.strip(" .,;:!?")
        forms = dict.fromkeys((words, _AROUND_ANSWER[asked.language].sub("", words)))
        sentences = [sentence.replace(ANSWER, form) for form in forms if form for sentence in asked.sentences]
        found = [self.skills.recogniser.recognise(sentence, asked.language) for sentence in sentences]
        return min(filter(None, found), key=lambda intent: len(intent.open_slots), default=None)

    def _kept(self, text: str, asked: Asked) -> Intent | None:
        """The text as the free words of the sentence that it answers, whatever else they could mean."""
        words, (sentence, *_) = text.strip().strip(" .,;:!?"), asked.sentences
        found = self.skills.recogniser.recognise(sentence.replace(ANSWER, _ANY_WORD), asked.language)
        if found is None or not words:
            return None
        slots = {name: words if name in found.open_slots else value for name, value in found.slots.items()}
        return replace(found, said=normalise(text, asked.language), slots=slots)

    def _asked(self) -> Asked | None:
        """The question that was asked last, if it still waits for its answer."""
        asked = self.context.session.asked
        return asked if asked is not None and asked.open_at(self.context.clock.monotonic()) else None

    def dismiss(self) -> None:
        """Any word of the user's ends an alarm that rings."""
        try:
            self.context.schedule.dismiss()
        except DataError as error:
            logger.error("the alarm could not be dismissed: %s", error)

    def sorry(self, text: str, language: Language, misheard: bool = False) -> Reply:
        """For what no skill does. English that was perhaps `misheard` is said again, so that the user knows."""
        language = self.context.session.speaks or (language if misheard else guess_language(text, language))
        self.context.session.asked = None
        logger.info("not understood: %r", text)
        if misheard and language == "en":
            words = text.split()
            heard = " ".join([*words[:QUOTED_WORDS], *(["…"] if len(words) > QUOTED_WORDS else [])])
            return Reply(f'I heard "{heard}"; I can\'t help with that.', language, understood=False)
        if not misheard and (meant := self._meant(text, language)):
            self.context.session.asked = Asked((), language, self.context.clock.monotonic(), meant=meant)
            said = choose(language, f'Did you mean "{meant}"?', f"Vouliez-vous dire « {meant} » ?")
            return Reply(said, language, understood=False)
        return Reply(choose(language, *NOT_UNDERSTOOD), language, understood=False)

    def undo_both(self, before: Undo | None) -> None:
        """What was done in one turn is taken back as one: by a skill `before`, and then by a model's call."""
        session = self.context.session
        last = session.undoable
        if before is None or last is None or last.undo is before:
            return
        both = undo_of((before, last.undo))
        session.undoable = replace(last, undo=both, intent=None)

    def without_rest(self, reply: Reply, rest: str) -> Reply:
        """A reply with what is said, where no model answers, of what was asked for besides."""
        known = self.skills.recogniser.recognise_any(rest, reply.language)
        if known is not None:
            return joined([reply, self.draft(known)], reply.language)
        logger.info("not understood: %r", rest)
        cannot = choose(
            reply.language,
            f'I can\'t do the rest yet: "{rest}".',
            f"Le reste, je ne sais pas encore le faire : « {rest} ».",
        )
        said = (cannot, reply.text) if reply.asks else (reply.text, cannot)
        return replace(reply, text=" ".join(filter(None, said)))

    def _meant(self, text: str, language: Language) -> str:
        """A command that the text is, but for a slip of a finger; empty where it is none."""
        recogniser = self.skills.recogniser
        if language not in self._vocabularies:
            self._vocabularies[language] = recogniser.vocabulary(self.skills.actions, "", language)
        fitting: list[str] = []
        for meant in perhaps_meant(text.strip(" .!?"), self._vocabularies[language], language):
            found = recogniser.recognise(meant, language)
            if found is not None and not found.open_slots and found.name != NO_ANSWER:
                fitting.append(meant)
        asked_for = {
            str((found.name, dict(found.slots))) for one in fitting if (found := recogniser.recognise(one, language))
        }
        return fitting[0] if len(asked_for) == 1 else ""

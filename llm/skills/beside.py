"""A command with something else in one breath, "set a timer and tell me a colour", as an intent with a rest.

A text is cut as `several` cuts it, and only where one side is a command and the other begins as a request or a question
does: "add salt and pepper to the list" is one thing, and so is what is dictated. Of a text that begins with the rest
that has to be short and without a clause of its own, for a command at the end of a story is part of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from core.messages import Language
from llm.skills import dialogue, smalltalk
from llm.skills.base import Intent
from llm.skills.several import MOST_CUTS, cuts_of, in_breath, may_hold_another, several, together

CANNOT = "CannotDo"
_TALK = smalltalk.SKILL.actions.keys() | dialogue.SKILL.actions.keys()
"""no deeds: what stands beside a greeting or a "stop" is answered with it"""
_NOUN = "noun"
"""the group of those beginnings that may be things as well: "play dough" goes on a list"""
MOST_WORDS_BEFORE = 9
"""of a rest that comes first"""
_ASKS: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"(?:(?:please|then|also|can you|could you|would you|will you)\s+)*(?:"
        r"(?:tell|give|show|read|teach|help|send|find|recommend|sing|write) (?:me|us)\b|"
        r"(?:wake|remind|tell|warn|alert|let|ask|call) (?:up )?(?:my|our|the) [a-z]+\b|let (?:me|us) know\b|"
        r"(?P<noun>(?:explain|describe|suggest|recommend|write|sing|play|translate|spell|define|compare|name|say|"
        r"put on|call|text|phone|email|send|open|(?:turn|switch) (?:on|off))\s+(?!(?:it|that|this|them)\b))|"
        r"(?:what|who|whose|which|why|how|where)(?:['’]?s|['’]re)?\s|when (?:is|was|did|does|will|are)\b|"
        r"(?:is|are|was|were|will) (?:it|there|that|the|he|she|they)\s|(?:do|did|are|have) you\s|"
        r"(?:should|can|do) (?:i|we)\s"
        r")",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"(?:(?:s['’]il te plaît|aussi|ensuite|peux[- ]tu|pourrais[- ]tu|tu peux|tu pourrais|veux[- ]tu)\s+)*(?:"
        r"(?:dis|donne|raconte|explique|montre|lis|propose|conseille|trouve|aide|parle|fais|chante|écris|préviens|"
        r"avertis)[- ]moi\b|"
        r"(?:réveille|préviens|avertis|rappelle à|dis à|demande à|appelle) (?:aussi )?(?:mon|ma|mes|nos|notre) \w+|"
        r"(?:me (?:dire|donner|raconter|expliquer|montrer|proposer))\b|"
        r"(?P<noun>(?:raconte|explique|décris|propose|conseille|écris|chante|joue|traduis|épelle|définis|compare|"
        r"cite|appelle|téléphone|envoie|allume|éteins|ouvre)\s)|"
        r"(?:qui|pourquoi|comment|combien|où|quels?|quelles?|quoi)\s|quand (?:est|a|ont|sont|était|sera)\b|"
        r"qu['’](?:est|en)\b|que (?:sais|penses|veut|signifie|peux|faut)\b|c['’]est (?:qui|quoi|où|quand)\b|"
        r"est[- ]ce (?:que|qu['’])|y a[- ]t[- ]il\b|(?:as|es|connais|sais|penses)[- ]tu\b"
        r")",
        re.IGNORECASE,
    ),
}
_CLAUSE: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^how (?:do|can|to|should|would|does)\b|\s(?:who|that|which|how|when|where|if|while|because|to|after|"
        r"before|until|saying|she|he|they|we|got|was)\s",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"^comment (?:on|faire|je|puis|peut)\b|\s(?:qui|que|comment|quand|si|parce|pour|après|avant|jusqu|"
        r"disant|il|elle|ils|elles|on)\s|\squ['’]",
        re.IGNORECASE,
    ),
}
_NOTHING_MORE: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:(?:please|can you|could you|would you|will you)\s+)*(?:tell|give|show|call|warn|let) me "
        r"?(?:know\b ?)?(?:$|(?:the )?(?:result|answer|total|sum)$|"
        r"(?:when|once|if|as soon as|how (?:much|many|long)|what) (?:it|that|they|the time|the timer|i|you)\b)",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"^(?:dis|donne|préviens|avertis|appelle|montre)[- ]moi ?(?:$|(?:le résultat|la réponse|le total)$|"
        r"(?:quand|dès que?|lorsque?|combien|si) )",
        re.IGNORECASE,
    ),
}
"""asks for what the command says anyway, or does by itself"""
_COMMA = re.compile(r",\s+(?!(?:and|then|also|et|puis|ensuite)\b)", re.IGNORECASE)
_MESSAGES = "messages"
MOST_WORDS_OF_A_CALL = 3
"""a message's text goes on to the end, commands and all; "call mum" is none"""

Recognise = Callable[[str, Language], Intent | None]


def beside(text: str, whole: Intent | None, language: Language, recognise: Recognise) -> Intent | None:
    """The text as a command with its `rest`, or with what cannot be done; None where it is no such thing.

    `whole` is what it was taken for as one. A command that only perhaps is one makes all of it `unsure`.
    """
    recognise = in_breath(recognise)
    if whole is not None and not (whole.name == CANNOT or whole.unsure or may_hold_another(whole, language)):
        return None
    cuts = sorted((*cuts_of(text, language), *_COMMA.finditer(text)), key=lambda cut: cut.start())
    if len(cuts) > MOST_CUTS:
        return None
    halves = [(text[: cut.start()].strip(" \t,"), text[cut.end() :].strip(" \t.!?")) for cut in cuts]
    for before, after in reversed(halves):
        asked = _ASKS[language].match(after)
        if asked is None or (whole is not None and whole.name != CANNOT and asked[_NOUN]):
            continue
        if found := _command(before, language, recognise):
            return _with(found, after, text, language, recognise)
    for before, after in halves:
        if _is_short_request(before, language) and (found := _command(after, language, recognise)):
            return _with(found, before, text, language, recognise)
    return None


def _command(text: str, language: Language, recognise: Recognise) -> Intent | None:
    """A command or several, at least one of which does or tells something."""
    one = recognise(text, language)
    found = several(text, one, language, recognise) or one
    if found is None or all(part.name in _TALK for part in found.parts or (found,)):
        return None
    return found


def _is_short_request(text: str, language: Language) -> bool:
    words = text.split()
    return (
        1 < len(words) <= MOST_WORDS_BEFORE
        and _ASKS[language].match(text) is not None
        and _CLAUSE[language].search(text) is None
    )


def _with(found: Intent, rest: str, text: str, language: Language, recognise: Recognise) -> Intent | None:
    """The command with the rest, which may hold another one."""
    said = replace(found.said, original=text)
    if _NOTHING_MORE[language].match(rest):
        return replace(found, said=said)
    known = recognise(rest, language)
    if known is not None and known.name == CANNOT and not known.unsure:
        is_dictated = known.word("topic") == _MESSAGES and len(rest.split()) > MOST_WORDS_OF_A_CALL
        return None if is_dictated else together(text, found, known)
    further = beside(rest, known, language, recognise)
    if further is not None:
        return replace(together(text, found, further), rest=further.rest)
    return replace(found, said=said, rest=rest)

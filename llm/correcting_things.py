"""The last thing put on the shopping list put right: "no, oat milk", "I meant salted butter", "plutôt du beurre".

Only where the words say that they correct, share a word with what they correct, or are short after a "no" that a pause
follows. Of several things that were added in one go only the one is changed that shares a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from core.messages import Language
from llm.skills.base import Intent
from llm.skills.normalise import fold
from llm.skills.numbers import words_of
from llm.skills.shopping import item_names

_LEAD: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"^(?:(?P<sure>actually|rather|i (?:meant|mean|said)|make (?:it|that)|change (?:it|that) to)\b[\s,.;:!-]*|"
        r"(?:no|nope|wait|sorry|oops|oh|well)\b(?P<pause>\s*[,.])?[\s,.;:!-]*)+",
        re.IGNORECASE,
    ),
    "fr": re.compile(
        r"^(?:(?P<sure>en fait|plutôt|je voulais dire|j'ai dit|(?:mets|change)[- ]l[ea] (?:en|pour)|"
        r"remplace[- ]l[ea] par)\b[\s,.;:!-]*|"
        r"(?:non|nan|attends|pardon|désolée?|oups|enfin)\b(?P<pause>\s*[,.])?[\s,.;:!-]*)+",
        re.IGNORECASE,
    ),
}
_NOT_THAT = re.compile(r"^(?:not|pas)\s(?P<old>.+?)(?:,|\bbut\b|\bmais\b)\s*", re.IGNORECASE)
_WITHOUT = re.compile(r"\b(?:no|non)\s+$", re.IGNORECASE)
"""where nothing stands between it and the thing that thing is not wanted: "actually no bread" """
_NOT = re.compile(r"(?:not|pas|no|non)\b", re.IGNORECASE)
_TAIL = re.compile(
    r"[\s,]+(?:instead|rather|please|thanks|plutôt|à la place|s'il (?:te|vous) plaît)[\s.!]*$", re.IGNORECASE
)
_ARTICLE: dict[Language, re.Pattern[str]] = {
    "en": re.compile(r"^(?:an?|some|the)\s+", re.IGNORECASE),
    "fr": re.compile(r"^(?:de l['’]|du|de la|des|les?|la|une?|[ld]['’])\s*\b", re.IGNORECASE),
}
_THING: dict[Language, str] = {"en": "add {}", "fr": "ajoute {}"}
ADDS, CHANGES = "AddItem", "ChangeItem"
MOST_WORDS_AFTER_NO = 2
_NO_THINGS = frozenset(
    words_of("really seriously continue way problem worries need idea kidding chance good bad no not stop wait please")
    + words_of("vraiment continue rien jamais personne laisse arrete attends non pas merci si bon mal grave")
)
"""what "no" is said with"""
_SAME_IN_MANY = frozenset(words_of("of the a an some and de du des la le les l d et"))

Recognise = Callable[[str, Language], Intent | None]


def another_thing(language: Language, text: str, before: Intent, recognise: Recognise) -> Intent | None:
    """The change of what `before` put on the list; None where the text puts nothing right."""
    lead = _LEAD[language].match(text)
    if lead is None or before.parts:
        return None
    words = _TAIL.sub("", text[lead.end() :])
    sure = lead["sure"] is not None or len(words) < len(text[lead.end() :])
    sure = sure and _WITHOUT.search(text[: lead.end()]) is None
    negated = _NOT_THAT.match(words)
    words = words[negated.end() if negated else 0 :].strip(" ,.;:!?")
    thing = _ARTICLE[language].sub("", words)
    if _NOT.match(words):
        return None
    anew = recognise(_THING[language].format(thing), language) if thing else None
    if anew is None or anew.name != ADDS or anew.parts:
        return None
    thing = anew.word("item")
    said, names = _words(thing), item_names(before, "new" if before.name == CHANGES else "item")
    meant = _words(negated["old"]) if negated else said
    alike = [name for name in names if _words(name) & meant]
    short = lead["pause"] is not None and len(said) <= MOST_WORDS_AFTER_NO and not said & _NO_THINGS
    if any(_words(name) == said for name in names):
        return None  # "no bread" of bread puts nothing else in its place
    if len(alike) != 1 and (len(names) > 1 or not (sure or short)):
        return None
    return replace(
        before, name=CHANGES, said=replace(anew.said, original=text), language=language, heard_in=None, rest="",
        slots={"item": (alike or names)[0], "new": thing},
    )  # fmt: skip


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", fold(text))) - _SAME_IN_MANY

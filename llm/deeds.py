"""Whether a reply in words tells of a deed that nobody has done: models say so where a call would have been due.

Three ways of it are known by their form, whatever the words: the user's own thing is told of as it now is, something
is done or will be to them or to it, or the request is accepted. Only a request can be; a question is answered.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.messages import Language
from llm.grounding import is_about, numbers_in, telling
from llm.skills.normalise import fold

_OPEN = re.compile(
    r"\?[\s\"'”’»)]*$|\b(?:not|never|cannot|without|if|unless|would|can|could|should|might|may|must|ne|pas|jamais|sans|si|"
    r"peux|peut|pouvez|pourrais|pourriez|faut|faudrait|devrait|unable|sorry|incapable|desolee?)\b|n[’']t\b|\bn[’']|\bs[’']il"
)
"""folded; a question, a denial, a condition or advice tells of no deed"""
_OWN = re.compile(
    r"\b(?:the|your|my|this|le|la|les|votre|vos|ton|ta|tes|ce|cette)\b((?: [\w’'-]+){1,4})|\b[l](?:[’'])(\w+)"
)
"""folded; what is definite is there already"""
_DONE = re.compile(
    r"\b(?:am|is|are|was|were|be|been|being|est|sont|ete|sera|serez|seras)\b(?: \w+){0,2}? (\w+)"
    r"|^(?:\w+[,!.:] )?(\w+ed)\b|\b(\w+ed)[.!]?$"
)
"""folded; a passive, or a participle at either end"""
_WILL = re.compile(
    r"\b(?:you will|you[’']ll|i am going to|i[’']m going to|vous (?:allez|aurez|serez)|tu (?:vas|auras))\b"
)
_YES_OR_NO = re.compile(r"(?:is|are|was|were|does|did|has|have|do (?:i|you|we|they|people)|est|sont|est-ce)\b")
"""folded; how a question begins that is no request"""
_DOING = re.compile(r"^(?:\w+[,!.:] )?\w{2,}ing (?:you|it|that|this)\b")
"""folded; "I am" is left out"""
_ACCEPTED = re.compile(
    r"^(?:ok(?:ay)?|sure(?: thing)?|got it|all ?right|right|of course|certainly|absolutely|no problem|will do|"
    r"very well|done|all set|you[’']re all set|d[’']accord|entendu|bien sur|tres bien|compris|parfait|pas de probleme|"
    r"c[’']est fait|voila|noted?)\b"
)
"""folded"""
_IS_DONE = re.compile(
    r"^(?:it is |it[’']s |that[’']s )?(?:all )?(?:done|noted|set)[.!]?$|^(?:c[’']est )?(?:fait|note|regle)[.!]?$"
)
"""folded; the whole of it"""


def tells_of_a_deed(unit: str, request: str, tools: Iterable[frozenset[str]], language: Language) -> bool:
    """Whether a sentence claims what was asked for; `tools` are the words of those that the request may mean."""
    words = frozenset().union(*tools)
    folded = fold(unit).strip()
    if _IS_DONE.search(folded):
        return True
    if _OPEN.search(folded) or _YES_OR_NO.match(fold(request)):
        return False
    own = (found[1] or found[2] for found in _OWN.finditer(folded))
    if any(not words.isdisjoint(_singular(thing)) for thing in own) or _DOING.search(folded):
        return True
    if any(is_about(found[1] or found[2] or found[3], words) for found in _DONE.finditer(folded)):
        return True
    if _WILL.search(folded) and is_about(folded, words):
        return True
    accepted = _ACCEPTED.match(folded)
    return accepted is not None and _is_of(folded[accepted.end() :], request, language)


def _is_of(text: str, request: str, language: Language) -> bool:
    """Whether a text goes on with something that was asked for."""
    if not numbers_in(text, language).isdisjoint(numbers_in(request, language)):
        return True
    return any(is_about(request, frozenset((word,))) for word in telling((text,)))


def _singular(text: str) -> set[str]:
    """Its words, with and without the sign of a plural: "minutes" are no "minuteur"."""
    return {form for word in text.split() for form in (word, word.removesuffix("s"))}

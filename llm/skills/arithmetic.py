"""Sums in words and digits. Templates give the spoken forms; anything longer is read by `expression`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.messages import Language
from llm.skills.base import Context, Intent, Reply, Skill, reply
from llm.skills.expression import NotASum, evaluate
from llm.skills.normalise import Token, Utterance
from llm.skills.numbers import words_of
from llm.skills.percentages import percentage
from llm.skills.spoken import say_number

_LEADS: dict[Language, tuple[str, ...]] = {
    "en": (
        "what is the result of", "what is the value of", "what does", "what do", "what is", "how much is",
        "how much does", "how many is", "how many are",
        "calculate", "compute", "work out", "tell me", "can you calculate", "how much are", "what are", "then", "now",
        "solve", "the result of", "do you know what",
    ),
    "fr": (
        "combien font", "combien fait", "combien ca fait", "ca fait combien", "sa fait combien", "c est combien",
        "combien de", "combien",
        "calcule moi", "calcule", "calculez", "quel est le resultat de", "quelle est", "quel est", "que font",
        "que fait",
        "quelle", "qu est ce que", "ca fait", "fais", "donne moi", "c est quoi", "puis", "maintenant", "combien vaut",
        "combien valent", "vaut", "dis moi", "resultat de",
        "les", "c est combien",
    ),
}  # fmt: skip
_ENDS: dict[Language, tuple[str, ...]] = {
    "en": ("equal", "equals", "make", "is", "please", "again", "is what", "to that", "from that", "to it"),
    "fr": (
        "egal",
        "egale",
        "font combien",
        "fait combien",
        "ca fait combien",
        "s il te plait",
        "s il vous plait",
        "ca",
    ),
}
_IMPERATIVES: dict[Language, dict[str, str]] = {
    "en": {"add": "plus", "subtract": "minus", "multiply by": "times", "multiply that by": "times",
           "divide by": "divided by", "divide that by": "divided by", "multiply it by": "times",
           "divide it by": "divided by"},
    "fr": {"ajoute": "plus", "ajoute y": "plus", "enleve": "moins", "retire": "moins", "soustrais": "moins",
           "multiplie par": "fois", "divise par": "divise par",
           "multiplie ca par": "fois", "multiplie le par": "fois", "divise ca par": "divise par",
           "divise le par": "divise par"},
}  # fmt: skip


_JOINS = frozenset(("and", "et"))
"""before an imperative they join it to the last sum; before a single number they are a plus"""
_OF_LAST: dict[Language, dict[str, float]] = {
    "en": {
        "half of that": 0.5, "half of it": 0.5, "half that": 0.5, "a third of that": 1 / 3, "a quarter of that": 0.25,
        "twice that": 2.0, "double that": 2.0, "double it": 2.0, "halve it": 0.5, "halve that": 0.5,
    },
    "fr": {
        "la moitie de": 0.5, "la moitie": 0.5, "le tiers de": 1 / 3, "le quart de": 0.25, "le double de": 2.0,
        "le double": 2.0, "double": 2.0, "double le": 2.0,
    },
}  # fmt: skip
"""what goes on from the last result in other words than an operator; of "la moitié de ça" the end is gone already"""
_AVERAGE: dict[Language, str] = {"en": "average of", "fr": "moyenne de"}
_ADDS: dict[Language, tuple[str, ...]] = {"en": ("add", "sum"), "fr": ("additionne", "ajoute", "additionnez")}
FEWEST_OF_A_COLUMN = 3
"""numbers; two are a phrase: "add five and seven" goes by `_PHRASES`"""
_COUNTED = frozenset(words_of("euro euros dollar dollars people persons friends personnes amis"))
"""what a number of a sum may be one of; said back without it"""
_PERCENT = frozenset({"percent", "cent", "pourcent", "%"})


@dataclass(frozen=True, slots=True)
class _Phrase:
    """ "subtract ten from fifty": its first words, the one between the numbers, the operator, and their order."""

    lead: str
    middle: str
    operator: str
    swapped: bool = False


_PHRASES: dict[Language, tuple[_Phrase, ...]] = {
    "en": (
        _Phrase("multiply", "by", "times"),
        _Phrase("multiply", "and", "times"),
        _Phrase("divide", "by", "divided by"),
        _Phrase("subtract", "from", "minus", swapped=True),
        _Phrase("take", "from", "minus", swapped=True),
        _Phrase("add", "to", "plus"),
        _Phrase("add", "and", "plus"),
        _Phrase("the sum of", "and", "plus"),
        _Phrase("the product of", "and", "times"),
        _Phrase("divide", "between", "divided by"),
        _Phrase("divide", "among", "divided by"),
        _Phrase("split", "between", "divided by"),
        _Phrase("split", "among", "divided by"),
        _Phrase("share", "between", "divided by"),
        _Phrase("split", "by", "divided by"),
        _Phrase("a", "percent tip on", "percent of"),
        _Phrase("a", "percent tip for", "percent of"),
        _Phrase("", "percent tip on", "percent of"),
        _Phrase("", "percent tip for", "percent of"),
    ),
    "fr": (
        _Phrase("multiplie", "par", "fois"),
        _Phrase("multiplie", "et", "fois"),
        _Phrase("divise", "par", "divise par"),
        _Phrase("soustrais", "de", "moins", swapped=True),
        _Phrase("enleve", "a", "moins", swapped=True),
        _Phrase("ajoute", "a", "plus"),
        _Phrase("ajoute", "et", "plus"),
        _Phrase("la somme de", "et de", "plus"),
        _Phrase("la somme de", "et", "plus"),
        _Phrase("partage", "entre", "divise par"),
        _Phrase("partage", "par", "divise par"),
        _Phrase("divise", "entre", "divise par"),
        _Phrase("partage", "en", "divise par"),
        _Phrase("divise", "en", "divise par"),
        _Phrase("additionne", "et", "plus"),
    ),
}


def calculate(intent: Intent, context: Context) -> Reply:
    tokens = expression_tokens(intent.said, intent.words_language)
    try:
        found = evaluate(tokens, intent.words_language, context.session.result)
    except ZeroDivisionError:
        return reply(intent, en="I can't divide by zero.", fr="Je ne peux pas diviser par zéro.")
    except OverflowError:
        return reply(intent, en="That number is too large for me.", fr="Ce nombre est trop grand pour moi.")
    except NotASum:
        return reply(intent, en="I can't work that out.", fr="Je ne sais pas calculer cela.")
    said = say_number(found.value, intent.language)
    exact = math.isclose(found.value, float(f"{found.value:.10g}"), rel_tol=1e-14)
    if not exact:
        about = say_number(found.value, intent.language, digits=6)
        return reply(intent, en=f"That's about {about}.", fr=f"Cela fait environ {about}.", result=found.value)
    return reply(intent, en=f"That's {said}.", fr=f"Cela fait {said}.", result=found.value)


def parse_sum(said: Utterance, language: Language) -> Intent | None:
    """A sum that no template holds: it must have a number and read as an expression to its end."""
    tokens = expression_tokens(said, language)
    if len(tokens) < 2 or not any(token.value is not None for token in tokens):
        return None
    try:
        evaluate(tokens, language, last=1.0)
    except (ZeroDivisionError, OverflowError):
        readable = True
    except NotASum:
        readable = False
    else:
        readable = True
    return Intent("Calculate", said, language, may_go_on=_often_goes_on(said, language)) if readable else None


def _often_goes_on(said: Utterance, language: Language) -> bool:
    """ "add five" may be about minutes of a timer, and "fifteen percent" of something."""
    words = said.words
    imperative = any(" ".join(words).startswith(f"{phrase} ") for phrase in _IMPERATIVES[language])
    return imperative or (bool(words) and words[-1] in _PERCENT)


def expression_tokens(said: Utterance, language: Language) -> list[Token]:
    """The tokens without the question around them, with "add five" as "plus five"."""
    tokens = _bare(said.tokens)
    for _ in range(4):
        first, last = _phrase_at(tokens, _LEADS[language]), _phrase_at(tokens, _ENDS[language], at_end=True)
        if not first and not last:
            break
        tokens = tokens[first : len(tokens) - last]
    changed = _of_last(tokens, language) or _average(tokens, language) or _added(tokens, language)
    changed = changed or percentage(tokens, language)
    if changed:
        return changed
    for form in _PHRASES[language]:
        rewritten = _rewritten(tokens, form)
        if rewritten:
            return rewritten
    joined = tokens[1:] if tokens and tokens[0].text in _JOINS else tokens
    if joined is not tokens and sum(token.value is not None for token in joined) > 1:
        return joined  # "and 6 times 9" is a sum for itself
    words = [token.text for token in joined]
    for phrase, operator in _IMPERATIVES[language].items():
        length = len(phrase.split())
        if words[:length] == phrase.split() and len(words) == length + 1:
            head = [Token(word, joined[0].start, joined[0].end) for word in operator.split()]
            return head + joined[length:]
    return tokens


def _of_last(tokens: list[Token], language: Language) -> list[Token]:
    """ "Half of that" goes on from the last result; nothing where it is not said."""
    factor = _OF_LAST[language].get(" ".join(token.text for token in tokens))
    if factor is None:
        return []
    times = {"en": "times", "fr": "fois"}[language]
    return [Token(times, 0, 0), Token(f"{factor:g}", 0, 0, factor)]


def _added(tokens: list[Token], language: Language) -> list[Token]:
    """ "Add 5, 7 and 9" as a sum of three or more; nothing where it is none."""
    numbers = [token for token in tokens if token.value is not None]
    words = {token.text for token in tokens[1:] if token.value is None}
    if len(numbers) < FEWEST_OF_A_COLUMN or tokens[0].text not in _ADDS[language] or words - {"and", "et", "plus"}:
        return []
    return [token for number in numbers for token in (Token("plus", 0, 0), number)][1:]


def _average(tokens: list[Token], language: Language) -> list[Token]:
    """ "The average of 4, 8 and 15" as a sum in brackets and a division; nothing where it is none."""
    words = " ".join(token.text for token in tokens)
    numbers = [token for token in tokens if token.value is not None]
    between = {token.text for token in tokens if token.value is None} - set(_AVERAGE[language].split())
    begins = words.removeprefix("the ").removeprefix("la ").startswith(_AVERAGE[language])
    if len(numbers) < 2 or not begins or between - {"the", "and", "la", "et", "de"}:
        return []
    plus = [token for number in numbers for token in (Token("plus", 0, 0), number)][1:]
    divided = [Token(word, 0, 0) for word in {"en": "divided by", "fr": "divise par"}[language].split()]
    count = float(len(numbers))
    return [Token("(", 0, 0), *plus, Token(")", 0, 0), *divided, Token(f"{count:g}", 0, 0, count)]


def _bare(said: Sequence[Token]) -> list[Token]:
    """The tokens without the euros, dollars and people that stand after a number."""
    bare: list[Token] = []
    after_number = False
    for token in said:
        if not (after_number and token.text in _COUNTED):
            bare.append(token)
            after_number = token.value is not None
    return bare


def _rewritten(tokens: list[Token], form: _Phrase) -> list[Token]:
    """The tokens as "a operator b", or nothing when they are not of this form with a number on both sides."""
    lead, middle = form.lead.split(), form.middle.split()
    words = [token.text for token in tokens]
    length = len(lead) + len(middle) + 2
    between = len(lead) + 1
    if len(words) != length or words[: len(lead)] != lead or words[between : between + len(middle)] != middle:
        return []
    first, second = tokens[len(lead)], tokens[-1]
    if first.value is None or second.value is None:
        return []
    operator = [Token(word, first.end, first.end) for word in form.operator.split()]
    return [second, *operator, first] if form.swapped else [first, *operator, second]


def _phrase_at(tokens: list[Token], phrases: tuple[str, ...], at_end: bool = False) -> int:
    words = [token.text for token in tokens]
    best = 0
    for phrase in phrases:
        length = len(phrase.split())
        piece = words[-length:] if at_end else words[:length]
        if length < len(words) and piece == phrase.split():
            best = max(best, length)
    return best


SKILL = Skill("arithmetic", {"Calculate": calculate}, parse=parse_sum)

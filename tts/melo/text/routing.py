"""Which of the installed voices a sentence is for, by its script, its small words and its letters.

Without evidence it stays with the language that was spoken before: a name or a number alone moves nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_SMALL_WORDS = {
    "en": """
        a about after all also am an and any are as at be because been but by can could did do does for from
        get good had has have he hello her here hers his how i if in into is it its just let like me more my
        no not now of on one or our out please she should so some than thank thanks that the their them then
        there these they this those to too up us was we were what when where which who why will with would yes
        you your
    """,
    "fr": """
        à a ai ainsi alors au aucun aussi autre aux avec avez avoir avons bien bonjour bonsoir c ce cela ces cet
        cette comme comment d dans de des deux donc du elle elles en encore es est et été être eu fait faire
        faut ici il ils j je jour l la le les leur leurs lui m ma mais me merci mes moi mon même n ne non nos
        notre nous on ont ou oui où par pas peu peut plus pour pouvez pouvoir qu quand que quel quelle qui
        quoi s sa sans se sera ses si son sont suis sur t ta tes toi ton tous tout tu très demain un une va vers veux
        voici voilà vos votre vous y
    """,
    "es": """
        a al algo alguna antes aquí así aunque aún bien buenas buenos cada como con cosa cuando cuál cuánto
        cómo de del desde donde dos dónde el ella ellos en entre era eran eres es esa ese eso esta estado
        estamos estar estas este esto estoy está están fue gracias ha hace hacer hasta hay hola hoy la las le
        les lo los luego mañana me mi mis mucho muy más mí nada ni no nos nosotros o otra otro para pero poco por
        porque puede puedo que quién qué se ser si sin sobre solo son soy su sus sí también te tengo tiene
        tienes toda todo tu tus tú un una uno usted y ya yo él
    """,
}
_WORDS = {language: frozenset(words.split()) for language, words in _SMALL_WORDS.items()}
_LETTERS = {"fr": frozenset("àâçèêëîïôœùû"), "es": frozenset("áíóúñ¿¡")}
_ENGLISH_ENDINGS = frozenset({"s", "t", "re", "ll", "ve", "m", "d"})
_SCRIPTS = {
    "ko": re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]"),
    "ja": re.compile("[\u3040-\u30ff]"),
    "zh": re.compile("[\u3400-\u9fff]"),
}
_SIGN = re.compile("|".join(script.pattern for script in _SCRIPTS.values()))
_LATIN_WORD = re.compile(r"[A-Za-zÀ-ÿ]+")
_ONLY_ELIDED = frozenset("cdjlmnst")
"""letters that are words before an apostrophe"""
_QUOTED = re.compile(r"«[^»]*»|“[^”]*”|\"[^\"]*\"")
_TITLE = re.compile(r"(?<=[a-zà-ÿ,:] )[A-ZÀ-Ý][\w’']+(?:(?: [a-zà-ÿ]{1,4}){0,2} [A-ZÀ-Ý][\w’']+)+")
"""capitalised words, with small ones between them: names of people, places, songs and programs"""
_WORD = re.compile(r"[^\W\d_]{2,}")
_ENOUGH = 2
"""words that a sentence has of its own beside a quotation"""
_FEW = 3
"""a lone small word among more words than this is part of a name"""
_TOKEN = re.compile(r"[^\W\d_]+|['’¿¡]")
_LONGEST_LOOK = 2000
"""characters that are looked at"""


def route(text: str, voices: Sequence[str], current: str) -> str:
    """The language among `voices` that `text` is in; `current` where another is not clearly better. Never raises."""
    text = text[:_LONGEST_LOOK]
    if len(_SIGN.findall(text)) >= len(_LATIN_WORD.findall(text)):  # else a foreign word or two are quoted
        for language, script in _SCRIPTS.items():
            if language in voices and script.search(text):
                return language
    tokens = _TOKEN.findall(_own_words(text).lower())
    scores, small = _scores(tokens)
    candidates = [language for language in voices if scores[language]]
    best = max(candidates, key=lambda language: scores[language], default=current)
    a_name = small[best] < 2 and _FEW * small[best] < sum(map(str.isalpha, tokens))
    if current in voices and (scores[best] <= scores[current] or a_name):
        return current
    return best if best in voices or not voices else voices[0]


def _own_words(text: str) -> str:
    """Without what is quoted and without titles of several words, unless nothing else is left."""
    for foreign in (_QUOTED, _TITLE):
        rest = foreign.sub(" , ", text)
        if len(_WORD.findall(rest)) >= _ENOUGH:
            text = rest
    return text


def _scores(tokens: Sequence[str]) -> tuple[Counter[str], Counter[str]]:
    """Points of each language, one a small word and one a letter that only it has; and those for words alone."""
    scores: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for index, token in enumerate(tokens):
        if token in "'’" and 0 < index < len(tokens) - 1:
            small["en"] += tokens[index + 1] in _ENGLISH_ENDINGS
            small["fr"] += tokens[index - 1] in _WORDS["fr"] and len(tokens[index - 1]) < 3
        elided = tokens[index + 1 : index + 2] in (["'"], ["’"])
        for language, words in _WORDS.items():
            small[language] += token in words and (elided or token not in _ONLY_ELIDED)
        for language, letters in _LETTERS.items():
            scores[language] += not letters.isdisjoint(token)
    small["es"] += sum(token in "¿¡" for token in tokens)
    return scores + small, small

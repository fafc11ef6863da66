"""What the words say about whether their speaker has finished: punctuation, dangling words, numbers, lists, hesitation.

Rules for English and French. They see text alone: no grammar of commands (that is the skills') and no sound.
"""

from __future__ import annotations

import re
from enum import Enum

from core.messages import Language


class Wording(Enum):
    """How a text ends. The value: how many times as likely it is where a turn ends as where it only pauses."""

    FINISHED = 4.0
    """a sentence by its punctuation"""
    PLAIN = 1.0
    """nothing to go by"""
    NUMBER = 1 / 3
    """a number, an amount or a list that seldom stands alone"""
    OPEN = 1 / 6
    """a word that needs another: an article, a preposition, a conjunction"""
    HESITATION = 1 / 12
    """a filled pause"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_HESITATIONS: dict[Language, frozenset[str]] = {
    "en": _words("um uh uhm erm er hm hmm mm umm uhh"),
    "fr": _words("euh heu hum hm hmm ben bah"),
}
_THINKING: dict[Language, tuple[str, ...]] = {
    "en": ("let me think", "let me see", "hang on", "hold on"),
    "fr": ("c'est-à-dire", "attends voir", "attendez voir", "voyons", "laisse-moi réfléchir", "laissez-moi réfléchir"),
}
"""whoever says it last is looking for words"""
_OPEN: dict[Language, frozenset[str]] = {
    "en": _words(
        "a an the this that these those my your his her its our their some any every each another no "
        "and or but nor so because if when while although though unless until since whether than as "
        "of to in on at by for from with without into onto about between under over after before during through "
        "is are was were be been am has have had do does did will would can could shall should may might must "
        "i we they who whose which how what's where's it's i'm let's very more most less too not only also just please "
        "called named say saying tell remind add set"
    )
    - {"that", "this", "so", "too", "not", "do", "more", "less", "no", "please", "on", "in", "over", "about"},
    "fr": _words(
        "le la les l' un une des du de d' au aux ce cet cette ces mon ma mes ton ta tes son sa ses notre nos votre vos "
        "leur leurs quelque quelques chaque plusieurs et ou mais donc car ni que qu' qui dont où quand si comme "
        "lorsque puisque parce quoique pour par avec sans sous sur dans en entre vers chez depuis pendant "
        "avant après contre "
        "est sont était suis es ai as a ont avait je j' tu il elle on nous vous ils elles ne n' se s' y très plus trop "
        "aussi moins à appelle rappelle-moi ajoute mets"
    )
    - {"nous", "vous", "avant", "après", "plus", "moins", "trop", "si"},
}
_NEVER_LAST: dict[Language, frozenset[str]] = {
    "en": _words("a an the my your our their every and or nor because whether if unless than of"),
    "fr": _words(
        "le la les l' un une des du de d' au aux ce cet cette ces mon ma mes ton ta tes son sa ses notre votre "
        "et ou mais car que qu' dont lorsque puisque parce à par avec sans sous sur dans entre vers chez pour"
    ),
}
"""Those of them in which hardly a sentence ends: articles and such, conjunctions, French prepositions."""
_LAST_OF_A_QUESTION = _words("to at from with into")
"""English, as in "who did you go with"; of anything else they are the last word no more than those above"""
_QUESTION = _words("what what's where who which how calculate combien calcule calculer calculez")
_OF_A_SUM = ("what is", "what's", "how much is", "calculate", "combien font", "combien fait", "combien ça fait")
"""asked of one number there is another to come"""
_OPERATORS = _words("plus minus point by moins virgule par")
"""behind a number they need another"""
_TIMES = _words("times fois")
"""so do these where something is asked; "I have been there three times" ends"""
_NUMBERS: dict[Language, frozenset[str]] = {
    "en": _words(
        "twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million point plus minus times half"
    ),
    "fr": _words(
        "vingt trente quarante cinquante soixante cent mille million virgule plus moins fois demi quatre-vingt "
        "soixante-dix vingt-et"
    ),
}
_NONE: frozenset[str] = frozenset()
_HOUR_TO_COME = re.compile(r"\b(half|quarter|\d+|minutes) past$")
"""of English times: whoever says "half past" has yet to say of which hour"""
_TELEPHONE = re.compile(r"\b(phone|telephone|number|call|dial|numéro|téléphone|appelle[rz]?|compose[rz]?)\b")
_DIGITS_OF_A_NUMBER: dict[Language, int] = {"en": 7, "fr": 10}
"""fewer of them are not a telephone number yet"""
_DIGIT_WORDS = _words(
    "zero oh one two three four five six seven eight nine zéro un deux trois quatre cinq sept huit neuf"
)
_TWO_DIGITS = re.compile(
    r"(dix|onze|douze|treize|quatorze|quinze|seize|vingt|trente|quarante|cinquante|soixante|quatre-vingts?)(-.+)?"
)
"""of a French telephone number, which is said in pairs"""
_NUMBER_WORDS = re.compile(
    r"zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|(twen|thir|for|fif|six|seven|eigh|nine)ty"
    r"(-\w+)?|hundred|thousand|million|zéro|une?|deux|trois|quatre|cinq|sept|huit|neuf|cents?|mille|millions?|"
    + _TWO_DIGITS.pattern
)
_MARKS = ' .,;:!?…-–—"»'
_LIST = re.compile(r"(?:^|[ ,])(\w+(?: \w+)?), (\w+(?: \w+)?)(?:, (\w+(?: \w+)?))*$")
_CLAUSE: dict[Language, re.Pattern[str]] = {
    "en": re.compile(
        r"(if|because|although|though|unless|(when|while) (the|an?|my|your|his|her|our|their)"
        r"|(when|while|before|after|until|since) (i|you|he|she|it|we|they|there)) "
    ),
    "fr": re.compile(
        r"(si|s' ils?|(parce|dès|pendant|bien) qu(e|')|puisque|lorsque"
        r"|quand (je|j'|tu|ils?|elles?|on|nous|vous|c'|ce)) "
    ),
}
"""what a clause begins with that seldom stands alone; of French words as `_split` leaves them"""
_ALONE = (
    "if you like",
    "if you want",
    "if you say so",
    "because i s",
    "si tu v",
    "si vous v",
    "s' il te",
    "s' il vous",
)
"""how those begin that do, as in "because I said so"; and French politeness"""
_CLAUSE_WORDS = range(3, 8)
"""of it alone; with more, and no comma, the main clause is there too"""
_BREAK = re.compile(r"[,.!?;:…]")
_SURE_IF = _words("mais que moi toi lui elle oh ah ben bah")
"""before a French "si" that is a yes"""
_PARTITIVE = re.compile(r"\bde l(a |')")
"""in French lists: "du beurre, de la farine, de l'huile" """
_LAST_OF_A_LIST = re.compile(r"\b(and|or|et|ou)\b")
_LEAST_WORDS_OF_A_LIST = 3


def wording(text: str, language: Language) -> Wording:
    """How the text ends. A dangling word counts more than the full stop that a recogniser sets behind everything."""
    plain = text.strip().casefold().replace("’", "'")
    ending = plain[-3:]
    bare = plain.rstrip(_MARKS)
    words = _split(bare, language)
    if not words:
        return Wording.PLAIN
    last = words[-1]
    thinks = f" {bare}".endswith(tuple(f" {phrase}" for phrase in _THINKING.get(language, ())))
    if thinks or last in _HESITATIONS.get(language, _NONE) or ending == "..." or ending.endswith("…"):
        return Wording.HESITATION
    dangling = last in _OPEN.get(language, _NONE) or _begun_question(words, language) or _lone_clause(words, language)
    if dangling or ending.endswith((",", "-", "–", "—", ":")):
        return Wording.OPEN
    counts = last in _NUMBERS.get(language, _NONE) or (language == "en" and _HOUR_TO_COME.search(bare) is not None)
    if counts or _begun_sum(words) or _unfinished_number(words, plain, language) or _unfinished_list(bare):
        return Wording.NUMBER
    return Wording.FINISHED if ending.endswith((".", "!", "?")) else Wording.PLAIN


def dangles(text: str, language: Language) -> bool:
    """Whether hardly a sentence ends in these words, so that a mark behind them says nothing: in a hesitation, an
    article, a conjunction, many a preposition, or the first half of a sum ("what is nineteen times").
    """
    words = _split(text.casefold().replace("’", "'").rstrip(_MARKS), language)
    if not words or wording(" ".join(words), language) is Wording.HESITATION:
        return bool(words)
    if _begun_question(words, language):
        return True
    stranded = language == "en" and words[-1] in _LAST_OF_A_QUESTION and _QUESTION.isdisjoint(words)
    return stranded or words[-1] in _NEVER_LAST.get(language, _NONE) or _begun_sum(words)


def _split(bare: str, language: Language) -> list[str]:
    return bare.replace("'", "' ").split() if language == "fr" else bare.split()


def _begun_question(words: list[str], language: Language) -> bool:
    """French "je voudrais savoir si"; "mais si" and "je crois que si" are whole."""
    return language == "fr" and len(words) > 1 and words[-1] == "si" and words[-2] not in _SURE_IF


def _lone_clause(words: list[str], language: Language) -> bool:
    """ "if it rains tomorrow", "parce que j'étais malade", and nothing yet of what follows; nor of anything before."""
    clause = " ".join(words)
    if len(words) not in _CLAUSE_WORDS or _BREAK.search(clause) or clause.startswith(_ALONE):
        return False
    return language in _CLAUSE and _CLAUSE[language].match(clause) is not None


def _begun_sum(words: list[str]) -> bool:
    """A number that wants another: "what is nineteen", "what is nineteen times", "twelve minus"."""
    last = words[-1]
    if last in _OPERATORS or (last in _TIMES and not _QUESTION.isdisjoint(words)):
        return any(map(_is_number, words[-3:-1]))
    asked = list(words)
    while asked and _is_number(asked[-1]):
        asked.pop()
    return len(asked) < len(words) and " ".join(asked).endswith(_OF_A_SUM)


def _is_number(word: str) -> bool:
    """In digits or in words, of either language."""
    return word[:1].isdigit() or _NUMBER_WORDS.fullmatch(word) is not None


def _unfinished_number(words: list[str], plain: str, language: Language) -> bool:
    """A telephone number of which some digits are missing."""
    if not _TELEPHONE.search(plain):
        return False
    digits = [_digits(word, language) for word in words]
    return 0 < sum(digits) < _DIGITS_OF_A_NUMBER.get(language, 0) and digits[-1] > 0


def _digits(word: str, language: Language) -> int:
    """How many digits of a telephone number a word is, with a comma behind it or without."""
    word = word.rstrip(_MARKS)
    if language == "fr" and _TWO_DIGITS.fullmatch(word):
        return 2
    return len(re.sub(r"\D", "", word)) + (word in _DIGIT_WORDS)


def _unfinished_list(bare: str) -> bool:
    """Short items between commas, and no conjunction before the last one."""
    found = _LIST.search(_PARTITIVE.sub("", bare))
    if found is None or _LAST_OF_A_LIST.search(found.group(0)):
        return False
    return found.group(0).count(",") >= _LEAST_WORDS_OF_A_LIST - 1

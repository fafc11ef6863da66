"""How both languages read a place in the Bible: a book, a chapter and its verses, "John 3:16", "Psaume 23:1-4".

Only after a book's name. A book that is a person's name too is read as its chapter and verse one after the other, so
that "meet John 3:16" is right as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from tts.normalise.rules import Rule

_ENGLISH = {
    "Gen": "Genesis", "Ex": "Exodus", "Exod": "Exodus", "Lev": "Leviticus", "Num": "Numbers", "Deut": "Deuteronomy",
    "Josh": "Joshua", "Judg": "Judges", "Ps": "Psalm", "Pss": "Psalms", "Prov": "Proverbs", "Eccl": "Ecclesiastes",
    "Isa": "Isaiah", "Jer": "Jeremiah", "Ezek": "Ezekiel", "Dan": "Daniel", "Hos": "Hosea", "Mic": "Micah",
    "Zech": "Zechariah", "Mal": "Malachi", "Matt": "Matthew", "Mt": "Matthew", "Mk": "Mark", "Lk": "Luke",
    "Jn": "John", "Rom": "Romans", "Cor": "Corinthians", "Gal": "Galatians", "Eph": "Ephesians", "Phil": "Philippians",
    "Col": "Colossians", "Thess": "Thessalonians", "Tim": "Timothy", "Heb": "Hebrews", "Jas": "James", "Pet": "Peter",
    "Rev": "Revelation",
}  # fmt: skip
_ENGLISH_WHOLE = (
    "Ruth|Ezra|Nehemiah|Esther|Job|Lamentations|Joel|Amos|Obadiah|Jonah|Nahum|Habakkuk|Zephaniah|Haggai|Acts|Titus|"
    "Philemon|Jude|Samuel|Kings|Chronicles|Song of Songs|Psalms|Proverbs"
)
_FRENCH = {
    "Gn": "Genèse", "Gen": "Genèse", "Lv": "Lévitique", "Nb": "Nombres", "Dt": "Deutéronome",
    "Ps": "Psaume", "Pr": "Proverbes", "Jr": "Jérémie", "Ez": "Ézéchiel", "Dn": "Daniel",
    "Mt": "Matthieu", "Mc": "Marc", "Lc": "Luc", "Jn": "Jean", "Rm": "Romains", "Co": "Corinthiens",
    "Ga": "Galates", "Ep": "Éphésiens", "Tm": "Timothée",
    "Jc": "Jacques",
}  # fmt: skip
_FRENCH_WHOLE = (
    "Psaumes|Josué|Juges|Ruth|Rois|Chroniques|Esdras|Néhémie|Esther|Job|Osée|Joël|Amos|Jonas|Michée|Colossiens|Tite|"
    "Samuel|Pierre|Jude|Isaïe|Ésaïe|Esaïe|Ecclésiaste|Qohélet|Exode|Actes|Philippiens|Thessaloniciens|Hébreux|Apocalypse"
)
MOST_CHAPTERS, MOST_VERSES = 150, 176
_ENGLISH_FIRST = ("First", "Second", "Third")
_FRENCH_FIRST = ("premier", "deuxième", "troisième")


def english_rules(number: Callable[[str], str]) -> tuple[Rule, ...]:
    """To be tried before the rules of times and of ratios."""

    def verse(match: re.Match[str]) -> str | None:
        return _said(match, _ENGLISH, _ENGLISH_FIRST, "to", number)

    return (Rule(_pattern(_ENGLISH, _ENGLISH_WHOLE, ":", r"(?! ?[AaPp]\.?[Mm]\b)"), verse),)


def french_rules(number: Callable[[str], str]) -> tuple[Rule, ...]:
    """To be tried before the rules of times and of numbers."""

    def verse(match: re.Match[str]) -> str | None:
        return _said(match, _FRENCH, _FRENCH_FIRST, "à", number)

    return (Rule(_pattern(_FRENCH, _FRENCH_WHOLE, "[:,]", ""), verse),)


def _pattern(short: dict[str, str], whole: str, between: str, not_before: str) -> re.Pattern[str]:
    """Number of the book, its name, chapter, first and last verse."""
    names = "|".join(sorted({*short, *short.values(), *whole.split("|")}, key=len, reverse=True))
    verses = r"(\d{1,3})(?:[-–](\d{1,3}))?(?![\w:])"
    return re.compile(rf"(?:\b([123]) )?\b({names})\.? (\d{{1,3}}){between}{verses}{not_before}")


def _said(
    match: re.Match[str], short: dict[str, str], firsts: tuple[str, ...], to: str, number: Callable[[str], str]
) -> str | None:
    book = short.get(match[2], match[2])
    if not 0 < int(match[3]) <= MOST_CHAPTERS or not 0 < int(match[4]) <= MOST_VERSES:
        return None
    name = f"{firsts[int(match[1]) - 1]} {book}" if match[1] else book
    if match[5]:
        return f"{name} {number(match[3])}, {number(match[4])} {to} {number(match[5])}"
    return f"{name} {number(match[3])} {number(match[4])}"

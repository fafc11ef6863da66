"""How French says signs between figures and words: arithmetic, comparisons, arrows, slashes, dashes."""

from __future__ import annotations

import re

from tts.normalise.forms import SPACE
from tts.normalise.rules import Rule, plain

_PER = "chambre|mois|an|semaine|jour|nuit|dose|heure|minute|seconde|personne|page|unité"

_LENGTHS = r"(?=\d+(?:[.,]\d+)? ?(?:m|cm|mm|km)\b)"

_POINTS = {"N": "nord", "E": "est", "S": "sud", "O": "ouest"}


_IN_A_NAME = re.compile(r"[A-Za-gi-z][\d.]+$")


def _range(match: re.Match[str]) -> str | None:
    """None within a name with figures, as in Qwen2.5-0.5B; 9h is no name."""
    return None if _IN_A_NAME.search(match.string, max(0, match.start() - 6), match.start()) else " à "


def _wind(match: re.Match[str]) -> str:
    return "-".join(_POINTS[point] for point in match.groups())


OPERATORS = (
    Rule(re.compile(r"\b(?=NN[EO]\b|SS[EO]\b|E[NS]E\b|O[NS]O\b)([NESO])([NS])([EO])\b"), _wind),
    Rule(re.compile(r"\b([NSEO])-([NS])([EO])\b"), _wind),
    plain(r"#(?=[A-Z]{1,4}-?\d)", "numéro"),
    Rule(
        re.compile(r"(?:(?<=[Vv]ent de )|(?<=[Vv]ent ))([NS])([EO])\b"),
        lambda match: f"{_POINTS[match[1]]}-{_POINTS[match[2]]}",
    ),
    plain(r"(?<=\bUTC)[-−](?=\d)|(?<=\bGMT)[-−](?=\d)", " moins "),
    plain(r" ?&& ?", " et "),
    plain(r" ?\|\| ?", " ou "),
    plain(r"(?:^|(?<=\n))> (?=\S)", " "),
    plain(r"(?<=\b[Ii]l)/(?=elle\b)|(?<=\bson)/(?=sa\b)|(?<=\bsa)/(?=son\b)|(?<=\boui)/(?=non\b)", " ou "),
    plain(r"(?<=\b[Ll]es )nos(?= \d)", "numéros"),
    plain(rf"(?<=[A-Za-z²]) [x×] (?=\d)|(?<=\d) ?[x×] ?{_LENGTHS}", " sur "),
    plain(r"(?<=[(=±])[-−](?=[a-z]\b)|(?<=[=±×] )[-−](?=[a-z]\b)", " moins "),
    plain(r"(?<=[²³]) - (?=\w)|(?<=\b[a-z]) - (?=\d)", " moins "),
    plain(r"(?<=\d)!(?= ?[=+*/×)-])", " factorielle"),
    plain(r"(?<=\d)\.\.(?=\d)", " à "),
    plain(r"(?<=\w) ?≥ ?", " supérieur ou égal à "),
    plain(r"(?<=\w) ?≤ ?", " inférieur ou égal à "),
    plain(r"(?<![\d-])50-50(?![\d-])", "cinquante cinquante"),
    plain(rf"(?:#|№|\b[Nn][°ºo]){SPACE}?(?=\d)", "numéro"),
    plain(rf"\b[Nn][°º]s{SPACE}?(?=\d)", "numéros "),
    plain(rf"\b[Nn][°º]s?{SPACE}?(?=\w)", "numéro "),
    plain(r"^#{1,6} (?=\S)|(?<=\n)#{1,6} (?=\S)", " "),
    plain(r"(?<=\d)x(?=\d)|(?<=\d{3}) ?× ?(?=\d{3})", " par "),
    plain(r"(?<=[\w)]) ?\*\* ?(?=[\d(])", " puissance "),
    plain(r"(?<=\d) x (?=\d)|(?<=\d) ?\* ?(?=\d)", " fois "),
    plain(r"(?<=[\d)]) / (?=[\d(])", " divisé par "),
    plain(r"(?<=[\d)]) - (?=[\d(])", " moins "),
    plain(r"(?<=[\w)])\^(?=[-−]?[\d(])|(?<=\b[a-z])\^(?=[a-z]\b)", "puissance"),
    plain(r" ?>= ?", " supérieur ou égal à "),
    plain(r" ?<= ?", " inférieur ou égal à "),
    plain(r" ?!= ?", " différent de "),
    plain(r" ?={2,3} ?", " égale "),
    plain(r" ?[-=]> ?", " vers "),
    plain(rf"(?<=[\dA-Za-z€$£%)])/(?=(?:{_PER})\b)", " par "),
    plain(r"(?<=[\da-z€$£])/j\b", " par jour"),
    plain(r"(?<=\b[LRD]\. \d\d\d)-(?=\d)|(?<=\b[LRD]\.\d\d\d)-(?=\d)|(?<=\b[LRD]\d\d\d)-(?=\d)", " tiret "),
    plain(r"(?<=[\d€$£])/h\b", " de l'heure"),
    plain(r"(?<=[\d€$£])/kg\b", " le kilo"),
    plain(r"(?<=[\d€$£])/(?:pce|pièce)\b", " la pièce"),
    plain(r"(?<=[\d€$£])/pers\b\.?", " par personne"),
    plain(r"(?<=\bpers\.)/(?=chambre\b)", " par "),
    plain(r"(?<=[\d\"″])/km\b", " par kilomètre"),
    plain(r"(?<=[\d€$£])/[lL]\b", " le litre"),
    plain(r"(?<=[\d€$£])/m²", " le mètre carré"),
    plain(r"\bet/ou\b", "et ou"),
    plain(r"(?<!\S)~(?=/)", "tilde "),
    Rule(re.compile(r"(?<=[\dh%°€£$])-(?=[\d$€£])|(?<=[\d%°CFhn€]) ?– ?(?=[\d$€£])"), _range),
)

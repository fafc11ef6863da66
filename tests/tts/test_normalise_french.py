"""How French reads what is written in figures and signs."""

from __future__ import annotations

import pytest

from tts.normalise.speakable import normalise

CASES = [
    # heures
    ("19 h 05", "dix-neuf heures cinq"),
    ("19h05", "dix-neuf heures cinq"),
    ("Il est 19:05.", "Il est dix-neuf heures cinq."),
    ("Il est 7 h.", "Il est sept heures."),
    ("1 h", "une heure"),
    ("21 h", "vingt et une heures"),
    ("0:05", "zéro heure cinq"),
    ("7:30:21", "sept heures trente et vingt et une secondes"),
    ("19 h 01", "dix-neuf heures une"),
    ("9h-18h", "neuf heures à dix-huit heures"),
    ("2 h 30 min", "deux heures trente minutes"),
    ("25:61", "vingt-cinq:soixante et un"),
    # dates
    ("2026-11-21", "vingt et un novembre deux mille vingt-six"),
    ("2026-11-21 19:05", "vingt et un novembre deux mille vingt-six, à dix-neuf heures cinq"),
    ("21/11/2026", "vingt et un novembre deux mille vingt-six"),
    ("1/1/2026", "premier janvier deux mille vingt-six"),
    ("1er novembre", "premier novembre"),
    ("1 nov. 2026", "premier novembre deux mille vingt-six"),
    ("le 21 novembre", "le vingt et un novembre"),
    ("en 1984", "en mille neuf cent quatre-vingt-quatre"),
    ("le XIXe siècle", "le dix-neuvième siècle"),
    ("300 av. J.-C.", "trois cents avant Jésus-Christ."),
    # nombres
    ("1 234", "mille deux cent trente-quatre"),
    ("1\u202f234\u202f567", "un million deux cent trente-quatre mille cinq cent soixante-sept"),
    ("1.234,56", "mille deux cent trente-quatre virgule cinquante-six"),
    ("12,5", "douze virgule cinq"),
    ("0,05", "zéro virgule zéro cinq"),
    ("3,14159", "trois virgule un quatre un cinq neuf"),
    ("-3", "moins trois"),
    ("71, 80, 81, 91", "soixante et onze, quatre-vingts, quatre-vingt-un, quatre-vingt-onze"),
    ("200 et 201", "deux cents et deux cent un"),
    ("007", "zéro zéro sept"),
    ("1/2", "un demi"),
    ("3/4", "trois quarts"),
    ("2/3", "deux tiers"),
    ("2 1/2", "deux et un demi"),
    ("17/3", "dix-sept sur trois"),
    ("24/7", "vingt-quatre heures sur vingt-quatre"),
    ("1re, 2e, 21e", "première, deuxième, vingt et unième"),
    ("2nde", "seconde"),
    ("4e étage", "quatrième étage"),
    ("n° 3", "numéro trois"),
    ("N°3", "numéro trois"),
    ("21 minutes", "vingt et une minutes"),
    ("1 fois", "une fois"),
    ("31 personnes", "trente et une personnes"),
    ("06 12 34 56 78", "zéro six, douze, trente-quatre, cinquante-six, soixante-dix-huit"),
    ("L'A4", "L'A quatre"),
    # unités, monnaies, signes
    ("12,5 km", "douze virgule cinq kilomètres"),
    ("12.5 km", "douze virgule cinq kilomètres"),
    ("1,5 km", "un virgule cinq kilomètre"),
    ("5-10 km", "cinq à dix kilomètres"),
    ("20 °C", "vingt degrés Celsius"),
    ("-5 °C", "moins cinq degrés Celsius"),
    ("20–25 °C", "vingt à vingt-cinq degrés Celsius"),
    ("21 t", "vingt et une tonnes"),
    ("30 m²", "trente mètres carrés"),
    ("100 km/h", "cent kilomètres heure"),
    ("16 Go", "seize gigaoctets"),
    ("50 %", "cinquante pour cent"),
    ("5,20 €", "cinq euros vingt"),
    ("1,00 €", "un euro"),
    ("0,50 €", "cinquante centimes"),
    ("0,01 €", "un centime"),
    ("$5", "cinq dollars"),
    ("1,5 million d'euros", "un virgule cinq million d'euros"),
    ("3 M€", "trois millions d'euros"),
    ("2 + 2 = 4", "deux plus deux égale quatre"),
    ("10 - 3", "dix moins trois"),
    ("10 x 3", "dix fois trois"),
    ("6 ÷ 2", "six divisé par deux"),
    ("2^8", "deux puissance huit"),
    # mots
    ("M. Dupont et Mme Curie, etc.", "monsieur Dupont et madame Curie, et cetera."),
    ("p. ex. ceci, c.-à-d. cela", "par exemple ceci, c'est-à-dire cela"),
    ("moi@exemple.fr", "moi arobase exemple point fr"),
    ("www.merline.org/a", "w w w point merline point org slash a"),
    ("😀👍", "grand sourire pouce levé"),
    ("🦔", "symbole inconnu"),
    ("l'été, peut-être", "l'été, peut-être"),
]


@pytest.mark.parametrize(("written", "spoken"), CASES)
def test_reading(written: str, spoken: str) -> None:
    assert " ".join(normalise(written, "fr").text.split()) == spoken

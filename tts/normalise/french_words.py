"""The tables of French: months, units with their gender, money and abbreviations."""

from __future__ import annotations

from tts.normalise.forms import alternatives
from tts.normalise.nouns import Currency, Noun, regular

MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)
MONTH_FORMS = {
    **{month: month for month in MONTHS},
    **{month.capitalize(): month for month in MONTHS},
    "janv.": "janvier",
    "févr.": "février",
    "avr.": "avril",
    "fév.": "février",
    "juil.": "juillet",
    "juill.": "juillet",
    "sept.": "septembre",
    "oct.": "octobre",
    "nov.": "novembre",
    "déc.": "décembre",
}


WEEKDAY_FORMS = {
    **{f"{day[:3]}.": day for day in ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche")},
}
_KILOMETRES_PER_HOUR = Noun("kilomètre heure", "kilomètres heure")
_CELSIUS = Noun("degré Celsius", "degrés Celsius")
_FAHRENHEIT = Noun("degré Fahrenheit", "degrés Fahrenheit")
UNITS = {
    "km": regular("kilomètre"),
    "m": regular("mètre"),
    "cm": regular("centimètre"),
    "mm": regular("millimètre"),
    **dict.fromkeys(("µm", "μm"), regular("micromètre")),
    "nm": regular("nanomètre"),
    "km²": Noun("kilomètre carré", "kilomètres carrés"),
    "m²": Noun("mètre carré", "mètres carrés"),
    "cm²": Noun("centimètre carré", "centimètres carrés"),
    "m³": Noun("mètre cube", "mètres cubes"),
    "cm³": Noun("centimètre cube", "centimètres cubes"),
    "ha": regular("hectare"),
    "kg": regular("kilogramme"),
    "g": regular("gramme"),
    "mg": regular("milligramme"),
    **dict.fromkeys(("µg", "μg"), regular("microgramme")),
    "t": regular("tonne", feminine=True),
    "l": regular("litre"),
    "L": regular("litre"),
    "cl": regular("centilitre"),
    "Mo/s": Noun("mégaoctet par seconde", "mégaoctets par seconde"),
    "Go/s": Noun("gigaoctet par seconde", "gigaoctets par seconde"),
    "dl": regular("décilitre"),
    "ml": regular("millilitre"),
    "mL": regular("millilitre"),
    "cL": regular("centilitre"),
    "dL": regular("décilitre"),
    "kg/m³": Noun("kilogramme par mètre cube", "kilogrammes par mètre cube"),
    "W/m²": Noun("watt par mètre carré", "watts par mètre carré"),
    "g/L": Noun("gramme par litre", "grammes par litre"),
    "mg/L": Noun("milligramme par litre", "milligrammes par litre"),
    "km/h": _KILOMETRES_PER_HOUR,
    "mph": Noun("mile par heure", "miles par heure"),
    "mol": regular("mole", feminine=True),
    **dict.fromkeys(("c.à.c", "c.à.c."), Noun("cuillère à café", "cuillères à café", feminine=True)),
    **dict.fromkeys(("c.à.s", "c.à.s."), Noun("cuillère à soupe", "cuillères à soupe", feminine=True)),
    "m/s": Noun("mètre par seconde", "mètres par seconde"),
    "h": regular("heure", feminine=True),
    "min": regular("minute", feminine=True),
    "mn": regular("minute", feminine=True),
    "s": regular("seconde", feminine=True),
    "sec": regular("seconde", feminine=True),
    "ms": regular("milliseconde", feminine=True),
    "Hz": Noun("hertz", "hertz"),
    "kHz": Noun("kilohertz", "kilohertz"),
    "MHz": Noun("mégahertz", "mégahertz"),
    "GHz": Noun("gigahertz", "gigahertz"),
    "o": regular("octet"),
    "ko": regular("kilooctet"),
    "Ko": regular("kilooctet"),
    "Mo": regular("mégaoctet"),
    "Go": regular("gigaoctet"),
    "To": regular("téraoctet"),
    "Mb/s": Noun("mégabit par seconde", "mégabits par seconde"),
    "Mbit/s": Noun("mégabit par seconde", "mégabits par seconde"),
    "W": regular("watt"),
    "kW": regular("kilowatt"),
    "kWh": Noun("kilowattheure", "kilowattheures"),
    "V": regular("volt"),
    "mA": regular("milliampère"),
    "mAh": Noun("milliampère heure", "milliampères heure"),
    "J": regular("joule"),
    "kJ": regular("kilojoule"),
    "cal": regular("calorie", feminine=True),
    "kcal": regular("kilocalorie", feminine=True),
    "hPa": regular("hectopascal"),
    "kPa": regular("kilopascal"),
    "bar": regular("bar"),
    "dB": regular("décibel"),
    "bpm": Noun("battement par minute", "battements par minute"),
    "px": regular("pixel"),
    "Mpx": regular("mégapixel"),
    "ppm": Noun("partie par million", "parties par million", feminine=True),
    "ips": Noun("image par seconde", "images par seconde", feminine=True),
    "kbit/s": Noun("kilobit par seconde", "kilobits par seconde"),
    "Mbps": Noun("mégabit par seconde", "mégabits par seconde"),
    "Gbps": Noun("gigabit par seconde", "gigabits par seconde"),
    "Gb/s": Noun("gigabit par seconde", "gigabits par seconde"),
    "Gbit/s": Noun("gigabit par seconde", "gigabits par seconde"),
    "m/s²": Noun("mètre par seconde au carré", "mètres par seconde au carré"),
    "Ω": regular("ohm"),
    "kΩ": regular("kilohm"),
    "mV": regular("millivolt"),
    "kV": regular("kilovolt"),
    "MW": regular("mégawatt"),
    "GW": regular("gigawatt"),
    **dict.fromkeys(("µs", "μs"), regular("microseconde", feminine=True)),
    "ns": regular("nanoseconde", feminine=True),
    "Po": regular("pétaoctet"),
    "c. à s.": Noun("cuillère à soupe", "cuillères à soupe", feminine=True),
    "c. à c.": Noun("cuillère à café", "cuillères à café", feminine=True),
    "càs": Noun("cuillère à soupe", "cuillères à soupe", feminine=True),
    "càc": Noun("cuillère à café", "cuillères à café", feminine=True),
    **{
        f"{unit}{mark}": Noun(f"{name} {one}", f"{name}s {one}s")
        for one, power in (("carré", "2"), ("cube", "3"))
        for unit, name in (("m", "mètre"), ("km", "kilomètre"), ("cm", "centimètre"), ("mm", "millimètre"))
        for mark in (power, f"^{power}")
    },
    "mi": regular("mile"),
    "lb": regular("livre", feminine=True),
    "oz": regular("once", feminine=True),
    "°C": _CELSIUS,
    "° C": _CELSIUS,
    "℃": _CELSIUS,
    "°F": _FAHRENHEIT,
    "° F": _FAHRENHEIT,
    "℉": _FAHRENHEIT,
    "°": regular("degré"),
}
UNITS_ALONE = ("km/h", "km", "cm", "kg", "kWh", "°C", "°F", "GHz", "MHz", "m²", "m³", "mAh")
"""Units no one mistakes for a word when no number stands before them."""

_FEMININE_NOUNS = """
    heure minute seconde semaine année fois page personne tonne livre tasse cuillère bouteille alarme note tâche
    question réponse calorie pomme demie table fille femme voiture place ligne rue ville chose vie main porte
    chambre maison pièce photo vidéo image chanson étoile nuit soirée matinée journée carte lettre lampe chaise
    fenêtre clé vache poule chèvre rose fleur orange banane carotte tomate poire fraise part boîte tranche goutte
    pincée gousse feuille branche équipe classe école famille mère sœur tante dame langue phrase syllabe voyelle
    erreur règle idée valeur couleur forme partie étape marche piste course balle roue moto bougie batterie
    application adresse liste tonalité unité île côte plage montagne mer banque agence entreprise société
    victoire défaite médaille coupe cigarette bière pizza crêpe tortue souris statue vue revue robe jupe chemise
    chaussure veste cravate montre bague serviette couverture bouche dent jambe oreille épaule dose pile prise vis
    planche brique tuile plante graine olive noix amande courgette aubergine salade tarte glace soupe
"""
FEMININE = (
    rf"(?:(?:{alternatives(_FEMININE_NOUNS.split())})s?"
    r"|[a-zéèêàâîïôûç]{2,20}(?:tion|sion|xion|ette|esse|elle|enne|euse|trice|aison|ture|lité|ille|taine)s?)"
)
"""Feminine nouns, common ones and those that their ending tells: before them 1, 21, 31... end in "une"."""

_CENTIME = regular("centime")
_CENT = regular("cent")
_PENNY = Noun("penny", "pence")
CURRENCIES = {
    "€": Currency(regular("euro"), _CENTIME),
    "$": Currency(regular("dollar"), _CENT),
    "£": Currency(regular("livre", feminine=True), _PENNY),
    "¥": Currency(Noun("yen", "yens"), None),
    "EUR": Currency(regular("euro"), _CENTIME),
    "USD": Currency(Noun("dollar américain", "dollars américains"), _CENT),
    "GBP": Currency(Noun("livre sterling", "livres sterling", feminine=True), _PENNY),
    "CHF": Currency(Noun("franc suisse", "francs suisses"), _CENTIME),
    "CAD": Currency(Noun("dollar canadien", "dollars canadiens"), _CENT),
    "$US": Currency(Noun("dollar américain", "dollars américains"), _CENT),
    "US$": Currency(Noun("dollar américain", "dollars américains"), _CENT),
    "$CA": Currency(Noun("dollar canadien", "dollars canadiens"), _CENT),
    "JPY": Currency(Noun("yen", "yens"), None),
    "₹": Currency(regular("roupie", feminine=True), None),
    "₽": Currency(regular("rouble"), None),
    "₿": Currency(regular("bitcoin"), None),
}
SCALES = {
    "millions": "millions",
    "million": "million",
    "milliards": "milliards",
    "milliard": "milliard",
    "M": "millions",
    "k": "mille",
    "Md": "milliards",
    "Mds": "milliards",
}

TITLES = {
    "M.": "monsieur",
    "MM.": "messieurs",
    "Mme": "madame",
    "Mmes": "mesdames",
    "Mlle": "mademoiselle",
    "Mlles": "mesdemoiselles",
    "Mr": "monsieur",
    "Dr": "docteur",
    "Pr": "professeur",
    "Me": "maître",
    "St": "saint",
    "Ste": "sainte",
    "Mgr": "monseigneur",
    "Gal": "général",
    "Cdt": "commandant",
    "Cne": "capitaine",
    "Sté": "société",
}
"""Before a name only."""
ABBREVIATIONS = {
    "etc.": "et cetera",
    "prép.": "préparation",
    "a.p.": "après prolongation",
    **{"env.": "environ", "Env.": "Environ"},
    "pers.": "personnes",
    "réf.": "référence",
    "p. ex.": "par exemple",
    "par ex.": "par exemple",
    **{"Par ex.": "Par exemple", "P. ex.": "Par exemple"},
    "p.ex.": "par exemple",
    **{"cf.": "voir", "Cf.": "Voir"},
    "c.-à-d.": "c'est-à-dire",
    "av.": "avenue",
    "bd.": "boulevard",
    "boul.": "boulevard",
    "tél.": "téléphone",
    "Tél.": "téléphone",
    **{"max.": "maximum", "Max.": "Maximum"},
    **{"min.": "minimum", "Min.": "Minimum"},
    "arr.": "arrondissement",
    **{short: month for short, month in MONTH_FORMS.items() if short.endswith(".") and short != "sept."},
    **WEEKDAY_FORMS,
    "s.v.p.": "s'il vous plaît",
    "S.V.P.": "s'il vous plaît",
    "J.-C.": "Jésus-Christ",
    "av. J.-C.": "avant Jésus-Christ",
    "ap. J.-C.": "après Jésus-Christ",
}
"""Written with a dot, which may end the sentence as well."""
PLAIN_ABBREVIATIONS = {
    "svp": "s'il vous plaît",
    **{"slt": "salut", "Slt": "Salut", "bjr": "bonjour", "Bjr": "Bonjour", "avt": "avant", "ttes": "toutes"},
    **{"mi-tps": "mi-temps", "bcp": "beaucoup", "pdt": "pendant"},
    **{"Mme": "madame", "Mmes": "mesdames", "Mlle": "mademoiselle", "Mlles": "mesdemoiselles"},
    "càd": "c'est-à-dire",
    "rdv": "rendez-vous",
    "RDV": "rendez-vous",
    "Rdv": "Rendez-vous",
    "stp": "s'il te plaît",
    "qqn": "quelqu'un",
    "qqch": "quelque chose",
    **{"qté": "quantité", "Qté": "Quantité"},
    "Cie": "compagnie",
}

NUMBERED = (
    *("chapitre", "tome", "acte", "scène", "partie", "article", "livre", "volume", "phase", "titre", "section"),
    *(
        "tableau",
        "figure",
        "annexe",
        "Tableau",
        "Figure",
        "Annexe",
        "type",
        "grade",
        "classe",
        "stade",
        "niveau",
        "Guerre mondiale",
        "guerre mondiale",
    ),
    *("Chapitre", "Tome", "Acte", "Scène", "Partie", "Article", "Livre", "Volume", "Phase", "Titre", "Section"),
)
"""A Roman numeral behind one of these is a number, were it a single letter."""

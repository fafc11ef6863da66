"""How French reads what is written in figures and signs."""

from __future__ import annotations

import re

from tts.normalise.french_numbers import cardinal, integer
from tts.normalise.rules import LanguageRules, Rule
from tts.normalise.symbols import SymbolNames

SYMBOLS = SymbolNames({}, "symbole", cardinal, speaks_unicode_names=False)
FRENCH = LanguageRules((Rule(re.compile(r"\d+"), lambda match: integer(match[0])),), SYMBOLS)

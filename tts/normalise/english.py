"""How English reads what is written in figures and signs."""

from __future__ import annotations

import re

from tts.normalise.english_numbers import cardinal, integer
from tts.normalise.rules import LanguageRules, Rule
from tts.normalise.symbols import SymbolNames

SYMBOLS = SymbolNames({}, "symbol", cardinal, speaks_unicode_names=True)
ENGLISH = LanguageRules((Rule(re.compile(r"\d+"), lambda match: integer(match[0])),), SYMBOLS)

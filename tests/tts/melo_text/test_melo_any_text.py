"""No text whatever breaks a front end: it gives a whole sentence or says by an InferenceError why not."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from melo_texts import (
    english_front_end,
    french_front_end,
    letters_vocabulary,
    needs_assets,
    needs_english,
    needs_french,
    needs_spanish,
    spanish_front_end,
)

from core.utils.errors import InferenceError
from tts.melo.text.chinese import chinese
from tts.melo.text.japanese import japanese
from tts.melo.text.korean import korean
from tts.melo.text.phonemes import MAX_TOKENS, FrontEnd
from tts.melo.text.symbols import to_ids
from tts.melo.text.wordpiece import WordPiece

pytestmark = [needs_english, needs_french, needs_spanish, needs_assets]
EXTRAS = {"zh-en": ("jieba", "pypinyin"), "ja": ("fugashi", "unidic_lite"), "ko": ()}
SYLLABLES = [chr(code) for code in range(0xAC00, 0xD7A4)]
TONES = {"en": range(4), "zh-en": range(11)}

ANY_TEXT = st.text(st.characters(codec=None), max_size=60)
LIKELY = st.text("abzéñœßİ 0123456789.,:;'’-–…!?¿¡$€£%°#@/\\()[]{}<>\"&+=_~^|`ªº½²\n\t😀日م", max_size=60)
EMOJI = "👩‍👩‍👧‍👦🏳️‍🌈"
ODD = [
    "https://merline.org/a_b?c=d#e-1",
    "def f(x): return x**2  # naïve",
    "GPT-4o, LLaMA 3.1 & NVIDIA's RTX 4090 @ $1,599.99",
    EMOJI,
    "Привет, мир! こんにちは 你好 안녕 مرحبا",
    "[UNK] [CLS] ##ing # ##",
    "Le chat says hola.",
    "我在学 Python 3.11, 一共1,234个字。",
    "東京タワーは333mです。カァッッーー",
    "한글과 English, 漢字 섞인 15:05 문장입니다.",
    "3e2r1º 1er 2.ª IVe XXI",
]


@pytest.fixture(scope="module", params=["en", "fr", "es", "zh-en", "ja", "ko"])
def spoken(request: pytest.FixtureRequest) -> tuple[FrontEnd, str]:
    for package in EXTRAS.get(request.param, ()):
        pytest.importorskip(package, reason=f"not installed: {package} (extras melo-zh, melo-ja)", exc_type=ImportError)
    makers = {
        "en": english_front_end,
        "fr": french_front_end,
        "es": spanish_front_end,
        "zh-en": lambda: chinese(WordPiece(letters_vocabulary())),
        "ja": lambda: japanese(WordPiece(letters_vocabulary(), lower_case=False)),
        "ko": lambda: korean(WordPiece([*letters_vocabulary(), *SYLLABLES, *(f"##{one}" for one in SYLLABLES)], False)),
    }
    return makers[request.param](), request.param


@settings(max_examples=80, deadline=None)
@given(ANY_TEXT | LIKELY)
@example("9" * 5000)
@example("1.111" * 800)
@example("a" * 5000)
@example("\ud800")
@example("$" * 3000)
@example("1:1" * 2000)
def test_any_text(spoken: tuple[FrontEnd, str], text: str) -> None:
    front_end, language = spoken
    try:
        phonemes = front_end.process(text)
    except InferenceError:
        return
    check_whole(front_end, language, phonemes.normalized, text)


@pytest.mark.parametrize("text", ODD)
def test_odd_texts(spoken: tuple[FrontEnd, str], text: str) -> None:
    front_end, language = spoken
    if text == EMOJI and language in EXTRAS:
        with pytest.raises(InferenceError, match="nothing"):
            front_end.process(text)
        return
    check_whole(front_end, language, front_end.normalise(text), text)


def check_whole(front_end: FrontEnd, language: str, normalized: str, text: str) -> None:
    phonemes = front_end.process(text)
    assert phonemes.phones[0] == phonemes.phones[-1] == "_"
    assert len(phonemes.phones) == len(phonemes.tones) == sum(phonemes.word2ph)
    assert len(phonemes.word2ph) == len(phonemes.tokens) + 2 <= MAX_TOKENS + 2
    assert "" not in phonemes.phones
    assert " " not in phonemes.phones
    assert set(phonemes.tones) <= set(TONES.get(language, [0]))
    symbols = ["_", "UNK", *sorted(set(phonemes.phones) - {"_", "UNK"})]
    numbers = to_ids(phonemes, symbols, language, add_blank=True)
    assert len(numbers.ids) == len(numbers.tones) == len(numbers.languages) == sum(numbers.word2ph)
    assert normalized or not text.strip()


@pytest.mark.parametrize("text", ["", " \n\t ", "\u200b", "\x00\x1f\ufeff"])
def test_nothing_to_say(spoken: tuple[FrontEnd, str], text: str) -> None:
    with pytest.raises(InferenceError, match="nothing"):
        spoken[0].process(text)


@pytest.mark.parametrize("piece", ["word ", "a", "7", "1 ", "$", "’", "1,1.1:1 ", "日", "😀", "-", "Mr. "])
def test_a_hundred_kilobytes_are_refused_at_once(spoken: tuple[FrontEnd, str], piece: str) -> None:
    begin = time.process_time()
    with pytest.raises(InferenceError, match="too long"):
        spoken[0].process(piece * (100_000 // len(piece)))
    assert time.process_time() - begin < 10


@pytest.mark.parametrize("piece", ["word ", "a", "7", "1 ", "$", "’", "1,1.1:1 ", "111 ", "1.111.", "Mr. "])
def test_the_longest_text_that_is_looked_at_takes_little_time(spoken: tuple[FrontEnd, str], piece: str) -> None:
    begin = time.process_time()
    with pytest.raises(InferenceError):
        spoken[0].process(piece * (20_000 // len(piece)))
    assert time.process_time() - begin < 30

"""Mandarin: initials and finals, tones as they are spoken, figures, English words in between."""

from __future__ import annotations

import pytest
from melo_texts import MARKS, needs, needs_english

from tts.melo.text.chinese import ChineseFrontEnd, chinese, syllable_phones
from tts.melo.text.chinese_reading import cardinal, read
from tts.melo.text.chinese_tones import TonedWord, spoken_tones
from tts.melo.text.wordpiece import WordPiece

needs_chinese = needs("jieba", "pypinyin")
_INITIALS = "b c ch d f g h j k l m n p q r s sh t w x y z zh AA EE OO"
_FINALS = (
    "E En a ai an ang ao e ei en eng er i i0 ia ian iang iao ie in ing iong ir iu o ong ou u ua uai uan uang ui un uo"
    " v van ve vn"
)
SYMBOLS = frozenset([*_INITIALS.split(), *_FINALS.split()])
"""of the published voices"""


def front_end() -> ChineseFrontEnd:
    """Over a vocabulary in which each character is a token, as in bert-base-multilingual-uncased."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    han = (chr(code) for code in range(0x4E00, 0x9FFF))
    return chinese(WordPiece([*MARKS, *han, *letters, *(f"##{letter}" for letter in letters), *"!?…,.'-"]))


@pytest.mark.parametrize(
    ("initial", "final", "phones"),
    [
        ("zh", "i", "zh ir"),
        ("s", "i", "s i0"),
        ("x", "i", "x i"),
        ("j", "v", "j v"),
        ("q", "van", "q van"),
        ("l", "ve", "l ve"),
        ("h", "uei", "h ui"),
        ("l", "iou", "l iu"),
        ("ch", "uen", "ch un"),
        ("", "a", "AA a"),
        ("", "er", "EE er"),
        ("", "ou", "OO ou"),
        ("", "i", "y i"),
        ("", "ian", "y En"),
        ("", "ie", "y E"),
        ("", "iou", "y ou"),
        ("", "iong", "y ong"),
        ("", "u", "w u"),
        ("", "uei", "w ei"),
        ("", "ueng", "w eng"),
        ("", "v", "y v"),
        ("", "van", "y van"),
    ],
)
def test_a_syllable_is_an_initial_and_a_final(initial: str, final: str, phones: str) -> None:
    assert " ".join(syllable_phones(initial, final)) == phones


@needs_chinese
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("你好", "n2 i2 h3 ao3"),
        ("不要", "b2 u2 y4 ao4"),
        ("不好", "b4 u4 h3 ao3"),
        ("一个", "y2 i2 g5 e5"),
        ("一天", "y4 i4 t1 ian1"),
        ("第一", "d4 i4 y1 i1"),
        ("看一看", "k4 an4 y5 i5 k4 an4"),
        ("我们的", "w3 o3 m5 en5 d5 e5"),
        ("东西", "d1 ong1 x5 i5"),
        ("好朋友", "h3 ao3 p2 eng2 y5 ou5"),
        ("买衣服", "m3 ai3 y1 i1 f5 u5"),
        ("学生们", "x2 ve2 sh5 eng5 m5 en5"),
        ("展览馆", "zh2 an2 l2 an2 g3 uan3"),
        ("小老虎", "x3 iao3 l2 ao2 h3 u3"),
        ("银行", "y2 in2 h2 ang2"),
        ("行走", "x2 ing2 z3 ou3"),
        ("女儿", "n3 v3 EE2 er2"),
        ("绿色", "l4 v4 s4 e4"),
        ("嗯", "EE1 en1"),
    ],
)
def test_words_sound_as_they_are_spoken(text: str, said: str) -> None:
    phonemes = front_end().process(text)
    sounds = [f"{phone}{tone}" for phone, tone in zip(phonemes.phones, phonemes.tones, strict=True)]
    assert " ".join(sounds[1:-1]) == said


@needs_chinese
def test_each_character_is_a_token_and_every_phone_is_one_of_the_voices() -> None:
    phonemes = front_end().process("今天下午三点，我们去图书馆学习中文，你也来吧！")
    assert phonemes.tokens == tuple("今天下午三点,我们去图书馆学习中文,你也来吧!")
    assert phonemes.word2ph == (1, *(1 if token in ",!" else 2 for token in phonemes.tokens), 1)
    assert set(phonemes.phones) <= SYMBOLS | set("_,!")
    assert set(phonemes.tones) <= {0, 1, 2, 3, 4, 5}


@needs_chinese
@needs_english
def test_english_words_have_their_own_sounds_and_tones() -> None:
    phonemes = front_end().process("我学machine learning。")
    assert " ".join(phonemes.phones) == "_ w o x ve m ah sh iy n l er n ih ng . _"
    assert phonemes.tones == (0, 3, 3, 2, 2, 7, 8, 7, 9, 7, 7, 9, 7, 8, 7, 0, 0)
    assert sum(phonemes.word2ph) == len(phonemes.phones)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("2026年", "二零二六年"),
        ("2026-11-26", "二零二六年十一月二十六日"),
        ("3:05", "三点零五分"),
        ("15:00", "十五点"),
        ("50%", "百分之五十"),
        ("$3.5", "三点五美元"),
        ("1,234", "一千二百三十四"),
        ("2个", "两个"),
        ("12个", "十二个"),
        ("-3", "负三"),
        ("3-5天", "三到五天"),
        ("138-0013-8000", "一三八，零零一三，八零零零"),
        ("010-12345678", "零一零，一二三四五六七八"),
        ("13800138000", "一三八零零一三八零零零"),
        ("007", "零零七"),
        ("20°C", "二十摄氏度"),
        ("9" * 17, "九" * 17),
    ],
)
def test_figures_are_read(written: str, spoken: str) -> None:
    assert read(written) == spoken


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "零"),
        (10, "十"),
        (15, "十五"),
        (110, "一百一十"),
        (105, "一百零五"),
        (1005, "一千零五"),
        (10_050, "一万零五十"),
        (100_000, "十万"),
        (120_003_000, "一亿二千万三千"),
        (100_000_001, "一亿零一"),
    ],
)
def test_numbers(number: int, said: str) -> None:
    assert cardinal(number) == said


def test_third_tones_rise_before_third_tones_word_by_word() -> None:
    assert spoken_tones([TonedWord("我", "r", (3,)), TonedWord("也", "d", (3,))]) == [2, 3]
    assert spoken_tones([TonedWord("永远", "d", (3, 3)), TonedWord("美好", "a", (3, 3))]) == [2, 3, 2, 3]
    three = [TonedWord("我", "r", (3,)), TonedWord("很", "d", (3,)), TonedWord("好", "a", (3,))]
    assert spoken_tones(three) == [3, 2, 3]
    four = [*three[:1], TonedWord("也", "d", (3,)), *three[1:]]
    assert spoken_tones(four) == [2, 3, 2, 3]
    assert spoken_tones([]) == []


def test_an_ordinal_keeps_its_one_and_a_seam_of_words_is_no_double() -> None:
    assert spoken_tones([TonedWord("第一名", "m", (4, 4, 2))]) == [4, 1, 2]
    assert spoken_tones([TonedWord("一名", "m", (1, 2))]) == [4, 2]
    assert spoken_tones([TonedWord("银行行长", "n", (2, 2, 2, 3))]) == [2, 2, 2, 3]
    assert spoken_tones([TonedWord("妈妈", "n", (1, 1))]) == [1, 5]

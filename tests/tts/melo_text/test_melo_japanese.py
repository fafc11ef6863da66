"""Japanese: kana to phones, figures and letters in kana, words by UniDic."""

from __future__ import annotations

import pytest
from melo_texts import MARKS, needs

from tts.melo.text.japanese import JapaneseFrontEnd, japanese
from tts.melo.text.japanese_reading import cardinal, read
from tts.melo.text.kana import kana_phones, to_katakana
from tts.melo.text.wordpiece import WordPiece

needs_japanese = needs("fugashi", "unidic_lite")
_PHONES = "N a a: b by ch d dy e e: f g gy h hy i i: j k ky m my n ny o o: p py q r ry s sh t ts ty u u: w y z zy :"
SYMBOLS = frozenset(_PHONES.split())
"""of the published voices"""


def front_end() -> JapaneseFrontEnd:
    kana = [chr(code) for code in range(0x30A0, 0x3100)]
    return japanese(WordPiece([*MARKS, *kana, *(f"##{sign}" for sign in kana)], lower_case=False))


@pytest.mark.parametrize(
    ("kana", "phones"),
    [
        ("サクラ", "s a k u r a"),
        ("シャシン", "sh a sh i N"),
        ("キョウト", "ky o u t o"),
        ("チュウ", "ch u u"),
        ("ファイル", "f a i r u"),
        ("ティッシュ", "t i q sh u"),
        ("ヴァイオリン", "b a i o r i N"),
        ("ウィキ", "w i k i"),
        ("ジェット", "j e q t o"),
        ("ツァ", "ts a"),
        ("カァ", "k a:"),
        ("スゥ", "s u:"),
        ("アァ", "a a"),
        ("コーヒー", "k o : h i :"),
        ("デュエット", "dy u e q t o"),
        ("トゥ", "t u"),
        ("ドゥ", "d u"),
        ("ヲ", "o"),
        ("ァ", "a"),
        ("x、", ""),
    ],
)
def test_kana(kana: str, phones: str) -> None:
    assert " ".join(kana_phones(kana)) == phones


def test_every_pair_of_signs_has_phones_of_the_voices() -> None:
    signs = [chr(code) for code in range(0x30A1, 0x30F5)] + ["ー"]
    assert {phone for one in signs for two in signs for phone in kana_phones(one + two)} <= SYMBOLS


def test_hiragana_becomes_katakana() -> None:
    assert to_katakana("ひらがなゔx") == "ヒラガナヴx"


@needs_japanese
@pytest.mark.parametrize(
    ("text", "kana"),
    [
        ("私は東京へ行った。", "ワタシハトウキョウヘイッタ"),
        ("今日はいい天気ですね！", "キョウハイイテンキデスネ"),
        ("3人で7時30分に。", "サンニンデシチジサンジュップンニ"),
        ("ABCと1,234個", "エービーシートセンニヒャクサンジュウヨンコ"),
        ("価格は¥3,600です", "カカクハサンゼンロッピャクエンデス"),
        ("コーヒーを飲みます", "コーヒーヲノミマス"),
        ("四月九日は金曜日です", "シガツココノカハキンヨウビデス"),
        ("お父さんと大人二人", "オトウサントオトナフタリ"),
        ("今何時ですか、何を聞きますか", "イマナンジデスカナニヲキキマスカ"),
        ("日本人と日本語", "ニホンジントニホンゴ"),
        ("三百二十一年と一日", "サンビャクニジュウイチネントイチニチ"),
    ],
)
def test_sentences_in_kana(text: str, kana: str) -> None:
    assert front_end().normalise(text) == kana


@needs_japanese
def test_a_sentence() -> None:
    phonemes = front_end().process("東京へ行った。")
    assert " ".join(phonemes.phones) == "_ t o u ky o u h e i q t a _"
    assert set(phonemes.tones) == {0}
    assert sum(phonemes.word2ph) == len(phonemes.phones)
    assert "".join(token.removeprefix("##") for token in phonemes.tokens) == "トウキョウヘイッタ"


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (0, "ゼロ"),
        (10, "ジュウ"),
        (300, "サンビャク"),
        (3600, "サンゼンロッピャク"),
        (8008, "ハッセンハチ"),
        (10_000, "イチマン"),
        (120_000_000, "イチオクニセンマン"),
    ],
)
def test_numbers(number: int, said: str) -> None:
    assert cardinal(number) == said


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("1人と2人", "ヒトリとフタリ"),
        ("11人", "ジュウイチニン"),
        ("14人と4年", "ジュウヨニンとヨネン"),
        ("3本6本8本10本", "サンボンロッポンハッポンジュッポン"),
        ("100匹", "ヒャッピキ"),
        ("8歳", "ハッサイ"),
        ("3日間", "ミッカカン"),
        ("12時間", "ジュウニジカン"),
        ("5分", "ゴフン"),
        ("10分", "ジュップン"),
        ("21分", "ニジュウイップン"),
        ("9:05", "クジゴフン"),
        ("3.14", "サンテンイチヨン"),
        ("007", "ゼロゼロナナ"),
        ("$5", "ゴドル"),
        ("20°C", "ニジュウド"),
        ("気温は-3°C", "気温はマイナスサンド"),
        ("3-5個", "サンカラゴコ"),
        ("090-1234-5678", "ゼロキュウゼロノイチニサンヨンノゴロクナナハチ"),
        ("50%", "ゴジュウパーセント"),
    ],
)
def test_figures_are_read(written: str, spoken: str) -> None:
    assert read(written) == spoken


@needs_japanese
@pytest.mark.parametrize("text", ["Привет мир", "안녕하세요", "áé"])
def test_a_text_in_another_script_is_one_unknown_sound_and_no_error(text: str) -> None:
    phonemes = front_end().process(text)
    assert (phonemes.phones, phonemes.word2ph) == (("_", "UNK", "_"), (1, 1, 1))

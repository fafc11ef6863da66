"""Korean: the rules of pronunciation, figures and letters in Hangul. No package is needed."""

from __future__ import annotations

import unicodedata

import pytest
from melo_texts import MARKS

from tts.melo.text.korean import KoreanFrontEnd, korean
from tts.melo.text.korean_reading import cardinal, native, read
from tts.melo.text.korean_sounds import sounds
from tts.melo.text.wordpiece import WordPiece

HEARD = {
    # finals link to what has no initial of its own
    **{
        "밥을": "바블",
        "먹었습니다": "머걷씀니다",
        "있어요": "이써요",
        "값이": "갑씨",
        "넋이": "넉씨",
        "읽어": "일거",
        "앉아": "안자",
    },
    **{
        "젊은": "절믄",
        "닭이": "달기",
        "흙이": "흘기",
        "꽃이": "꼬치",
        "부엌이": "부어키",
        "깎아": "까까",
        "강에": "강에",
    },
    # stops harden what follows, and clusters lose a part
    **{
        "학교에": "학꾜에",
        "국밥": "국빱",
        "옆집": "엽찝",
        "책상": "책쌍",
        "값": "갑",
        "넓다": "널따",
        "밟다": "밥따",
        "앉고": "안꼬",
    },
    **{
        "읽고": "일꼬",
        "읽다": "익따",
        "흙과": "흑꽈",
        "닮다": "담따",
        "핥다": "할따",
        "읊다": "읍따",
        "없다": "업따",
        "넓죽하다": "넙쭈카다",
        "젖다": "젇따",
    },
    # nasals and liquids
    **{
        "국물": "궁물",
        "먹는": "멍는",
        "닫는": "단는",
        "앞마당": "암마당",
        "독립": "동닙",
        "압력": "암녁",
        "강릉": "강능",
        "심리": "심니",
    },
    **{
        "신라": "실라",
        "칼날": "칼랄",
        "대통령": "대통녕",
        "협력": "혐녁",
        "생산량": "생산냥",
        "의견란": "의견난",
        "입니다": "임니다",
    },
    # h
    **{
        "좋습니다": "조씀니다",
        "놓다": "노타",
        "놓는": "논는",
        "많다": "만타",
        "많이": "마니",
        "싫어": "시러",
        "축하": "추카",
        "끓는": "끌른",
    },
    **{
        "못하다": "모타다",
        "닫히다": "다치다",
        "좋아요": "조아요",
        "괜찮아요": "괜차나요",
        "뚫네": "뚤레",
        "않습니다": "안씀니다",
    },
    # before i, and vowels
    **{
        "굳이": "구지",
        "같이": "가치",
        "미닫이": "미다지",
        "가져": "가저",
        "희망": "히망",
        "의사": "의사",
        "쳐다보다": "처다보다",
    },
    **{"안녕하세요": "안녕하세요", "감사합니다": "감사함니다"},
}

BY_ORIGIN = {
    # article 24: after stems in ㄴ and ㅁ, not before what makes them passive
    **{"안고": "안꼬", "껴안다": "껴안따", "신습니다": "신씀니다", "넘다": "넘따", "담고": "담꼬", "남지": "남찌"},
    **{"참습니다": "참씀니다", "더듬지": "더듬찌", "살아남다": "사라남따"},
    **{"심고": "심꼬", "굶다": "굼따", "젊지": "점찌"},
    **{"옮기다": "옴기다", "굶기다": "굼기다", "감기다": "감기다", "안다": "안다", "감자": "감자", "남자": "남자"},
    **{"신고": "신고", "참고": "참고", "심지어": "심지어", "감기": "감기", "숨지다": "숨지다"},
    # article 26: ㄷ, ㅅ, ㅈ after ㄹ in Chinese words, not in native ones
    **{"갈등": "갈뜽", "발동": "발똥", "절도": "절또", "말살": "말쌀", "불소": "불쏘", "일시": "일씨"},
    **{"갈증": "갈쯩"},
    **{"물질": "물찔", "발전": "발쩐", "결정": "결쩡", "활동": "활똥", "철도": "철또", "열심히": "열씸히"},
    **{"실수": "실쑤"},
    **{"칠십": "칠씹", "팔십오": "팔씨보", "출장": "출짱", "일주일": "일쭈일", "절대로": "절때로", "솔직": "솔찍"},
    **{"살다": "살다", "알다": "알다", "달도": "달도", "길조심": "길조심", "결과": "결과", "발견": "발견"},
    # article 27: endings
    **{"할걸": "할껄", "할게요": "할께요", "먹을게": "머글께"},
    **{"갈수록": "갈쑤록", "할지라도": "할찌라도", "볼지": "볼찌"},
    **{"길게": "길게", "알게": "알게"},
    # article 28
    **{"문고리": "문꼬리", "눈동자": "눈똥자", "길가": "길까"},
    **{"발바닥": "발빠닥", "술잔": "술짠", "그믐달": "그믐딸"},
    **{"아침밥": "아침빱", "등불": "등뿔", "물고기": "물꼬기", "조건": "조껀"},
    # article 29: an ㄴ between parts
    **{"솜이불": "솜니불", "홑이불": "혼니불", "꽃잎": "꼰닙", "깻잎": "깬닙", "색연필": "생년필", "담요": "담뇨"},
    **{"내복약": "내봉냑", "한여름": "한녀름", "남존여비": "남존녀비", "신여성": "신녀성", "직행열차": "지캥녈차"},
    **{"늑막염": "능망념", "콩엿": "콩녇", "눈요기": "눈뇨기"},
    **{"영업용": "영엄뇽", "식용유": "시굥뉴", "막일": "망닐"},
    **{"들일": "들릴", "솔잎": "솔립", "물약": "물략", "서울역": "서울력", "물엿": "물렫", "휘발유": "휘발류"},
    **{"볼일": "볼릴", "삯일": "상닐", "공권력": "공꿘녁"},
    **{"십육": "심뉵", "백육십": "뱅뉵씹", "열여섯": "열려섣"},
    **{"부산역": "부산녁", "관절염": "관절렴", "개인용": "개인뇽"},
    **{"재활용": "재화룡", "부작용": "부자굥", "동시통역": "동시통역"},
    **{"재감염": "재가몀", "활용": "화룡", "국어": "구거"},
    **{"지역": "지역", "생일": "생일", "사용": "사용"},
}  # fmt: skip


def front_end() -> KoreanFrontEnd:
    syllables = [chr(code) for code in range(0xAC00, 0xD7A4)]
    return korean(WordPiece([*MARKS, *syllables, *(f"##{one}" for one in syllables), *"!?…,.'-"], lower_case=False))


def test_no_word_stands_in_both_tables() -> None:
    assert not HEARD.keys() & BY_ORIGIN.keys()
    assert len(HEARD) + len(BY_ORIGIN) >= 150


@pytest.mark.parametrize(("written", "heard"), (HEARD | BY_ORIGIN).items())
def test_words_sound_by_the_standard_pronunciation(written: str, heard: str) -> None:
    assert unicodedata.normalize("NFC", sounds(written)) == heard


def test_phones_are_letters_of_the_voices() -> None:
    phonemes = front_end().process("안녕하세요, 같이 갑시다.")
    assert phonemes.phones == ("_", *unicodedata.normalize("NFD", "안녕하세요"), ",",
                               *unicodedata.normalize("NFD", "가치갑씨다"), ".", "_")  # fmt: skip
    assert set(phonemes.tones) == {0}
    assert sum(phonemes.word2ph) == len(phonemes.phones)
    assert phonemes.tokens[:3] == ("안", "##녕", "##하")


def test_a_vocabulary_without_accents_leaves_the_sounds_alone() -> None:
    taken_apart = korean(WordPiece([*MARKS, "."], lower_case=True))
    assert taken_apart.process("같이.").phones[1:5] == tuple(unicodedata.normalize("NFD", "가치"))


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("3600원", "삼천육백원"),
        ("1,234,567", "백이십삼만사천오백육십칠"),
        ("10000", "만"),
        ("2026년 11월", "이천이십육년 십일월"),
        ("3시 30분", "세시 삼십분"),
        ("15:05", "열다섯시 오분"),
        ("20살", "스무살"),
        ("사과 5개", "사과 다섯개"),
        ("100개", "백개"),
        ("3.14", "삼점일사"),
        ("010", "공일공"),
        ("010-1234-5678", "공일공, 일이삼사, 오육칠팔"),
        ("섭씨 -3°C", "섭씨 영하 삼도"),
        ("-5", "마이너스 오"),
        ("3-5일", "삼에서 오일"),
        ("COVID-19", "씨오브이아이디-십구"),
        ("50%", "오십퍼센트"),
        ("$5", "오달러"),
        ("20°C", "이십도"),
        ("AI", "에이아이"),
    ],
)
def test_figures_are_read(written: str, spoken: str) -> None:
    assert read(written) == spoken


def test_numbers() -> None:
    assert [cardinal(number) for number in (0, 11, 110, 20_000, 100_010_000)] == [
        "영",
        "십일",
        "백십",
        "이만",
        "일억일만",
    ]
    assert [native(number) for number in (1, 20, 21, 99)] == ["한", "스무", "스물한", "아흔아홉"]

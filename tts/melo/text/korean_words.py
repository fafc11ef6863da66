"""Where a Korean word's parts or origin decide how it sounds: what its letters alone do not tell, by lists and endings.

From the Standard Pronunciation of Korean (1988): article 24 (stems in ㄴ and ㅁ), 26 (ㄹ in Chinese words), 27 (endings
in ㄹ), 28 (compounds) and 29 (the ㄴ between parts). What is ambiguous in writing sounds as its commoner reading.
"""

from __future__ import annotations

import re


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_STEMS = "껴안 끌어안 얼싸안 부둥켜안 감 남 넘 담 참 숨 심 품 뿜 검 삼 다듬 더듬 머금"
_ENDINGS = (
    "고 고는 고서 고도 다 다가 다면 다는 다고 지 지만 지는 지도 지요 던 더라 더니 게 거나 거든 습니다 습니까 도록 든지"
)
_STEM = re.compile(f"(?:^|[아어여])(?:{'|'.join(_words(_STEMS))})(?=(?:{'|'.join(_words(_ENDINGS))})$)")
_FORMS = frozenset(_words("안고 안고서 안고는 안습니다 안던 신다 신습니다 신던 신거나"))
"""of stems that are too much like other words to be taken with all endings: 안다, 신고, 신지"""
_NOUNS = frozenset(_words("감지 감지는 감지도 참고 참고는 참고도 참게 심지 심지는 심지도 검지 검지는 검지도"))
_PASSIVE = re.compile("[굶옮곪](?=[기겨긴길김깁])")

_CHINESE = frozenset(
    _words("""
    갈등 갈증 걸작 결단 결산 결석 결선 결성 결속 결손 결승 결실 결심 결재 결전 결점 결정 결제 골절 굴절 글자 길조 날조
    달성 돌진 말단 말살 말소 말세 멸종 몰두 몰수 몰지 물산 물심 물자 물증 물질 밀도 밀수 밀실 밀접 밀집 발단 발달 발동
    발사 발산 발상 발생 발성 발송 발신 발전 발작 발족 발주 발진 벌점 별도 별세 별식 별실 별장 별종 별지 불상 불성 불소
    불손 불순 불시 불식 불신 불심 살상 살생 설득 설사 설전 설정 설종 솔직 술수 실사 실상 실세 실속 실수 실습 실시
    실신 실장 실재 실적 실전 실점 실정 실제 실존 실종 실증 실직 실질 알선 열대 열도 열등 열성 열심 열정 열중 월동 월등
    월세 월수 월식 율동 을지 일단 일당 일대 일동 일등 일상 일생 일선 일세 일소 일손 일수 일순 일시 일식 일신 일자 일장
    일전 일절 일정 일제 일조 일종 일주 일지 일직 절단 절대 절도 절상 절수 절실 절전 절정 절제 절주 절차 졸도 졸속
    졸전 질서 질소 질식 질적 질주 찰상 철도 철사 철수 철심 철자 철저 철제 철조 출동 출두 출산 출생 출석 출세 출소 출수
    출시 출신 출장 출전 출정 출제 칠순 칠십 칠조 탈당 탈선 탈세 탈수 탈주 탈지 탈진 팔도 팔순 팔십 팔자 팔조 필독 필사
    필살 필생 필수 필승 필시 필자 필지 할당 할증 혈당 혈색 혈서 혈세 혈장 혈전 혈족 활달 활동 활성 활자 활주
    """)
)
_NOT_CHINESE = ("길조심", "일조차", "일시키")

_COMPOUNDS = {
    **dict.fromkeys(
        _words("문고리 눈동자 신바람 산새 손재주 길가 물동이 발바닥 굴속 술잔 술집 강가 등불 창살 강줄기"), 1
    ),
    **dict.fromkeys(
        _words("물고기 손등 발등 눈가 손가락 발가락 산골 빵집 봄비 밤거리 안방 김밥 강바람 산바람 물집"), 1
    ),
    **dict.fromkeys(_words("방바닥 길거리 눈길 손길 발길 산길 밤길 인기 조건 사건 문자 한자 성격 인격 평가 만점"), 1),
    **dict.fromkeys(_words("장점 단점 초점 공권력 안과 내과 외과 치과"), 1),
    **dict.fromkeys(_words("바람결 그믐달 보름달 아침밥 초승달 비빔밥"), 2),
}
"""words that begin so, and which of their syllables is tense"""

_PROMISE = re.compile("[할갈볼올줄을될릴낼킬칠탈](?=(?:게|게요|걸|걸요|세라|지도|지는|지를|지라도|지언정|진대)$)")
_WHETHER = re.compile("[할갈볼올될을](?=지$)")
_MORE = re.compile("[가-힣](?=수록)")

_LEAF = re.compile("[가-힣](?=잎)")
_SIX = re.compile("[십백천만억](?=육)|[열물른흔쉰순든](?=여섯|여덟)")
_SUFFIX = re.compile("[가-힣]([가-힣])(?=(용|역|염)(?:$|[은을이의에과도만으로까부]))")
_OWN_WORD = {
    "용": frozenset("활작적인남신응혼겸범공등상통전관착복악중운원임군식약"),
    "역": frozenset("방면통번광병음권현성전악단직영용검"),
    "염": frozenset("감전방간"),
}
"""syllables that make a word with it, so that no part begins there: 재활용, 동시통역, 재감염"""
_JOINED = {
    **dict.fromkeys(
        _words("솜이불 홑이불 색연필 담요 한여름 첫여름 신여성 콩엿 물엿 눈요기 들일 볼일 별일 앞일 옛일"), 1
    ),
    **dict.fromkeys(_words("밭일 막일 삯일 물약 알약 맨입 옛이야기 뒷이야기 낯익 설익 불여우 밤윷 잔일"), 1),
    **dict.fromkeys(_words("내복약 남존여비 급행열차 직행열차 야간열차 늑막염 식용유 휘발유 백분율 집안일 두통약"), 2),
    **dict.fromkeys(_words("소독약 신혼여행 배낭여행 수학여행 단체여행 국민윤리 한국요리 중국요리 개인용 성인용"), 2),
    **dict.fromkeys(_words("노인용 일인용 대전역 부엌일"), 2),
}
"""words that begin so, and which of their syllables begins the second part"""

_RIEUL = 8
"""the final ㄹ among the 28"""


def tense_places(word: str) -> frozenset[int]:
    """Of whole Hangul: numbers of the syllables that begin with a tense consonant for the word's sake."""
    places = {number + 1 for number in range(len(word) - 1) if _is_chinese(word, number)}
    places |= {match.end() for pattern in (_PROMISE, _WHETHER) for match in pattern.finditer(word)}
    places |= {match.end() for match in _MORE.finditer(word) if _final(match[0]) == _RIEUL}
    places |= {at for compound, at in _COMPOUNDS.items() if word.startswith(compound)}
    if word in _FORMS:
        places.add(1)
    elif word not in _NOUNS:
        places |= {match.end() for match in _STEM.finditer(word)}
    return frozenset(places)


def joined_places(word: str) -> frozenset[int]:
    """Numbers of the syllables that begin a part of the word, which sound with an ㄴ where a final is before them."""
    places = {match.end() for pattern in (_LEAF, _SIX) for match in pattern.finditer(word)}
    places |= {match.end() for match in _SUFFIX.finditer(word) if match[1] not in _OWN_WORD[match[2]]}
    places |= {at for compound, at in _JOINED.items() if word.startswith(compound)}
    return frozenset(places)


def is_passive(word: str, number: int) -> bool:
    """Whether the stem in ㄻ there becomes passive or causative, which hardens nothing: 옮기다, 굶기다."""
    return _PASSIVE.match(word, number) is not None


def _final(syllable: str) -> int:
    return (ord(syllable) - 0xAC00) % 28


def _is_chinese(word: str, number: int) -> bool:
    return word[number : number + 2] in _CHINESE and not any(word.startswith(one, number) for one in _NOT_CHINESE)

"""The tones of Mandarin in running speech: 不 and 一 by what follows, light syllables, third tones before third tones.

After the usual descriptions (Chao 1968; Duanmu 2007). Words come from jieba with their part of speech; light syllables
that only a dictionary knows are pypinyin's, and of everyday words those of the list that examinations of standard
Mandarin ask for, as far as we know it by heart (东西, 朋友).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


LIGHT = 5
_ALWAYS_LIGHT = frozenset("吧呢啊呐嘛吗的了着")
_LIGHT_PARTICLES = frozenset("吖嗨哦哒滴哩哟喽啰耶喔诶地得过")
"""light as words of their own kind, u or y, alone"""
_SUFFIXES = frozenset("们子")
_LIGHT_WORDS = frozenset(
    _words("""
    爱人 巴掌 包袱 本事 鼻子 扁担 别扭 玻璃 簸箕 部分 财主 裁缝 苍蝇 称呼 畜生 窗户 刺猬 凑合 耽搁 耽误 得罪 灯笼
    提防 地道 地方 弟弟 点心 东家 东西 动静 动弹 豆腐 对付 队伍 多么 耳朵 废物 风筝 福气 干事 高粱 胳膊 工夫 功夫 姑娘
    故事 寡妇 怪物 关系 官司 棺材 规矩 闺女 哈欠 含糊 合同 和尚 核桃 红火 厚道 狐狸 胡萝卜 葫芦 糊涂 护士 皇上 活泼 火候
    伙计 机灵 记号 记性 家伙 架势 嫁妆 见识 将就 交情 叫唤 结实 街坊 戒指 精神 咳嗽 客气 口袋 快活 阔气 喇叭 懒得 浪头
    老婆 老实 老爷 累赘 篱笆 里头 力气 厉害 利落 利索 痢疾 连累 凉快 粮食 溜达 萝卜 骆驼 麻烦 麻利 馒头 忙活 冒失 眉毛
    媒人 门道 眯缝 迷糊 苗条 名堂 名字 明白 蘑菇 模糊 木匠 木头 难为 脑袋 能耐 念叨 念头 暖和 女婿 牌楼 盘算 朋友 脾气
    屁股 便宜 漂亮 婆家 葡萄 亲戚 勤快 清楚 亲家 拳头 热闹 人家 人们 认识 扫帚 商量 上司 上头 烧饼 少爷 舌头 身份
    什么 生意 牲口 师父 师傅 石匠 石榴 石头 时候 实在 拾掇 使唤 世故 似的 事情 收成 收拾 首饰 舒服 舒坦 疏忽 爽快 思量
    算计 岁数 太太 特务 体面 跳蚤 铁匠 头发 妥当 唾沫 挖苦 娃娃 晚上 尾巴 委屈 位置 温和 稳当 窝囊 喜欢 下巴 吓唬 先生
    乡下 相声 消息 小气 笑话 谢谢 心思 星星 猩猩 行李 性子 兄弟 休息 秀才 秀气 学生 学问 丫头 衙门 哑巴 胭脂 烟筒 眼睛
    秧歌 养活 吆喝 妖精 钥匙 衣服 衣裳 意思 应酬 冤枉 月饼 月亮 云彩 运气 在乎 早上 怎么 扎实 眨巴 栅栏 张罗 丈夫 帐篷
    丈人 招呼 招牌 折腾 这个 这么 枕头 芝麻 知识 指甲 指头 主意 转悠 庄稼 壮实 状元 字号 自在 祖宗 嘴巴 作坊 琢磨
    """)
)
_FULL_ZI = frozenset({"男子", "女子", "分子", "原子", "量子", "莲子", "石子", "瓜子", "电子", "王子", "孔子", "老子"})
_PLACES = frozenset("上下里")
_GOING = frozenset("来去")
_WAYS = frozenset("上下进出回过起开")
_BEFORE_GE = frozenset("几有两半多各整每做是这那零一二三四五六七八九十百千")
_NUMERALS = frozenset("零一二三四五六七八九十百千万亿点")
_FULL_YI = frozenset("月号楼")
_FOOT = 3
"""syllables of neighbours whose third tones change together"""


@dataclass(frozen=True, slots=True)
class TonedWord:
    """A word, its part of speech in jieba's letters, and a dictionary tone 1 to 5 for each character."""

    text: str
    kind: str
    tones: tuple[int, ...]
    head: int = 2
    """characters of its first part: 2 of 展览|馆, 1 of 小|老虎"""


def spoken_tones(words: Iterable[TonedWord]) -> list[int]:
    """The tones as they are said, one a character."""
    spoken: list[int] = []
    for word in _in_feet(_merged(words)):
        tones = list(word.tones)
        _say_bu(word.text, tones)
        _say_yi(word.text, tones)
        _say_light(word, tones)
        _say_third(tones, word.head)
        spoken += tones
    return spoken


def _merged(words: Iterable[TonedWord]) -> list[TonedWord]:
    """不 and 一 with the word behind them, a word with its double, 儿 with the word before."""
    merged: list[TonedWord] = []
    for word in words:
        last = merged[-1] if merged else None
        if last is not None and (last.text in ("不", "一") or word.text in ("儿", last.text)):
            merged[-1] = _joined(last, word)
        else:
            merged.append(word)
    return merged


def _in_feet(words: Iterable[TonedWord]) -> list[TonedWord]:
    """A short word that ends in a third tone with a short one that begins with one."""
    feet: list[TonedWord] = []
    whole = False
    for word in words:
        last = feet[-1] if feet else None
        fits = last is not None and len(last.text) + len(word.text) <= _FOOT and last.text[0] != last.text[-1:]
        if last is not None and (fits or len(last.text) == 1 == len(word.text)) and not whole and _meet(last, word):
            feet[-1], whole = _joined(last, word), True
        else:
            feet.append(word)
            whole = False
    return _closed(feet)


def _closed(feet: Iterable[TonedWord]) -> list[TonedWord]:
    """A foot of two single words takes in a last single one, whose third tone would meet its own: 我|很好."""
    closed: list[TonedWord] = []
    for foot in feet:
        last = closed[-1] if closed else None
        pair = last is not None and len(last.text) == 2 and last.head == 1
        if last is not None and pair and len(foot.text) == 1 and _meet(last, foot):
            closed[-1] = TonedWord(last.text + foot.text, last.kind, last.tones + foot.tones, 1)
        else:
            closed.append(foot)
    return closed


def _meet(one: TonedWord, two: TonedWord) -> bool:
    return one.tones[-1] == two.tones[0] == 3


def _joined(one: TonedWord, two: TonedWord) -> TonedWord:
    kind = two.kind if one.text in ("不", "一") else one.kind
    return TonedWord(one.text + two.text, kind, one.tones + two.tones, len(one.text))


def _say_bu(text: str, tones: list[int]) -> None:
    if len(text) == 3 and text[1] == "不":
        tones[1] = LIGHT  # 好不好, 来不及
        return
    for index, character in enumerate(text[:-1]):
        if character == "不" and tones[index + 1] == 4:
            tones[index] = 2


def _say_yi(text: str, tones: list[int]) -> None:
    if "一" not in text or _NUMERALS.issuperset(text):
        return
    if len(text) == 3 and text[1] == "一" and text[0] == text[2]:
        tones[1] = LIGHT  # 看一看
        return
    for index, character in enumerate(text[:-1]):
        if character == "一" and index and text[index - 1] == "第":
            tones[index] = 1  # some dictionaries have it as before any other word
            continue
        counted = text[index + 1] in _FULL_YI | _NUMERALS or text[max(index - 1, 0)] in _NUMERALS - {"一"}
        if character == "一" and not counted:
            tones[index] = 2 if tones[index + 1] == 4 else 4


def _say_light(word: TonedWord, tones: list[int]) -> None:
    text, kind = word.text, word.kind[:1]
    for index in range(1, len(text)):
        across = len(text) == 4 and index == 2  # 银行|行长
        if (
            text[index] == text[index - 1]
            and not across
            and kind in "nva"
            and text not in ("人人", "天天", "年年", "常常")
        ):
            tones[index] = LIGHT
    last, before = text[-1], text[-2:-1]
    light = last in _ALWAYS_LIGHT or (not before and last in _LIGHT_PARTICLES and kind in "uy")
    if before:
        light = (
            light
            or text[-2:] in _LIGHT_WORDS
            or (
                (last in _SUFFIXES and kind in "nr" and text[-2:] not in _FULL_ZI)
                or (last in _PLACES and kind in "slf")
                or (last in _GOING and before in _WAYS)
                or (last == "个" and before in _BEFORE_GE)
            )
        )
    if light:
        tones[-1] = LIGHT


def _say_third(tones: list[int], head: int) -> None:
    """Third tones before third tones rise; in three of them the first part of one character stays."""
    length = len(tones)
    if length == _FOOT and tones == [3, 3, 3] and head == 1:
        tones[1] = 2
        return
    if length > _FOOT:
        for begin in range(0, length - 1, 2):
            if tones[begin] == tones[begin + 1] == 3:
                tones[begin] = 2
        return
    original = list(tones)
    for index in range(length - 1):
        if original[index] == original[index + 1] == 3:
            tones[index] = 2

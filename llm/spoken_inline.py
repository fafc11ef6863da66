"""Makes one line of Markdown speech, character by character: emphasis, code marks, links, tags, entities and emoji.

What proves to be no markup comes out unchanged; how the text is cut into pieces makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_LONGEST_HOLD = 300
"""characters that a bracket may stay open before it is taken as a plain one"""
_LONGEST_ENTITY = 10
_ADDRESSES = ("https://", "http://", "www.")
_HOST = re.compile(r"(?:https?://)?(?:www\.)?([^/\s?#]+)", re.IGNORECASE)
_PICTURES = re.compile(
    "[\u00ad\u200b\ufeff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\u200d\u20e3\ufe0e\ufe0f\U0001f000-\U0001faff\U000e0020-\U000e007f]"
)
_ARROWS = re.compile("[\u2190-\u21ff\u27f0-\u27ff]")
FENCE = "```"
_LANGUAGE = re.compile(r"`+[\w+#.\-]*")
"""a fence, and the name of a language behind it"""
_BREAKS = re.compile(r"</?(?:br|p|li|div|tr)\b[^>]*>", re.IGNORECASE)


class InlineSpeech:
    """`feed(character)` returns what can be spoken now; `flush()` what was held back."""

    def __init__(self) -> None:
        self._held = ""
        self._last = " "
        """the character that came out last"""
        self._notes = False
        """the line begins with the mark of a note, and a colon may follow"""
        self._quotes_code = False
        """between two fences of one line"""
        self.fence = ""
        """after `flush`: the fence at the line's end, which opens a block of code"""
        self._rules: dict[str, Callable[[str], str]] = {
            "*": self._emphasis,
            "_": self._emphasis,
            "~": self._emphasis,
            "\\": self._escaped,
            "!": self._picture,
            "[": self._link,
            "<": self._tag,
            "&": self._entity,
            "`": self._code,
            "h": self._address,
            "w": self._address,
        }

    @property
    def last(self) -> str:
        """The character that came out last; a space at the start."""
        return self._last

    def feed(self, character: str) -> str:
        """Take one character in."""
        if self._held:
            return self._rules[self._held[0].lower()](character)
        if self._notes:
            self._notes = False
            if character == ":":
                return ""
        begins = character.lower()
        if begins in self._rules and not (begins in "hw" and self._last.isalnum()):
            self._held = character
            return ""
        return self._out(character)

    def speak(self, text: str) -> str:
        """A whole text."""
        return "".join(self.feed(character) for character in text)

    def flush(self) -> str:
        """End of the line."""
        said = ""
        while held := self._held:
            if held[0] in "*_~":
                self._held = ""
                said += self._emphasised(held, " ")
            elif held[0] == "`":
                said += self._end_code(line_ends=True)
            elif self._is_address():
                said += self._end_address()
            elif held == "\\":  # a line that is broken here
                self._held = ""
            elif re.fullmatch(r"\[[^\]]*\](?:[(\[][^\])]*)?", held):
                said += self._end_link()
            else:
                said += self._plain()
        return said

    def _out(self, text: str) -> str:
        text = _PICTURES.sub("", text)
        if text == "|" and self._last.isspace():  # between the columns of a table
            text = ","
        text = _ARROWS.sub("–", text).replace("•", ",")
        if text:
            self._last = text[-1]
        return text

    def _plain(self, character: str = "") -> str:
        """What is held is no markup: its first character comes out, and the rest is looked at again."""
        held, self._held = self._held, ""
        return self._out(held[0]) + self.speak(held[1:] + character)

    def _code(self, character: str) -> str:
        wider = self._held + character
        if _LANGUAGE.fullmatch(wider) and (character == "`" or self._held.startswith(FENCE)):
            self._held = wider
            return ""
        return self._end_code(line_ends=False) + self.feed(character)

    def _end_code(self, line_ends: bool) -> str:
        """Marks of code are silent; the name of a language behind a fence is too, where its line ends with it."""
        held, self._held = self._held, ""
        name = held.lstrip("`")
        if held.startswith(FENCE):
            self._quotes_code = not self._quotes_code
            if line_ends and self._quotes_code:
                self.fence = held[: len(held) - len(name)]
                return ""
        return self._out(name)

    def _emphasis(self, character: str) -> str:
        if character == self._held[0]:
            self._held += character
            return ""
        run, self._held = self._held, ""
        return self._emphasised(run, character) + self.feed(character)

    def _emphasised(self, run: str, following: str) -> str:
        """A sign of its own between two spaces, numbers or parts of a name; else nothing."""
        before = self._last
        alone = before.isspace() and following.isspace()
        if run[0] == "*":
            literal = len(run) == 1 and (alone or (before.isdigit() and following.isdigit()))
        elif run[0] == "_":
            literal = alone or (before.isalnum() and following.isalnum())
        else:
            literal = len(run) == 1
        return self._out(run) if literal else ""

    def _escaped(self, character: str) -> str:
        """A backslash makes the next sign a plain one; before letters and brackets it belongs to a formula."""
        self._held = ""
        if character.isalnum() or character.isspace():
            return self.feed(character)
        return "" if character in "()[]" else self._out(character)

    def _picture(self, character: str) -> str:
        if character == "[":
            self._held = "["
            return ""
        return self._plain(character)

    def _link(self, character: str) -> str:
        held = self._held
        _, closed, target = held.partition("]")
        if character == "\n" or len(held) > _LONGEST_HOLD:
            return (self._end_link() if closed else self._plain()) + self.feed(character)
        if closed and not target:
            if character in "([":
                self._held += character
                return ""
            return self._end_link() + self.feed(character)
        if closed and character == {"(": ")", "[": "]"}[target[0]] and not _has_open(target[1:]):
            return self._end_link()
        if not closed and character == "[":
            before, self._held = self._held, ""
            said = self._out("[") + self.speak(before[1:])
            return said + self.feed(character)
        self._held += character
        return ""

    def _end_link(self) -> str:
        """The words of a link; nothing for a footnote, a numbered source or a box to tick."""
        held, self._held = self._held, ""
        label = held[1 : held.index("]")].strip()
        leads_nowhere = held.endswith("]")
        if leads_nowhere and (label.startswith("^") or label.isdigit() or label in ("", "x", "X")):
            self._notes = self._last == " "
            return ""
        inner = InlineSpeech()
        return self._out(inner.speak(label) + inner.flush())

    def _tag(self, character: str) -> str:
        held = self._held
        if held == "<" and not (character.isalpha() or character in "/|!"):
            return self._plain(character)
        if character in "<\n" or len(held) > _LONGEST_HOLD:
            return self._plain(character)
        if character != ">":
            self._held += character
            return ""
        self._held = ""
        if held[1:].lower().startswith(_ADDRESSES):
            return self._out(_host(held[1:]))
        return self._out(" ") if _BREAKS.fullmatch(held + ">") else ""

    def _entity(self, character: str) -> str:
        if character == ";":
            from html import unescape  # two thousand names, for a model that writes one once in a while

            entity, self._held = self._held + character, ""
            return self._out(unescape(entity))
        if (character.isalnum() or character == "#") and len(self._held) < _LONGEST_ENTITY:
            self._held += character
            return ""
        return self._plain(character)

    def _is_address(self) -> bool:
        return self._held.lower().startswith(_ADDRESSES)

    def _address(self, character: str) -> str:
        if self._is_address():
            closes = character == ")" and not _has_open(self._held)
            if character.isspace() or closes or character in '<>"`|]»”':
                return self._end_address() + self.feed(character)
            self._held += character
            return ""
        wider = self._held + character
        if any(address.startswith(wider.lower()) for address in _ADDRESSES):
            self._held = wider
            return ""
        return self._plain(character)

    def _end_address(self) -> str:
        """The name of the server; signs at the end belong to the sentence."""
        held, self._held = self._held, ""
        address = held.rstrip(".,;:!?*_'")
        return self._out(_host(address)) + self.speak(held[len(address) :])


def _has_open(address: str) -> bool:
    """Whether a bracket is open in it, as in wikipedia.org/wiki/Foo_(bar)."""
    return address.count("(") > address.count(")")


def _host(address: str) -> str:
    found = _HOST.match(address)
    return found[1] if found else ""

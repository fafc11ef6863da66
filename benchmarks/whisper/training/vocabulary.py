"""The rows of Whisper's vocabulary that training needs, and one row that stands for all others.

The others never occur, so they share one row, counted as often as they are: that is the full softmax with tied rows.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.whisper.tokens import END_OF_TEXT, FIRST_TIMESTAMP
from benchmarks.whisper.training.sentences import Sentences, written
from core.messages import Language

if TYPE_CHECKING:
    from whisper.tokenizer import Tokenizer

SIZE = 51_865
IGNORED = -100
_DRAWN = 60_000
_LARGEST_NUMBER = 1000
_TIMESTAMPS_PER_S = 50
_PHONEMES = "abdefhijklmnopstuvwyzæðøŋœɐɑɔəɚɛɜɡɪɹɾʁʃʊʌʒ̃θᵻɲɥɒɫçxrɕ"
PHONEMES = len(_PHONEMES) + 1
"""0 is the blank of CTC"""


@dataclass(frozen=True)
class Vocabulary:
    """Token ids in the order of training's rows; the last row is the shared one."""

    ids: tuple[int, ...]

    @property
    def rows(self) -> int:
        """With the shared one."""
        return len(self.ids) + 1

    @property
    def sharing(self) -> int:
        """How many tokens the shared row stands for."""
        return SIZE - len(self.ids)

    @cached_property
    def _row(self) -> dict[int, int]:
        return {token: row for row, token in enumerate(self.ids)}

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return _tokenizer()

    def row(self, token: int) -> int:
        """Of a token; the shared one for a token that training does not know."""
        return self._row.get(token, len(self.ids))

    def speech(self, text: str, language: str, end_s: float | None) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """What the decoder reads and what it is to say, with timestamps where the sound's end is given."""
        known = self._tokenizer
        said = known.encode(f" {text}")
        prompt = [known.sot, known.to_language_token(language), known.transcribe]
        if end_s is None:
            tokens = [*prompt, known.no_timestamps, *said, END_OF_TEXT]
        else:
            end = FIRST_TIMESTAMP + min(round(end_s * _TIMESTAMPS_PER_S), 1500)
            tokens = [*prompt, FIRST_TIMESTAMP, *said, end, END_OF_TEXT]
        rows = [self.row(token) for token in tokens]
        targets = rows[1:]
        if end_s is None:
            targets[2] = IGNORED  # whether timestamps are wanted is not to be heard
        return tuple(rows[:-1]), tuple(targets)

    def no_speech(self, language: Language) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """As `speech` for other sounds: no speech, and no text if asked all the same."""
        known = self._tokenizer
        tokens = (known.sot, known.to_language_token(language), known.transcribe, known.no_timestamps)
        targets = (self.row(known.no_speech), IGNORED, IGNORED, self.row(END_OF_TEXT))
        return tuple(self.row(token) for token in tokens), targets

    def phonemes(self, spelled: str) -> tuple[int, ...]:
        """CTC's labels."""
        return tuple(found + 1 for found in map(_PHONEMES.find, spelled) if found >= 0)

    def text(self, rows: list[int]) -> str:
        """Of rows that were said."""
        ids = [self.ids[row] for row in rows if row < len(self.ids)]
        said: str = self._tokenizer.decode([token for token in ids if token < END_OF_TEXT])
        return said.strip()


def load_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary in `path`; collected from the sentences and written there at the first call."""
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_text(json.dumps(_collect()), encoding="utf-8")
        part.replace(path)
    return Vocabulary(tuple(json.loads(path.read_text(encoding="utf-8"))))


def _collect() -> list[int]:
    from num2words import num2words

    known = _tokenizer()
    words: set[str] = set()
    languages: tuple[Language, ...] = ("en", "fr")
    for language in languages:
        sentences, rng = Sentences(language), random.Random(1)
        for half in (False, True):
            for _ in range(_DRAWN if not half else _DRAWN // 10):
                words.update(sentences.draw(rng, held_out=half).text.split())
        for number in range(_LARGEST_NUMBER + 1):
            words.update(written(num2words(number, lang=language)).split())
    tokens = {token for word in words for token in known.encode(f" {word}")}
    return sorted(tokens | set(range(END_OF_TEXT, SIZE)))


def _tokenizer() -> Any:
    from whisper.tokenizer import get_tokenizer

    return get_tokenizer(True, num_languages=99, language="en", task="transcribe")

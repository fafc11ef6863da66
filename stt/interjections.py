"""The short words that people say over somebody else's speech, told apart by pocketsphinx among themselves.

The n-gram model knows no "mhm" and hears "they make" in it. What is none of these words does not fit them: how much
worse free words do says so, as for commands.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.messages import Samples
from stt.hypothesis import Hypothesis, command_margin
from stt.pocketsphinx_engine import SphinxDecoder, list_decoder

logger = logging.getLogger(__name__)

MARGIN = 0.9
"""nats per 10 ms by which a word here must fit better than free words (`benchmarks.stt_parts.interjections`: of 5
synthetic voices 60 of 80 words are heard as themselves, 31 of 40 backchannels let the reply go on, no other of 75)"""
# fmt: off
WORDS: dict[str, tuple[str, ...]] = {
    "mhm": ("M", "AH M", "HH M", "M HH M", "AH M HH AH M", "M HH AH M"),
    "uh-huh": ("AH HH AH", "AH HH AH N"),
    "yes": ("Y EH S",), "yeah": ("Y AE", "Y EH AH"), "okay": ("OW K EY",), "right": ("R AY T",), "sure": ("SH UH R",),
    "oh": ("OW",), "i see": ("AY S IY",),
    "stop": ("S T AA P",), "wait": ("W EY T",), "no": ("N OW",), "what": ("W AH T",), "again": ("AH G EH N",),
    "hold on": ("HH OW L D AA N",), "more": ("M AO R",), "louder": ("L AW D ER",),
}
# fmt: on
"""each with its pronunciations; those of the last two lines end a reply"""


class InterjectionEar:
    """Loads its decoder (7 MB, 50 ms) when it is first asked."""

    def __init__(self) -> None:
        self._decoder: SphinxDecoder | None = None

    def hear(self, pieces: Sequence[Samples], mean: Samples, words: Hypothesis | None) -> str:
        """The word that [n] samples at 16 kHz are, or an empty text. `words` is what free words make of them.

        Raises ModelLoadError, InferenceError.
        """
        if self._decoder is None:
            self._decoder = _load()
        self._decoder.start(mean)
        for piece in pieces:
            self._decoder.feed(piece)
        found = self._decoder.finish()
        if found is None or words is None or not found.text:
            return ""
        margin = command_margin(found, words)
        text = found.text.split("|")[0].replace("_", " ")
        logger.debug("interjection %r, free words %r, margin %.2f", text, words.text, margin)
        return text if margin >= MARGIN else ""


def _load() -> SphinxDecoder:
    lines = {
        f"{word.replace(' ', '_')}|{number}": phones
        for word, variants in WORDS.items()
        for number, phones in enumerate(variants)
    }
    with tempfile.TemporaryDirectory(prefix="merline-") as folder:
        dictionary = Path(folder) / "interjections.dict"
        dictionary.write_text("".join(f"{word} {phones}\n" for word, phones in lines.items()), encoding="utf-8")
        return list_decoder(dictionary, tuple(lines))

"""Two pocketsphinx decoders: one over a command grammar, one over the general n-gram model shipped in the package.

Both take sound chunk by chunk. Scores are normalised so that they compare across lengths; see `stt.hypothesis`.
Neither is safe to use from two threads at once.
"""

from __future__ import annotations

import logging
import math
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from core.messages import Samples
from core.utils.errors import InferenceError, MissingDependencyError, ModelLoadError
from stt.automaton import OPEN
from stt.grammar import Grammar
from stt.hypothesis import FRAME_S, OPEN_PREFIX, PHONES, Hypothesis, Word
from stt.numbers import CLASSES

logger = logging.getLogger(__name__)

_OPEN_PHONES = tuple(OPEN_PREFIX + phone for phone in PHONES)
PIECE_BYTES = 640
"""20 ms of 16-bit sound at 16 kHz: pocketsphinx holds the interpreter's lock while it decodes, and the sound devices'
callbacks must not wait for it longer than a few milliseconds"""
_SCORE_SCALE = 1024.0
"""pocketsphinx keeps path scores divided by 2**10 (SENSCR_SHIFT) and reports exp() of that"""
_FILLER = re.compile(r"^(<.*>|\[.*\]|\+\+.*\+\+|\(NULL\))$")
_VARIANT = re.compile(r"\(\d+\)$")
TYPICAL_MEAN: Samples = np.array([44.5, 0, 1.5, 13, -8, -0.5, -1.5, -6.5, -0.5, -3, 4, -1.5, 0.3], np.float32)
"""Cepstral mean an utterance starts with: that of speech brought to the transcriber's level, measured over seven test
voices. pocketsphinx itself follows an utterance too slowly to matter; see `SphinxDecoder.mean`."""
_MEAN_WINDOW = 500
"""frames that pocketsphinx counts a mean it is given for (CMN_WIN)"""
_TRUST_FRAMES = 30
"""frames that `TYPICAL_MEAN` counts for against an utterance's own"""
_SHIFT, _WINDOW = 160, 410
"""samples from frame to frame, and of one frame"""
_FIRST = 1600
"""samples of silence that a decoder hears before all else: what it hears first of all it scores a little otherwise"""
_SPEED = {"fwdflat": False, "bestpath": False, "cmn": "live", "loglevel": "FATAL"}
_GRAMMAR_LIMITS = {"wip": 0.1, "beam": 1e-56, "pbeam": 1e-56, "wbeam": 1e-34, "fsgusealtpron": False}
"""Wider beams than pocketsphinx's (1e-48, 7e-29) find the right path a little more often (93 instead of 91 of 110), but
the margin then takes two right commands fewer. Without second pronunciations 17 MB and half of the loading time are
saved, and the path is right in 90 instead of 93."""
_WORD_LIMITS = {"maxhmmpf": 3000, "maxwpf": 10}


class SphinxDecoder:
    """One pocketsphinx decoder with one search; `start`, `feed`... and `finish`, then again."""

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._open = False
        self._mean = TYPICAL_MEAN
        self._samples = 0
        self.start()
        self.feed(np.zeros(_FIRST, np.float32))
        self.abandon()

    def start(self, mean: Samples = TYPICAL_MEAN, again: bool = False) -> None:
        """Begin an utterance with this cepstral mean ([13]); one still open is given up.

        `again`: it is the one before, heard once more, and what was learnt of its noise stays. Nothing else does.
        """
        self.abandon()
        self._mean, self._samples = mean, 0
        try:
            if not again:
                self._decoder.reinit_feat()
            self._decoder.set_cmn(",".join(f"{value:.3f}" for value in mean))
            self._decoder.start_utt()
        except RuntimeError as error:
            raise InferenceError(f"pocketsphinx cannot begin an utterance: {error}") from error
        self._open = True

    def feed(self, samples: Samples) -> None:
        """The next [n] samples at 16 kHz of the open utterance."""
        if len(samples) == 0:
            return
        self._samples += len(samples)
        pcm = (np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        try:
            for start in range(0, len(pcm), PIECE_BYTES):
                self._decoder.process_raw(pcm[start : start + PIECE_BYTES], False, False)
        except RuntimeError as error:
            raise InferenceError(f"pocketsphinx failed on {len(samples)} samples: {error}") from error

    def mean(self) -> Samples:
        """[13] the cepstral mean of the open utterance so far, drawn a little to `TYPICAL_MEAN`. Start again with it.

        pocketsphinx gives the mean it began with, weighted `_MEAN_WINDOW`, and the utterance's as one: the latter is
        what remains.
        """
        frames = self.frames(self._samples)
        if frames <= 0:
            return TYPICAL_MEAN
        given = np.array([float(value) for value in self._decoder.get_cmn(True).split(",")], np.float32)
        total = given * (_MEAN_WINDOW + frames) - self._mean * _MEAN_WINDOW
        return np.asarray((total + _TRUST_FRAMES * TYPICAL_MEAN) / (frames + _TRUST_FRAMES), np.float32)

    @staticmethod
    def frames(samples: int) -> int:
        """The frames that so many samples make."""
        return (samples - _WINDOW) // _SHIFT + 1

    def finish(self) -> Hypothesis | None:
        """End the utterance; None when no path fits."""
        if self._open:
            self._open = False
            try:
                self._decoder.end_utt()
            except RuntimeError as error:
                raise InferenceError(f"pocketsphinx cannot end the utterance: {error}") from error
        return self.hypothesis()

    def abandon(self) -> None:
        """End an utterance nobody wants the words of."""
        if self._open:
            self._open = False
            try:
                self._decoder.end_utt()
            except RuntimeError as error:
                logger.debug("an abandoned utterance did not end cleanly: %s", error)

    def hypothesis(self) -> Hypothesis | None:
        """The best path so far, or of the finished utterance."""
        best = self._decoder.hyp()
        frames = self._decoder.n_frames()
        if best is None or frames <= 0:
            return None
        words: list[Word] = []
        acoustic = np.zeros(frames + 2, np.float32)
        for segment in self._decoder.seg() or ():
            start, end = segment.start_frame, segment.end_frame + 1
            if end > start:
                acoustic[start:end] = _nats(segment.ascore) / (end - start)
            if not _FILLER.match(segment.word):
                words.append(Word(_VARIANT.sub("", segment.word), start * FRAME_S, end * FRAME_S))
        return Hypothesis(tuple(words), _nats(best.score) / frames, acoustic)


def _nats(score: float) -> float:
    return math.log(max(score, 1e-300)) * _SCORE_SCALE


Lexicon = dict[str, list[str]]
"""a word's lines in the dictionary, variants included"""


def dictionary_file() -> Path:
    """The pronunciations that come with pocketsphinx. Raises MissingDependencyError."""
    return Path(_model_path("cmudict-en-us.dict"))


def pronunciations(words: Iterable[str]) -> Lexicon:
    """The dictionary's lines, variants included, of those words that it holds (lower case)."""
    wanted = set(words)
    found: Lexicon = {}
    with dictionary_file().open(encoding="utf-8") as lines:
        for line in lines:
            word = _VARIANT.sub("", line.split(" ", 1)[0])
            if word in wanted:
                found.setdefault(word, []).append(line.strip())
    return found


def grammar_decoder(grammar: Grammar, lexicon: Lexicon, open_weight: float) -> SphinxDecoder:
    """A decoder that hears only the grammar's sentences.

    `lexicon`: see `pronunciations`; `open_weight`: probability (0..1) of each phone of an open slot against a word.
    Raises ModelLoadError.
    """
    lines = [line for word in sorted(grammar.words) for line in lexicon[word]]
    lines += [f"{word} {phone}" for word, phone in zip(_OPEN_PHONES, PHONES, strict=True)]
    with tempfile.TemporaryDirectory(prefix="merline-") as folder:
        dictionary = Path(folder) / "grammar.dict"
        dictionary.write_text("\n".join(lines) + "\n", encoding="utf-8")
        decoder = _decoder(dict=str(dictionary), lm=None, **_SPEED, **_GRAMMAR_LIMITS)
    try:
        final, transitions = _transitions(grammar, open_weight)
        fsg = decoder.create_fsg("commands", 0, final, transitions)
        decoder.add_fsg("commands", fsg)
        decoder.activate_search("commands")
    except (RuntimeError, ValueError) as error:
        raise ModelLoadError(f"pocketsphinx rejects the command grammar ({error}); check the templates") from error
    return SphinxDecoder(decoder)


def list_decoder(dictionary: Path, words: Sequence[str]) -> SphinxDecoder:
    """A decoder that hears one of the words, all of which the dictionary holds. Raises ModelLoadError."""
    decoder = _decoder(dict=str(dictionary), lm=None, **_SPEED, **_GRAMMAR_LIMITS)
    decoder.add_fsg("words", decoder.create_fsg("words", 0, 1, [(0, 1, 1.0, word) for word in words]))
    decoder.activate_search("words")
    return SphinxDecoder(decoder)


_Transition = tuple[int, int, float, str] | tuple[int, int, float]


def _transitions(grammar: Grammar, open_weight: float) -> tuple[int, list[_Transition]]:
    """The final state and all arcs of before -> sentences -> after, joined by arcs without a word.

    State 0 begins "before"; open slots become phones, word classes their words. Those that several arcs lead with to
    one state stand there once, behind a state of their own: copies of them took 12 MB more.
    """
    parts = (grammar.before, grammar.sentences, grammar.after)
    final = sum(part.states for part in parts)
    transitions: list[_Transition] = []
    shared: dict[tuple[int, str], int] = {}
    offset = 0
    for part in parts:
        alike = Counter((arc.target, arc.word) for arc in part.arcs)
        for arc in part.arcs:
            source, target = arc.source + offset, arc.target + offset
            words, weight = (
                (_OPEN_PHONES, open_weight) if arc.word == OPEN else (CLASSES.get(arc.word, (arc.word,)), 1.0)
            )
            if len(words) > 1 and alike[arc.target, arc.word] > 1:
                known = len(shared)
                ahead = shared.setdefault((target, arc.word), final + 1 + known)
                transitions.append((source, ahead, 1.0))
                if len(shared) == known:
                    continue
                source = ahead
            transitions += [(source, target, weight, word) for word in words]
        transitions += [(state + offset, offset + part.states, 1.0) for state in sorted(part.finals)]
        offset += part.states
    return final, transitions


def word_decoder() -> SphinxDecoder:
    """A decoder of general English with the package's n-gram model: some 0.4 s and 75 MB. Raises ModelLoadError.

    Its dictionary holds only the model's words: the rest could never be recognised and costs 15 MB.
    """
    from stt.ngram_words import model_words

    model = _model_path("en-us.lm.bin")
    known = model_words(Path(model))
    if not known:
        logger.info("the n-gram model's word list cannot be read: its decoder takes the whole dictionary")
        return SphinxDecoder(_decoder(dict=_model_path("cmudict-en-us.dict"), lm=model, **_SPEED, **_WORD_LIMITS))
    with tempfile.TemporaryDirectory(prefix="merline-") as folder:
        dictionary = Path(folder) / "words.dict"
        with open(_model_path("cmudict-en-us.dict"), encoding="utf-8") as lines, dictionary.open("w") as kept:
            kept.writelines(line for line in lines if _VARIANT.sub("", line.split(" ", 1)[0]) in known)
        return SphinxDecoder(_decoder(dict=str(dictionary), lm=model, **_SPEED, **_WORD_LIMITS))


def _decoder(**options: Any) -> Any:
    try:
        from pocketsphinx import Config, Decoder
    except ImportError as error:
        raise _missing() from error
    try:
        return Decoder(Config(hmm=_model_path("en-us"), **options))
    except RuntimeError as error:
        raise ModelLoadError(f"pocketsphinx cannot load its English model ({error}); reinstall pocketsphinx") from error


def _model_path(name: str) -> str:
    try:
        from pocketsphinx import get_model_path
    except ImportError as error:
        raise _missing() from error
    return str(get_model_path(f"en-us/{name}"))


def _missing() -> MissingDependencyError:
    return MissingDependencyError(
        "stt.engine pocketsphinx: the package pocketsphinx is not installed; run `pip install pocketsphinx`"
    )

"""The recogniser stage of the embedded tier: English commands by a grammar, the rest by an n-gram model.

Decodes while the user speaks; whose words count stt.understanding says. A final utterance unchanged since the
provisional one is not decoded again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from core.messages import (
    SAMPLE_RATE_HZ,
    EchoDropped,
    Interjection,
    InterjectionHeard,
    Samples,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    Utterance,
)
from core.utils.config import SttConfig
from core.utils.errors import ModelLoadError
from stt.commands import Commands
from stt.echo_guard import EchoGuard
from stt.interjections import InterjectionEar
from stt.levels import voiced_level
from stt.pocketsphinx_engine import (
    TYPICAL_MEAN,
    SphinxDecoder,
    grammar_decoder,
    word_decoder,
)
from stt.understanding import Understood, understand

logger = logging.getLogger(__name__)

PARTIAL_EVERY_S = 0.4
AGAIN_S = 10
"""of sound may be heard once more for pauses that were no end, and as much as was said: half a minute with a pause each
second would else be heard fifteen times. Then a pause's words are those of the best path so far."""
WORDS_WAIT_S = 15.0
"""how long an utterance waits for the n-gram model to be loaded, which happens only in the first seconds"""
_LEVEL = 0.1
"""root mean square that every utterance is brought to: quiet microphones keep 16-bit precision and the first
utterance meets the cepstral mean the decoder starts with"""
_GAIN_LIMITS = (0.1, 100.0)
_MEANS_AT_FRAMES = (60, 130, 280)
"""After so many 10 ms frames an utterance is decoded anew, from its start, with the cepstral mean it has shown so far:
on every second utterance of bench stt_commands' tuning half 85 of 110 commands were right instead of 73."""

TranscriberMessage = Transcript | InterjectionHeard | EchoDropped


@dataclass(slots=True)
class _Utterance:
    """What the decoders have heard of the turn."""

    turn: int
    gain: float = 0.0
    pieces: list[Samples] = field(default_factory=list)
    """after gain"""
    samples: int = 0
    words_fed: int = 0
    """pieces the n-gram decoder has had"""
    mean: Samples = field(default_factory=lambda: TYPICAL_MEAN)
    words_mean: Samples = field(default_factory=lambda: TYPICAL_MEAN)
    """the first that was measured: the n-gram decoder begins with it whenever it is there, so that its words do not
    depend on when it was loaded"""
    means: int = 0
    """how often `mean` was measured"""
    grammar_ended: bool = False
    again: int = 0
    """samples that the grammar has heard once more, after pauses that were no end"""
    next_partial: int = 0
    partial: str = ""
    answer: Transcript | None = None
    """for the provisional utterance of this revision"""


class Transcriber:
    """SpeechStarted, SpeechChunk, Utterance in; Transcript out.

    Only commands are understood until `load_words` has been called and its short-lived thread is done.
    """

    engine_name = "pocketsphinx"

    def __init__(
        self,
        config: SttConfig,
        commands: Callable[[], Commands],
        is_complete: Callable[[str], bool],
        guard: EchoGuard | None = None,
    ) -> None:
        self._config = config
        self._commands = commands
        self._is_complete = is_complete
        self._guard = guard or EchoGuard()
        self._grammar: SphinxDecoder | None = None
        self._words: SphinxDecoder | None = None
        self._loading: threading.Thread | None = None
        self._heard: _Utterance | None = None
        self._interjections = InterjectionEar()

    def load(self) -> None:
        """Load the commands' grammar. Raises ModelLoadError."""
        commands = self._commands()
        self._grammar = grammar_decoder(commands.grammar, commands.lexicon, self._config.open_weight)

    def load_words(self, wait: bool = False) -> None:
        """Begin to load the n-gram model, on a thread of its own; who ends an utterance meanwhile waits for it.

        `wait`: return when it is loaded. Words that it has heard from their start on come out the same every time.
        """
        if self._loading is None:
            self._loading = threading.Thread(target=self._load_words, name="merline-words", daemon=True)
            self._loading.start()
        if wait:
            self.wait_for_words()

    def wait_for_words(self) -> bool:
        """Whether the n-gram model is loaded, after waiting for it if that has begun."""
        if self._loading is not None:
            self._loading.join(WORDS_WAIT_S)
        return self._words is not None

    def close(self) -> None:
        """Give the decoders back."""
        self.wait_for_words()
        self._grammar = self._words = self._heard = None

    def process(self, message: SpeechStarted | SpeechChunk | Interjection | Utterance) -> Iterator[TranscriberMessage]:
        """Listen on, or say what was understood."""
        match message:
            case Interjection():
                yield self._interjected(message)
            case SpeechStarted():
                self._begin(message.turn, message.revision)
            case SpeechChunk():
                yield from self._listen(message)
            case Utterance():
                yield from self._conclude(message)

    def _load_words(self) -> None:
        try:
            self._words = word_decoder()
        except ModelLoadError as error:
            logger.error("only commands will be understood: %s", error)

    def _begin(self, turn: int, revision: int) -> _Utterance:
        heard = self._heard
        if heard is not None and heard.turn == turn and revision > 0:
            heard.answer = None
            return heard
        assert self._grammar is not None, "load() comes first"
        heard = self._heard = _Utterance(turn)
        self._grammar.start()
        return heard

    def _listen(self, message: SpeechChunk) -> Iterator[TranscriberMessage]:
        heard = self._heard
        if heard is None or heard.turn != message.turn:
            heard = self._begin(message.turn, 0)
        self._feed(heard, message.samples)
        if heard.samples < heard.next_partial:
            return
        heard.next_partial = heard.samples + int(PARTIAL_EVERY_S * SAMPLE_RATE_HZ)
        understood = self._decide(heard, ended=False)
        if understood.text and understood.text != heard.partial:
            heard.partial = understood.text
            yield self._transcript(message.turn, message.revision, understood, final=False)

    def _feed(self, heard: _Utterance, samples: Samples) -> None:
        assert self._grammar is not None
        heard.samples += len(samples)
        if heard.gain == 0.0:
            level = voiced_level(samples)
            heard.gain = float(np.clip(_LEVEL / level, *_GAIN_LIMITS)) if level > 0.0 else 1.0
        heard.pieces.append(samples * np.float32(heard.gain))
        if heard.grammar_ended:
            heard.again += heard.samples
            self._decode_anew(heard)
        else:
            self._grammar.feed(heard.pieces[-1])
        due = sum(self._grammar.frames(heard.samples) >= frames for frames in _MEANS_AT_FRAMES)
        if due > heard.means:
            heard.mean = self._grammar.mean()
            if heard.means == 0:
                heard.words_mean, heard.words_fed = heard.mean, 0
            heard.means = due
            self._decode_anew(heard)
        if heard.means:
            self._feed_words(heard)

    def _decode_anew(self, heard: _Utterance) -> None:
        """Let the grammar hear the utterance from its start."""
        assert self._grammar is not None
        heard.grammar_ended = False
        self._grammar.start(heard.mean, again=True)
        for piece in heard.pieces:
            self._grammar.feed(piece)

    def _feed_words(self, heard: _Utterance) -> None:
        """Give the n-gram decoder what it has not had, if it is loaded."""
        if self._words is None:
            return
        if heard.words_fed == 0:
            self._words.start(heard.words_mean)
        for piece in heard.pieces[heard.words_fed :]:
            self._words.feed(piece)
        heard.words_fed = len(heard.pieces)

    def _interjected(self, message: Interjection) -> InterjectionHeard:
        """The words of a sound that is no turn yet; it comes only while no utterance is under way."""
        assert self._grammar is not None
        heard = self._begin(-1, 0)
        self._feed(heard, message.samples)
        heard.mean = heard.words_mean = self._grammar.mean()
        heard.words_fed = 0
        self._feed_words(heard)
        text = self._interjections.hear(heard.pieces, heard.mean, self._words.hypothesis() if self._words else None)
        text = text or self._decide(heard, ended=True).text
        self._heard = None
        if self._words is not None:
            self._words.abandon()
        return self._guard.interjection(message, text, "en")

    def _conclude(self, message: Utterance) -> Iterator[TranscriberMessage]:
        heard = self._heard
        if heard is None or heard.turn != message.turn or heard.samples != len(message.samples):
            logger.debug("turn %d: chunks were lost, decoding the whole utterance", message.turn)
            heard = self._begin(message.turn, 0)
            self._feed(heard, message.samples)
        answer = heard.answer
        if answer is None or answer.revision != message.revision:
            self.wait_for_words()
            self._feed_words(heard)
            ended = message.final or heard.again <= heard.samples + AGAIN_S * SAMPLE_RATE_HZ
            understood = self._decide(heard, ended)
            answer = self._transcript(message.turn, message.revision, understood, final=False)
            heard.answer = answer if ended else None
        if message.final:
            self._heard = None
            if self._words is not None:
                self._words.abandon()
        yield from self._guard.conclusion(message, answer)

    def _decide(self, heard: _Utterance, ended: bool) -> Understood:
        """What the decoders have understood so far; once it has `ended`, by the grammar's search to the end."""
        assert self._grammar is not None
        if ended and not heard.grammar_ended:
            heard.grammar_ended = True
            command = self._grammar.finish()
        else:
            command = self._grammar.hypothesis()
        words = self._words.hypothesis() if self._words is not None and heard.words_fed else None
        understood = understand(command, words, self._config, alone=self._words is None)
        if ended:
            logger.debug(
                "grammar %r, words %r (%.2f), margin over the threshold %.2f -> %s",
                command.text if command else None,
                words.text if words else None,
                words.score if words else 0.0,
                understood.margin,
                understood.source,
            )
        return understood

    def _transcript(self, turn: int, revision: int, understood: Understood, final: bool) -> Transcript:
        text = understood.text
        complete = bool(text) and self._is_complete(text)
        return Transcript(
            turn, revision, text, 0, "en", final, min(understood.confidence, 1.0), complete, understood.source
        )

"""One utterance as Whisper hears it while it grows: passes over the sound since the last cut, words that stay, cuts.

Guarantees: a pass hears at most `LONGEST_PASS_S`, so the work is linear in the utterance's length. From one look to the
next the stable text only grows, but before words are cut off, and at a pause, those since the last cut are heard anew:
one that two looks agreed on is put right where more sound says otherwise. One thread at a time.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from core.messages import SAMPLE_RATE_HZ, Language, Samples
from core.utils.errors import DeviceError, InferenceError, ModelError
from core.utils.vad_compat import VadEngine
from core.utils.whisper.guard import GuardLimits, compression_ratio, most_repeats
from core.utils.whisper.results import Piece, ShortTranscript
from core.utils.whisper.short_context import MAX_TOKENS, ShortContext
from core.utils.whisper_compat import StreamOptions, WhisperModel
from stt.known_words import KNOWN, best_known, is_doubtful
from stt.levels import quiet_start
from stt.local_agreement import LocalAgreement, is_word
from stt.lone_words import LONE_VOICE_S, is_lone_word
from stt.speech_evidence import LEAST_VOICE_S, Evidence, VoiceTrack, rejection
from stt.speech_window import KEPT_S, Cut, SpeechWindow, choose_cut
from stt.spoken_language import CLEAR_S, FIRM, SHORT_S, LanguageChoice

logger = logging.getLogger(__name__)

CUT_AT_PAUSE_S, CUT_ANYWHERE_S, LONGEST_PASS_S = 5.0, 7.0, 9.0
"""From so much sound on, stable words are cut off at a pause; wherever one ends; and any words."""
LONGEST_END_S = 28.0
"""What is left at the end is heard at once up to here: Whisper's window less its margin."""
LEAST_BEFORE_S = 0.1
"""Who speaks as soon as there is sound, as many files begin, is given so much silence before it. Without it
published base takes more French sentences for English (docs/speech.md)."""
_KEPT = round(KEPT_S * SAMPLE_RATE_HZ)
LIMITS = GuardLimits()
CONTEXT = ShortContext(limits=LIMITS)


@dataclass(frozen=True, slots=True)
class Understood:
    """The utterance's text so far."""

    text: str
    stable: int
    """leading characters that are not likely to change"""
    language: Language
    confidence: float
    """0..1: the tokens' mean probability"""
    sentence_end: float | None = None
    """0..1 that a sentence ends behind the text; None unless it was concluded"""


@dataclass(slots=True)
class _Sureness:
    """The sum of log-probabilities over the tokens that stay."""

    total: float = 0.0
    tokens: int = 0

    def add(self, avg_logprob: float, tokens: int) -> None:
        self.total += avg_logprob * tokens
        self.tokens += tokens

    def with_more(self, avg_logprob: float, tokens: int) -> float:
        """The mean probability of these and so many more."""
        count = self.tokens + tokens
        return math.exp(min((self.total + avg_logprob * tokens) / count, 0.0)) if count else 0.0


class WhisperStream:
    """Give it sound by `append`; `look` while it grows, `conclude` when it has ended, more of both if it goes on."""

    def __init__(self, model: WhisperModel, choice: LanguageChoice, voice: VadEngine) -> None:
        self._model = model
        self._choice = choice
        self._track = VoiceTrack(voice)
        self._window = SpeechWindow()
        self._before = 0
        """samples of silence that were put before the sound"""
        self._agreement = LocalAgreement()
        self._said = ""
        """what was cut off, each word with its space"""
        self._sureness = _Sureness()
        self._language: Language = choice.current
        self._settled = choice.fixed is not None
        self._detected: tuple[tuple[str, float], ...] = ()

    @property
    def samples(self) -> int:
        """How many there are so far."""
        return self._window.length - self._before

    def append(self, samples: Samples) -> None:
        """The next [n] samples at 16 kHz."""
        if len(samples) and not self._window.length:
            self._before = max(0, round(LEAST_BEFORE_S * SAMPLE_RATE_HZ) - quiet_start(samples))
            self._window.append(np.zeros(self._before, np.float32))
        self._window.append(samples)
        self._track.hear(samples)

    def look(self) -> Understood | None:
        """One pass over what has come since the last cut; None where it says nothing that can be believed.

        Raises InferenceError.
        """
        sound = self._window.samples(LONGEST_PASS_S)
        if self._voiced_s(sound) < LEAST_VOICE_S:
            if self._window.seconds >= LONGEST_PASS_S:
                stable = self._agreement.stable
                self._leave(Cut(len(stable), len(sound) - _KEPT), stable)
            return None
        heard = self._hear(sound, timed=self._window.seconds >= CUT_AT_PAUSE_S, final=False)
        doubt = heard.suspicion or self._doubt(sound, heard)
        if self._window.seconds >= LONGEST_PASS_S:
            self._cut_anywhere(sound, heard)
            return self._so_far((), heard)
        if doubt:
            logger.debug("a pass of %.1f s counts for nothing: %s", len(sound) / SAMPLE_RATE_HZ, doubt)
            return None
        pieces = heard.pieces
        if self._settled:
            self._keep(heard)
            pieces = pieces[self._cut_stable(sound, heard) :]
        return self._so_far(pieces[len(self._agreement.stable) :], heard)

    def conclude(self, hurried: bool = False, echo: bool = False) -> Understood:
        """What was said, the user having paused. Only what comes behind the last cut is heard again: its stable words
        were heard without what followed, and are checked. Who is `hurried`, as over a reply, gets no second pass in the
        full window, and a lone "no" sooner; with an `echo` in it no word is made of what is no speech.

        Raises InferenceError.
        """
        while self._window.seconds > LONGEST_END_S:
            sound = self._window.samples(LONGEST_END_S)
            self._cut_anywhere(sound, self._hear(sound, timed=True, final=True))
        sound = self._window.samples(LONGEST_END_S)
        if self._voiced_s(sound) < LEAST_VOICE_S:
            return self._so_far((), None)
        heard = self._in_its_language(sound, self._hear(sound, timed=False, final=True, hurried=hurried))
        doubt = self._doubt(sound, heard, hurried and is_lone_word(heard.text, heard.language))
        known = self._known_word(sound, heard, bool(doubt)) if hurried and not (doubt and echo) else ""
        if known:
            logger.info("%r is taken for %r", heard.text, known)
            return Understood(known, len(known), self._language, math.exp(heard.avg_logprob))
        if doubt:
            logger.info("%r is no speech: %s", heard.text, doubt)
            return self._so_far((), heard)
        self._agreement.revise(heard.pieces)
        said = self._so_far(heard.pieces[len(self._agreement.stable) :], heard)
        return replace(said, sentence_end=heard.sentence_end)

    def end(self) -> None:
        """The utterance is over: what language it was in counts for the next one."""
        self._choice.conclude(self._detected, self._track.voiced_s(0))

    def _hear(self, sound: Samples, timed: bool, final: bool, hurried: bool = False) -> ShortTranscript:
        """One pass. While the language is open it is detected; from a clear sentence on it is settled."""
        speech_s = self._voiced_s(sound)
        rule = None if self._settled else self._choice.rule(speech_s)
        prefix, draft = self._beginning(checked=timed or final)
        judged = final and not (timed or hurried)
        options = StreamOptions(prefix, rule, timed, final and not hurried, judged=judged, draft=draft)
        heard = self._transcribe(sound, None if rule else self._language, options)
        if rule is not None:
            self._detected = heard.detected
            self._language = "fr" if heard.language == "fr" else "en"
            as_expected = self._language == self._choice.current and heard.language_probability >= FIRM
            clear_s = SHORT_S if as_expected else CLEAR_S
            self._settled = speech_s >= clear_s or self._window.seconds >= CUT_ANYWHERE_S
        return heard

    def _transcribe(self, sound: Samples, language: Language | None, options: StreamOptions) -> ShortTranscript:
        """A card that is full, and a model that could then not be loaded on the CPU, cost this turn and no other."""
        try:
            return self._model.transcribe_short(sound, language, context=CONTEXT, stream=options)
        except InferenceError:
            raise
        except (ModelError, DeviceError) as error:
            raise InferenceError(f"{error}; this turn is lost") from error

    def _beginning(self, checked: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The stable words' tokens: those that stay, and those to be checked.

        The first word behind a cut stays in any case, or what is left of the one before it were heard as a word.
        """
        stable = self._agreement.stable
        staying = len(stable) if not checked else 1 if self._window.begin else 0
        tokens = tuple(token for piece in stable for token in piece.tokens)[: MAX_TOKENS - 1]
        given = _tokens(stable[:staying])
        return tokens[:given], tokens[given:]

    def _in_its_language(self, sound: Samples, heard: ShortTranscript) -> ShortTranscript:
        """A lone word is too short to tell a language by: the one in which it makes a word that people say alone, and
        which the model finds likelier as well. What the conversation's own language makes such a word of stays."""
        if self._settled or self._window.begin or self._voiced_s(sound) > LONE_VOICE_S:
            return heard
        if is_lone_word(heard.text, heard.language):
            return heard
        for language in self._choice.others(heard.language):
            again = self._transcribe(sound, language, StreamOptions(may_fall_back=False, judged=True))
            likelier = again.avg_logprob > heard.avg_logprob
            if likelier and is_lone_word(again.text, language) and not self._doubt(sound, again):
                logger.info("%r is %r in %s", heard.text, again.text, language)
                self._language = language
                return again
        return heard

    def _known_word(self, sound: Samples, heard: ShortTranscript, rejected: bool) -> str:
        """The word that people say over a reply and that a doubtful or `rejected` text likely was, if any."""
        if self._window.begin or not is_doubtful(heard.text, self._language, heard.avg_logprob, self._voiced_s(sound)):
            return ""
        try:
            likely = self._model.likelihoods(sound, self._language, KNOWN[self._language])
        except (ModelError, DeviceError) as error:
            raise InferenceError(f"{error}; this turn is lost") from error
        return best_known(likely, self._language, rejected)

    def _doubt(self, sound: Samples, heard: ShortTranscript, over_reply: bool = False) -> str:
        """Why the text is no speech; empty when it is."""
        looping = compression_ratio(heard.text) > LIMITS.max_compression_ratio or not heard.ended
        repeating = most_repeats(heard.tokens) > LIMITS.max_repeats
        voiced_s = self._voiced_s(sound)
        return rejection(
            Evidence(heard.text, voiced_s, heard.no_speech_prob, heard.avg_logprob, looping, repeating, over_reply)
        )

    def _keep(self, heard: ShortTranscript) -> None:
        """Let the pass count: what it puts right does not stay, what it agrees on with the last one does."""
        self._agreement.revise(heard.pieces)
        new = self._agreement.hear(heard.pieces)
        if new:
            self._sureness.add(heard.avg_logprob, _tokens(self._agreement.stable[-new:]))

    def _cut_stable(self, sound: Samples, heard: ShortTranscript) -> int:
        """Cut stable words off if the window has grown long; returns how many pieces went."""
        if self._window.seconds < CUT_AT_PAUSE_S:
            return 0
        only_pauses = self._window.seconds < CUT_ANYWHERE_S
        # the next pass begins with a word that stays: what is left of the one before it is not heard again as a word
        cut = choose_cut(sound, heard.pieces, len(self._agreement.stable) - 1, only_pauses)
        if cut is None:
            return 0
        self._leave(cut, heard.pieces)
        return cut.pieces

    def _cut_anywhere(self, sound: Samples, heard: ShortTranscript) -> None:
        """The window is as long as it may be: cut words off, stable or not; all but a second if that cannot be."""
        stable = self._agreement.stable
        pieces: tuple[Piece, ...] = heard.pieces
        if self._doubt(sound, heard):
            pieces = stable
        else:
            self._keep(heard)
            stable = self._agreement.stable
        cut = choose_cut(sound, pieces, len(pieces), only_pauses=False) if pieces is heard.pieces else None
        if cut is None:
            cut = Cut(len(stable), len(sound) - _KEPT)
        loose = pieces[len(stable) : cut.pieces]
        self._sureness.add(heard.avg_logprob, _tokens(loose))
        self._leave(cut, pieces)

    def _leave(self, cut: Cut, pieces: Sequence[Piece]) -> None:
        self._said = _joined(self._said, pieces[: cut.pieces])
        self._window.cut(cut.samples)
        self._agreement.cut(cut.pieces)

    def _so_far(self, loose: Sequence[Piece], heard: ShortTranscript | None) -> Understood:
        """The text with pieces that may still change."""
        stable = _joined(self._said, self._agreement.stable)
        text = _joined(stable, loose).strip()
        logprob = heard.avg_logprob if heard is not None and loose else 0.0
        confidence = self._sureness.with_more(logprob, _tokens(loose)) if text else 0.0
        return Understood(text, len(stable.strip()), self._language, confidence)

    def _voiced_s(self, sound: Samples) -> float:
        begin = self._window.begin - self._before
        return self._track.voiced_s(max(begin, 0), max(begin + len(sound), 0))


def _tokens(pieces: Iterable[Piece]) -> int:
    return sum(len(piece.tokens) for piece in pieces)


def _joined(text: str, pieces: Iterable[Piece]) -> str:
    """The text and the pieces behind it; a window's first word may lack its space."""
    more = "".join(piece.text for piece in pieces)
    gap = " " if text and more and is_word(more[0]) else ""
    return f"{text}{gap}{more}"

"""The first token: with a prefix in the cache against cold, and with words prepared while they are spoken.

Of the model at int4, Qwen2.5-0.5B's shape. The spoken words are what the small Whisper in tests/models really
stabilised while an espeak-ng voice spoke; replayed at once, so the time to prepare them, which passes during speech,
is told apart. What this hides: a Whisper that revises more, and a machine that has no time to spare during speech.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from benchmarks.llm_parts.engines import SETTLE_S, THREADS, Ours, seconds_of
from benchmarks.llm_parts.qwen import prompt_tokens, qwen_folder

logger = logging.getLogger(__name__)

PRECISION = "int4"
PREFIX_TOKENS, NEW_TOKENS = 300, 20
ROUNDS = 4
REUSE_ALLOWANCE = 0.1
"""above the share of tokens that are new"""
PARTIAL_TARGET = 0.3
WHISPER = Path(__file__).resolve().parents[2] / "tests" / "models" / "ctranslate2-int8"
VOICE = "espeak-ng:en-us"
QUESTIONS = (
    "set a timer for ten minutes and remind me to call my mother tomorrow at seven",
    "remind me to buy milk and bread tomorrow morning at eight and set an alarm for half past six",
    "what time is it in the morning and how many minutes are there in three hours and a half",
    "what is twenty five plus seventeen and how many kilometres are there in twelve miles please tell me now",
)
OTHER_WORDS = "Never mind."
"""of a turn before, which the cache is brought back from"""
CHUNK = 512
SYSTEM = (
    "You are a voice assistant. You answer in one or two short sentences that are read aloud, without lists, markdown "
    "or emoji. You run on the user's own computer without the internet. When you do not know something, you say so. "
)


def figures() -> Iterator[Figure]:
    """Both."""
    import torch

    torch.set_num_threads(THREADS)
    ours = Ours(qwen_folder(), PRECISION)
    yield from reuse_figures(ours.model)
    questions = heard_questions()
    if questions:
        yield from partial_figures(ours.model, questions)


def reuse_figures(model: Any) -> Iterator[Figure]:
    """A prompt of 320 tokens, 300 of which the cache may hold."""
    from core.models.prompt_cache import make_prompt_cache, trim_prompt_cache

    tokens = prompt_tokens(PREFIX_TOKENS + NEW_TOKENS)
    kept = make_prompt_cache(model)
    first_token(model, tokens[:PREFIX_TOKENS], kept)
    cold = reused = float("inf")
    for _ in range(ROUNDS):
        time.sleep(SETTLE_S)
        cold = min(cold, first_token(model, tokens, make_prompt_cache(model)))
        trim_prompt_cache(kept, kept[0].offset - PREFIX_TOKENS)
        time.sleep(SETTLE_S)
        reused = min(reused, first_token(model, tokens[PREFIX_TOKENS:], kept))
    target = NEW_TOKENS / len(tokens) + REUSE_ALLOWANCE
    name = f"first token, {PRECISION}, {len(tokens)} tokens"
    yield Figure(f"{name}, cold", 1000 * cold, "ms", "lower")
    yield Figure(f"{name}, {NEW_TOKENS} of them new", 1000 * reused, "ms", "lower")
    yield Figure("first token, reused prefix / cold", reused / cold, "x", "lower", target, 1000 * cold)


def first_token(model: Any, tokens: Sequence[int], cache: list[Any]) -> float:
    """Seconds until stream_generate gives the first; closing it computes one step more, which nobody waits for."""
    from core.models.generation import stream_generate

    responses = stream_generate(model, tokenizer(), list(tokens), max_tokens=8, prompt_cache=cache)
    seconds = seconds_of(lambda: next(responses))
    responses.close()
    return seconds


@cache
def tokenizer() -> Any:
    """The model's."""
    from core.models.tokenizer import load_tokenizer

    return load_tokenizer(qwen_folder())


@dataclass(frozen=True, slots=True)
class Words:
    """What the recogniser made of a question, at some moment."""

    text: str
    stable: int
    """characters of it that would not change"""


@dataclass(frozen=True, slots=True)
class Heard:
    """What it made of a whole question."""

    spoken: tuple[Words, ...]
    """while it was spoken, each time anything was different"""
    pause: Words
    """of the provisional utterance, at the pause behind it"""
    final: str

    @property
    def stable(self) -> tuple[str, ...]:
        """Words that would not change, each time they had grown."""
        grown = [one.text[: one.stable].strip() for one in self.spoken]
        return tuple(text for before, text in pairwise(["", *grown]) if text and text != before)


def heard_questions() -> list[Heard]:
    """What the stage made of the questions in real time; none, with a warning, without Whisper or the voice."""
    missing = [name for name in ("faster_whisper",) if find_spec(name) is None]
    missing += [name for name in ("espeak-ng", "sox") if shutil.which(name) is None]
    if missing or not WHISPER.is_dir():
        logger.warning("bench llm: no partial words, as %s is missing", missing[0] if missing else WHISPER)
        return []
    from benchmarks.corpora.speech import in_a_room, synthesise

    with tempfile.TemporaryDirectory() as folder:
        spoken = [in_a_room(synthesise(VOICE, text, Path(folder) / "speech.wav")) for text in QUESTIONS]
    stage, clock = _recogniser()
    found = [hear(stage, clock, turn, samples) for turn, samples in enumerate(spoken, 1)]
    stage.close()
    return found


def hear(stage: Any, clock: Any, turn: int, samples: Any) -> Heard:
    """One utterance, chunk by chunk as it is spoken."""
    from core.messages import SAMPLE_RATE_HZ, SpeechChunk, SpeechStarted, Transcript, Utterance

    began = clock.monotonic()
    spoken: list[Words] = []
    list(stage.process(SpeechStarted(turn, 0, began)))
    for index in range(0, len(samples), CHUNK):
        clock.wait_until(began + (index + CHUNK) / SAMPLE_RATE_HZ)
        for partial in stage.process(SpeechChunk(turn, 0, samples[index : index + CHUNK])):
            if isinstance(partial, Transcript):
                spoken.append(Words(partial.text, partial.stable))
    pause, final = (
        next(one for one in stage.process(utterance) if isinstance(one, Transcript))
        for utterance in (Utterance(turn, 0, samples, final, clock.monotonic()) for final in (False, True))
    )
    logger.info("heard %r, while it was spoken %r", final.text, spoken)
    return Heard(tuple(spoken), Words(pause.text, pause.stable), final.text)


def _recogniser() -> tuple[Any, Any]:
    from benchmarks.stt_parts.paced import PacedClock
    from core.utils.vad_compat import EnergyVad
    from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber

    clock = PacedClock()
    settings = WhisperSettings(str(WHISPER), languages=("en",), device="cpu", compute_type="int8", threads=THREADS)
    stage = WhisperTranscriber(settings, Surroundings(EnergyVad(), clock=clock))
    stage.load()
    return stage, clock


def partial_figures(model: Any, questions: Sequence[Heard]) -> Iterator[Figure]:
    """The assistant's own engine, to whose cache system prompt and history have gone before; all questions together."""
    engine = _Prepared(model)
    engine.answer(questions[0].final, ())
    waits, works = dict.fromkeys(WAYS, 0.0), dict.fromkeys(WAYS, 0.0)
    for heard in questions:
        prepared = {way: tuple(prepare(heard)) for way, prepare in WAYS.items()}
        turns = [{way: engine.answer(heard.final, parts) for way, parts in prepared.items()} for _ in range(ROUNDS)]
        for way in WAYS:
            waits[way] += 1000 * min(turn[way][0] for turn in turns) / len(questions)
            works[way] += 1000 * min(turn[way][1] for turn in turns) / len(questions)
    said = sum(len(heard.final.split()) for heard in questions)
    stable = sum(len(heard.stable[-1].split()) for heard in questions if heard.stable)
    last = sum(heard.spoken[-1].text == heard.final for heard in questions if heard.spoken)
    yield Figure(f"stable before the end, of {said} spoken words", 100 * stable / said, "%", "higher")
    yield Figure(
        "questions whose last words while spoken were the final ones", 100 * last / len(questions), "%", "higher"
    )
    none = waits[NOTHING]
    for way, wait in waits.items():
        yield Figure(f"first token after speech, prepared: {way}", wait, "ms", "lower")
        if way != NOTHING:
            target = PARTIAL_TARGET if way in HELD else None
            yield Figure(f"first token, prepared: {way} / {NOTHING}", wait / none, "x", "lower", target, none)
            yield Figure(f"preparing one question during speech: {way}", works[way], "ms", "lower")


Part = tuple[str, bool]
"""words, and whether they are prepared as if they were all"""
NOTHING = "nothing"
WAYS: dict[str, Callable[[Heard], Iterable[Part]]] = {
    NOTHING: lambda heard: (),
    "stable words alone": lambda heard: ((text, False) for text in heard.stable),
    "as the assistant, to the last word": lambda heard: ((one.text, True) for one in heard.spoken),
    "as the assistant, to the pause": lambda heard: ((one.text, True) for one in (*heard.spoken, heard.pause)),
}
HELD = tuple(WAYS)[2:]
"""what the target is of: stable words, and those that may still change, with what closes the prompt"""


class _Prepared:
    """llm.language_model around a model that is loaded already."""

    def __init__(self, model: Any) -> None:
        from llm.language_model import LanguageModel, LanguageModelSettings

        self._runtime = _Runtime(model)
        settings = LanguageModelSettings(str(qwen_folder()), temperature=0.0, max_tokens=8)
        self._engine = LanguageModel(settings, runtime=self._runtime)  # type: ignore[arg-type]
        self._engine.load()

    def answer(self, words: str, parts: Sequence[Part]) -> tuple[float, float]:
        """Seconds from the final words to the first token, and to prepare the parts before."""
        self._engine.prefill(_prompt(OTHER_WORDS), at_most=self._engine.context_tokens)
        preparing = seconds_of(lambda: [self._engine.prefill(_prompt(some), whole=whole) for some, whole in parts])
        time.sleep(SETTLE_S)
        began = time.perf_counter()
        pieces = self._engine.answer(_prompt(words))
        next(pieces, None)
        pieces.close()  # type: ignore[attr-defined]
        return self._runtime.first_at - began, preparing


def _prompt(words: str) -> Any:
    from llm.engine import ChatMessage, Prompt

    return Prompt((ChatMessage("system", SYSTEM * 4), ChatMessage("user", words)))


@dataclass(slots=True)
class _Runtime:
    """core.optimization.mlx_replacement with a model that is loaded already, and a note of each first token's time."""

    model: Any
    first_at: float = 0.0
    _real: Any = field(init=False)

    def __post_init__(self) -> None:
        from core.optimization import mlx_replacement

        self._real = mlx_replacement

    def load(self, _: str, **__: Any) -> Any:
        """Nothing is loaded twice."""
        return self.model, tokenizer()

    def stream_generate(self, *given: Any, **options: Any) -> Iterator[Any]:
        """As given out."""
        for number, response in enumerate(self._real.stream_generate(*given, **options)):
            if number == 0:
                self.first_at = time.perf_counter()
            yield response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

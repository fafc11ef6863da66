"""MeloTTS on an NVIDIA card: sentences, first sound, and what half precision and graphs change, in turn in one run.

Layouts and cuDNN's tuning of the decoder were compared once (docs/speech.md) and are decided in tts.melo.card_decoder.

Published sizes with random weights: speed and rounding, nothing of quality. `python3 -m benchmarks.tts_parts.cuda`
measures this alone.
"""

from __future__ import annotations

import copy
import logging
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.figures import Figure
from benchmarks.tts_parts.spectra import signal_db, spectral_db
from benchmarks.tts_parts.speed import CLAUSE, SENTENCE, Spoken, speak, text
from benchmarks.tts_parts.voice import spread, write_bert, write_voice
from core.optimization import TorchOptimizer
from core.optimization.plan import StagePlan
from core.utils.config import OptimizationConfig
from tts.melo.card_decoder import CardDecoder, CardPrecision
from tts.melo.features import BertFeatures
from tts.melo.network import Manner, Sounds
from tts.melo.synthesis import NetworkSynthesis
from tts.melo.weights import convert

ROUNDS = 9
MANNER = Manner(seed=11)
PRECISIONS: tuple[CardPrecision, ...] = ("float32", "float16", "bfloat16")
SAMPLE_RATE_HZ = 44100


class OnCard:
    """tts.melo on the card, in a type."""

    def __init__(self, voice: Path, bert: Path, precision: CardPrecision) -> None:
        optimizer = TorchOptimizer(OptimizationConfig(device="cuda"))
        plan = StagePlan("melo", None, "cuda", precision, 4, 0)
        self._features = BertFeatures(bert, plan=plan)
        self._features.load(optimizer)
        self.synthesis = NetworkSynthesis(voice, plan)
        self.synthesis.load(optimizer)

    def launched(self, decoder_too: bool = True) -> OnCard:
        """The same without graphs, or with the decoder's alone."""
        other = copy.copy(self)
        other.synthesis = copy.copy(self.synthesis)
        other.synthesis._steps = None
        decoder = self.synthesis._decoder
        assert isinstance(decoder, CardDecoder)
        if decoder_too:
            other.synthesis._decoder = CardDecoder(decoder._exact, decoder.precision)
        return other

    def speak(self, tokens: Tensor, sounds: Sounds) -> Iterator[Tensor]:
        """Window by window."""
        features = self._features.of(tokens.tolist(), [1] * len(tokens)).cpu()
        for chunk in self.synthesis.synthesize(spread(features, sounds), MANNER):
            yield torch.from_numpy(chunk)

    def parts(self, tokens: Tensor, sounds: Sounds) -> dict[str, Callable[[], object]]:
        """What comes before the first sound, and it."""
        synthesis = self.synthesis
        features = self._features.of(tokens.tolist(), [1] * len(tokens)).cpu()
        with_features = spread(features, sounds)
        prepared = synthesis.prepare(with_features, MANNER)
        return {
            "BERT": lambda: self._features.of(tokens.tolist(), [1] * len(tokens)),
            "encoder, durations, flow": lambda: synthesis.prepare(with_features, MANNER),
            "first window": lambda: next(iter(synthesis.windows(prepared))),
        }


class OnePiece(OnCard):
    """As torch does it by itself: one piece, TF32 where cuDNN likes it."""

    def speak(self, tokens: Tensor, sounds: Sounds) -> Iterator[Tensor]:
        """One piece."""
        features = self._features.of(tokens.tolist(), [1] * len(tokens)).cpu()
        network = self.synthesis._network
        assert network is not None
        with torch.inference_mode():
            yield network(spread(features, sounds).to(torch.device("cuda")), MANNER).cpu()


def figures(voice: Path, bert: Path) -> list[Figure]:
    """Half a minute; nothing where torch sees no card."""
    if not torch.cuda.is_available():
        return []
    engines: dict[str, OnCard] = {"one piece": OnePiece(voice, bert, "float32")}
    for precision in PRECISIONS:
        began = time.perf_counter()
        engines[precision] = OnCard(voice, bert, precision)
        print(f"{precision} is loaded in {time.perf_counter() - began:.1f} s", flush=True)
        if precision != "bfloat16":  # as quick as float16
            engines[f"{precision} launched"] = engines[precision].launched()
    engines["float16, the decoder's graphs alone"] = engines["float16"].launched(decoder_too=False)
    sentences: dict[str, list[Spoken]] = {name: [] for name in engines}
    first: dict[str, list[float]] = {name: [] for name in engines}
    for counted in range(-2, ROUNDS):
        for name, engine in engines.items():
            spoken = speak(engine, [text(SENTENCE)])
            clause = speak(engine, [text(CLAUSE)], first_only=True)
            if counted >= 0:
                sentences[name].append(spoken)
                first[name].append(clause.first_s)
    found = _figures(sentences, first)
    before = engines["float16 launched"].parts(*text(CLAUSE))
    for name, work in engines["float16"].parts(*text(CLAUSE)).items():
        times = (1000 * _median(work), 1000 * _median(before[name]))
        found.append(
            Figure(
                f"melo on the card, five words: {name} (baseline: launched)", times[0], "ms", "lower", None, times[1]
            )
        )
    return found


def _figures(sentences: dict[str, list[Spoken]], first: dict[str, list[float]]) -> list[Figure]:
    whole = {name: statistics.median(one.whole_s for one in spoken) for name, spoken in sentences.items()}
    exact = sentences["float32"][0].samples
    found = []
    for name, took_s in whole.items():
        found.append(Figure(f"melo on the card, sentence, {name}", 1000 * took_s, "ms", "lower"))
        found.append(
            Figure(f"melo on the card, real-time factor, {name}", took_s * SAMPLE_RATE_HZ / len(exact), "", "lower")
        )
        found.append(
            Figure(
                f"melo on the card, first sound of five words, {name}",
                1000 * statistics.median(first[name]),
                "ms",
                "lower",
            )
        )
    for name in PRECISIONS:
        launched, plain = whole.get(f"{name} launched"), whole["one piece"]
        if launched is not None:
            found.append(Figure(f"melo, {name}: graphs / launched", whole[name] / launched, "", "lower", None, 1.0))
        found.append(Figure(f"melo, {name}: windows / one piece", whole[name] / plain, "", "lower", None, 1.0))
        if name != "float32":
            half = sentences[name][0].samples
            found.append(Figure(f"melo, {name} decoder: spectral difference", spectral_db(exact, half), "dB", "lower"))
            found.append(Figure(f"melo, {name} decoder: signal to error", signal_db(exact, half), "dB", "higher"))
    return found


def _median(work: Callable[[], object]) -> float:
    times = []
    for counted in range(-2, ROUNDS):
        torch.cuda.synchronize()
        began = time.perf_counter()
        with torch.inference_mode():
            work()
        torch.cuda.synchronize()
        if counted >= 0:
            times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    """Print the figures, and how many graphs are kept."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("tts.melo").setLevel(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        voice, bert = write_voice(Path(folder) / "voice"), write_bert(Path(folder) / "bert")
        convert(voice)
        for figure in figures(voice, bert):
            print(figure.line(), flush=True)


if __name__ == "__main__":
    main()

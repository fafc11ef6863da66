"""Where a sentence's time goes, in ours: BERT, encoder with durations and flow, decoder; and the decoder's pace."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.figures import Figure
from benchmarks.tts_parts.engines import MANNER
from benchmarks.tts_parts.speed import SENTENCE, THREADS, text
from benchmarks.tts_parts.voice import spread
from tts.melo.bert import load_bert
from tts.melo.weights import load_network
from tts.melo.windows import WindowGrowth, choose_decoder

ROUNDS = 5
GFLOP_A_FRAME = 56 / 86.13
"""of the decoder: 56 a second of sound"""


def figures(voice: Path, bert_folder: Path) -> list[Figure]:
    """Milliseconds of each part, the quietest of some rounds."""
    torch.set_num_threads(THREADS)
    bert, network = load_bert(bert_folder), load_network(voice)
    tokens, sounds = text(SENTENCE)
    decoder, reason = choose_decoder(network.dec)
    with torch.inference_mode():
        full = spread(bert(tokens), sounds)
        frames, _ = network.frames(full, MANNER)
        speaker = network.speaker(MANNER.speaker)
        bounds = list(WindowGrowth().bounds(frames.shape[2]))
        bert_s = _quietest(lambda: bert(tokens))
        frames_s = _quietest(lambda: network.frames(full, MANNER))
        decoder_s = _quietest(lambda: [decoder.window(frames, speaker, *window) for window in bounds])
        torch_s = _quietest(lambda: network.dec(frames, speaker))
    pace = GFLOP_A_FRAME * frames.shape[2] / decoder_s
    where = "kernels" if not reason else "torch"
    return [
        Figure("melo part: BERT", 1000 * bert_s, "ms", "lower"),
        Figure("melo part: encoder, durations, flow", 1000 * frames_s, "ms", "lower"),
        Figure(
            f"melo part: decoder ({where}), {len(bounds)} windows",
            1000 * decoder_s,
            "ms",
            "lower",
            None,
            1000 * torch_s,
        ),
        Figure("melo decoder's pace", pace, "GFLOP/s", "higher"),
    ]


def _quietest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)

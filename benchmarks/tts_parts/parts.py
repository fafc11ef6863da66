"""Where a sentence's time goes, in ours: BERT, encoder, durations, flow, decoder; and the decoder's pace."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.figures import Figure
from benchmarks.tts_parts.engines import MANNER
from benchmarks.tts_parts.speed import SENTENCE, THREADS, text
from benchmarks.tts_parts.voice import spread
from tts.melo.bert import load_bert, use_kernels
from tts.melo.decoder import Decoder, DecoderPrecision
from tts.melo.fused_decoder import reduced_precision
from tts.melo.fused_feed_forward import fuse_flow
from tts.melo.weights import load_network
from tts.melo.windows import WindowGrowth, choose_decoder

ROUNDS = 5
GFLOP_A_FRAME = 56 / 86.13
"""of the decoder: 56 a second of sound"""


def figures(voice: Path, bert_folder: Path) -> list[Figure]:
    """Milliseconds of each part, the quietest of some rounds."""
    torch.set_num_threads(THREADS)
    bert, small_bert, network = load_bert(bert_folder), load_bert(bert_folder, "int8"), load_network(voice)
    use_kernels(bert, THREADS)
    tokens, sounds = text(SENTENCE)
    with torch.inference_mode():
        full = spread(bert(tokens), sounds)
        speaker = network.speaker(MANNER.speaker)
        frames, _ = network.frames(full, MANNER)
        hidden = network.enc_p(full, speaker)[0]
        noise = torch.zeros(1, 2, hidden.shape[2])
        parts: dict[str, Callable[[], object]] = {
            "BERT": lambda: bert(tokens),
            "BERT, int8": lambda: small_bert(tokens),
            "encoder": lambda: network.enc_p(full, speaker),
            "durations": lambda: (network.dp(hidden, speaker), network.sdp(hidden, noise, speaker)),
            "flow": lambda: network.flow(frames, speaker),
        }
        figures = [Figure(f"melo part: {name}", 1000 * _quietest(work), "ms", "lower") for name, work in parts.items()]
        torch_s = _quietest(lambda: network.dec(frames, speaker))
        reduced = reduced_precision()
        for precision in dict.fromkeys(("float32", reduced)):
            figures += _of_decoder(network.dec, precision, (frames, speaker), torch_s)
        torch_flow = network.flow
        for precision in dict.fromkeys(("float32", reduced)):
            network.flow = copy.deepcopy(torch_flow)
            fuse_flow(network.flow, THREADS, precision)
            name = f"melo part: flow as it runs in {precision}"
            figures.append(Figure(name, 1000 * _quietest(parts["flow"]), "ms", "lower"))
    return figures


def _of_decoder(
    torch_decoder: Decoder, precision: DecoderPrecision, inputs: tuple[Tensor, Tensor], torch_s: float
) -> list[Figure]:
    """All windows of a sentence, against one piece in torch."""
    decoder, reason = choose_decoder(torch_decoder, precision=precision)
    where = "torch" if reason else "kernels"
    length = inputs[0].shape[2]
    bounds = list(WindowGrowth().bounds(length))
    decoder_s = _quietest(lambda: [decoder.window(*inputs, *window) for window in bounds])
    name = f"melo part: decoder in {precision} ({where}), {len(bounds)} windows"
    return [
        Figure(name, 1000 * decoder_s, "ms", "lower", None, 1000 * torch_s),
        Figure(f"melo decoder's pace, {precision}", GFLOP_A_FRAME * length / decoder_s, "GFLOP/s", "higher"),
    ]


def _quietest(work: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)

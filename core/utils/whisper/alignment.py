"""A text's words, and when each was said: the path that cross-attention takes through the sound (time warping).

As openai-whisper does it (whisper/timing.py), in numpy alone, so that no call waits for a compiler.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.utils.whisper.results import Piece

FRAME_S = 0.02
"""of the encoder"""
MEDIAN_FRAMES = 7
"""openai-whisper's and faster-whisper's default"""


def pieces_of(tokenizer: Any, tokens: Sequence[int]) -> tuple[Piece, ...]:
    """The words of a text by either backend's tokenizer, which have one interface; a timestamp has no letters."""
    words, of_words = tokenizer.split_to_word_tokens(list(tokens))
    return tuple(
        Piece(tokenizer.decode(part) if max(part) > tokenizer.eot else word, tuple(part))
        for word, part in zip(words, of_words, strict=True)
    )


def warp(cost: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The cheapest way from the first to the last cell of [tokens, frames], by steps down, right or both."""
    rows, columns = cost.shape
    total = np.full((rows + 1, columns + 1), np.inf, np.float32)
    total[0, 0] = 0.0
    came = np.zeros((rows + 1, columns + 1), np.int8)
    for row in range(1, rows + 1):
        above, here, line = total[row - 1].tolist(), [float("inf")], cost[row - 1].tolist()
        for column in range(1, columns + 1):
            both, down, right = above[column - 1], above[column], here[column - 1]
            if both < down and both < right:
                best, step = both, 0
            elif down < both and down < right:
                best, step = down, 1
            else:
                best, step = right, 2
            came[row, column] = step
            here.append(line[column - 1] + best)
        total[row] = here
    path = []
    row, column = rows, columns
    while row > 0 and column > 0:
        path.append((row - 1, column - 1))
        taken = int(came[row, column])
        row, column = row - (taken != 2), column - (taken != 1)
    return path[::-1]


def attention_path(attention: NDArray[np.float32], skipped: int) -> list[tuple[int, int]]:
    """The path of [heads, tokens, frames] of softmaxed attention, without the `skipped` first tokens and the last."""
    deviation = attention.std(axis=-2, keepdims=True)
    normal = (attention - attention.mean(axis=-2, keepdims=True)) / np.maximum(deviation, 1e-6)
    return warp(-_median(normal).mean(axis=0)[skipped:-1])


def _median(values: NDArray[np.float32]) -> NDArray[np.float32]:
    half = MEDIAN_FRAMES // 2
    if values.shape[-1] <= half:
        return values
    padded = np.pad(values, ((0, 0), (0, 0), (half, half)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, MEDIAN_FRAMES, axis=-1)
    filtered: NDArray[np.float32] = np.median(windows, axis=-1)
    return filtered


def timed(pieces: Sequence[Piece], path: Iterable[tuple[int, int]]) -> tuple[Piece, ...]:
    """The pieces with their times: a token begins where the path first reaches it, in frames of 20 ms."""
    begins: dict[int, int] = {}
    last = 0
    for token, frame in path:
        begins.setdefault(token, frame)
        last = max(last, frame)
    found = []
    token = 0
    for piece in pieces:
        begin = begins.get(token, last)
        token += len(piece.tokens)
        found.append(replace(piece, start_s=begin * FRAME_S, end_s=begins.get(token, last + 1) * FRAME_S))
    return tuple(found)

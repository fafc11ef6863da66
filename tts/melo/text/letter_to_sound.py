"""How an English word that no dictionary has may sound: the small recurrent network published in the g2p_en package.

Two layers of gated recurrent units (Cho et al., 2014): one reads the letters, the other writes phones until the end.
Only the package's weights are read, with numpy; its own code, which downloads, is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from tts.melo.text.packages import data_file

LONGEST = 20
"""phones the network was made to write, and letters we let it read at once"""

_VOWELS = ["AA", "AE", "AH", "AO", "AW", "AY", "EH", "ER", "EY", "IH", "IY", "OW", "OY", "UH"]
_CONSONANTS = [
    "B",
    "CH",
    "D",
    "DH",
    "F",
    "G",
    "HH",
    "JH",
    "K",
    "L",
    "M",
    "N",
    "NG",
    "P",
    "R",
    "S",
    "SH",
    "T",
    "TH",
    "V",
    "W",
    "Y",
    "Z",
    "ZH",
]
_LETTERS = {letter: number for number, letter in enumerate("abcdefghijklmnopqrstuvwxyz", start=3)}
_UNKNOWN_LETTER, _WORD_END = 1, 2
_START, _END = 2, 3
_PHONES = [
    *("", "", "", ""),
    *sorted([*_CONSONANTS, *(vowel + stress for vowel in [*_VOWELS, "UW"] for stress in "012"), "UW"]),
]
"""by the network's numbers; the first four are marks"""

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer of 256 gated recurrent units over its own embedding."""

    embedding: Array
    """[symbols, 256]"""
    input_weight: Array
    """[768, 256]: reset, update and candidate, one below the other"""
    state_weight: Array
    """[768, 256]"""
    input_bias: Array
    state_bias: Array

    def step(self, symbol: int, state: Array) -> Array:
        """The state [256] after one more symbol."""
        units = len(state)
        entering = self.input_weight @ self.embedding[symbol] + self.input_bias
        kept = self.state_weight @ state + self.state_bias
        gates = 1 / (1 + np.exp(-(entering[: 2 * units] + kept[: 2 * units])))
        reset, update = gates[:units], gates[units:]
        candidate = np.tanh(entering[2 * units :] + reset * kept[2 * units :])
        return np.asarray((1 - update) * candidate + update * state, np.float32)


@dataclass(frozen=True, slots=True)
class _Network:
    reader: _Layer
    writer: _Layer
    output_weight: Array
    """[phones, 256]"""
    output_bias: Array

    def phones(self, word: str) -> tuple[str, ...]:
        state = np.zeros(self.reader.state_weight.shape[1], np.float32)
        for letter in word:
            state = self.reader.step(_LETTERS.get(letter, _UNKNOWN_LETTER), state)
        state = self.reader.step(_WORD_END, state)
        symbol, phones = _START, []
        for _ in range(LONGEST):
            state = self.writer.step(symbol, state)
            symbol = int(np.argmax(self.output_weight @ state + self.output_bias))
            if symbol == _END:
                break
            phones.append(_PHONES[symbol])
        return tuple(filter(None, phones))


@lru_cache(maxsize=4096)
def guess(word: str) -> tuple[str, ...]:
    """ARPAbet phones with stress digits for a word in lower case; a very long one is read in parts."""
    network = _network()
    parts = (word[begin : begin + LONGEST] for begin in range(0, len(word), LONGEST))
    return tuple(phone for part in parts for phone in network.phones(part))


@lru_cache(maxsize=1)
def _network() -> _Network:
    with np.load(data_file("g2p_en", "checkpoint20.npz"), allow_pickle=False) as weights:

        def layer(name: str) -> _Layer:
            return _Layer(*(weights[f"{name}_{part}"] for part in ("emb", "w_ih", "w_hh", "b_ih", "b_hh")))

        return _Network(layer("enc"), layer("dec"), weights["fc_w"], weights["fc_b"])

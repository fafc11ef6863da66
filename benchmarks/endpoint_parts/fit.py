"""What marks and words tell of a turn's end, fitted on half of the speakers and reported on the others.

`MERLINE_REAL=build/real python3 -m benchmarks.endpoint_parts.fit [NAME ...]` hears the material through each Whisper
there (tiny.en: two minutes on two quiet cores, base: five), prints the coefficients of a logistic regression, and what
stt.endpointing's own come to: the wait behind turns and the share of pauses that cut somebody off, both by the waits
that the words ask for and the three speakers' pauses as distributions, so that no draw of pauses decides. Nothing is
learnt of the speakers meanwhile.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from statistics import NormalDist, fmean

import numpy as np
from numpy.typing import NDArray

from benchmarks.endpoint import EVEN_S, FIXED_MS, PAUSES_MS, SPEAKERS_MS, SPREAD, Straight
from benchmarks.endpoint_parts import whisper_words
from benchmarks.endpoint_parts.material import Said, french, material
from benchmarks.endpoint_parts.recorded import compose
from benchmarks.endpoint_parts.turn_model import turn_model_folder
from core.messages import Transcript
from core.utils.config import EndpointConfig
from llm.skills.recognise import RecogniserConfig, SkillRecogniser
from llm.skills.registry import load_skills
from stt.endpointing import Endpointing, Evidence, TurnModel
from stt.smart_turn import SmartTurn
from stt.turn_words import Wording, wording

NOTICED_MS = 215.0
"""silence before a pause is noticed, in frames of 20 ms"""
WORDS_MS = {"whisper-tiny.en": 66.0, "whisper-base": 130.0}
"""between that and the words, as measured once on two quiet cores; others: as it took in this run"""
PEOPLE_COUNT = 3.0
"""times, against a synthetic voice"""
RIDGE = 1.0
HEARD_SILENCE_S = 0.1
"""as stt.listener lets Smart Turn hear"""


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause within a turn, or its end, and what is known of the speech before."""

    said: Said
    ends: bool
    heard: Transcript
    ended: float | None
    """Smart Turn's word"""

    def evidence(self, by_sound: bool) -> Evidence:
        """With Smart Turn's word or without."""
        heard = self.heard
        ended = self.ended if by_sound else None
        return Evidence(heard.complete, heard.text, heard.language, ended, heard.sentence_end)


def hear(source: whisper_words.RealWords, turns: Sequence[Said], model: TurnModel | None) -> tuple[list[Pause], float]:
    """Every pause of the turns that the recogniser said something in, and milliseconds to its words."""
    sounds = [compose(said.phrases, repeat(EVEN_S)) for said in turns]
    understood = source.hear(sounds)
    found = []
    for said, sound, texts in zip(turns, sounds, understood.texts, strict=True):
        ends = [*(begins for begins, _ in sound.pauses), sound.ends_at]
        for number, heard in texts.items():
            upto = round((ends[number] + HEARD_SILENCE_S) * 16_000)
            ended = model.probability(sound.samples[:upto]) if model is not None else None
            found.append(Pause(said, number == len(sound.pauses), heard, ended))
    return found, 1000 * understood.after_s


def longer(wait_ms: float) -> float:
    """The share of the three speakers' pauses that last longer."""
    if not PAUSES_MS[0] <= wait_ms < PAUSES_MS[1]:
        return float(wait_ms < PAUSES_MS[0])
    return fmean(1.0 - NormalDist(math.log(median), SPREAD).cdf(math.log(wait_ms)) for median in SPEAKERS_MS)


def waited_ms(pause: Pause, words_ms: float, by_sound: bool, endpointing: Endpointing) -> float:
    """Until the turn is taken as over; without words only the sound counts."""
    before = endpointing.pause_ms(Evidence(ended=pause.evidence(by_sound).ended))
    if before < words_ms:
        return max(before, NOTICED_MS)
    return max(endpointing.pause_ms(pause.evidence(by_sound)), words_ms)


def features(pause: Pause) -> list[float]:
    """1, the log-odds of the marks, and whether the words need another."""
    sure = pause.heard.sentence_end or 0.5
    words = wording(pause.heard.text.rstrip(" .,;:!?…-–—"), pause.heard.language)
    return [1.0, math.log(sure / (1.0 - sure)), float(words in (Wording.OPEN, Wording.HESITATION))]


def regression(pauses: Sequence[Pause]) -> NDArray[np.float64]:
    """[3] coefficients, ends and pauses weighing the same together; a ridge on all but the first. By Newton's steps."""
    given = np.array([features(pause) for pause in pauses])
    ends = np.array([float(pause.ends) for pause in pauses])
    weights = np.array([PEOPLE_COUNT if pause.said.person else 1.0 for pause in pauses])
    for kind in (0.0, 1.0):
        weights[ends == kind] *= 0.5 * len(ends) / weights[ends == kind].sum()
    ridge = np.diag([1e-6, RIDGE, RIDGE])
    found = np.zeros(3)
    for _ in range(30):
        likely = 1.0 / (1.0 + np.exp(-given @ found))
        slope = given.T @ (weights * (ends - likely)) - ridge @ found
        found += np.linalg.solve((given * (weights * likely * (1.0 - likely))[:, None]).T @ given + ridge, slope)
    return found


def tell(name: str, pauses: Sequence[Pause], words_ms: float) -> None:
    """The wait and the cutting off, with Smart Turn too where it is here."""
    endpointing = Endpointing(EndpointConfig(learn=False))
    for by_sound in (False, True):
        if by_sound and all(pause.ended is None for pause in pauses):
            continue
        waits = [(waited_ms(pause, words_ms, by_sound, endpointing), pause.ends) for pause in pauses]
        ends, within = ([wait for wait, over in waits if over is kind] for kind in (True, False))
        cut = f"{100 * fmean(map(longer, within)):.1f} % of {len(within)} pauses" if within else "no pauses"
        also = " and Smart Turn" if by_sound else ""
        print(f"{name}{also}: {fmean(ends) / FIXED_MS:.3f} of {FIXED_MS} ms at {len(ends)} ends, {cut}", flush=True)


def main(names: Sequence[str]) -> None:
    """All models, or those whose names are given."""
    folder = turn_model_folder()
    model = SmartTurn(folder) if folder is not None else None
    recogniser = SkillRecogniser(RecogniserConfig(), load_skills())
    print(f"a fixed pause of {FIXED_MS} ms: 1, {100 * longer(FIXED_MS):.1f} % of pauses")
    halves = {half: material(half) for half in ("chosen on", "reported on")} | {"French, reported on": french()}
    chosen: list[Pause] = []
    for name, where in whisper_words.models().items():
        if names and name not in names:
            continue
        source = whisper_words.RealWords(where, recogniser.is_complete, Straight())
        for half, turns in halves.items():
            if turns[0].language == "fr" and name.endswith(".en"):
                continue
            pauses, took_ms = hear(source, turns, model)
            words_ms = NOTICED_MS + WORDS_MS.get(name, took_ms)
            groups: dict[str, Callable[[Pause], bool]] = {
                "people": lambda pause: pause.said.person,
                "synthetic voices": lambda pause: not pause.said.person,
            }
            for group, belongs in groups.items():
                tell(f"{name}, {half}, {group}", [pause for pause in pauses if belongs(pause)], words_ms)
            chosen += pauses if half == "chosen on" else []
        source.close()
    base, marks, dangling = regression(chosen)
    print(
        f"log-odds of an end, chosen on: {base:.2f} {marks:+.2f} log-odds of the marks {dangling:+.2f} if words dangle"
    )


if __name__ == "__main__":
    main(sys.argv[1:])

"""Whether replies click, how near full scale they come, what silence they keep, and how far apart they are in loudness.

Every engine that can be had here, through the stage as a conversation uses it: replies of one to three sentences, in
pieces. MeloTTS has random weights (the golden model of ../shared/assets, and the published size): that shows joints,
peaks and gain, and nothing of a real voice's loudness; their noise hides a click from the eye as from the ear, and that
windows join is proven by tests/tts/melo/test_melo_windows.py. Piper's is a published voice (tools/real_models.py).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.figures import Figure
from benchmarks.tts_parts.joints import CLICK, Reply, joined, loudness_lufs, planted, sharpest
from core.messages import Language, Sentence
from core.utils.config import OptimizationConfig, TtsConfig
from core.utils.voice import VoiceSettings
from tts.engine import SpeechEngine
from tts.espeak import EspeakEngine
from tts.loudness import MEASURED, amplify, gain_for, gain_from, voiced_dbfs
from tts.melo.level_forecast import LevelForecast
from tts.piper import PiperEngine
from tts.synthesizer import Synthesizer

REPLIES: dict[Language, tuple[tuple[str, ...], ...]] = {
    "en": (
        ("Yes.",),
        ("Stopped.",),
        ("Watch out!",),
        ("It is five o'clock in the afternoon.",),
        ("The timer is set for ten minutes.", "I will tell you when it is over."),
        ("Your list has milk, bread and apples.", "Shall I add anything?", "You can also ask me to clear it."),
        ("That's 12.",),
        ("Sorry, I did not hear what you said just now.",),
        ("The weather in Paris will be fine and sunny for the next three days, with a light wind from the west.",),
    ),
    "fr": (
        ("Oui.",),
        ("Six.",),
        ("Chut !",),
        ("Il est cinq heures de l'après-midi.",),
        ("Minuteur de vingt minutes lancé.", "Je vous préviendrai quand il sera fini."),
        ("Votre liste contient du lait, du pain et des pommes.", "Voulez-vous ajouter autre chose ?"),
        ("Désolée, je n'ai pas bien entendu ce que vous venez de dire.",),
    ),
}
STEP = 0.1
"""of a planted click: -20 dB of full scale, as much as the voice's own mean"""
PEAK = 10 ** (-1 / 20)
QUIET = 0.003
WHOLE_S = 0.93
"""what is shorter is one window of MeloTTS's (tts.melo.pace.WHOLE)"""
REAL_PIPER = Path(__file__).resolve().parents[2] / "build" / "real" / "piper-en_US-joe-medium"


def of_engine(name: str, engine: SpeechEngine, language: Language) -> Iterator[Figure]:
    """Five figures with what was asked, and two for which nothing was."""
    stage = Synthesizer(TtsConfig(), VoiceSettings(), engine)
    stage.load()
    rate_hz = stage.sample_rate_hz
    replies = [_said(stage, sentences, language, turn) for turn, sentences in enumerate(REPLIES[language])]
    stage.close()
    bare = [reply.samples[reply.joints[0] : reply.joints[-1]] for reply in replies]
    levels = [voiced_dbfs(samples, rate_hz) for samples in bare]
    standard = [loudness_lufs(samples, rate_hz) for samples in bare]
    leads, tails = zip(*(_silence_ms(samples, rate_hz) for samples in bare), strict=True)
    joints = sum(len(reply.joints) for reply in replies)
    name = f"{name} {language}"
    yield Figure(f"{name}, sharpest of {joints} joints", max(sharpest(r, rate_hz) for r in replies), "", "lower", CLICK)
    yield Figure(
        f"{name}, planted clicks seen", np.mean([planted(r, STEP, rate_hz) for r in replies]).item(), "", "higher"
    )
    yield Figure(f"{name}, highest sample", max(np.abs(s).max().item() for s in bare), "", "lower", PEAK)
    yield Figure(f"{name}, silence before a reply", max(leads), "ms", "lower", 10.0)
    yield Figure(f"{name}, silence behind a reply", max(tails), "ms", "lower", 45.0)
    yield Figure(f"{name}, replies apart", max(levels) - min(levels), "dB", "lower", 1.0)
    yield Figure(f"{name}, replies apart by ITU-R BS.1770", max(standard) - min(standard), "LU", "lower")


def _said(stage: Synthesizer, sentences: tuple[str, ...], language: Language, turn: int) -> Reply:
    pieces = []
    for index, text in enumerate(sentences):
        sentence = Sentence(turn, 0, index, text, index + 1 == len(sentences), language)
        pieces += [speech.samples for speech in stage.process(sentence)]
    return joined(pieces, stage.sample_rate_hz)


def _silence_ms(samples: np.ndarray, rate_hz: int) -> tuple[float, float]:
    """Before and behind what is above QUIET."""
    loud = np.flatnonzero(np.abs(samples) > QUIET)
    return 1000 * float(loud[0]) / rate_hz, 1000 * float(len(samples) - 1 - loud[-1]) / rate_hz


def run(assets: Path, only: list[str]) -> Iterator[Figure]:
    """Those of the engines named that can be had: espeak, piper, melo-golden, melo-full-size."""
    if "espeak" in only:
        for language in REPLIES:
            yield from of_engine("espeak-ng", EspeakEngine(TtsConfig()), language)
    if "piper" in only and REAL_PIPER.exists():
        yield from of_engine("Piper, joe", PiperEngine(TtsConfig(voice=str(REAL_PIPER))), "en")
        yield from _unlevelled()
    if any(name.startswith("melo") for name in only):
        yield from _melo(assets, only)


def _unlevelled() -> Iterator[Figure]:
    """What is left of a published voice's own differences where sound is given before a sentence's end is made:
    MeloTTS's case, of which no published voice is here. Both are networks of one kind (VITS), so what tells MeloTTS's
    loudness from its frames is put to Piper's."""
    from benchmarks.tts_parts.piper_frames import PiperFrames

    voice = PiperFrames(REAL_PIPER)
    frames, samples = voice.say(MEASURED["en"])
    forecast = LevelForecast.learnt(frames, samples, voice.rate_hz)
    assert forecast is not None
    one, foretold = [], []
    for sentences in REPLIES["en"]:
        said = [voice.say(text) for text in sentences]
        one.append(np.concatenate([samples for _, samples in said]))
        louder = []
        for frames, samples in said:
            told = forecast.dbfs(frames)
            short = len(samples) < WHOLE_S * voice.rate_hz
            louder.append(amplify(samples, gain_for(samples, voice.rate_hz) if short else gain_from(told)))
            if not short:
                forecast = forecast.after(told, samples, voice.rate_hz)
        foretold.append(np.concatenate(louder))
    for how, replies in (("one gain for all", one), ("gains foretold from the frames", foretold)):
        levels = [voiced_dbfs(samples, voice.rate_hz) for samples in replies]
        yield Figure(f"Piper, joe en, replies apart with {how}", max(levels) - min(levels), "dB", "lower")


def _melo(assets: Path, only: list[str]) -> Iterator[Figure]:
    from benchmarks.tts_parts.behind_iterator import speakable, with_vocabulary
    from benchmarks.tts_parts.voice import write_bert, write_voice
    from core.optimization import TorchOptimizer
    from tts.melo.voice_files import VoiceFiles
    from tts.melo.weights import convert
    from tts.melo_engine import MeloEngine, MeloSettings

    with tempfile.TemporaryDirectory() as name:
        texts = [text for sentences in REPLIES["en"] for text in sentences]
        bert = with_vocabulary(write_bert(Path(name) / "bert"), texts)
        folders = {}
        if "melo-golden" in only and (assets / "checkpoint.pth").exists():
            folders["MeloTTS, golden"] = assets
        if "melo-full-size" in only:
            voice = write_voice(Path(name) / "voice")
            convert(voice)
            folders["MeloTTS, full size"] = speakable(voice)
        for title, folder in folders.items():
            optimizer = TorchOptimizer(OptimizationConfig(compile=False))
            engine = MeloEngine(MeloSettings((VoiceFiles(folder, "en", bert),)), optimizer=optimizer)
            yield from of_engine(title, engine, "en")


def main() -> None:
    """About a minute on two cores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--assets", type=Path, default=Path(__file__).resolve().parents[3] / "shared" / "assets" / "melo"
    )
    parser.add_argument("--only", nargs="+", default=["espeak", "piper", "melo-golden", "melo-full-size"])
    asked = parser.parse_args()
    for figure in run(asked.assets, asked.only):
        print(figure.line(), flush=True)


if __name__ == "__main__":
    main()

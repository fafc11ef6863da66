"""Piper behind the engines' iterator: a fake voice for what is ours, a tiny random one for the package's interface."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.utils.config import TtsConfig
from core.utils.errors import ConfigError, InferenceError, MissingDependencyError, ModelLoadError
from tts import piper
from tts.piper import PiperEngine, voice_files

needs_piper = pytest.mark.skipif(
    find_spec("piper") is None or find_spec("onnx") is None, reason="not installed: piper-tts, onnx (extra piper)"
)


class FakePiperVoice:
    """A tone as long as the text, at the speed asked for."""

    def __init__(self, espeak_voice: str = "en-us", rate: int = 16000, speakers: dict[str, int] | None = None) -> None:
        self.config = SimpleNamespace(
            espeak_voice=espeak_voice, sample_rate=rate, length_scale=1.0, speaker_id_map=speakers or {}
        )
        self.asked: list[tuple[str, Any]] = []
        self.level = 0.1

    def synthesize(self, text: str, syn_config: Any = None) -> Iterator[Any]:
        self.asked.append((text, syn_config))
        for sentence in text.split("\n"):
            length = int(self.config.sample_rate * 0.05 * len(sentence) * syn_config.length_scale)
            yield SimpleNamespace(audio_float_array=np.full(length, self.level, np.float32), sample_rate=16000)


def files(folder: Path, *names: str) -> tuple[str, ...]:
    for name in names:
        (folder / f"{name}.onnx").write_bytes(b"")
    return tuple(str(folder / f"{name}.onnx") for name in names)


def engine(folder: Path, voices: dict[str, FakePiperVoice], **settings: Any) -> PiperEngine:
    config = TtsConfig(voice=files(folder, *voices), **settings)
    made = PiperEngine(config, lambda path: voices[path.stem])
    made.load()
    return made


def test_a_voice_a_language_speaks_at_its_rate_and_speed(tmp_path: Path) -> None:
    voices = {"amy": FakePiperVoice(), "siwis": FakePiperVoice("fr")}
    made = engine(tmp_path, voices, speed=2.0)
    assert (made.languages, made.sample_rate_hz, made.name) == (("en", "fr"), 16000, "piper")
    pieces = list(made.synthesize("Bonjour à tous. Ça va ?", "fr", 1.25))
    assert [text for text, _ in voices["siwis"].asked[1:]] == ["Bonjour à tous.", " Ça va ?"]
    assert voices["siwis"].asked[-1][1].length_scale == pytest.approx(1 / 2.5)
    assert pieces[-1].last
    assert pieces[-1].marks[-1].characters == len("Bonjour à tous. Ça va ?")
    level = np.abs(np.concatenate([piece.samples for piece in pieces])).max()
    assert level == pytest.approx(10 ** (-21 / 20), rel=0.05)  # of tts.loudness


def test_louder_and_softer_sentences_of_a_voice_come_out_alike(tmp_path: Path) -> None:
    voice = FakePiperVoice()
    made = engine(tmp_path, {"amy": voice})
    levels = []
    for voice.level in (0.06, 0.1, 0.19, 0.001):
        levels.append(np.abs(np.concatenate([piece.samples for piece in made.synthesize("Hi.", "en", 1.0)])).max())
    assert levels[:3] == pytest.approx([10 ** (-21 / 20)] * 3, rel=0.05)
    assert levels[3] < 0.002  # what is all but silent is no speech


def test_phonemes_in_brackets_are_text(tmp_path: Path) -> None:
    voice = FakePiperVoice()
    list(engine(tmp_path, {"amy": voice}).synthesize("Say [[h@l'oU]].", "en", 1.0))
    assert "[[" not in voice.asked[-1][0]


def test_speakers_by_name(tmp_path: Path) -> None:
    voice = FakePiperVoice(speakers={"anna": 3, "ben": 4})
    list(engine(tmp_path, {"two": voice}, speaker="ben").synthesize("Hi.", "en", 1.0))
    assert voice.asked[-1][1].speaker_id == 4
    with pytest.raises(ModelLoadError, match="anna, ben"):
        engine(tmp_path, {"two": voice}, speaker="carl")


def test_a_speaker_is_asked_of_the_voice_that_has_it_and_a_missing_one_is_named(tmp_path: Path) -> None:
    english, french = FakePiperVoice(speakers={"anna": 3}), FakePiperVoice("fr", speakers={"jeanne": 7})
    made = engine(tmp_path, {"two": english, "mls": french, "solo": FakePiperVoice("es")}, speaker="jeanne")
    for language in ("en", "fr", "es"):
        list(made.synthesize("Hi.", language, 1.0))
    assert (english.asked[-1][1].speaker_id, french.asked[-1][1].speaker_id) == (None, 7)
    with pytest.raises(ModelLoadError, match="no speaker 'carl'; each of its voices has one alone"):
        engine(tmp_path, {"solo": FakePiperVoice()}, speaker="carl")


def test_what_cannot_be_said_is_named(tmp_path: Path) -> None:
    voice = FakePiperVoice()
    made = engine(tmp_path, {"amy": voice})
    with pytest.raises(InferenceError, match="no voice for 'fr'"):
        made.synthesize("Bonjour.", "fr", 1.0)
    voice.level = float("nan")
    with pytest.raises(InferenceError, match="no numbers"):
        list(made.synthesize("Hi.", "en", 1.0))
    made.close()
    with pytest.raises(InferenceError, match="has none"):
        made.synthesize("Hi.", "en", 1.0)


def test_voices_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match="22050 Hz"):
        engine(tmp_path, {"amy": FakePiperVoice(), "siwis": FakePiperVoice("fr", 22050)})
    with pytest.raises(ModelLoadError, match="'de'"):
        engine(tmp_path, {"thorsten": FakePiperVoice("de")})


def test_a_voice_is_a_file_or_a_folder_with_one(tmp_path: Path) -> None:
    (one,) = files(tmp_path, "amy")
    assert voice_files(one) == voice_files(str(tmp_path)) == [Path(one)]
    files(tmp_path, "bob")
    for wrong in (None, str(tmp_path), str(tmp_path / "none.onnx"), "melo-en"):
        with pytest.raises(ConfigError, match=r"tts\.voice"):
            voice_files(wrong)


def test_without_the_package_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(piper, "import_module", absent)
    with pytest.raises(MissingDependencyError, match="'piper'"):
        PiperEngine(TtsConfig(voice=files(tmp_path, "amy"))).load()


def write_random_voice(path: Path) -> None:
    """A network that gives 256 samples a phoneme, a sine of the phonemes' numbers: a voice's interface, no speech."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["input"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["ids", "last"], ["column"]),
        helper.make_node("Mul", ["column", "ramp"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["wave"]),
        helper.make_node("Reshape", ["wave", "shape"], ["output"]),
    ]
    ramp = np.arange(1, 257, dtype=np.float32).reshape(1, 1, 256) / 100
    constants = [
        helper.make_tensor("last", TensorProto.INT64, [1], [2]),
        helper.make_tensor("ramp", TensorProto.FLOAT, ramp.shape, ramp.flatten()),
        helper.make_tensor("shape", TensorProto.INT64, [4], [1, 1, 1, -1]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", TensorProto.INT64, ["batch", "phonemes"]),
        helper.make_tensor_value_info("input_lengths", TensorProto.INT64, ["batch"]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, 1, "samples"])
    graph = helper.make_graph(nodes, "voice", inputs, [output], constants)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    symbols = "_^$ abcdefghijklmnopqrstuvwxyzæðŋɐɑɔəɚɛɜɡɪɹʃʊʌʒˈˌː.,?!"
    config = {
        "audio": {"sample_rate": 16000},
        "espeak": {"voice": "en-us"},
        "num_symbols": len(symbols),
        "num_speakers": 1,
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(symbols)},
    }
    path.with_name(f"{path.name}.json").write_text(json.dumps(config), encoding="utf-8")


@needs_piper
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_package_speaks_a_voice_of_its_own_format(tmp_path: Path) -> None:
    write_random_voice(tmp_path / "random.onnx")
    made = PiperEngine(TtsConfig(voice=str(tmp_path)))
    made.load()
    assert (made.languages, made.sample_rate_hz) == (("en",), 16000)
    short = sum(len(piece.samples) for piece in made.synthesize("Hello.", "en", 1.0))
    pieces = list(made.synthesize("Hello, this is a longer sentence.", "en", 1.0))
    assert 0 < short < sum(len(piece.samples) for piece in pieces)
    assert pieces[-1].last
    made.close()


@needs_piper
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_network_that_is_cut_off_or_fails_is_an_error_of_ours(tmp_path: Path) -> None:
    write_random_voice(tmp_path / "random.onnx")
    whole = (tmp_path / "random.onnx").read_bytes()
    made = PiperEngine(TtsConfig(voice=str(tmp_path)))
    made.load()
    made._voices["en"].voice.config.num_speakers = 2  # it asks the network for a speaker, which this one does not take
    with pytest.raises(InferenceError, match=r"failed on 'Hi\.'"):
        list(made.synthesize("Hi.", "en", 1.0))
    (tmp_path / "random.onnx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelLoadError, match=r"random\.onnx with random\.onnx\.json is no Piper voice"):
        PiperEngine(TtsConfig(voice=str(tmp_path))).load()


@needs_piper
def test_files_that_are_no_voice_are_named(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(ModelLoadError, match=r"broken\.onnx with broken\.onnx\.json"):
        PiperEngine(TtsConfig(voice=str(tmp_path))).load()

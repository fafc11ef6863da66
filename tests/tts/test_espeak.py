"""espeak-ng through its library: real speech, in both languages, streamed, marked at every word, and stoppable."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.messages import Language
from core.utils.config import TtsConfig
from core.utils.errors import ConfigError, InferenceError, ModelLoadError
from tts.clauses import MAX_CHARACTERS
from tts.engine import SpeechPiece
from tts.espeak import EspeakEngine
from tts.espeak_library import EspeakLibrary, InstalledVoice, SpokenClip, VoiceChoice, shared_library
from tts.loudness import PEAK, TARGET_DBFS, voiced_dbfs

loader = pytest.importorskip("espeakng_loader")

RATE_HZ = 22_050
ENGLISH = VoiceChoice("gmw/en-US", 170, 50)
LONG_TEXT = "It rains. The sun shines over the hills and the sea, and we walk home. " * 150


class CountingLibrary:
    """The shared library, counting what it is asked to speak; it may lack the voices of a language."""

    def __init__(self, without: str = "") -> None:
        self.spoken: list[str] = []
        self.sample_rate_hz = shared_library().sample_rate_hz
        self._without = without

    def voices(self) -> tuple[InstalledVoice, ...]:
        voices = shared_library().voices()
        return tuple(v for v in voices if not self._without or not v.names[0].startswith(self._without))

    def variants(self) -> tuple[str, ...]:
        return shared_library().variants()

    def speak(self, text: str, voice: VoiceChoice, stopped: Callable[[], bool]) -> SpokenClip:
        self.spoken.append(text)
        return shared_library().speak(text, voice, stopped)


@pytest.fixture
def engine() -> EspeakEngine:
    engine = EspeakEngine(TtsConfig())
    engine.load()
    return engine


def joined(pieces: list[SpeechPiece]) -> np.ndarray:
    return np.concatenate([piece.samples for piece in pieces])


def speak(engine: EspeakEngine, text: str, language: str = "en", rate: float = 1.0) -> np.ndarray:
    return joined(list(engine.synthesize(text, language, rate)))


def all_marks(pieces: list[SpeechPiece]) -> list[tuple[int, int]]:
    """(sample, characters) counted from the start of the text's sound."""
    marks, start = [], 0
    for piece in pieces:
        marks += [(start + mark.sample, mark.characters) for mark in piece.marks]
        start += len(piece.samples)
    return marks


def longest_silence_ms(sound: np.ndarray) -> float:
    loud = np.flatnonzero(np.abs(sound) > 0.002)
    return float(np.diff(loud).max()) * 1000 / RATE_HZ


@pytest.mark.parametrize("language", ["en", "fr"])
def test_it_speaks(engine: EspeakEngine, language: str) -> None:
    text = {"en": "the quick brown fox jumps over the lazy dog", "fr": "le petit chat boit du lait dans la cuisine"}
    sound = speak(engine, text[language], language)
    words = len(text[language].split())
    assert engine.sample_rate_hz == RATE_HZ
    assert sound.dtype == np.float32
    assert 0.15 < len(sound) / RATE_HZ / words < 0.6
    assert np.sqrt(np.mean(sound**2)) > 0.03
    assert np.abs(sound).max() <= 1.0


def test_languages_differ(engine: EspeakEngine) -> None:
    english, french = (speak(engine, "important question", language) for language in ("en", "fr"))
    length = min(len(english), len(french))
    correlation = np.corrcoef(english[:length], french[:length])[0, 1]
    assert abs(correlation) < 0.5
    assert abs(len(english) - len(french)) > 0.02 * length


def test_rate_changes_duration(engine: EspeakEngine) -> None:
    slow, normal, fast = (len(speak(engine, "one two three four five six", rate=rate)) for rate in (0.6, 1.0, 2.0))
    assert slow > 1.3 * normal
    assert fast < 0.75 * normal


def pitch_hz(sound: np.ndarray) -> float:
    """Median over 54 ms frames of the shortest lag at which the sound below 800 Hz resembles itself."""
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE_HZ) > 800] = 0
    low = np.fft.irfft(spectrum, len(sound))
    shortest, longest, found = RATE_HZ // 320, RATE_HZ // 60, []
    for start in range(0, len(low) - 1200, 400):
        frame = low[start : start + 1200]
        likeness = np.correlate(frame, frame, "full")[len(frame) - 1 :]
        lags = likeness[shortest:longest]
        peaks = np.flatnonzero((lags[1:-1] >= lags[:-2]) & (lags[1:-1] >= lags[2:]) & (lags[1:-1] >= 0.9 * lags.max()))
        if np.sqrt(np.mean(frame**2)) > 0.02 and len(peaks):
            found.append(RATE_HZ / (shortest + 1 + int(peaks[0])))
    return float(np.median(found))


def test_pitch_is_the_configured_one() -> None:
    heard = []
    for setting in (10, 90):
        engine = EspeakEngine(TtsConfig(pitch=setting))
        engine.load()
        heard.append(pitch_hz(speak(engine, "ah la la la lah")))
    assert heard[1] > 1.4 * heard[0]


def test_chunks_are_short_and_only_the_last_is_last(engine: EspeakEngine) -> None:
    pieces = list(engine.synthesize("This is a sentence. And this is another one, a little longer.", "en", 1.0))
    assert all(70 <= len(piece.samples) * 1000 / RATE_HZ <= 230 for piece in pieces)
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]


@pytest.mark.parametrize("text", ["Hello there", "Sure. Yes.", "for you", "seven thirty p m"])
def test_sound_begins_at_once_and_without_a_click(engine: EspeakEngine, text: str) -> None:
    sound = speak(engine, text)
    assert np.flatnonzero(np.abs(sound) > 0.002)[0] <= RATE_HZ * 0.010
    assert abs(sound[0]) < 0.002
    assert abs(sound[-1]) < 0.002


def test_gap_between_sentences_is_a_breath(engine: EspeakEngine) -> None:
    assert 150 <= longest_silence_ms(speak(engine, "Yes. No.")) <= 210
    assert longest_silence_ms(speak(engine, "Yes no")) < 100


def test_marks_stand_at_the_words(engine: EspeakEngine) -> None:
    text = "It rains, my friend. Go home!"
    pieces = list(engine.synthesize(text, "en", 1.0))
    marks = all_marks(pieces)
    assert [text[:characters] for _, characters in marks] == [
        "It",
        "It rains,",
        "It rains, my",
        "It rains, my friend.",
        "It rains, my friend. Go",
        text,
    ]
    samples = [sample for sample, _ in marks]
    assert samples == sorted(samples)
    assert samples[-1] < len(joined(pieces))
    # A mark where the second sentence begins would count the pause as speech.
    assert np.abs(joined(pieces)[samples[3] : samples[3] + RATE_HZ // 10]).max() < 0.002


def test_empty_text_is_one_empty_last_piece(engine: EspeakEngine) -> None:
    (piece,) = engine.synthesize("", "en", 1.0)
    assert piece.last
    assert len(piece.samples) == 0


def test_unspeakable_text_ends_all_the_same(engine: EspeakEngine) -> None:
    pieces = list(engine.synthesize("... --- ...\n\n", "en", 1.0))
    assert pieces[-1].last
    assert all_marks(pieces)[-1][1] == len("... --- ...\n\n")


def test_long_text_starts_without_being_synthesised_whole() -> None:
    library = CountingLibrary()
    engine = EspeakEngine(TtsConfig(), library)
    engine.load()
    assert len(LONG_TEXT) > 10_000
    stream = engine.synthesize(LONG_TEXT, "en", 1.0)
    assert len(next(stream).samples) > 0
    assert library.spoken == ["It rains."]
    stream.close()
    assert library.spoken == ["It rains."]
    assert len(speak(engine, "still there")) > RATE_HZ // 4


def test_work_ahead_is_bounded_without_punctuation() -> None:
    library = CountingLibrary()
    engine = EspeakEngine(TtsConfig(), library)
    engine.load()
    stream = engine.synthesize("x" * 10_000, "en", 1.0)
    next(stream)
    assert [len(text) for text in library.spoken] == [MAX_CHARACTERS]


def test_abort_leaves_the_rest_out_and_the_library_usable() -> None:
    library = shared_library()
    text = "one two three four five six seven eight nine ten"
    asked: list[bool] = []

    def stop_at_third() -> bool:
        asked.append(True)
        return len(asked) >= 3

    whole = library.speak(text, ENGLISH)
    cut = library.speak(text, ENGLISH, stop_at_third)
    assert len(asked) == 3
    assert 0 < len(cut.samples) < len(whole.samples) / 5
    again = library.speak(text, ENGLISH)
    assert len(again.samples) == pytest.approx(len(whole.samples), rel=0.02)
    assert [word.position for word in again.words] == [word.position for word in whole.words]


def test_ctrl_c_within_the_library_is_not_swallowed() -> None:
    library = shared_library()
    asked = []

    def interrupt() -> bool:
        asked.append(True)
        if len(asked) == 1:
            os.kill(os.getpid(), signal.SIGINT)  # as a terminal sends it: to the process, not to this thread
        return False

    with pytest.raises(KeyboardInterrupt):
        library.speak("A long sentence that goes on and on and on. " * 40, ENGLISH, interrupt)
    assert library.speak("Yes.", ENGLISH).words


def test_close_ends_the_stream_and_load_opens_it_again(engine: EspeakEngine) -> None:
    stream = engine.synthesize(LONG_TEXT, "en", 1.0)
    next(stream)
    engine.close()
    assert len(list(stream)) < 30
    engine.load()
    assert len(speak(engine, "hello")) > RATE_HZ // 5


def test_engines_on_two_threads_do_not_disturb_each_other() -> None:
    texts = {"en": "good morning to all of you", "fr": "bonjour à vous tous mes amis"}
    heard: dict[str, list[int]] = {"en": [], "fr": []}
    words: dict[str, set[int]] = {"en": set(), "fr": set()}
    barrier = threading.Barrier(2)

    def run(language: str, rate: float) -> None:
        engine = EspeakEngine(TtsConfig())
        engine.load()
        barrier.wait(10)
        for _ in range(20):
            pieces = list(engine.synthesize(texts[language], language, rate))
            heard[language].append(len(joined(pieces)))
            words[language].add(len(all_marks(pieces)))

    threads = [threading.Thread(target=run, args=("en", 0.7)), threading.Thread(target=run, args=("fr", 1.8))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    engine = EspeakEngine(TtsConfig())
    engine.load()
    for language, rate in (("en", 0.7), ("fr", 1.8)):
        alone = len(speak(engine, texts[language], language, rate))
        assert heard[language] == pytest.approx([alone] * 20, rel=0.03)
        assert words[language] == {6}


@pytest.mark.parametrize("name", ["fr-fr", "fr", "FR-fr", "roa/fr", "French (France)"])
def test_voice_is_found_by_any_of_its_names(name: str) -> None:
    default, named = EspeakEngine(TtsConfig()), EspeakEngine(TtsConfig(voice_fr=name))
    for engine in (default, named):
        engine.load()
    lengths = [len(speak(engine, "bonjour tout le monde", "fr")) for engine in (default, named)]
    assert lengths[1] == pytest.approx(lengths[0], rel=0.01)


def test_voice_variant_changes_the_voice() -> None:
    plain, whispered = EspeakEngine(TtsConfig()), EspeakEngine(TtsConfig(voice_en="en-us+whisper"))
    sounds = []
    for engine in (plain, whispered):
        engine.load()
        sounds.append(speak(engine, "good morning"))
    crossings = [np.mean(np.diff(np.sign(sound)) != 0) for sound in sounds]
    assert crossings[1] > 1.3 * crossings[0]


@pytest.mark.parametrize(
    ("voice", "message"),
    [
        ("en-uss", "tts.voice_en: espeak-ng has no voice 'en-uss'; did you mean 'en-us'"),
        ("", "tts.voice_en: espeak-ng has no voice ''; write for example"),
        ("en-us+whisperr", "no variant 'whisperr' of a voice; did you mean 'whisper'"),
        ("en-us+", "no variant ''"),
    ],
)
def test_unknown_voice_is_named_with_close_ones(voice: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        EspeakEngine(TtsConfig(voice_en=voice)).load()
    assert message in str(caught.value)


def test_language_without_a_voice_is_left_out() -> None:
    engine = EspeakEngine(TtsConfig(), CountingLibrary(without="fr"))
    engine.load()
    assert engine.languages == ("en",)
    with pytest.raises(InferenceError, match="no voice for 'fr'"):
        next(engine.synthesize("bonjour", "fr", 1.0))


def test_not_loaded_is_said() -> None:
    with pytest.raises(InferenceError, match="not loaded"):
        next(EspeakEngine(TtsConfig()).synthesize("hello", "en", 1.0))


def test_unknown_voice_in_the_library_is_an_error_and_harms_nothing() -> None:
    with pytest.raises(InferenceError, match="no voice 'nowhere/xx'"):
        shared_library().speak("hello", VoiceChoice("nowhere/xx", 170, 50))
    assert len(shared_library().speak("hello", ENGLISH).samples) > RATE_HZ // 5


def test_library_or_data_that_cannot_be_used(tmp_path: Path) -> None:
    library_file = Path(loader.get_library_path())
    (tmp_path / "broken.so").write_bytes(b"not a library")
    with pytest.raises(ModelLoadError, match=r"broken\.so does not load"):
        EspeakLibrary(tmp_path / "broken.so", Path(loader.get_data_path()))
    with pytest.raises(ModelLoadError, match="holds no voice data"):
        EspeakLibrary(library_file, tmp_path)


def test_missing_package_is_named() -> None:
    program = (
        "import sys; sys.modules['espeakng_loader'] = None\n"
        "from core.utils.config import TtsConfig\n"
        "from core.utils.errors import MissingDependencyError\n"
        "from tts.espeak import EspeakEngine\n"
        "try:\n"
        "    EspeakEngine(TtsConfig()).load()\n"
        "except MissingDependencyError as error:\n"
        "    assert 'pip install espeakng-loader' in str(error)\n"
        "    print('named')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "named"


def test_import_is_cheap() -> None:
    program = "import sys, tts.synthesizer; print('espeakng_loader' in sys.modules, 'soxr' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_replies_are_equally_loud_and_below_the_peak(engine: EspeakEngine) -> None:
    replies: list[tuple[str, Language]] = [
        ("It is five o'clock.", "en"),
        ("Yes.", "en"),
        ("That's 12.", "en"),
        ("The weather in Paris will be fine and sunny for the next three days.", "en"),
        ("Oui.", "fr"),
        ("Minuteur de vingt minutes lancé.", "fr"),
    ]
    sounds = [np.concatenate([p.samples for p in engine.synthesize(text, code, 1.0)]) for text, code in replies]
    levels = [voiced_dbfs(sound, engine.sample_rate_hz) for sound in sounds]
    assert max(levels) - min(levels) < 1.0
    assert levels[0] == pytest.approx(TARGET_DBFS, abs=0.5)
    assert max(np.abs(sound).max() for sound in sounds) <= PEAK


def test_a_soft_word_is_as_loud_as_a_sentence(engine: EspeakEngine) -> None:
    for text in ("Six.", "Dix.", "Chut !", "Trois minutes.", "Ouh, où ?"):
        sound = np.concatenate([piece.samples for piece in engine.synthesize(text, "fr", 1.0)])
        assert voiced_dbfs(sound, engine.sample_rate_hz) == pytest.approx(TARGET_DBFS, abs=0.3)

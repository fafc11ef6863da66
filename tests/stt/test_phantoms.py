"""Silence says nothing: what Whisper is known to say to it gets through only where a voice speaks for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np
import pytest
import yaml

from core.messages import Samples, Utterance
from core.utils.vad_compat import EnergyVad, load_vad
from stt.phantoms import LIST, Phantom, phantom_list, phantom_of, plain
from stt.speech_evidence import LEAST_VOICE_S, SURE_VOICE_S, Evidence, VoiceTrack, rejection
from stt.whisper_transcriber import Surroundings
from tests.stt.scripted_whisper import RATE, LoudIsVoice, Scores, ScriptedBackend, hear, last, loaded, settings, speak

EVERY_CREDIT = sorted((*phantom_list().credits, *phantom_list().credit_openings))
EVERY_PHRASE = sorted((*EVERY_CREDIT, *phantom_list().courtesies))
REALISTIC = (Scores(-0.25, 0.05), Scores(-0.45, 0.35), Scores(-0.7, 0.62), Scores(-0.9, 0.9))
"""what Whisper says of itself when it hallucinates: often it is quite sure"""


def non_speech() -> dict[str, Samples]:
    noise = np.random.default_rng(5)
    t = np.arange(4 * RATE) / RATE
    hiss = noise.normal(0.0, 0.05, 4 * RATE)
    chord = sum(np.sin(2 * np.pi * hertz * t) for hertz in (220.0, 277.2, 329.6)) * 0.1
    sounds = {
        "silence": np.zeros(60 * RATE),
        "hiss": hiss,
        "breathing": hiss * np.clip(np.sin(2 * np.pi * 0.4 * t), 0.0, 1.0),
        "music": chord * (1.0 + 0.5 * np.sin(2 * np.pi * 2.0 * t)),
        "clipped hum": np.clip(np.sin(2 * np.pi * 50.0 * t) * 5.0, -1.0, 1.0),
        "clipped noise": np.clip(hiss * 100.0, -1.0, 1.0),
    }
    return {name: sound.astype(np.float32) for name, sound in sounds.items()}


SOUNDS = non_speech()
ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
NOISE = sorted((ASSETS / "noise").glob("*.wav"))
VOICE = load_vad("auto")


class HeardBefore:
    """The real detector's verdicts on one sound, without its work."""

    name = "heard before"
    chunk_samples = VOICE.chunk_samples

    def __init__(self, sound: Samples) -> None:
        VOICE.reset()
        size = self.chunk_samples
        chunks = (sound[begin : begin + size] for begin in range(0, len(sound) - size + 1, size))
        self._verdicts = [VOICE.probability(chunk) for chunk in chunks]
        self._next = 0

    def probability(self, samples: Samples) -> float:
        self._next += 1
        return self._verdicts[self._next - 1]

    def reset(self) -> None:
        self._next = 0


VERDICTS = {name: HeardBefore(sound) for name, sound in SOUNDS.items()}


def read(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768


def test_the_list_is_spelled_as_it_is_compared():
    content = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    for phrases in content.values():
        assert all(isinstance(phrase, str) and plain(phrase) == phrase for phrase in phrases)
        assert len(set(phrases)) == len(phrases)
    assert Path(LIST).parent.name == "stt"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Sous-titres réalisés par la communauté d'Amara.org", Phantom.CREDIT),
        ("Sous-titres réalisés para la communauté d’Amara.org", Phantom.CREDIT),
        ("Sous-titrage Société Radio-Canada", Phantom.CREDIT),
        ("Sous-titrage ST' 501", Phantom.CREDIT),
        ("Subtitles by the Amara.org community", Phantom.CREDIT),
        ("Subtitles by SteamTeamExtra", Phantom.CREDIT),
        ("Thank you for watching. Please subscribe to my channel!", Phantom.CREDIT),
        ("Merci d'avoir regardé cette vidéo !", Phantom.CREDIT),
        ("[Music]", Phantom.CREDIT),
        ("♪♪♪", Phantom.CREDIT),
        ("(applause) *sighs*", Phantom.CREDIT),
        ("Thank you.", Phantom.COURTESY),
        ("Thank you. Thank you. Bye.", Phantom.COURTESY),
        ("Thanks for watching!", Phantom.COURTESY),
        ("Merci.", Phantom.COURTESY),
        ("À bientôt !", Phantom.COURTESY),
        ("Thank you for the music", Phantom.NONE),
        ("thank you, now set a timer", Phantom.NONE),
        ("what are subtitles by the way", Phantom.NONE),
        ("add [milk] to my list", Phantom.NONE),
        ("What time is it?", Phantom.NONE),
        ("", Phantom.NONE),
        ("...", Phantom.NONE),
    ],
)
def test_which_texts_are_phantoms(text: str, kind: Phantom):
    assert phantom_of(text) is kind


@pytest.mark.parametrize("phrase", EVERY_PHRASE)
def test_no_phantom_gets_through_for_a_sound_without_a_voice(phrase: str):
    """Each phrase of the list, as sure as Whisper ever is and as doubtful, for each sound, through the stage."""
    for scores in (REALISTIC[0], REALISTIC[3]):
        for name, sound in SOUNDS.items():
            backend = ScriptedBackend(scores=scores, phrase=phrase)
            stage = loaded(backend, settings(), Surroundings(VERDICTS[name]))
            answer = last(list(stage.process(Utterance(1, 0, sound, True, 0.0))))
            assert (answer.text, answer.complete) == ("", False), name


@pytest.mark.parametrize("phrase", EVERY_CREDIT)
def test_credits_do_not_get_through_even_for_a_voice(phrase: str):
    speech = speak("somebody is speaking here for quite some time")
    stage = loaded(ScriptedBackend(scores=Scores(-0.2, 0.01), phrase=phrase), settings())
    assert [message.text for message in hear(stage, speech.samples)] == ["", ""]


@pytest.mark.parametrize("phrase", EVERY_PHRASE)
def test_a_voice_detector_that_errs_is_not_enough_where_whisper_doubts(phrase: str):
    for scores in REALISTIC[2:]:
        stage = loaded(ScriptedBackend(scores=scores, phrase=phrase), settings())
        assert [message.text for message in hear(stage, SOUNDS["hiss"])] == ["", ""]


@pytest.mark.parametrize("scores", REALISTIC[2:])
@pytest.mark.parametrize("phrase", ["Thank you.", "Merci beaucoup.", "Bye."])
def test_a_courtesy_that_whisper_doubts_does_not_get_through(phrase: str, scores: Scores):
    speech = speak("hum hum")
    stage = loaded(ScriptedBackend(scores=scores, phrase=phrase), settings())
    assert last(hear(stage, speech.samples)).text == ""


@pytest.mark.parametrize(
    "phrase", ["Thank you.", "Merci.", "Merci beaucoup.", "Yes.", "Bonjour", "Thank you very much."]
)
def test_a_courtesy_that_is_clearly_spoken_passes(phrase: str):
    speech = speak(phrase)
    stage = loaded(ScriptedBackend(speech, Scores(-0.25, 0.03)), settings())
    assert last(hear(stage, speech.samples)).text == phrase


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        (Evidence("what time is it", 0.8, 0.01, -0.2, False), ""),
        (Evidence("what time is it", 0.8, 0.01, -0.2, True), "a loop"),
        (Evidence("no no no no no", 0.9, 0.01, -0.2, False, True), ""),
        (Evidence("no no no no no", 0.6, 0.01, -0.2, False, True), "a loop"),
        (Evidence("no no no no no", 0.9, 0.5, -0.2, False, True), "a loop"),
        (Evidence("no no no no no", 0.9, 0.01, -0.8, False, True), "a loop"),
        (Evidence("what time is it", 0.05, 0.01, -0.2, False), "a voice for 0.05 s"),
        (Evidence("what time is it", 0.8, 0.7, -1.1, False), "no speech by 0.70"),
        (Evidence("what time is it", 0.8, 0.7, -0.4, False), ""),
        (Evidence("what time is it", 0.8, 0.1, -1.7, False), "log-probability"),
        (Evidence("the whole story of the king and of his three daughters", 0.3, 0.1, -0.2, False), "characters in"),
        (Evidence("thank you", 0.4, 0.1, -0.3, False), ""),
        (Evidence("thank you", 0.4, 0.5, -0.3, False), "little speaks"),
        (Evidence("thank you", 0.4, 0.1, -0.8, False), "little speaks"),
        (Evidence("thank you", 0.18, 0.1, -0.3, False), "little speaks"),
        (Evidence("i'll see you next time", 0.5, 0.1, -0.75, False), "little speaks"),
        (Evidence(" ... ", 0.8, 0.01, -0.2, False), "no word"),
    ],
)
def test_what_is_weighed(evidence: Evidence, reason: str):
    found = rejection(evidence)
    assert reason in found
    assert bool(found) == bool(reason)


@pytest.mark.parametrize("name", SOUNDS)
def test_a_sound_without_a_voice_costs_no_pass(name: str):
    backend = ScriptedBackend(phrase="Thank you.")
    stage = loaded(backend, settings(), Surroundings(VOICE))
    assert [message.text for message in hear(stage, SOUNDS[name])] == ["", ""]
    assert backend.requests == []


@pytest.mark.skipif(not NOISE, reason="no noise recordings: set MERLINE_ASSETS to the folder of test assets")
@pytest.mark.parametrize("path", NOISE, ids=lambda path: path.stem)
def test_recorded_noise_costs_no_pass(path: Path):
    backend = ScriptedBackend(phrase="Thank you.")
    stage = loaded(backend, settings(), Surroundings(VOICE))
    assert [message.text for message in hear(stage, read(path))] == ["", ""]
    assert backend.requests == []


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite, the test voice, is not installed")
@pytest.mark.parametrize("text", ["yes", "no", "stop", "thank you", "merci"])
def test_one_spoken_word_is_voice_enough(text: str, tmp_path: Path):
    import soxr

    subprocess.run(["flite", "-voice", "slt", "-t", text, "-o", str(tmp_path / "word.wav")], check=True, timeout=30)
    with wave.open(str(tmp_path / "word.wav")) as file:
        rate_hz = file.getframerate()
    word = soxr.resample(read(tmp_path / "word.wav"), rate_hz, RATE)
    room = np.random.default_rng(3).normal(0.0, 3e-4, len(word) + RATE // 2).astype(np.float32)
    room[RATE // 4 :][: len(word)] += word
    track = VoiceTrack(VOICE)
    track.hear(room)
    assert track.voiced_s(0) >= SURE_VOICE_S > LEAST_VOICE_S


def test_the_voice_track_hears_each_sample_once_whatever_the_pieces():
    speech = speak("one two three ... four five")
    whole, parts = VoiceTrack(LoudIsVoice()), VoiceTrack(LoudIsVoice())
    whole.hear(speech.samples)
    for begin in range(0, len(speech.samples), 700):
        parts.hear(speech.samples[begin : begin + 700])
    assert parts.voiced_s(0) == whole.voiced_s(0) == pytest.approx(5 * 0.3, abs=0.2)
    middle = round((speech.words[2].end_s + 0.25) * RATE)
    assert whole.voiced_s(0, middle) == pytest.approx(3 * 0.3, abs=0.15)
    assert whole.voiced_s(middle) == pytest.approx(2 * 0.3, abs=0.15)


def test_a_track_begins_with_a_fresh_detector():
    engine = EnergyVad()
    engine.probability(SOUNDS["hiss"][:512])
    track = VoiceTrack(engine)
    track.hear(SOUNDS["silence"][:RATE])
    assert track.voiced_s(0) == 0.0


@pytest.mark.parametrize("word", ["Yes", "Okay", "No.", "Non.", "Oui."])
@pytest.mark.parametrize(("no_speech", "logprob"), [(0.31, -0.73), (0.53, -1.0), (0.13, -0.97)])
def test_a_lone_word_of_a_words_length_is_believed_where_whisper_half_doubts(
    word: str, no_speech: float, logprob: float
):
    assert not rejection(Evidence(word, 0.42, no_speech, logprob, looping=False))


@pytest.mark.parametrize(
    ("text", "voiced_s", "no_speech", "logprob"),
    [
        ("So", 4.8, 0.31, -0.73),  # laughter
        ("You", 0.22, 0.31, -0.73),
        ("You", 0.42, 0.62, -0.73),
        ("You", 0.42, 0.31, -1.1),
        ("Thank you.", 0.42, 0.31, -0.73),
    ],
)
def test_no_other_phantom_is_believed_where_whisper_half_doubts(
    text: str, voiced_s: float, no_speech: float, logprob: float
):
    assert rejection(Evidence(text, voiced_s, no_speech, logprob, looping=False))

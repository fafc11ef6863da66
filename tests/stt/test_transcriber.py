from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import hassil
import numpy as np
import pytest
import yaml

from core.messages import (
    EchoDropped,
    Interjection,
    InterjectionHeard,
    Samples,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    Utterance,
)
from core.utils.config import SttConfig
from stt.commands import compile_commands
from stt.echo_guard import EchoGuard
from stt.hypothesis import Hypothesis, Word, fill_open_slots
from stt.levels import voiced_level
from stt.pocketsphinx_engine import TYPICAL_MEAN, SphinxDecoder, word_decoder
from stt.transcriber import Transcriber

ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
NOISE = sorted((ASSETS / "noise").glob("*.wav"))
needs_flite = pytest.mark.skipif(shutil.which("flite") is None, reason="flite, the test voice, is not installed")

TEMPLATES = """
language: en
intents:
  Time: {data: [{sentences: ["what time is it [now]", "(what is|what's) the time"]}]}
  Timer: {data: [{sentences: ["(set|start) a timer for {minutes} minute[s]", "cancel the timer"]}]}
  Sum: {data: [{sentences: ["what is {number} (plus|minus|times) {number}"]}]}
  Note: {data: [{sentences: ["add to my notes {text}", "read my notes"]}]}
  Item: {data: [{sentences: ["add {text} to my shopping list"]}]}
lists:
  minutes: {range: {from: 1, to: 180}}
  number: {range: {from: 0, to: 1000}}
  text: {wildcard: true}
"""
INTENTS = hassil.Intents.from_dict(yaml.safe_load(TEMPLATES))
FIRST = 9000
"""samples of the first chunk: pre-roll and the least speech, as the listener sends it"""
SPOKEN = "it is twelve minutes past three"


def is_complete(text: str) -> bool:
    return hassil.recognize(text, INTENTS) is not None


@pytest.fixture(scope="module")
def transcriber() -> Iterator[Transcriber]:
    stage = Transcriber(SttConfig(), partial(compile_commands, INTENTS), is_complete, EchoGuard(lambda: SPOKEN))
    stage.load()
    stage.load_words()
    assert stage.wait_for_words()
    yield stage
    stage.close()


Say = Callable[..., Samples]


@pytest.fixture(scope="module")
def say(tmp_path_factory: pytest.TempPathFactory) -> Say:
    folder = tmp_path_factory.mktemp("speech")

    def speak(text: str, voice: str = "slt") -> Samples:
        path = folder / f"{voice}-{text.replace(' ', '_')}.wav"
        if not path.exists():
            subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True, timeout=30)
        return pad(read(path))

    return speak


def read(path: Path) -> Samples:
    import soxr

    data = path.read_bytes()
    samples = np.frombuffer(data[44 : 44 + (len(data) - 44) // 2 * 2], "<i2").astype(np.float32) / 32768
    rate = int.from_bytes(data[24:28], "little")
    return np.asarray(soxr.resample(samples, rate, 16_000), np.float32)


def pad(samples: Samples) -> Samples:
    room = np.random.default_rng(3)
    before, after = (room.normal(0, 3e-4, size).astype(np.float32) for size in (4000, 3200))
    return np.concatenate((before, samples, after))


turns = iter(range(1, 10_000))


def hear(
    stage: Transcriber, samples: Samples, *, final: bool = True, echo: bool = False, size: int = 512
) -> list[Transcript | EchoDropped]:
    """One whole turn: what was said of it, partial transcripts included."""
    turn = next(turns)
    sent = list(stage.process(SpeechStarted(turn, 0, 0.0)))
    sent += stage.process(SpeechChunk(turn, 0, samples[:FIRST]))
    for index in range(FIRST, len(samples), size):
        sent += stage.process(SpeechChunk(turn, 0, samples[index : index + size]))
    for last in (False, True) if final else (False,):
        sent += stage.process(Utterance(turn, 0, samples, last, 0.0, echo))
    return sent


def last(messages: list[Transcript | EchoDropped]) -> Transcript:
    assert isinstance(messages[-1], Transcript)
    return messages[-1]


@needs_flite
@pytest.mark.parametrize("voice", ["slt", "rms", "kal16"])
@pytest.mark.parametrize(
    "text", ["what time is it", "set a timer for five minutes", "what is twelve plus thirty", "read my notes"]
)
def test_spoken_commands_are_understood_as_commands(transcriber: Transcriber, say: Say, text: str, voice: str) -> None:
    answer = last(hear(transcriber, say(text, voice)))
    assert (answer.text, answer.source, answer.complete, answer.final) == (text, "grammar", True, True)
    assert 0.0 < answer.confidence <= 1.0


@needs_flite
def test_an_open_slot_takes_the_words_after_the_prefix(transcriber: Transcriber, say: Say) -> None:
    answer = last(hear(transcriber, say("add to my notes call the dentist tomorrow", "rms")))
    assert answer.source == "grammar"
    assert answer.text.startswith("add to my notes ")
    assert "dentist" in answer.text
    assert answer.complete


@needs_flite
def test_an_open_slot_in_the_middle_keeps_the_words_around_it(transcriber: Transcriber, say: Say) -> None:
    answer = last(hear(transcriber, say("add milk to my shopping list", "kal16")))
    assert answer.text == "add milk to my shopping list"


@needs_flite
def test_other_speech_is_given_in_the_words_of_the_general_model(transcriber: Transcriber, say: Say) -> None:
    answer = last(hear(transcriber, say("the children are playing in the garden", "rms")))
    assert answer.source == "words"
    assert "children" in answer.text
    assert not answer.complete


@needs_flite
def test_partial_transcripts_grow_while_the_user_speaks(transcriber: Transcriber, say: Say) -> None:
    samples = say("set a timer for five minutes")
    sent = hear(transcriber, samples)
    partial = [message for message in sent[:-2] if isinstance(message, Transcript)]
    assert partial
    assert not any(message.final for message in partial)
    assert len(partial) <= len(samples) / 16_000 / 0.4 + 1


@needs_flite
def test_the_final_transcript_repeats_the_provisional_one(transcriber: Transcriber, say: Say) -> None:
    *_, provisional, final = hear(transcriber, say("what time is it"))
    assert isinstance(provisional, Transcript)
    assert isinstance(final, Transcript)
    assert (provisional.final, final.final) == (False, True)
    assert (provisional.text, provisional.revision) == (final.text, final.revision)


@needs_flite
def test_speech_that_goes_on_after_a_pause_is_one_sentence(transcriber: Transcriber, say: Say) -> None:
    samples = say("set a timer for five minutes", "rms")
    cut = len(samples) * 6 // 10
    turn = next(turns)
    sent = list(transcriber.process(SpeechStarted(turn, 0, 0.0)))
    sent += transcriber.process(SpeechChunk(turn, 0, samples[:cut]))
    sent += transcriber.process(Utterance(turn, 0, samples[:cut], False, 0.0))
    assert not last(sent).complete
    sent += transcriber.process(SpeechStarted(turn, 1, 0.0))
    sent += transcriber.process(SpeechChunk(turn, 1, samples[cut:]))
    sent += transcriber.process(Utterance(turn, 1, samples, True, 0.0))
    assert (last(sent).text, last(sent).revision) == ("set a timer for five minutes", 1)


@needs_flite
def test_lost_chunks_do_not_lose_words(transcriber: Transcriber, say: Say) -> None:
    samples = say("what time is it")
    turn = next(turns)
    list(transcriber.process(SpeechStarted(turn, 0, 0.0)))
    list(transcriber.process(SpeechChunk(turn, 0, samples[:FIRST])))
    assert last(list(transcriber.process(Utterance(turn, 0, samples, True, 0.0)))).text == "what time is it"


@needs_flite
def test_a_turn_abandoned_anywhere_leaves_the_next_one_whole(transcriber: Transcriber, say: Say) -> None:
    samples = say("what time is it")
    for cut in (FIRST, 16_000, len(samples)):
        turn = next(turns)
        list(transcriber.process(SpeechStarted(turn, 0, 0.0)))
        for message in (SpeechChunk(turn, 0, samples[:cut]), Utterance(turn, 0, samples[:cut], False, 0.0)):
            work = transcriber.process(message)
            next(work, None)
            work.close()  # type: ignore[attr-defined]
        assert last(hear(transcriber, samples)).text == "what time is it"


@needs_flite
@pytest.mark.parametrize("text", ["what time is it", "set a timer for five minutes"])
def test_a_noise_gate_that_gives_digital_silence_costs_nothing(transcriber: Transcriber, say: Say, text: str) -> None:
    speech = say(text)[4000:-3200]
    silent = np.concatenate((np.zeros(5000, np.float32), speech, np.zeros(3200, np.float32)))
    assert last(hear(transcriber, silent)).text == text


@needs_flite
@pytest.mark.parametrize("gain", [0.003, 0.03, 3.0])
def test_quiet_and_loud_microphones_are_heard_alike(transcriber: Transcriber, say: Say, gain: float) -> None:
    answer = last(hear(transcriber, np.clip(say("what time is it") * np.float32(gain), -1, 1)))
    assert answer.text == "what time is it"


@needs_flite
@pytest.mark.parametrize(
    ("echo", "expected"), [(True, [EchoDropped]), (False, [])], ids=["far end heard", "far end silent"]
)
def test_its_own_words_are_dropped_only_when_it_was_audible(
    transcriber: Transcriber, say: Say, echo: bool, expected: list[type]
) -> None:
    sent = hear(transcriber, say("twelve minutes past three", "rms"), echo=echo)
    assert [type(message) for message in sent if isinstance(message, EchoDropped)] == expected
    assert (last(sent).text == "") is echo
    assert last(sent).final


@needs_flite
def test_commands_are_understood_before_the_general_model_is_asked_for(say: Say) -> None:
    stage = Transcriber(SttConfig(), partial(compile_commands, INTENTS), is_complete)
    stage.load()
    assert last(hear(stage, say("what time is it"))).text == "what time is it"
    assert not stage.wait_for_words()
    stage.load_words()
    stage.load_words()
    assert "children" in last(hear(stage, say("the children are playing in the garden", "rms"))).text
    stage.close()


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.01, 0.1])
def test_silence_and_noise_give_no_text(transcriber: Transcriber, level: float) -> None:
    hiss = np.random.default_rng(5).normal(0, level, 24_000).astype(np.float32)
    answer = last(hear(transcriber, hiss))
    assert (answer.text, answer.complete, answer.final) == ("", False, True)


@pytest.mark.skipif(not NOISE, reason=f"no recorded noise under {ASSETS}; set MERLINE_ASSETS")
def test_recorded_noise_is_no_command_and_mostly_no_words(transcriber: Transcriber) -> None:
    answers = [last(hear(transcriber, read(path)[:40_000])) for path in NOISE]
    assert [answer.text for answer in answers if answer.complete or answer.source == "grammar"] == []
    assert sum(bool(answer.text) for answer in answers) <= 2, (
        "the detector lets none of these through; this is behind it"
    )


def test_without_an_open_slot_the_command_is_its_words() -> None:
    command = Hypothesis((Word("stop", 0.0, 0.4), Word("it", 0.4, 0.6)), -2.0)
    assert fill_open_slots(command, None) == "stop it"


def test_open_slots_take_the_words_whose_middle_lies_in_them() -> None:
    command = Hypothesis(
        (Word("add", 0.0, 0.4), Word("_M", 0.4, 0.6), Word("_K", 0.6, 0.9), Word("to", 0.9, 1.0), Word("it", 1.0, 1.3)),
        -2.0,
    )
    heard = (Word("and", 0.0, 0.42), Word("milk", 0.42, 0.95), Word("two", 0.95, 1.3))
    assert fill_open_slots(command, Hypothesis(heard, -3.0)) == "add milk to it"
    assert fill_open_slots(command, None) == "add to it"


def test_the_level_is_that_of_the_voice_not_of_the_pauses() -> None:
    samples = np.concatenate((np.zeros(8000, np.float32), np.full(800, 0.1, np.float32)))
    assert voiced_level(samples) == pytest.approx(0.1)
    assert voiced_level(np.zeros(10, np.float32)) == 0.0


@needs_flite
@pytest.mark.parametrize(("said", "voice"), [("okay", "rms"), ("stop", "slt"), ("wait", "slt"), ("no", "slt")])
def test_a_short_word_over_the_reply_is_told_without_a_turn(
    transcriber: Transcriber, say: Say, said: str, voice: str
) -> None:
    assert list(transcriber.process(Interjection(7, say(said, voice)))) == [InterjectionHeard(7, said, "en")]


@needs_flite
def test_the_assistants_own_words_over_its_reply_are_none(transcriber: Transcriber, say: Say) -> None:
    (heard,) = transcriber.process(Interjection(8, say("twelve minutes past three"), echo_suspected=True))
    assert heard == InterjectionHeard(8, "", "en")


@needs_flite
def test_an_interjection_leaves_no_trace_in_the_turn_after_it(transcriber: Transcriber, say: Say) -> None:
    sound = say("what time is it")
    before = list(transcriber.process(Utterance(40, 0, sound, True, 0.0)))
    list(transcriber.process(Interjection(9, say("okay", "rms"))))
    assert [answer.text for answer in transcriber.process(Utterance(41, 0, sound, True, 0.0))] == [
        answer.text for answer in before
    ]


@needs_flite
def test_what_was_heard_before_changes_nothing_of_what_is_heard(say: Say) -> None:
    """pocketsphinx keeps its estimate of the noise from one utterance to the next, and hears other words with it."""
    decoder = word_decoder()
    sound = say("convert twelve miles to kilometres", "rms")
    noise = np.random.default_rng(5).normal(0.0, 0.1, 16_000).astype(np.float32)
    scores = []
    for before in (None, noise, say("read my notes"), np.zeros(4000, np.float32)):
        if before is not None:
            decoder.start()
            decoder.feed(before)
            decoder.finish()
        decoder.start()
        decoder.feed(sound)
        heard = decoder.finish()
        assert heard is not None
        scores.append((heard.text, heard.score))
    assert len(set(scores)) == 1, scores


class CepstralWords:
    """Stands for the n-gram decoder, and keeps the means that it was begun with."""

    def __init__(self) -> None:
        self.means: list[Samples] = []

    def start(self, mean: Samples = TYPICAL_MEAN, again: bool = False) -> None:
        self.means.append(mean)

    def feed(self, samples: Samples) -> None:
        """Hears nothing."""

    def abandon(self) -> None:
        """Was of no use anyway."""

    def hypothesis(self) -> None:
        return None


class MovingMean(CepstralWords):
    """Stands for the grammar: its mean is another one each time it is asked."""

    frames = staticmethod(SphinxDecoder.frames)
    asked = 0

    def mean(self) -> Samples:
        self.asked += 1
        return np.full(13, self.asked, np.float32)

    def finish(self) -> None:
        return None


@pytest.mark.parametrize("there_from", [0, 1, 3])
def test_general_words_do_not_depend_on_when_their_model_was_loaded(there_from: int) -> None:
    listener, words = Transcriber(SttConfig(), None, is_complete), CepstralWords()  # type: ignore[arg-type]
    listener._grammar = MovingMean()  # type: ignore[assignment]
    second = np.full(16_000, 0.1, np.float32)
    list(listener.process(SpeechStarted(1, 0, 0.0)))
    for number in range(4):
        if number == there_from:
            listener._words = words  # type: ignore[assignment]
        list(listener.process(SpeechChunk(1, 0, second)))
    list(listener.process(Utterance(1, 0, np.tile(second, 4), True, 0.0)))
    assert [float(mean[0]) for mean in words.means] == [1.0]


class CountingGrammar:
    """Hears nothing, and counts how much it was given."""

    def __init__(self) -> None:
        self.fed = 0
        self.finished = 0

    def start(self, mean: Samples = TYPICAL_MEAN, again: bool = False) -> None:
        """Begin anew."""

    def feed(self, samples: Samples) -> None:
        self.fed += len(samples)

    def mean(self) -> Samples:
        return TYPICAL_MEAN

    frames = staticmethod(SphinxDecoder.frames)

    def finish(self) -> None:
        self.finished += 1

    def hypothesis(self) -> None:
        return None


def test_who_pauses_again_and_again_is_not_heard_again_from_the_start_each_time() -> None:
    """Half a minute of talk in the room, with a pause each second, was heard fifteen times: no processor follows."""
    listener = Transcriber(SttConfig(), partial(compile_commands, INTENTS), is_complete)
    grammar = CountingGrammar()
    listener._grammar = grammar  # type: ignore[assignment]
    second = np.full(16_000, 0.1, np.float32)
    spoken: list[Samples] = []
    finished = []
    for revision in range(30):
        spoken.append(second)
        for message in (
            SpeechStarted(1, revision, 0.0),
            SpeechChunk(1, revision, second),
            Utterance(1, revision, np.concatenate(spoken), revision == 29, 0.0),
        ):
            list(listener.process(message))
        finished.append(grammar.finished)
    assert grammar.fed < 16_000 * (30 + 2 * 30 + 10 + 10)
    assert finished[:4] == [1, 2, 3, 4], "the first pauses of an utterance are looked at whole"
    assert finished[-1] == finished[-2] + 1, "and so is its end"

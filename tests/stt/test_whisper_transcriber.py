"""The stage around Whisper: turns, pauses, echo, languages, damaged sound, models that cannot be had."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from core.messages import (
    EchoDropped,
    Interjection,
    InterjectionHeard,
    Listening,
    Samples,
    SpeechChunk,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
)
from core.optimization.memory import MemoryOptimizer
from core.optimization.profiler import InferenceProfiler
from core.pipeline import Part, Pipeline
from core.turn_clock import TurnClock
from core.utils.errors import GpuBusyError, InferenceError, MerlineError, ModelError, ModelLoadError
from core.utils.model_store import ModelStore
from core.utils.whisper.backend import WindowRequest
from core.utils.whisper.results import Decoded
from core.utils.whisper.silence import FULL_FRAMES
from stt.echo_guard import EchoGuard
from stt.first_that_loads import FirstThatLoads
from stt.levels import quiet_start
from stt.whisper_transcriber import Surroundings, WhisperSettings, WhisperTranscriber, sound_of
from tests.core.fake_whisper import FakeLoader
from tests.fakes import ListInbox
from tests.stt.scripted_whisper import (
    LoudIsVoice,
    Scores,
    ScriptedBackend,
    ScriptedLoader,
    WorkingClock,
    hear,
    last,
    loaded,
    settings,
    speak,
)

FRENCH = Scores(languages=(("fr", 0.98), ("en", 0.01), ("de", 0.01)))
SPEECH = speak("what time is it")


class KeepsSound(ScriptedBackend):
    """Keeps what it was given last."""

    heard: Samples

    def decode_window(self, samples: Samples, request: WindowRequest) -> Decoded:
        self.heard = samples
        return super().decode_window(samples, request)


def test_a_provisional_answer_is_reused_when_nothing_changed():
    backend = ScriptedBackend(SPEECH)
    provisional, final = hear(loaded(backend), SPEECH.samples, chunk=len(SPEECH.samples))[-2:]
    assert isinstance(provisional, Transcript)
    assert isinstance(final, Transcript)
    assert (provisional.text, provisional.final, final.text, final.final) == (SPEECH.text, False, SPEECH.text, True)
    assert len(backend.requests) == 2, "one look and one end"


def test_how_likely_the_sentence_ends_is_told_at_a_pause_alone():
    backend = ScriptedBackend(SPEECH, Scores(sentence_end=0.9))
    *partial, provisional, final = hear(loaded(backend), SPEECH.samples, chunk=8000)
    assert partial
    assert [answer.sentence_end for answer in partial if isinstance(answer, Transcript)] == [None] * len(partial)
    assert [answer.sentence_end for answer in (provisional, final) if isinstance(answer, Transcript)] == [0.9, 0.9]


def test_words_that_have_become_stable_are_told_though_they_are_the_same():
    backend = ScriptedBackend(phrase="what time is it")
    clock = WorkingClock(backend)
    stage = loaded(backend, around=Surroundings(LoudIsVoice(), clock=clock))
    said = hear(stage, SPEECH.samples, chunk=8000, clock=clock)
    partial = [answer for answer in said if isinstance(answer, Transcript) and not answer.paused]
    assert [(answer.text, answer.stable) for answer in partial] == [("what time is it", 0), ("what time is it", 15)]


def test_words_that_are_a_whole_command_are_marked_in_their_language():
    asked: list[tuple[str, str]] = []

    def is_complete(text: str, language: str) -> bool:
        asked.append((text, language))
        return text == "quelle heure est il maintenant chez vous"

    speech = speak("quelle heure est il maintenant chez vous")
    around = Surroundings(LoudIsVoice(), is_complete)
    answer = last(hear(loaded(ScriptedBackend(speech, FRENCH), settings(), around), speech.samples))
    assert (answer.complete, answer.language) == (True, "fr")
    assert asked[-1] == (speech.text, "fr")


def test_the_assistants_own_words_are_dropped():
    guard = EchoGuard(lambda: "it is twelve minutes past three")
    speech = speak("it is twelve minutes past three")
    stage = loaded(ScriptedBackend(speech), around=Surroundings(LoudIsVoice(), guard=guard))
    *_, dropped, answer = hear(stage, speech.samples, echo=True)
    assert dropped == EchoDropped(1, speech.text)
    assert isinstance(answer, Transcript)
    assert (answer.text, answer.final) == ("", True)
    assert last(hear(stage, speech.samples, 2)).text == speech.text


def test_a_short_voice_over_the_reply_is_understood_without_a_turn():
    stage = loaded(ScriptedBackend(SPEECH))
    assert list(stage.process(Interjection(3, SPEECH.samples))) == [InterjectionHeard(3, SPEECH.text, "en")]
    assert last(hear(stage, SPEECH.samples, 5)).text == SPEECH.text


@pytest.mark.parametrize("scores", [Scores(no_speech_prob=0.7), Scores(avg_logprob=-1.2)])
def test_a_doubtful_voice_over_the_reply_is_not_heard_again_in_half_a_minute_of_silence(scores: Scores):
    """It took longer than the reply waits, so that a laugh or the assistant's own echo ended it as words."""
    backend = ScriptedBackend(SPEECH, scores)
    list(loaded(backend).process(Interjection(3, SPEECH.samples)))
    assert [request.frames < FULL_FRAMES for request in backend.requests] == [True]


@pytest.mark.parametrize(("word", "heard"), [("no", "no"), ("you", "")])
def test_a_lone_word_over_the_reply_is_believed_sooner_than_in_silence(word: str, heard: str):
    """Whisper says both to silence; "no" ends a reply, and nobody says "you" alone."""
    speech = speak(word, word_s=0.26)
    stage = loaded(ScriptedBackend(speech, Scores(avg_logprob=-0.8, no_speech_prob=0.5)))
    assert list(stage.process(Interjection(3, speech.samples))) == [InterjectionHeard(3, heard, "en")]
    assert last(hear(stage, speech.samples)).text == ""


def test_the_assistants_own_voice_over_its_reply_is_no_words():
    guard = EchoGuard(lambda: SPEECH.text)
    stage = loaded(ScriptedBackend(SPEECH), around=Surroundings(LoudIsVoice(), guard=guard))
    assert list(stage.process(Interjection(3, SPEECH.samples, True))) == [InterjectionHeard(3, "", "en")]
    assert list(stage.process(Interjection(4, SPEECH.samples))) == [InterjectionHeard(4, SPEECH.text, "en")]


def test_a_voice_over_the_reply_whose_words_are_lost_is_not_told_of(caplog: pytest.LogCaptureFixture):
    stage = loaded(ScriptedBackend(SPEECH))
    assert list(stage.process(Interjection(3, np.zeros((2, 10), np.float32)))) == []
    assert "were lost" in caplog.text


def test_lost_chunks_are_made_good_by_the_utterance():
    stage = loaded(ScriptedBackend(SPEECH))
    list(stage.process(SpeechStarted(1, 0, 0.0)))
    list(stage.process(SpeechChunk(1, 0, SPEECH.samples[:4000])))
    assert last(list(stage.process(Utterance(1, 0, SPEECH.samples, True, 0.0)))).text == SPEECH.text


def test_a_turn_forgets_the_last_one():
    stage = loaded(ScriptedBackend(SPEECH))
    list(stage.process(SpeechChunk(1, 0, SPEECH.samples)))
    assert last(hear(stage, SPEECH.samples, 2)).text == SPEECH.text


def test_the_language_of_a_clear_sentence_becomes_the_conversations():
    speech = speak("je voudrais savoir quelle heure il est maintenant")
    stage = loaded(ScriptedBackend(speech, FRENCH), settings())
    assert stage.language == "en"
    assert last(hear(stage, speech.samples)).language == "fr"
    assert stage.language == "fr"


def test_one_short_word_does_not_flip_the_language():
    speech = speak("oui")
    backend = ScriptedBackend(speech, FRENCH)
    stage = loaded(backend, settings())
    assert last(hear(stage, speech.samples)).language == "en"
    assert stage.language == "en"
    assert all(request.stream.rule is not None for request in backend.requests if request.language != "fr")


def test_a_fixed_language_is_never_detected():
    backend = ScriptedBackend(SPEECH, FRENCH)
    stage = loaded(backend, settings(("en",)))
    assert last(hear(stage, SPEECH.samples)).language == "en"
    assert {request.language for request in backend.requests} == {"en"}


def test_a_failing_look_costs_nothing(caplog: pytest.LogCaptureFixture):
    backend = ScriptedBackend(SPEECH)
    backend.fail_at = {1}
    with caplog.at_level(logging.WARNING):
        assert last(hear(loaded(backend), SPEECH.samples)).text == SPEECH.text
    assert "a look at the words so far failed" in caplog.text


def test_a_failure_before_a_pause_is_made_good_at_the_end():
    backend = ScriptedBackend(SPEECH)
    backend.fail_at = {1}
    stage = loaded(backend, WhisperSettings("there", ("en",), partial_ms=0))
    (answer,) = hear(stage, SPEECH.samples)
    assert isinstance(answer, Transcript)
    assert (answer.text, answer.final) == (SPEECH.text, True)


@pytest.mark.parametrize(
    "failure",
    [
        InferenceError("failed on this sound; the turn is lost"),
        GpuBusyError("faster-whisper: the GPU's memory did not suffice"),
        ModelLoadError("model.bin: cannot be loaded on the CPU instead"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_failing_end_loses_that_turn_alone(failure: MerlineError):
    backend = ScriptedBackend(SPEECH)
    backend.failure = failure
    backend.fail_at = {1, 2}
    stage = loaded(backend, WhisperSettings("there", ("en",), partial_ms=0))
    with pytest.raises(InferenceError, match="turn is lost"):
        hear(stage, SPEECH.samples)
    assert last(hear(stage, SPEECH.samples, 2)).text == SPEECH.text


def test_damaged_samples_are_silence_and_that_is_said(caplog: pytest.LogCaptureFixture):
    samples = np.array([0.5, np.nan, np.inf, -np.inf, 7.0, -7.0], np.float32)
    with caplog.at_level(logging.WARNING):
        assert sound_of(samples).tolist() == [0.5, 0.0, 0.0, 0.0, 1.0, -1.0]
    assert "3 of 6 samples" in caplog.text


@pytest.mark.parametrize("samples", [np.zeros((100, 2), np.float32), np.zeros((), np.float32)])
def test_more_than_one_channel_loses_the_turn(samples: Samples):
    stage = loaded(ScriptedBackend(SPEECH))
    with pytest.raises(InferenceError, match="one channel"):
        list(stage.process(Utterance(1, 0, samples, True, 0.0)))
    assert last(hear(stage, SPEECH.samples, 2)).text == SPEECH.text


@pytest.mark.parametrize("length", [0, 1, 100])
def test_hardly_any_sound_is_no_word(length: int):
    answer = last(list(loaded(ScriptedBackend(SPEECH)).process(Utterance(1, 0, SPEECH.samples[:length], True, 0.0))))
    assert (answer.text, answer.final, answer.confidence) == ("", True, 0.0)


def test_what_is_not_a_model_is_an_error_with_its_cure(tmp_path: Path):
    store = ModelStore(tmp_path / "models")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_bytes(b"")
    cases = [
        ("whisper-bas", ModelError, "did you mean 'whisper-base'"),
        ("whisper-base", ModelLoadError, "models download whisper-base"),
        (str(tmp_path / "nowhere" / "x"), ModelLoadError, "there is no such folder"),
        (str(tmp_path / "empty"), ModelLoadError, "files are missing"),
        (str(tmp_path / "file"), ModelLoadError, "a model is a folder"),
    ]
    for model, kind, text in cases:
        stage = WhisperTranscriber(WhisperSettings(model), Surroundings(LoudIsVoice()), store)
        with pytest.raises(kind, match=text):
            stage.load()


def test_a_model_of_no_wanted_language_is_refused():
    backend = ScriptedBackend()
    backend.languages = ("en",)
    with pytest.raises(ModelLoadError, match=r"stt\.languages asks for fr"):
        loaded(backend, settings(("fr",), "fr"))
    assert loaded(backend, settings(("fr", "en"), "fr")).language == "en"


def test_who_speaks_as_soon_as_there_is_sound_is_given_silence_before_it():
    backend = KeepsSound()
    stage = loaded(backend)
    speech = SPEECH.samples[quiet_start(SPEECH.samples) :]
    for there, given in ((0, 1600), (800, 800), (1700, 0)):
        sound = np.pad(speech, (there, 0))
        list(stage.process(Utterance(1, 0, sound, True, 0.0)))
        assert np.array_equal(backend.heard, np.pad(sound, (given, 0)))


def test_a_language_that_the_model_does_not_know_is_told_with_the_cure():
    backend = ScriptedBackend()
    backend.languages = ("en",)
    stage = FirstThatLoads(loaded(backend, settings(languages=("en", "fr"))), lambda: pytest.fail("made for nothing"))
    stage.load()
    assert stage.fallback_reason.startswith("there does not understand fr, which stt.languages asks for; take a multi")
    assert "--set stt.languages='[\"en\"]'" in stage.fallback_reason
    assert loaded(backend, settings(languages=("en",))).fallback_reason == ""


def test_a_gpu_without_room_is_left_for_the_cpu():
    backend = ScriptedBackend(SPEECH)
    loader = FakeLoader([None, backend])  # type: ignore[list-item]
    stage = WhisperTranscriber(
        WhisperSettings("there", ("en",), device="cuda"), Surroundings(LoudIsVoice()), loaders=(loader,)
    )
    backend.speech = None
    stage.load()
    backend.speech = SPEECH
    assert [request.device for request in loader.requests] == ["cuda", "cpu"]
    assert last(hear(stage, SPEECH.samples)).text == SPEECH.text


def test_load_runs_the_model_once_and_close_gives_it_back():
    backend = ScriptedBackend()
    stage = WhisperTranscriber(settings(), Surroundings(LoudIsVoice()), loaders=(ScriptedLoader(backend),))
    stage.load()
    (request,) = backend.requests
    assert (request.frames, request.max_new_tokens, request.stream.timed) == (200, 1, True)
    stage.close()
    with pytest.raises(AssertionError, match="load"):
        list(stage.process(SpeechStarted(1, 0, 0.0)))


def test_between_two_turns_the_model_may_go_and_speech_brings_it_back():
    backend, memory = ScriptedBackend(SPEECH), MemoryOptimizer()
    stage = loaded(backend, around=Surroundings(LoudIsVoice(), memory=memory))
    assert last(hear(stage, SPEECH.samples)).text == SPEECH.text
    backend.speech = None
    assert len(memory.pressure(0)) == 1
    list(stage.process(SpeechStarted(2, 0, 0.0)))
    assert len(memory.usage()[0].models) == 1
    backend.speech = SPEECH
    assert last(hear(stage, SPEECH.samples, 2)).text == SPEECH.text


def test_a_turn_whose_model_went_in_its_middle_is_heard_anew_from_its_whole_utterance():
    backend, memory = ScriptedBackend(SPEECH), MemoryOptimizer()
    stage = loaded(backend, around=Surroundings(LoudIsVoice(), memory=memory))
    list(stage.process(SpeechStarted(1, 0, 0.0)))
    list(stage.process(SpeechChunk(1, 0, SPEECH.samples[:8000])))
    backend.speech = None
    assert len(memory.pressure(0)) == 1
    list(stage.process(SpeechChunk(1, 0, SPEECH.samples[8000:8001])))
    backend.speech = SPEECH
    assert last(list(stage.process(Utterance(1, 0, SPEECH.samples, True, 0.0)))).text == SPEECH.text


def test_while_a_message_is_answered_the_model_stays():
    memory = MemoryOptimizer()
    stage = loaded(ScriptedBackend(SPEECH), around=Surroundings(LoudIsVoice(), memory=memory))
    answers = stage.process(Utterance(1, 0, SPEECH.samples, True, 0.0))
    assert next(iter(answers)) is not None
    assert memory.pressure(0) == ()
    assert list(answers) == []
    assert len(memory.pressure(0)) == 1


def test_each_pass_is_timed():
    profiler = InferenceProfiler()
    stage = loaded(ScriptedBackend(SPEECH), around=Surroundings(LoudIsVoice(), span=profiler.span))
    hear(stage, SPEECH.samples, 7)
    record = profiler.turn_record(7)
    assert record is not None
    assert {span.name for span in record.spans} == {"stt.pass", "stt.final"}
    assert profiler.statistics_of("stt.warm_up") is not None


def test_in_the_pipeline_a_lost_turn_is_reported_and_the_next_one_understood():
    backend = ScriptedBackend(SPEECH)
    stage = WhisperTranscriber(
        WhisperSettings("there", ("en",), partial_ms=0), Surroundings(LoudIsVoice()), loaders=(ScriptedLoader(backend),)
    )
    backend.speech = None
    turns = TurnClock()
    first = Utterance(turns.open(), 0, np.zeros((10, 2), np.float32), True, 0.0)
    inbox = ListInbox([first])
    pipeline = Pipeline([Part("stt", stage, inbox)], turns)
    transcripts: list[Transcript] = []
    failures: list[TurnFailed] = []
    pipeline.observe(Transcript, transcripts.append)
    pipeline.observe(TurnFailed, failures.append)
    pipeline.load()
    backend.speech = SPEECH
    pipeline.drain()
    inbox.put(Utterance(turns.open(), 0, SPEECH.samples, True, 0.0))
    pipeline.drain()
    pipeline.close()
    assert [transcript.text for transcript in transcripts] == [SPEECH.text]
    assert [(failure.turn, failure.stage) for failure in failures] == [(1, "stt")]


def test_closed_in_mid_turn_it_goes_on_with_the_next():
    """As the run loop closes a stale turn's generator."""
    stage = loaded(ScriptedBackend(SPEECH))
    work = stage.process(SpeechChunk(1, 0, SPEECH.samples))
    next(work, None)
    work.close()  # type: ignore[attr-defined]
    assert last(hear(stage, SPEECH.samples, 2)).text == SPEECH.text


def passes(backend: ScriptedBackend) -> list[object]:
    """What each pass was asked for; tokens have other numbers in each backend."""
    return [
        (one.frames, one.language, one.stream.rule, len(one.stream.prefix), len(one.stream.draft))
        for one in backend.requests
    ]


def test_a_turn_heard_again_is_looked_at_where_it_was_and_begins_with_the_same_language():
    """A busy machine leaves passes out; what they agreed on, and what the turns before sounded like, decides words."""
    speech = speak("what time is it in the capital of france right now please", word_s=0.4)
    backend = ScriptedBackend(speech, Scores(languages=(("fr", 0.8), ("en", 0.2))))
    clock = WorkingClock(backend, pass_s=0.7)
    busy = loaded(backend, settings(), Surroundings(LoudIsVoice(), clock=clock))
    hear(busy, speech.samples[: round(0.9 * 16_000)], 1, clock=clock)
    backend.requests.clear()
    then = last(hear(busy, speech.samples, 2, clock=clock))
    assert then.listening is not None
    assert then.listening.looks
    assert (then.listening.language, then.listening.doubted) == ("en", "fr")
    made = passes(backend)
    again = ScriptedBackend(speech, backend.scores)
    idle = loaded(again, settings(), Surroundings(LoudIsVoice()))
    list(idle.process(SpeechStarted(1, 0, 0.0, again=then.listening)))
    chunks = [SpeechChunk(1, 0, speech.samples[at : at + 512]) for at in range(0, len(speech.samples), 512)]
    for message in (*chunks, Utterance(1, 0, speech.samples, True, 0.0)):
        answers = list(idle.process(message))
    assert passes(again) == made
    assert isinstance(answers[-1], Transcript)
    assert (answers[-1].text, answers[-1].listening) == (then.text, then.listening)


def test_looks_that_are_given_come_at_those_counts_alone():
    speech = speak("what time is it in the capital of france")
    backend = ScriptedBackend(speech)
    stage = loaded(backend)
    list(stage.process(SpeechStarted(1, 0, 0.0, again=Listening("there", "en", looks=(1024, 9216)))))
    for at in range(0, len(speech.samples), 512):
        list(stage.process(SpeechChunk(1, 0, speech.samples[at : at + 512])))
    final = list(stage.process(Utterance(1, 0, speech.samples, True, 0.0)))[-1]
    assert isinstance(final, Transcript)
    assert final.listening == Listening("there", "en", looks=(1024, 9216))

"""Which recogniser listens, and that the whole assistant then answers in the language that was heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.app.brain import Brain
from core.app.hearing import HearingParts, engines_here, make_transcriber, model_to_load
from core.messages import Sentence, Transcript, Utterance
from core.optimization.plan import StagePlan
from core.pipeline import Part, Pipeline
from core.turn_clock import TurnClock
from core.utils.config import Config, SttConfig
from core.utils.model_catalogue import CATALOGUE
from core.utils.model_store import Manifest, ModelStore, write_manifest
from stt.first_that_loads import FirstThatLoads
from stt.transcriber import Transcriber
from stt.whisper_transcriber import Surroundings, WhisperTranscriber
from tests.fakes import ListInbox
from tests.stt.scripted_whisper import LoudIsVoice, Scores, ScriptedBackend, ScriptedLoader, settings, speak

PLANNED = StagePlan("whisper", "base", "cpu", "int8", 2, 10**8)
EMBEDDED = StagePlan("pocketsphinx", None, "cpu", "float32", 1, 10**8)


def config(**stt: object) -> Config:
    return Config(stt=SttConfig(**stt))  # type: ignore[arg-type]


def stored(folder: Path, *names: str) -> ModelStore:
    store = ModelStore(folder)
    for name in names:
        (folder / name).mkdir(parents=True)
        write_manifest(folder / name, Manifest("owner/name", "1", ()))
    return store


@pytest.mark.parametrize(
    ("stt", "plan", "expected"),
    [
        ({}, None, Transcriber),
        ({}, EMBEDDED, Transcriber),
        ({}, PLANNED, FirstThatLoads),
        ({"model": "whisper-tiny"}, EMBEDDED, FirstThatLoads),
        ({"engine": "pocketsphinx", "model": "whisper-tiny"}, PLANNED, Transcriber),
        ({"engine": "whisper"}, None, WhisperTranscriber),
        ({"engine": "whisper", "model": "whisper-tiny"}, PLANNED, WhisperTranscriber),
    ],
)
def test_who_listens(tmp_path: Path, stt: dict[str, object], plan: StagePlan | None, expected: type):
    chosen = config(**stt)
    with Brain(chosen, folder=tmp_path) as brain:
        assert type(make_transcriber(chosen, plan, HearingParts(brain.recogniser, "en"))) is expected


@pytest.mark.parametrize(
    ("here", "planned", "expected"),
    [
        ((), "base", "whisper-base"),
        ((), "large-v3", "whisper-large-v3"),
        ((), None, "whisper-tiny"),
        (("whisper-tiny", "whisper-base"), "base", "whisper-base"),
        (("whisper-tiny", "whisper-small"), "base", "whisper-tiny"),
        (("whisper-small",), "base", "whisper-small"),
        (("whisper-tiny", "whisper-small"), "large-v3", "whisper-small"),
    ],
)
def test_which_model_is_taken(tmp_path: Path, here: tuple[str, ...], planned: str | None, expected: str):
    store = stored(tmp_path, *here)
    assert model_to_load(config(), planned, store) == expected
    assert model_to_load(config(model="a/folder"), planned, store) == "a/folder"


def test_whisper_is_planned_with_where_it_can_be_had(tmp_path: Path):
    pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
    assert "whisper" not in engines_here(config(), stored(tmp_path / "none"))
    assert "whisper" in engines_here(config(), stored(tmp_path / "one", CATALOGUE[0].name))
    assert "whisper" in engines_here(config(model="a/folder"), stored(tmp_path / "none"))
    assert "whisper" in engines_here(config(engine="whisper"), stored(tmp_path / "none"))


def test_a_whisper_that_cannot_be_loaded_leaves_the_embedded_recogniser(tmp_path: Path):
    chosen = config(model=str(tmp_path / "nowhere" / "x"))
    with Brain(chosen, folder=tmp_path) as brain:
        stage = make_transcriber(chosen, EMBEDDED, HearingParts(brain.recogniser, "en"))
        assert isinstance(stage, FirstThatLoads)
        stage.load()
        assert stage.engine_name == "pocketsphinx"
        assert "there is no such folder" in stage.fallback_reason
        stage.close()


@pytest.mark.parametrize(
    ("text", "language", "reply"),
    [("Quelle heure est-il maintenant ?", "fr", "Il est"), ("What time is it now?", "en", "It's")],
)
def test_the_answer_is_in_the_language_that_was_heard(tmp_path: Path, text: str, language: str, reply: str):
    speech = speak(text, word_s=0.5)
    scores = Scores(languages=((language, 0.97), ("en" if language == "fr" else "fr", 0.03)))
    backend = ScriptedBackend(None, scores)
    stage = WhisperTranscriber(settings(), Surroundings(LoudIsVoice()), loaders=(ScriptedLoader(backend),))
    turns = TurnClock()
    with Brain(Config(), folder=tmp_path, language="en") as brain:
        inbox = ListInbox()
        pipeline = Pipeline([Part("stt", stage, inbox), Part("llm", brain.responder)], turns)
        heard: list[Transcript] = []
        said: list[Sentence] = []
        pipeline.observe(Transcript, heard.append)
        pipeline.observe(Sentence, said.append)
        pipeline.load()
        backend.speech = speech
        inbox.put(Utterance(turns.open(), 0, speech.samples, True, 0.0))
        pipeline.drain()
        pipeline.close()
    assert [(transcript.text, transcript.language) for transcript in heard] == [(text, language)]
    assert [sentence.language for sentence in said] == [language]
    assert said[0].text.startswith(reply)

"""`talk` on a first run: it listens at once, fetches Whisper beside the conversation, and changes over to it."""

from __future__ import annotations

import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest

from audio.files import FileMicrophone, FileSpeaker
from audio.front_end import FrontEnd
from audio.wav import Recording
from core.app.assistant import Assistant, SoundEnds
from core.app.brain import Brain
from core.app.first_run import FirstRun
from core.app.replay import ReplayClock, ReplayedMicrophone
from core.app.setup import FullSetup
from core.messages import Transcript
from core.turns import TurnRecord
from core.utils.config import Config, SetupConfig
from core.utils.model_catalogue import CATALOGUE, known_model
from core.utils.model_store import PARTS
from tests.hub_server import Fault, HubServer, SilentServer
from tests.integration.program import Program, run
from tests.integration.sound_card import RATE_HZ, SoundCard, spoken
from tests.stt.test_smart_turn import make_model

pytest.importorskip("huggingface_hub", reason="huggingface_hub is not installed (extra `full`)")
pytest.importorskip("faster_whisper", reason="faster-whisper is not installed (extra `full`)")
pytest.importorskip("whisper", reason="openai-whisper is not installed (extra `full`)")
pytest.importorskip("torch", reason="torch is not installed (extra `full`)")

pytestmark = [
    pytest.mark.skipif(shutil.which("flite") is None, reason="no test voice: flite is not installed"),
    # openai-whisper opens its vocabulary and never closes it
    pytest.mark.filterwarnings("ignore:unclosed file.*tiktoken:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*tiktoken:pytest.PytestUnraisableExceptionWarning"),
]
START_S = 30.0
FETCH_S = 180.0
FIRST_RUN = (
    "talk",
    *("--set", "setup.full_models=always", "--set", "setup.full_packages=false", "--set", "llm.engine=skills"),
    *("--set", "tts.engine=espeak"),
)


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """A Whisper so small that it is fetched in a moment; its weights are random."""
    from benchmarks.whisper.shapes import MINIATURE, make_checkpoints

    folder = make_checkpoints(tmp_path_factory.mktemp("miniature"), MINIATURE).ctranslate2
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    return {"preprocessor_config.json": b'{"feature_size": 80}', **found}


@pytest.fixture
def server(files: Mapping[str, bytes]) -> Iterator[HubServer]:
    """Has it under every size's name: which one is planned depends on the machine. Has no Smart Turn."""
    with HubServer({model.repository: files for model in CATALOGUE if model.engine == "whisper"}) as running:
        yield running


@pytest.fixture
def smart_turn(server: HubServer, tmp_path: Path) -> HubServer:
    """The same with a network of Smart Turn's shape."""
    folder = tmp_path / "network"
    folder.mkdir()
    model = known_model("smart-turn")
    server.repositories[model.repository] = {model.files[0]: (make_model(folder, 0.0) / "model.onnx").read_bytes()}
    return server


def talk(home: Path, card: SoundCard, endpoint: str, *settings: str) -> Program:
    variables = {**card.variables, "HF_ENDPOINT": endpoint, "NO_PROXY": "127.0.0.1"}
    program = Program(home, [*FIRST_RUN, *settings], variables)
    program.wait_for(r"^\[listening", START_S)
    return program


def question() -> np.ndarray:
    return spoken("what is twelve times seven", "awb", "flite")


class TwoQuestions:
    """An assistant between a recording and a buffer, stepped by hand."""

    def __init__(self, config: Config, brain: Brain) -> None:
        quiet = np.random.default_rng(0).normal(0.0, 3e-4, RATE_HZ).astype(np.float32)
        said = np.concatenate([quiet, question(), quiet, quiet, quiet, quiet, question(), quiet])
        self.clock = ReplayClock(brain.clock)
        self.records: list[TurnRecord] = []
        self.heard: list[Transcript] = []
        speaker = FileSpeaker(self.clock)
        source = FileMicrophone(Recording(said, RATE_HZ), 3.0, 20, self.clock.monotonic())
        ends = SoundEnds(ReplayedMicrophone(source, self.clock), speaker, FrontEnd(config.echo, speaker.far_end))
        self.assistant = Assistant(config, self.clock, ends, brain, self.records.append)

    def load(self, first_run: FirstRun) -> None:
        self.pipeline = self.assistant.join(first_run.engines(None), announcing=False)
        self.pipeline.observe(Transcript, lambda message: self.heard.append(message) if message.final else None)
        self.pipeline.load()
        self.assistant.warm_up()

    def run_until(self, true: Callable[[], object]) -> None:
        while not true():
            assert self.pipeline.step(), "the recording ended before"


def test_the_record_of_a_turn_names_who_heard_it(tmp_path: Path, server: HubServer, monkeypatch: pytest.MonkeyPatch):
    for name, value in (("HF_ENDPOINT", server.endpoint), ("NO_PROXY", "127.0.0.1"), ("MERLINE_HOME", str(tmp_path))):
        monkeypatch.setenv(name, value)
    config = Config(setup=SetupConfig(full_models="always", full_packages=False))
    with Brain(config, folder=tmp_path, language="en") as brain:
        two = TwoQuestions(config, brain)
        first_run = FirstRun(config, two.assistant, brain, offline=False)
        two.load(first_run)
        first_run.start(FullSetup(config, offline=False))
        two.run_until(lambda: two.records)
        for _ in range(20):  # the recogniser comes last, and has yet to see that it has answered
            two.pipeline.step()
        assert two.assistant.engine_names.stt == "pocketsphinx"
        told: list[str] = []
        deadline_s = time.monotonic() + FETCH_S
        while not any("listens from now on" in line for line in told):
            assert time.monotonic() < deadline_s, told
            told += first_run.news()
            assert not any("cannot be used" in line for line in told), told
            threading.Event().wait(0.02)
        assert two.assistant.engine_names.stt == "whisper"
        two.run_until(lambda: len(two.heard) == 2)
        two.pipeline.drain()
        first_run.stop()
        two.pipeline.close()
    assert [one.turn for one in two.heard] == [1, 2]
    assert [one.source for one in two.heard] == ["grammar", "whisper"]
    assert (two.records[0].source, two.records[0].transcript) == ("grammar", "what is twelve times seven")
    assert {record.source for record in two.records[1:]} <= {"whisper"}


@pytest.mark.audio
def test_it_answers_meanwhile_and_then_whisper_listens(tmp_path: Path, sound_card: SoundCard, server: HubServer):
    server.faults["model.bin"] = [Fault(hold_at=300_000)]
    with talk(tmp_path, sound_card, server.endpoint) as program:
        name = program.wait_for(r"^\* fetching (whisper-\S+) \(.*\) in the background", FETCH_S).group(1)
        sound_card.wait_for_silence(5.0, quiet_s=0.3)
        sound_card.say(question())
        program.wait_for(r"^merline: ", 20.0)  # what it understands, other tests look at
        assert program.interrupt() == 0
        assert not any(re.search("traceback", line, re.IGNORECASE) for line in program.lines)
    assert any((tmp_path / "models" / name / PARTS).iterdir())

    with talk(tmp_path, sound_card, server.endpoint) as program:
        program.wait_for(rf"^\* {name} listens from now on", FETCH_S)
        assert "free speech" in program.wait_for(r"^merline: (.*)", 20.0).group(1)
        assert program.interrupt() == 0
    assert server.ranges("model.bin") == [None, "bytes=300000-"]
    told = run(tmp_path, "check", "--json", **sound_card.variables).stdout
    assert f"whisper with {name}" in told


@pytest.mark.audio
def test_a_hub_that_is_gone_costs_nothing_and_is_said_once(tmp_path: Path, sound_card: SoundCard):
    """Once for all models that would come."""
    with SilentServer() as endpoint:
        """closed again, it takes no connections"""
    wanted = ("--set", "llm.engine=auto", "--set", "tts.engine=auto")
    with talk(tmp_path, sound_card, endpoint, *wanted) as program:
        program.wait_for(r"^\* whisper-\S+ cannot be used yet: .*does not answer.*pocketsphinx goes on", FETCH_S)
        sound_card.wait_for_silence(5.0, quiet_s=0.3)
        sound_card.say(question())
        program.wait_for(r"^merline: ", 20.0)  # what it understands, other tests look at
        assert program.interrupt() == 0
        assert sum("cannot be used" in line for line in program.lines) == 1


@pytest.mark.audio
def test_smart_turn_comes_beside_whisper_and_judges_the_next_pause(
    tmp_path: Path, sound_card: SoundCard, smart_turn: HubServer
):
    home = tmp_path / "home"
    with talk(home, sound_card, smart_turn.endpoint, "--log-level", "debug") as program:
        program.wait_for(r"^\* whisper-\S+ listens from now on", FETCH_S)
        program.wait_for(r"^\* fetching smart-turn \(9.0 MB\) in the background", FETCH_S)
        program.wait_for(r"^\* smart-turn hears from now on whether you have finished", FETCH_S)
        sound_card.wait_for_silence(5.0, quiet_s=0.3)
        sound_card.say(question())
        program.wait_for(r"the pause sounds finished by 0\.\d\d", 20.0)
        assert program.interrupt() == 0
        assert not any(re.search("traceback", line, re.IGNORECASE) for line in program.lines)
    told = run(home, "check", "--json", **sound_card.variables).stdout
    assert "by words, pauses and sound, with smart-turn" in told


@pytest.mark.audio
def test_the_one_question_names_smart_turn_and_a_yes_fetches_it(
    tmp_path: Path, sound_card: SoundCard, smart_turn: HubServer
):
    chosen = ("setup.full_packages=false", "llm.engine=skills", "tts.engine=espeak", "view.style=plain")
    settings = [part for one in chosen for part in ("--set", one)]
    variables = {**sound_card.variables, "HF_ENDPOINT": smart_turn.endpoint, "NO_PROXY": "127.0.0.1"}
    with Program(tmp_path / "home", ["talk", *settings], variables, terminal=True) as program:
        program.wait_for(r"smart-turn \(9.0 MB, from pipecat-ai/smart-turn-v3, licence BSD-2-Clause\)", START_S)
        program.wait_for(r"Fetch them \(\d+ MB in all\) in the background\? \[Y/n\]", 5.0)
        program.press("m")
        program.wait_for(r"^\[MICROPHONE OFF", 5.0)
        assert sound_card.open_streams() == 1
        program.press(" ")
        program.wait_for(r"^\[listening", 5.0)
        assert not any("fetching" in line for line in program.lines), "the space bar calls it, and answers nothing"
        program.press("\n")
        program.wait_for(r"smart-turn hears from now on whether you have finished", FETCH_S)
        assert program.interrupt() == 0

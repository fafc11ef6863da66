"""mlx_lm's interface from core.optimization: the same scripts, the same signatures, one object for one model."""

from __future__ import annotations

import inspect
import io
import stat
import subprocess
import sys
import threading
import warnings
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("transformers", reason="needs transformers (the extra full)")

import torch
from oracle import mlx_module
from tiny import tiny_model

from core.optimization import mlx_replacement as ours
from core.optimization.plan import Plan, StagePlan
from core.optimization.torch_optimizer import TorchOptimizer
from core.utils.config import OptimizationConfig
from core.utils.errors import ModelLoadError

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = """
import sys, warnings
warnings.simplefilter("ignore")
from mlx_lm import load, generate, stream_generate

model, tokenizer = load(sys.argv[1])
messages = [{"role": "user", "content": "Set a timer for ten minutes."}]
prompt = tokenizer.apply_chat_template(messages, add_generation_prompt=True)
print(repr(generate(model, tokenizer, prompt=prompt, max_tokens=40)).replace("\\u0100", "\\\\x00"))
for response in stream_generate(model, tokenizer, "What is the weather like?", max_tokens=30):
    print(response.token, response.finish_reason)
"""
CACHES = """
import sys, warnings
warnings.simplefilter("ignore")
from mlx_lm import load, stream_generate
from mlx_lm.models.cache import make_prompt_cache, save_prompt_cache, load_prompt_cache, trim_prompt_cache
from mlx_lm.sample_utils import make_sampler, make_logits_processors

model, tokenizer = load(sys.argv[1])
sampler, processors = make_sampler(temp=0.0), make_logits_processors(repetition_penalty=1.2)
cache = make_prompt_cache(model)
for text in ("Remind me to phone the dentist", " on Tuesday at half past nine."):
    for response in stream_generate(
        model, tokenizer, text, max_tokens=20, prompt_cache=cache, sampler=sampler, logits_processors=processors
    ):
        print(response.token)
    print(cache[0].offset)
trim_prompt_cache(cache, 10)
save_prompt_cache(sys.argv[2], cache, {"kept": "yes"})
cache, metadata = load_prompt_cache(sys.argv[2], return_metadata=True)
print(metadata, cache[0].offset)
for response in stream_generate(model, tokenizer, "And then?", max_tokens=10, prompt_cache=cache):
    print(response.token)
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own, but for compiled kernels: those are made once for all tests."""
    if find_spec("numba") is not None:
        import_module("core.models.fused")
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_model(tmp_path / "model", "qwen2")


def run(script: str, *arguments: str) -> str:
    """What a script prints, run within this process."""
    out = io.StringIO()
    with warnings.catch_warnings(), redirect_stdout(out), patch.object(sys, "argv", ["script.py", *arguments]):
        exec(compile(script, "script.py", "exec"), {"__name__": "__main__"})
    return out.getvalue()


@pytest.mark.parametrize("script", [SCRIPT, CACHES], ids=["texts", "caches"])
def test_a_script_runs_with_its_imports_changed(script: str, folder: Path, tmp_path: Path):
    mlx_module("mlx_lm")
    changed = "\n".join(
        f"from core.optimization.mlx_replacement import {line.partition(' import ')[2]}"
        if line.startswith("from mlx_lm")
        else line
        for line in script.splitlines()
    )
    theirs = run(script, str(folder), str(tmp_path / "theirs.safetensors"))
    assert run(changed, str(folder), str(tmp_path / "ours.safetensors")) == theirs
    assert len(theirs.splitlines()) > 30


PAIRS = {
    "load": "mlx_lm",
    "generate": "mlx_lm",
    "stream_generate": "mlx_lm",
    "batch_generate": "mlx_lm",
    "generate_step": "mlx_lm.generate",
    "speculative_generate_step": "mlx_lm.generate",
    "make_sampler": "mlx_lm.sample_utils",
    "make_logits_processors": "mlx_lm.sample_utils",
    "make_prompt_cache": "mlx_lm.models.cache",
    "save_prompt_cache": "mlx_lm.models.cache",
    "load_prompt_cache": "mlx_lm.models.cache",
    "trim_prompt_cache": "mlx_lm.models.cache",
    "can_trim_prompt_cache": "mlx_lm.models.cache",
}


@pytest.mark.parametrize("name", PAIRS)
def test_arguments_and_defaults_are_those_of_mlx_lm(name: str):
    theirs = inspect.signature(getattr(mlx_module(PAIRS[name]), name)).parameters
    mine = inspect.signature(getattr(ours, name)).parameters
    positional = [p.name for p in theirs.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [p.name for p in mine.values() if p.kind is p.POSITIONAL_OR_KEYWORD][: len(positional)] == positional
    for parameter in theirs.values():
        if parameter.kind is parameter.VAR_KEYWORD:
            continue
        assert parameter.name in mine
        if parameter.name != "stream":
            default = mine[parameter.name].default
            assert default == parameter.default or (not default and not parameter.default)


def test_every_name_is_there():
    for name in ours.__all__:
        assert getattr(ours, name) is not None
    from core.optimization import mlx_generate, mlx_load, mlx_stream_generate

    assert (mlx_load, mlx_generate, mlx_stream_generate) == (ours.load, ours.generate, ours.stream_generate)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = ours.nothing


def test_importing_it_loads_no_torch():
    code = "import sys, core.optimization.mlx_replacement; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "False"


def test_the_config_comes_where_it_is_asked_for(folder: Path):
    model, tokenizer, config = ours.load(folder, return_config=True, lazy=True)
    assert config["model_type"] == "qwen2"
    assert tokenizer.eos_token_ids == {2}
    assert model.dtype == torch.float32
    turned, _ = ours.load(
        str(folder), model_config={"rope_theta": 500.0}, tokenizer_config={"eos_token": "<|im_start|>"}
    )
    assert turned.config.rope_theta == 500.0


def test_what_makes_no_sense_here_raises_with_the_reason(folder: Path):
    with pytest.raises(ModelLoadError, match="adapters of mlx_lm are not applied here"):
        ours.load(folder, adapter_path="lora")
    for arguments in ({"trust_remote_code": True}, {"tokenizer_config": {"trust_remote_code": True}}):
        with pytest.raises(ModelLoadError, match="never run"):
            ours.load_cached(folder, **arguments)  # type: ignore[arg-type]
    with pytest.raises(ModelLoadError, match="no such folder"):
        ours.load("nowhere at all")


def planned(precision: Any, threads: int = 1) -> TorchOptimizer:
    skills = StagePlan("skills", None, "cpu", "float32", 1, 0)
    plan = Plan(
        device="cpu",
        compute_type="float32",
        threads=threads,
        batch_size=1,
        stt=skills,
        tts=skills,
        llm=StagePlan("mlx", "0.5b", "cpu", precision, threads, 0),
    )
    return TorchOptimizer(OptimizationConfig(), plan)


def test_precision_and_threads_are_the_plans(folder: Path, home: Path):
    model, _ = ours.load(folder, optimizer=planned("int8", threads=2))
    assert model.lm_head.bits == 8
    assert list((home / "packed").glob("*.safetensors"))
    if sys.platform != "win32":
        assert [stat.S_IMODE(path.stat().st_mode) for path in (home, home / "packed")] == [0o700, 0o700]
    with model.inference_context():
        assert torch.get_num_threads() == 2
        assert torch.is_inference_mode_enabled()
    asked, _ = ours.load(folder, precision="bfloat16", optimizer=planned("int8"))
    assert asked.dtype == torch.bfloat16


def test_a_tokenizer_that_was_loaded_before_is_not_loaded_again(folder: Path):
    _, tokenizer = ours.load(folder)
    assert ours.load(folder, tokenizer=tokenizer)[1] is tokenizer


def test_a_data_folder_that_refuses_costs_only_the_keeping(folder: Path, home: Path, caplog: pytest.LogCaptureFixture):
    home.write_text("a file")
    model, _ = ours.load(folder, precision="int4")
    assert model.layers[0].mlp.up_proj.bits == 4
    assert "packed weights are not kept" in caplog.text


def test_the_same_arguments_give_the_same_objects(folder: Path):
    ours.clear_cache()
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(ours.load_cached(folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({id(model) for model, _ in found}) == len({id(tokenizer) for _, tokenizer in found}) == 1
    assert len(found) == 4
    model, _, config = ours.load_cached(str(folder), return_config=True)
    assert model is found[0][0]
    assert config["model_type"] == "qwen2"
    assert ours.load_cached(folder, precision="bfloat16")[0] is not model
    assert ours.load(folder)[0] is not model
    ours.clear_cache()
    assert ours.load_cached(folder)[0] is not model
    ours.clear_cache()

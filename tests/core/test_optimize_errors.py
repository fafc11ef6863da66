"""`optimize` where something is wrong: each error is typed, names the value and the cure, and is JSON where asked."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra full is missing: torch")

from core.app import cli, optimize  # noqa: E402
from core.app.cli import parse  # noqa: E402
from core.app.optimize import run  # noqa: E402
from core.optimization.toolbox import deployment, onnx_verify, tensorrt, tensorrt_library  # noqa: E402
from core.optimization.toolbox.strategies import PREFIX, Workbench  # noqa: E402
from core.utils.config import Config  # noqa: E402
from core.utils.errors import ConfigError, GpuUnavailableError, MerlineError, ModelLoadError, OptimizationError  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
OWN = """
import warnings
import torch
from torch import nn
from core.optimization.toolbox.registry import RegisteredModel

class Failing(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.layer, self.error = nn.Linear(8, 8), error

    def forward(self, x):
        self.layer(x)
        if self.error is not None:
            raise self.error

def asserts():
    return Failing(AssertionError("an even length is wanted")), torch.randn(2, 8)

def divides():
    return Failing(ZeroDivisionError("by nothing")), torch.randn(2, 8)

def reads():
    return Failing(FileNotFoundError("vocabulary.txt")), torch.randn(2, 8)

def silent():
    return Failing(None), torch.randn(2, 8)

def away():
    raise OSError("weights.pt is away")

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), torch.randn(4, 8)

def half():
    return net()[0].half(), torch.randn(4, 8).half()

class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)

    def forward(self, x):
        return {"logits": self.layer(x), "rows": 3, "cache": None}

def counting():
    return Counting(), torch.randn(2, 8)

def scripted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch is to lose it
        return torch.jit.script(net()[0]), torch.randn(4, 8)

def wide():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 3, bias=False), nn.ReLU(), nn.Linear(3, 2)), torch.randn(1, 8)

class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.rnn(x)[0])

def lstm():
    return Tagger(), torch.randn(2, 5, 8)

def frozen():
    return net()[0].requires_grad_(False), torch.randn(4, 8)

class Inferring(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = net()[0]

    @torch.inference_mode()
    def forward(self, x):
        return self.body(x)

def inferring():
    return Inferring(), torch.randn(4, 8)

def teacher():
    data = [torch.randn(4, 8) for _ in range(2)]
    return RegisteredModel(net()[0], test_data=data, training_data=data)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path / "home"))
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    return str(tmp_path / "own.py")


def main(*words: str) -> int:
    """The command, without the program's log files."""
    return run(parse(["optimize", *words]), Config())


@pytest.fixture
def no_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program's log files are not set up, and its card not fenced."""
    monkeypatch.setattr(cli, "_run", lambda arguments, config: run(arguments, config))


@pytest.mark.usefixtures("no_logs")
def test_an_error_is_one_json_document_too(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words, kind, code in (
        (("compare", "nosuch"), "ModelLoadError", 1),
        (("compare", f"{own}:net", "--strategies", "magic"), "ConfigError", 2),
        (("prune", f"{own}:lstm", "--structured"), "OptimizationError", 1),
        (("plan", "--set", "gpu.us=1"), "ConfigError", 2),  # before the subcommand runs
        (("plan", "--config", "/nowhere/c.yaml"), "ConfigError", 2),
    ):
        assert cli.main(["optimize", *words, "--json"]) == code
        said = capsys.readouterr()
        told = json.loads(said.out)["error"]
        assert told == {"kind": kind, "message": said.err.strip().rpartition("merline: ")[2], "exit_code": code}


def test_a_card_that_is_not_there_is_one_json_document_too(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(arguments: Any, config: Any) -> int:
        raise GpuUnavailableError("gpu.use: no such card")

    monkeypatch.setattr(cli, "_run", refuse)
    assert cli.main(["optimize", "compare", "resnet18", "--json"]) == 3
    assert json.loads(capsys.readouterr().out)["error"]["kind"] == "GpuUnavailableError"


@pytest.mark.usefixtures("no_logs")
def test_thresholds_that_nothing_meets_name_the_closest_way_in_json(
    own: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(deployment.CANDIDATES, "mobile", ("int8_weight",))
    wanted = ("--model-size", "0", "--inference-time", "1000", "--accuracy", "0")
    assert cli.main(["optimize", "auto", f"{own}:net", "mobile", *wanted, "--json"]) == 1
    told = json.loads(capsys.readouterr().out)["error"]
    assert told["message"].startswith("no way meets the thresholds")
    assert told["kind"] == "ThresholdsNotMetError"
    assert told["closest"] in ("original", "int8_weight")
    assert told["missing"].keys() == {"model_size"}


@pytest.mark.parametrize(
    "words",
    [
        "prune M --ratio 2 --json",
        "auto M phone --json",
        "quantize M --type int3 --json",
        "nosuch --json",
        "--json",
        "plan --json --log-level loud",
        "plan --json --config",
    ],
)
def test_a_value_that_cannot_be_is_one_json_document_too(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["optimize", *words.split()])
    said = capsys.readouterr()
    told = json.loads(said.out)["error"]
    assert (ended.value.code, told["exit_code"], told["kind"]) == (2, 2, "UsageError")
    assert told["message"] in said.err
    with pytest.raises(SystemExit):
        parse(["optimize", *words.replace("--json", "").split()])
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("asserts", "AssertionError: an even length is wanted"),
        ("divides", "ZeroDivisionError: by nothing"),
        ("reads", "FileNotFoundError: vocabulary.txt"),
    ],
)
@pytest.mark.parametrize("command", ["compare", "quantize --type static", "prune --structured", "export --out m.onnx"])
def test_whatever_a_models_forward_raises_is_told(
    own: str, function: str, told: str, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command.startswith("export"):
        pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    monkeypatch.chdir(tmp_path)
    name, *options = command.split()
    with pytest.raises(OptimizationError, match=re.escape(f"({told})")):
        main(name, f"{own}:{function}", *options)
    assert not (tmp_path / "m.onnx").exists()


def test_what_gives_no_tensor_cannot_be_exported(own: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    with pytest.raises(OptimizationError, match="Failing gives no tensor, so there is nothing to export"):
        main("export", f"{own}:silent", "--out", str(tmp_path / "m.onnx"))


def test_what_is_no_tensor_is_named(own: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    with pytest.raises(OptimizationError, match="Counting gives 3 beside its tensors, and ONNX has tensors alone"):
        main("export", f"{own}:counting", "--out", str(tmp_path / "m.onnx"))


def test_a_model_in_half_precision_is_exported_with_a_tolerance_of_its_own(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    monkeypatch.setattr(onnx_verify, "difference", lambda expected, found: 0.001)  # as some processors' rounding has it
    words = ("export", f"{own}:half", "--out", str(tmp_path / "m.onnx"))
    with pytest.raises(OptimizationError, match="from the shell --tolerance, where that is right, as in half prec"):
        main(*words)
    assert main(*words, "--tolerance", "0.01") == 0
    assert (tmp_path / "m.onnx").is_file()


def test_where_the_second_graph_cannot_be_written_it_is_said_before_the_work(own: str, tmp_path: Path) -> None:
    (tmp_path / "m.int8.onnx").mkdir()
    with pytest.raises(ConfigError, match=r"--int8 .*m\.int8\.onnx: no file can be written there"):
        main("export", f"{own}:absent", "--out", str(tmp_path / "m.onnx"), "--int8")


def test_what_the_users_own_file_raises_is_told_with_its_line(own: str, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"own\.py:away: OSError: weights\.pt is away \(line \d+\)"):
        main("quantize", f"{own}:away")
    broken = tmp_path / "broken.py"
    broken.write_text("open('/nowhere/weights.pt')\n", encoding="utf-8")
    with pytest.raises(ModelLoadError, match=r"broken\.py cannot be imported: FileNotFoundError: .*\(line 1\)"):
        main("quantize", f"{broken}:net")


def test_where_no_channel_can_go_no_ratio_is_advised(own: str) -> None:
    with pytest.raises(OptimizationError, match="no channels that can go at any ratio") as refused:
        main("prune", f"{own}:lstm", "--structured")
    assert "raise it" not in str(refused.value)
    with pytest.raises(OptimizationError, match="TorchScript, compiled code"):
        main("prune", f"{own}:scripted", "--structured")


@pytest.mark.parametrize("function", ["net", "wide"])
def test_a_ratio_that_is_advised_is_enough(own: str, function: str) -> None:
    with pytest.raises(OptimizationError, match=r"no channels can go at a ratio of 0\.001") as refused:
        main("prune", f"{own}:{function}", "--structured", "--ratio", "0.001")
    advised = re.search(r"raise it to (\S+),", str(refused.value))
    assert advised is not None
    assert main("prune", f"{own}:{function}", "--structured", "--ratio", advised[1]) == 0


def test_a_frozen_student_is_told_to_thaw(own: str) -> None:
    with pytest.raises(OptimizationError, match=r"its weights are frozen: student\.requires_grad_\(True\) first"):
        main("distill", f"{own}:teacher", f"{own}:frozen", "--epochs", "1")


def test_what_computes_without_gradients_cannot_be_trained(own: str) -> None:
    for words in (("quantize", f"{own}:inferring", "--type", "qat"), ("distill", f"{own}:teacher", f"{own}:inferring")):
        with pytest.raises(OptimizationError, match="Inferring cannot be trained: its forward computes without grad"):
            main(*words)


def test_a_folder_of_a_language_model_is_taught_and_trained_under_rounding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    transformers = pytest.importorskip("transformers", reason="the extra full is missing: transformers")
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path / "home"))
    sizes = {"vocab_size": 40, "hidden_size": 32, "num_attention_heads": 2, "intermediate_size": 48}
    for name, layers in (("teacher", 2), ("student", 1)):
        config = transformers.LlamaConfig(num_hidden_layers=layers, **sizes)
        transformers.LlamaForCausalLM(config).save_pretrained(tmp_path / name)
    teacher, student = str(tmp_path / "teacher"), str(tmp_path / "student")
    assert main("distill", teacher, student, "--epochs", "2", "--json") == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 8
    assert main("quantize", teacher, "--type", "qat", "--iterations", "1", "--json") == 0
    assert json.loads(capsys.readouterr().out)["left_in_float"] == []


def test_what_killed_trials_left_goes_a_day_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    old, fresh = (tmp_path / f"{PREFIX}{name}" for name in ("old", "fresh"))
    for folder in (old, fresh):
        folder.mkdir()
    os.utime(old, (time.time() - 90000,) * 2)
    with Workbench():
        assert not old.exists()
        assert fresh.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
@pytest.mark.parametrize(("sign", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_is_ended_leaves_nothing_half_written(own: str, tmp_path: Path, sign: signal.Signals, code: int) -> None:
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    temporary, out = tmp_path / "temporary", tmp_path / "m.onnx"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary), "MERLINE_HOME": str(tmp_path / "home")}
    out.write_bytes(b"older")
    for words in (("compare", "--strategies", "onnx", "--iterations", "100000"), ("export", "--out", str(out))):
        command = [sys.executable, str(ROOT / "main.py"), "--offline", "optimize", words[0], f"{own}:net", *words[1:]]
        with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as running:
            assert running.stderr is not None
            assert any(line.startswith("tracing") for line in running.stderr)
            running.send_signal(sign)
            running.stderr.read()
            assert running.wait() == code
        assert not list(temporary.glob(f"{PREFIX}*"))
    assert out.read_bytes() == b"older"
    assert not list(tmp_path.glob(".onnx-*"))


def test_a_size_is_shown_however_small_and_what_grows_says_so(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("quantize", f"{own}:wide", "--type", "dynamic", "--iterations", "1") == 0
    line = next(one for one in capsys.readouterr().out.splitlines() if one.startswith("size "))
    sizes = re.match(r"size (\S+) -> (\S+) MB \(([+-])\d+\.\d %\)", line)
    assert sizes is not None, line
    before, after = float(sizes[1]), float(sizes[2])
    assert before > 0
    assert (after > before) == (sizes[3] == "+")


def test_an_engine_leaves_the_graph_of_the_same_name_alone(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    built: list[Path] = []

    def build(self: Any, source: Path, target: Path, shapes: Any) -> Any:
        assert source.is_file()
        built.append(source)
        raise OptimizationError("as far as this machine goes")

    monkeypatch.setattr(tensorrt_library, "load_library", lambda: None)
    monkeypatch.setattr(tensorrt_library, "describe_card", lambda: ("9.0", "a card"))
    monkeypatch.setattr(tensorrt.TensorRTOptimizer, "optimize_from_onnx", build)
    (tmp_path / "m.onnx").write_bytes(b"the user's own")
    with pytest.raises(MerlineError, match="as far as this machine goes"):
        main("tensorrt", f"{own}:net", "--out", str(tmp_path / "m.engine"))
    assert (tmp_path / "m.onnx").read_bytes() == b"the user's own"
    assert not built[0].exists()
    assert {one.name for one in tmp_path.iterdir()} - {"__pycache__"} == {"m.onnx", "own.py"}


def test_what_takes_long_is_told_step_by_step(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("quantize", f"{own}:teacher", "--type", "qat", "--iterations", "1") == 0
    assert re.search(r"calibrating 2 layers on 2 batches.*step 200 of 200: loss", capsys.readouterr().err, re.DOTALL)
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    assert main("export", f"{own}:net", "--out", str(tmp_path / "m.onnx")) == 0
    assert re.search(r"tracing.*graph passes.*comparing with PyTorch", capsys.readouterr().err, re.DOTALL)
    assert main("compare", f"{own}:net", "--strategies", "onnx", "--iterations", "1") == 0
    assert re.search(r"onnx.*tracing.*graph passes", capsys.readouterr().err, re.DOTALL)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM to catch")
def test_an_end_that_a_library_swallowed_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(optimize, "AGAIN_S", 0.05)
    swallowed = []

    def compute(arguments: argparse.Namespace, config: Config) -> int:
        try:
            signal.raise_signal(signal.SIGTERM)
            time.sleep(1.0)  # the handler runs before the next line of Python
        except SystemExit as ending:
            swallowed.append(ending.code)
        time.sleep(30.0)
        return 0

    monkeypatch.setitem(optimize.SUBCOMMANDS, "swallowing", optimize.Subcommand("", lambda parser: None, compute))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        optimize.run(argparse.Namespace(subcommand="swallowing"), Config())
    assert (swallowed, ended.value.code) == ([143], 143)
    assert signal.getsignal(signal.SIGTERM) is before

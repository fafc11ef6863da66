"""`optimize` from the shell: a user's own model is quantised, pruned, taught, exported, compared, or refused."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the extra full is missing: torch")

from core.app import toolbox_report  # noqa: E402
from core.app.cli import parse  # noqa: E402
from core.app.optimize import run  # noqa: E402
from core.app.toolbox_arguments import COMMANDS, read_axes, read_shapes  # noqa: E402
from core.app.toolbox_models import first_input, for_judging, registered  # noqa: E402
from core.optimization.toolbox import deployment  # noqa: E402
from core.optimization.toolbox.artifact import load_quantized  # noqa: E402
from core.optimization.toolbox.performance_metrics import PerformanceMetrics  # noqa: E402
from core.optimization.toolbox.pruned_files import load_pruned  # noqa: E402
from core.optimization.toolbox.registry import RegisteredModel  # noqa: E402
from core.utils.config import Config  # noqa: E402
from core.utils.errors import (  # noqa: E402
    ConfigError,
    MerlineError,
    ModelLoadError,
    OptimizationError,
    TensorRTUnavailableError,
)

OWN = """
import torch
from torch import nn
from core.optimization.toolbox.registry import RegisteredModel

def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4))

def teacher():
    torch.manual_seed(1)
    data = [(torch.randn(16, 32), torch.arange(16) % 4) for _ in range(4)]
    return RegisteredModel(net(), test_data=data, training_data=data)

def fixed():
    return net(), torch.randn(16, 32)

def student():
    return nn.Sequential(nn.Linear(32, 8), nn.ReLU(), nn.Linear(8, 4)), torch.randn(16, 32)

def anew():
    # another model each time, and data that can be read once
    torch.seed()
    return RegisteredModel(net_of_now, test_data=(torch.randn(16, 32) for _ in range(4)))

def net_of_now():
    return nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 4))

def number():
    return 3

def needs(n):
    return net()
"""


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Two threads of a busy machine wait for each other longer than such networks compute."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MERLINE_HOME", str(tmp_path / "home"))
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    return str(tmp_path / "own.py")


def main(words: list[str]) -> int:
    """The command, without the program's log files."""
    return run(parse(words), Config())


def optimize(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[Any, str]:
    """The JSON object that a command printed, and its error stream."""
    capsys.readouterr()
    assert main(["optimize", *words, "--json"]) == 0
    said = capsys.readouterr()
    return json.loads(said.out), said.err


def test_quantize_measures_and_writes(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "small.safetensors"
    found, told = optimize(capsys, "quantize", f"{own}:student", "--out", str(target), "--iterations", "3")
    assert found["quantization_type"] == "dynamic"
    assert found["quantized"] == ["0", "2"]
    assert found["size_reduction_percent"] > 40
    assert found["written"]["bytes"] == target.stat().st_size
    assert "quantising (dynamic) ..." in told
    assert main(["optimize", "quantize", f"{own}:teacher", "--type", "static", "--iterations", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "2 layers in static, 0 left as they are"
    assert lines[-1] == "nothing was written: --out FILE keeps it"


def test_a_model_is_made_once_and_its_data_may_be_read_once(own: str, capsys: pytest.CaptureFixture[str]) -> None:
    found, _ = optimize(capsys, "quantize", f"{own}:anew", "--type", "static", "--iterations", "1")
    assert found["error"] < 0.1
    pruned, _ = optimize(capsys, "prune", f"{own}:anew", "--ratio", "0.1")
    assert pruned["error"] < 0.3


def test_where_no_file_can_be_written_it_is_said_before_the_work(own: str, tmp_path: Path) -> None:
    for words in (("quantize", f"{own}:none"), ("prune", f"{own}:none"), ("distill", f"{own}:none", f"{own}:none")):
        for out in (tmp_path, tmp_path / "own.py" / "small.safetensors"):
            with pytest.raises(ConfigError, match="no file can be written there"):
                main(["optimize", *words, "--out", str(out)])


def test_prune_in_both_ways(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    zeros, told = optimize(
        capsys, "prune", f"{own}:teacher", "--ratio", "0.5", "--out", str(tmp_path / "p.safetensors")
    )
    assert zeros["pruned_bytes"] == zeros["original_bytes"]
    assert zeros["accuracy_of"] == "labels"
    assert "% of the weights are zero" in told
    smaller, _ = optimize(capsys, "prune", f"{own}:teacher", "--ratio", "0.5", "--structured")
    assert smaller["pruned_bytes"] < 0.7 * smaller["original_bytes"]


def test_distill_teaches_a_student(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "student.safetensors"
    words = ("distill", f"{own}:teacher", f"{own}:student", "--epochs", "2", "--out", str(target))
    found, told = optimize(capsys, *words)
    assert 0 <= found["accuracy"] <= 1
    assert told.count("epoch 2 of 2") == 1
    assert found["written"]["bytes"] == target.stat().st_size
    assert found["judged_on_what_it_learnt"] is True
    assert load_pruned(target, registered(f"{own}:student")[0].model) is not None
    kept = ("--checkpoints", str(tmp_path / "run"))
    optimize(capsys, *words, *kept)
    resumed, told = optimize(capsys, *words[:3], "--epochs", "3", *kept)
    assert (resumed["resumed_from_step"], resumed["epochs"]) == (8, 3)
    assert "went on from step 8" in told
    with pytest.raises(ConfigError, match="brings no data to learn from"):
        main(["optimize", "distill", f"{own}:net", f"{own}:student"])


def test_where_a_result_has_no_room_it_is_said_before_the_work(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(toolbox_report.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1000))
    out = tmp_path / "not yet" / "student.safetensors"
    with pytest.raises(OptimizationError, match=r"0\.0 MB are needed and 0\.0 MB are free; make room"):
        main(["optimize", "distill", f"{own}:teacher", f"{own}:student", "--out", str(out)])
    with pytest.raises(OptimizationError, match=r"0\.0 MB are needed and 0\.0 MB are free; make room"):
        main(["optimize", "auto", f"{own}:teacher", "edge", "--out", str(out)])
    with pytest.raises(OptimizationError, match=r"--chart .*: 0\.2 MB are needed and 0\.0 MB are free; make room"):
        main(["optimize", "compare", f"{own}:teacher", "--chart", str(out.with_suffix(".png"))])
    said = capsys.readouterr().err
    assert "epoch" not in said
    assert "dynamic" not in said
    assert "original" not in said
    assert not out.parent.exists()


def test_export_verifies_and_quantises_the_graph(own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    target = tmp_path / "m.onnx"
    words = ("export", f"{own}:teacher", "--out", str(target), "--dynamic", "input:0=batch", "--int8", "--benchmark")
    found, _ = optimize(capsys, *words, "--iterations", "3")
    assert found["verified"]
    assert [one["sizes"] for one in found["verifications"]] == [{}, {"batch": 17}]
    assert found["int8"]["path"] == str(target.with_suffix(".int8.onnx"))
    assert found["runtime"]["runtime_ms"] > 0
    with pytest.raises(TensorRTUnavailableError, match=r"extra `tensorrt`|torch sees none"):
        main(["optimize", "tensorrt", str(target), "--out", str(tmp_path / "m.engine"), "--shape", "input=2x32"])
    assert capsys.readouterr().err.startswith("unverified: ")


def test_compare_and_auto(
    own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib", reason="the extra toolbox is missing: matplotlib")
    chart = tmp_path / "chart.png"
    words = ("--strategies", "dynamic, bf16,tensorrt", "--chart", str(chart), "--iterations", "3")
    found, told = optimize(capsys, "compare", f"{own}:teacher", *words)
    assert [row["strategy"] for row in found["rows"]] == ["dynamic", "bf16", "tensorrt"]
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert "dynamic ..." in told
    monkeypatch.setitem(deployment.CANDIDATES, "mobile", ("int8_weight",))  # six ways take seconds
    assert main(["optimize", "auto", f"{own}:teacher", "mobile", "--accuracy", "0"]) == 0
    *_, chosen, kept = capsys.readouterr().out.splitlines()
    assert chosen.startswith("for mobile: ")
    assert kept == "nothing was written: --out FILE keeps it"


LOOSE = ("--accuracy", "0", "--inference-time", "1000", "--memory-usage", "1000", "--model-size", "1000")
"""so that the first way that is better in what the platform asks for is taken, whatever the machine's load"""


def test_auto_writes_the_tensors_that_won(
    own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under another ending than that of a graph, and so that each loader gives the winner back."""
    original = registered(f"{own}:net")[0].model
    for strategy, named, loads in (("int8_weight", "best.onnx", load_quantized), (None, "same.tensors", load_pruned)):
        monkeypatch.setitem(deployment.CANDIDATES, "mobile", (strategy,) if strategy else ())
        words = ("auto", f"{own}:fixed", "mobile", *LOOSE, "--out", str(tmp_path / named))
        found, _ = optimize(capsys, *words)
        written = tmp_path / named.replace(".onnx", ".safetensors")
        size = written.stat().st_size
        assert found["written"] == {"path": str(written), "bytes": size, "read_by": loads.__name__}
        assert found["strategy"] == (strategy or "original")
        x = torch.randn(3, 32)
        torch.testing.assert_close(loads(written, original)(x), original(x), atol=0.02, rtol=0.1)
    assert main(["optimize", *words]) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == [
        f"written: {tmp_path / 'same.tensors'}, {size / 1e6:.4g} MB",
        "  load_pruned reads it",
    ]


def test_auto_writes_the_graph_that_won(
    own: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    from core.optimization.toolbox.onnx_model import OnnxModel

    monkeypatch.setitem(deployment.CANDIDATES, "server", ("onnx",))
    times = iter((2.0, 1.0))

    def measured(*given: Any) -> tuple[PerformanceMetrics, float]:
        return PerformanceMetrics(next(times), 1.0, 1.0, 1.0, "agreement", 0.0), 2.0

    monkeypatch.setattr(deployment, "measure", measured)
    found, _ = optimize(capsys, "auto", f"{own}:fixed", "server", *LOOSE, "--out", str(tmp_path / "best.pt"))
    graph = tmp_path / "best.onnx"
    assert found["written"] == {"path": str(graph), "bytes": graph.stat().st_size, "read_by": "OnnxModel"}
    x = torch.randn(16, 32)
    torch.testing.assert_close(OnnxModel(graph)(x), registered(f"{own}:net")[0].model(x).detach())


def test_auto_refuses_a_name_that_a_graph_could_not_be_written_under(own: str, tmp_path: Path) -> None:
    words = ["optimize", "auto", f"{own}:absent", "edge", "--out", str(tmp_path / "best.safetensors")]
    (tmp_path / "best.onnx").mkdir()
    with pytest.raises(ConfigError, match=r"--out .*best\.onnx: no file can be written there"):
        main(words)
    (tmp_path / "best.onnx").rmdir()
    (tmp_path / "best.onnx").write_bytes(b"the user's own")
    with pytest.raises(ConfigError, match=r"may have to become .*best\.onnx, which is there; name another"):
        main(words)
    with pytest.raises(MerlineError, match="has no function 'absent'"):
        main([*words[:-1], str(tmp_path / "best.onnx")])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "{own}:zz",
            "has no function 'zz' that makes a model; it has: net, teacher, fixed, student, anew, net_of_now, number, "
            "needs",
        ),
        ("{own}:techer", "has no function 'techer' that makes a model; it has: teacher"),
        ("{own}:number", "gives a int; return a torch.nn.Module"),
        ("{own}:needs", "own.py:needs is called without arguments, and it has some (missing a required argument: 'n')"),
        ("{own}", "name the function in it that makes the model: "),
        ("nowhere.py:net", "nowhere.py: there is no such file"),
        ("nothing-of-that-name", "nothing-of-that-name"),
    ],
)
def test_models_that_there_are_not(own: str, model: str, message: str) -> None:
    with pytest.raises(MerlineError, match=re.escape(message)):
        main(["optimize", "compare", model.format(own=own)])


def test_files_and_folders_that_are_no_models(own: str, tmp_path: Path) -> None:
    with pytest.raises(ModelLoadError, match=r"holds no config\.json"):
        registered(str(tmp_path))
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.bin").touch()
    with pytest.raises(ModelLoadError, match=r"a Whisper in CTranslate2's own format"):
        registered(str(tmp_path))
    broken = tmp_path / "broken.py"
    broken.write_text("def net(:", encoding="utf-8")
    with pytest.raises(ModelLoadError, match=r"broken\.py cannot be imported: SyntaxError"):
        registered(f"{broken}:net")


def test_files_of_another_kind_than_a_model_are_named(tmp_path: Path) -> None:
    for name in ("m.onnx", "m.safetensors"):
        (tmp_path / name).touch()
    with pytest.raises(ModelLoadError, match=r"m\.onnx is an ONNX graph, .* give what it was exported from"):
        registered(str(tmp_path / "m.onnx"))
    with pytest.raises(ModelLoadError, match=r"m\.safetensors is no model that is read here: weights alone"):
        registered(str(tmp_path / "m.safetensors"))
    pytest.importorskip("whisper", reason="the extra full is missing: openai-whisper")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "weights.pt")
    torch.save(torch.nn.Linear(2, 2), tmp_path / "module.pt")
    (tmp_path / "empty.pt").touch()
    for name in ("weights.pt", "module.pt", "empty.pt"):
        with pytest.raises(ModelLoadError, match=rf"{name} is no Whisper of openai's .* give FILE\.py:FUNCTION"):
            registered(str(tmp_path / name))


def test_a_language_model_is_judged_on_text_where_its_tokenizer_is_there(real_model: Callable[[str], Path]) -> None:
    folder = real_model("SmolLM2-135M-Instruct")
    found, told = registered(str(folder))
    assert "everyday sentences" in told
    from core.models.tokenizer import load_tokenizer

    assert load_tokenizer(folder).decode(found.test_data[0][0].tolist()).startswith("Good morning. What is the weather")
    assert len(found.test_data) >= 4


def test_the_assistants_own_models_bring_an_input_that_they_take(tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra full is missing: transformers")
    from transformers import BertConfig, BertForMaskedLM

    sizes = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 24}
    BertForMaskedLM(BertConfig(vocab_size=40, max_position_embeddings=20, **sizes)).save_pretrained(tmp_path)
    found, told = registered(str(tmp_path))
    assert "a BERT" in told
    assert "noise" in told
    assert found.model(found.test_data[0]).shape == (16, 20)
    assert not any(one.requires_grad for one in found.model.parameters())
    student, _ = registered(str(tmp_path), learns=True)
    assert all(one.requires_grad for one in student.model.parameters())
    judged = for_judging(found)
    assert len(judged.calibration_data) == 2
    assert not any(one is other for one in judged.test_data for other in judged.calibration_data[:1])


def test_a_little_language_of_axes_and_shapes() -> None:
    assert read_axes("") is None
    assert read_axes("input:0=batch,2=height;mask:0=batch") == {
        "input": {0: "batch", 2: "height"},
        "mask": {0: "batch"},
    }
    assert read_shapes(["x=1x3", "y=1x3:2x3:8x3"]) == {"x": (1, 3), "y": ((1, 3), (2, 3), (8, 3))}
    for wrong in ("input", "input:batch"):
        with pytest.raises(ConfigError, match="give INPUT:AXIS=NAME"):
            read_axes(wrong)
    for wrong in ("1x3", "x=1xa", "x=1x3:2x3"):
        with pytest.raises(ConfigError, match="give INPUT=1x3x512x512"):
            read_shapes([wrong])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("prune M --ratio 1.5", "--ratio: 1.5: give a share above 0 and below 1"),
        ("prune M --ratio 20", "--ratio: 20: give a share above 0 and below 1; did you mean 0.2?"),
        ("prune M --ratio 20%", "--ratio: 20%: give a share, not percent; did you mean 0.2?"),
        ("prune M --ratio half", "--ratio: half: give a number"),
        ("export M --out m.onnx --opset 12", "--opset: opset 12: torch's exporter writes 18 to 25"),
        ("quantize M --iterations 0", "--iterations: 0: give a whole number from 1 up"),
        ("compare M --iterations 2.5", "--iterations: 2.5: give a whole number"),
        ("auto M mobile --accuracy 95", "--accuracy: 95: it is a share, from 0 to 1; did you mean 0.95?"),
        ("auto M mobile --accuracy 95%", "--accuracy: 95%: give a share, not percent; did you mean 0.95?"),
        ("auto M mobile --inference-time 5s", "--inference-time: 5s: give the number alone, in milliseconds"),
        ("auto M mobile --memory-usage 0.5GB", "--memory-usage: 0.5GB: give the number alone, in MB"),
        ("auto M mobile --accuracy nan", "--accuracy: nan: it is a share, from 0 to 1"),
        ("auto M mobile --inference-time -1", "--inference-time: -1: give a number from 0 up"),
        ("auto M mobile --latency 5", "unrecognized arguments: --latency 5"),
        ("auto M phone", "invalid choice: 'phone'"),
        ("distill M M --temperature 0", "--temperature: 0: give a number above 0"),
        ("distill M M --learning-rate inf", "--learning-rate: inf: give a number above 0"),
        ("distill M M --alpha 2", "--alpha: 2: it is a share"),
        ("distill M M --epochs 0", "--epochs: 0: give a whole number from 1 up"),
    ],
)
def test_values_that_the_toolbox_refuses_end_with_2(
    words: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["optimize", *words.split()])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


TO_A_FILE = ("quantize M", "prune M", "distill M M", "export M", "tensorrt M", "auto M edge")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("compare M --strategies dynamic,none", "--strategies none: there are: dynamic"),
        ("compare M --chart {folder}", "--chart .*: no file can be written there"),
        ("export M --out {folder}", "--out .*: no file can be written there"),
        ("compare M --chart {folder}/chart.jpg", "--chart .*: it is drawn as PNG"),
        *(
            (f"{command} --out {out}", told)
            for command in TO_A_FILE
            for out, told in ((os.devnull, "is a device or a pipe"), ("{folder}/own.py", "is part of the model it is"))
        ),
        ("distill M M --checkpoints {folder}/own.py/run", "--checkpoints .*: nothing can be written there"),
        ("tensorrt M --out m.engine --cache {folder}", "--cache .*: no file can be written there"),
        ("export M --out m.onnx --dynamic input", "--dynamic input: give INPUT:AXIS=NAME"),
        ("tensorrt M --out m.engine --shape 1x3", "--shape 1x3: give INPUT="),
        ("tensorrt M --out m.engine --dynamic input", "--dynamic input: give INPUT:AXIS=NAME"),
    ],
)
def test_others_are_refused_before_the_model_is_looked_for(words: str, message: str, own: str, tmp_path: Path) -> None:
    told = words.replace("M ", f"{own}:absent ").format(folder=tmp_path)
    with pytest.raises(ConfigError, match=message) as refused:
        main(["optimize", *told.split()])
    assert refused.value.exit_code == 2


def test_every_command_of_the_toolbox_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    for name, (text, _) in COMMANDS.items():
        with pytest.raises(SystemExit) as ended:
            main(["optimize", name, "--help"])
        assert ended.value.code == 0
        assert text.split(" (")[0].split(":")[0] in " ".join(capsys.readouterr().out.split())


def test_a_model_without_data_is_told_what_it_lacks(own: str) -> None:
    with pytest.raises(ModelLoadError, match="brings no example input: let FUNCTION return"):
        first_input(RegisteredModel(torch.nn.Linear(2, 2)))
    for words in (["compare", f"{own}:net"], ["auto", f"{own}:net", "mobile"]):
        with pytest.raises(ModelLoadError, match="brings no example input"):
            main(["optimize", *words])
    for kind in ("static", "qat"):
        with pytest.raises(ModelLoadError, match=f"--type {kind} rounds by data, and the model brings no example inp"):
            main(["optimize", "quantize", f"{own}:net", "--type", kind])
    assert registered(f"{own}:net")[1] == "it brings no example input, so nothing is measured"


def test_a_folder_or_a_name_that_is_no_model_is_told_what_would_be(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(
        ModelLoadError, match=r"config\.json of a model that is known here .*give the folder of a causal"
    ):
        registered(str(tmp_path))
    with pytest.raises(ModelLoadError, match="nosuch: no model, folder or file is called that"):
        registered("nosuch")


def test_an_engine_needs_its_library_before_anything_is_exported(
    own: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise TensorRTUnavailableError("TensorRT is not installed")

    monkeypatch.setattr("core.optimization.toolbox.tensorrt_library.load_library", absent)
    with pytest.raises(TensorRTUnavailableError, match="is not installed"):
        main(["optimize", "tensorrt", f"{own}:student", "--out", str(tmp_path / "m.engine")])
    assert not list(tmp_path.glob("m.*"))

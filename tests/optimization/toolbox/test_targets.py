"""Where results are written: never in place of a device or a pipe, nor of what they are made from."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from core.optimization.toolbox.targets import is_same, target_of, write_whole
from core.utils.errors import OptimizationError


def test_a_pipe_or_a_folder_is_no_target(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for taken in (tmp_path / "pipe", tmp_path, Path(os.devnull)):
        with pytest.raises(OptimizationError, match="is no file but a device, a pipe or a folder; name a file"):
            target_of(taken)
    assert target_of(tmp_path / "new") == tmp_path / "new"


def test_a_link_is_written_through(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert target_of(tmp_path / "link") == (tmp_path / "real").resolve()
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    with pytest.raises(OptimizationError, match="cannot be written"):
        target_of(tmp_path / "circle")


def test_the_source_is_no_target(tmp_path: Path) -> None:
    source, other = tmp_path / "source", tmp_path / "other"
    source.write_text("weights", encoding="utf-8")
    (tmp_path / "link").symlink_to(source)
    for one in (source, tmp_path / "link"):
        with pytest.raises(OptimizationError, match="is what the result is made from; name another file"):
            target_of(one, source)
    assert target_of(other, source) == other
    assert is_same(source, tmp_path), "in the folder of the model"
    assert not is_same(other, tmp_path), "a new file beside the model's own takes nothing away"


def test_written_files_leave_a_pipe_alone(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the extra full is missing: torch")
    from core.optimization.toolbox.artifact import save_quantized
    from core.optimization.toolbox.pruned_files import save_pruned
    from core.optimization.toolbox.quantization import ModelQuantizer
    from core.optimization.toolbox.quantization_config import QuantizationConfig

    model, pipe = torch.nn.Sequential(torch.nn.Linear(32, 32)), tmp_path / "pipe"
    os.mkfifo(pipe)
    quantized = ModelQuantizer(QuantizationConfig("int8_weight")).quantize(model)  # type: ignore[arg-type]
    for save, one in ((save_quantized, quantized), (save_pruned, model)):
        with pytest.raises(OptimizationError, match="is no file but a device"):
            save(one, pipe)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_graphs_and_engines_leave_their_source_alone(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the extra full is missing: torch")
    pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
    from core.optimization.toolbox.onnx_export import export_to_onnx
    from core.optimization.toolbox.onnx_quantize import quantize_onnx
    from core.optimization.toolbox.tensorrt import TensorRTOptimizer

    graph, example, pipe = tmp_path / "m.onnx", torch.randn(2, 8), tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OptimizationError, match="is no file but a device"):
        export_to_onnx(torch.nn.Linear(8, 8), pipe, example)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    export_to_onnx(torch.nn.Linear(8, 8), graph, example)
    before = graph.read_bytes()
    with pytest.raises(OptimizationError, match="is what the result is made from"):
        quantize_onnx(graph, graph, [{"input": example.numpy()}])
    with pytest.raises(OptimizationError, match="is what the result is made from"):
        TensorRTOptimizer().optimize_from_onnx(graph, graph, {"input": (2, 8)})
    assert graph.read_bytes() == before


def test_what_another_program_has_just_finished_is_in_nobodys_way(tmp_path: Path) -> None:
    from core.optimization.toolbox.onnx_files import PREFIX, sweep

    target, gone = tmp_path / "small.safetensors", tmp_path / "gone"
    for name in (f"{target.name}.11.part", f"{PREFIX}other"):
        (tmp_path / name).symlink_to(gone)  # listed, and no longer there when it is looked at
    write_whole(target, lambda to: to.write_bytes(b"weights"))
    sweep(tmp_path, PREFIX)
    assert target.read_bytes() == b"weights"

"""Exported models compute what PyTorch computes, at any size; what cannot be exported is named and spoils nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra full is missing: torch")
for _package in ("onnxscript", "onnxoptimizer", "onnxruntime"):
    pytest.importorskip(_package, reason=f"the extra toolbox is missing: {_package}")

from torch import Tensor, nn  # noqa: E402

from core.optimization import ONNXExportConfig, ONNXExporter, export_to_onnx  # noqa: E402
from core.optimization.toolbox.graph_pass import GraphPass  # noqa: E402
from core.optimization.toolbox.onnx_files import move_into_place, read_model, workshop, write_model  # noqa: E402
from core.optimization.toolbox.onnx_information import model_information  # noqa: E402
from core.optimization.toolbox.onnx_model import OnnxModel  # noqa: E402
from core.optimization.toolbox.onnx_runtime import benchmark_onnx, open_session, run_session  # noqa: E402
from core.optimization.toolbox.onnx_verify import difference  # noqa: E402
from core.utils.errors import ExportError, InferenceError, ModelLoadError  # noqa: E402
from tests.optimization.toolbox.external_graphs import external_model, numbers_of, put_external  # noqa: E402
from tests.optimization.toolbox.small_graphs import GRAPHS, save  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]


class ConvNet(nn.Module):
    """Conv, BatchNorm, Dropout, a chunk, Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.drop(torch.relu(self.norm(self.conv(x)))).mean((2, 3)).chunk(2, -1)
        return self.out(torch.cat((second, first), -1))


class Encoder(nn.Module):
    """Ids and a mask by name, two outputs, one a count."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 8)
        self.norm = nn.LayerNorm(8)

    def forward(self, tokens: Tensor, mask: Tensor | None = None, scale: float = 1.0) -> dict[str, Tensor]:
        x = self.norm(self.embed(tokens)) * scale
        if mask is not None:
            x = x * mask[..., None]
        return {"features": x, "length": (tokens > 0).sum(-1)}


class Several(nn.Module):
    def forward(self, *parts: Tensor) -> Tensor:
        return torch.cat(parts, -1)


class Branches(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + 1 if x.sum() > 0 else x - 1


class NoOperator(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.linalg.eigvals(x).real


class LeavesTorch(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tensor(x.numpy() + 1)


class FixedRows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(2, 8)


class AtMostSix(nn.Module):
    """Refuses longer inputs in PyTorch already."""

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1] > 6:
            raise ValueError("more than 6 places")
        return x.cumsum(1)


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Any:
    torch.manual_seed(1)
    model = ConvNet()
    model.conv.eval()
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    weights = {name: one.clone() for name, one in model.state_dict().items()}
    exporter = ONNXExporter(ONNXExportConfig(optimize=True, verify_export=True, verify_sizes={"batch": 5}))
    report = exporter.export(
        model, torch.randn(1, 3, 8, 8), path, dynamic_axes={"input": {0: "batch", 2: "height"}, "output": {0: "batch"}}
    )
    return model, weights, report


def test_a_convolution_net_is_verified_at_other_sizes_and_left_as_it_was(exported: Any) -> None:
    model, weights, report = exported
    assert report["verified"] is True
    assert [dict(one.sizes) for one in report.verifications] == [{}, {"batch": 5}, {"height": 9}]
    assert report.largest_difference < 1e-5
    assert model.training
    assert not model.conv.training
    assert all(torch.equal(one, weights[name]) for name, one in model.state_dict().items())


def test_what_the_passes_did_is_told(exported: Any) -> None:
    report = exported[2]
    told = {one["name"]: one["changed"] for one in report.as_json()["passes"]}
    assert told["batch-norm-into-convolution"] == {"BatchNormalization": -1, "initialisers": -4}
    assert told["sequences-to-split"] == {"SequenceAt": -2, "Split": 1, "SplitToSequence": -1, "initialisers": -2}
    lines = report.lines()
    assert lines[0].startswith(f"{report.path}: opset 18, {report.nodes} nodes, ")
    assert lines[-1].startswith("  height=9: differs from PyTorch by ")
    with pytest.raises(KeyError, match="an export report has no 'verifed'; it has path, verified"):
        report["verifed"]


def test_information_tells_what_is_in_the_file(exported: Any) -> None:
    report = exported[2]
    found = model_information(report.path)
    assert [(one.name, one.shape) for one in found.inputs] == [("input", ("batch", 3, "height", 8))]
    assert [(one.name, one.type, one.shape) for one in found.outputs] == [("output", "float", ("batch", 2))]
    assert found.opset == 18
    assert found.nodes["Conv"] == 1
    assert found.file_bytes == report.path.stat().st_size
    assert not found.quantised
    assert found.as_json()["parameters"] == report.parameters >= 112 + 10


def test_an_exported_model_is_called_like_a_module_and_timed(exported: Any) -> None:
    model, _, report = exported
    x = torch.randn(2, 3, 10, 8)
    once = OnnxModel(report.path)
    model.eval()
    torch.testing.assert_close(once(x), model(x).detach())
    torch.testing.assert_close(once(input=x), once(x))
    torch.testing.assert_close(once(x.numpy()), once(x))
    model.train()
    assert once.size_bytes == report.size_bytes
    with pytest.raises(InferenceError, match=r"takes 1 inputs \(input\), not 2"):
        once(x, x)
    found = benchmark_onnx(str(report.path), {"input": x.numpy()}, iterations=3)
    assert found.iterations == 3
    assert 0 < found.min_ms <= found.p50_ms <= found.p95_ms
    with pytest.raises(ValueError, match="iterations 0"):
        benchmark_onnx(report.path, {"input": x.numpy()}, iterations=0)


def test_inputs_by_name_and_several_outputs(tmp_path: Path) -> None:
    inputs = {"tokens": torch.randint(1, 20, (2, 5)), "mask": torch.ones(2, 5), "scale": 2.0}
    axes = {"tokens": {0: "batch", 1: "length"}, "mask": {0: "batch", -1: "length"}}
    report = export_to_onnx(
        Encoder(), tmp_path / "e.onnx", inputs, dynamic_axes=axes, output_names=("features", "length")
    )
    assert report.verified
    assert len(report.verifications) == 3
    found = model_information(report.path)
    assert [one.name for one in found.outputs] == ["features", "length"]
    assert [one.shape for one in found.inputs] == [("batch", "length"), ("batch", "length")]


def test_tensors_given_one_after_another(tmp_path: Path) -> None:
    parts = (torch.randn(2, 3), torch.randn(2, 4))
    report = export_to_onnx(
        Several(), tmp_path / "s.onnx", parts, input_names=("a", "b"), dynamic_axes={"a": [1]}, opset=20
    )
    assert report.verified
    assert report.opset == 20
    assert [one.shape for one in model_information(report.path).inputs] == [(2, "a_1"), (2, 4)]


def test_a_size_that_the_model_itself_refuses_is_told_not_counted(tmp_path: Path) -> None:
    model, axes = AtMostSix(), {"input": {0: "batch", 1: "length"}}
    report = export_to_onnx(model, tmp_path / "m.onnx", torch.randn(2, 6), dynamic_axes=axes)
    assert report.verified
    assert [one.skipped for one in report.verifications[:2]] == ["", ""]
    assert report.verifications[2].skipped == "PyTorch's model itself refuses it (more than 6 places)"


def test_without_passes_and_without_verification(tmp_path: Path) -> None:
    report = export_to_onnx(
        ConvNet(), tmp_path / "m.onnx", torch.randn(1, 3, 8, 8), optimize=False, verify_export=False
    )
    assert report["verified"] is False
    assert report.passes == ()
    assert report.lines()[-1] == "  not compared with PyTorch: verify_export is off"
    assert model_information(report.path).nodes["BatchNormalization"] == 1


def test_weights_beyond_the_limit_lie_in_a_file_of_their_own(tmp_path: Path) -> None:
    report = export_to_onnx(ConvNet(), tmp_path / "big.onnx", torch.randn(1, 3, 8, 8), external_limit_bytes=100)
    assert report.verified
    assert report.external_data == tmp_path / "big.onnx.data"
    assert sorted(one.name for one in tmp_path.iterdir()) == ["big.onnx", "big.onnx.data"]
    assert model_information(report.path).external_files == ("big.onnx.data",)
    content = report.external_data.read_bytes()
    report.external_data.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelLoadError, match=r"its weights big\.onnx\.data are cut off"):
        model_information(report.path)
    report.external_data.unlink()
    with pytest.raises(ModelLoadError, match=r"big\.onnx\.data are missing; keep both files together"):
        model_information(report.path)


def names_in(folder: Path) -> list[str]:
    return sorted(one.name for one in folder.iterdir())


def test_a_second_export_takes_the_first_one_s_weights_away(tmp_path: Path) -> None:
    path, other = tmp_path / "m.onnx", tmp_path / "m.onnx.mydata"
    other.write_text("somebody's")
    assert put_external(path, 1) == tmp_path / "m.onnx.data"
    stray = tmp_path / "m.onnx.0123abcd.data"
    stray.write_text("of an export that puts its graph into place now")
    data = put_external(path, 2)
    assert data is not None
    assert names_in(tmp_path) == sorted(["m.onnx", data.name, stray.name, other.name])
    assert numbers_of(path) == (2, 2)
    with workshop(path) as folder:
        write_model(external_model(3), folder / "m.onnx", False, path)
        assert move_into_place(folder / "m.onnx", path) is None
    assert names_in(tmp_path) == sorted(["m.onnx", stray.name, other.name])


def test_weights_of_the_same_name_written_meanwhile_are_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with workshop(path) as folder:
        written = write_model(external_model(1), folder / "m.onnx", True, path)
        put_external(path, 2)
        with pytest.raises(ExportError, match=r"m\.onnx\.data was written by another export meanwhile"):
            move_into_place(folder / "m.onnx", path, written)
    assert numbers_of(path) == (2, 2)


def test_an_export_killed_while_it_moves_leaves_a_graph_with_its_own_weights(tmp_path: Path) -> None:
    """Killed at each renaming and removal in turn, in children of one process."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork here")
    command = [sys.executable, "-W", "ignore", "-m", "tests.optimization.toolbox.external_graphs"]
    done = subprocess.run([*command, str(tmp_path / "m.onnx")], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == ["9 1 1", "9 1 1", "9 2 2"], done.stderr


def test_one_file_asked_for_and_too_small_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"do not fit into one ONNX file, which ends at 2 GB"):
        export_to_onnx(
            nn.Linear(8, 8), tmp_path / "m.onnx", torch.randn(1, 8), external_data=False, external_limit_bytes=99
        )


@pytest.mark.parametrize(
    ("model", "axes", "message"),
    [
        (
            Branches(),
            None,
            r"Branches does not trace: .* depends on the values of a tensor .*torch\.where or torch\.cond",
        ),
        (NoOperator(), None, r"NoOperator uses what ONNX does not have: the operator aten\.linalg_eig"),
        (LeavesTorch(), None, r"LeavesTorch does not trace: .*numpy"),
        (
            FixedRows(),
            {"input": {0: "rows"}},
            r"FixedRows fixes the size of an axis that dynamic_axes lets vary \(rows\)",
        ),
        (ConvNet(), None, r"ConvNet fails on the example input"),
        (Several(), {"part": {0: "rows"}}, r"dynamic_axes: there is no input 'part'; there are input"),
        (Several(), {"input": {2: "rows"}}, r"'input' has 2 axes, so none is 2"),
    ],
)
def test_what_cannot_be_exported_is_named_and_an_old_file_stays(
    tmp_path: Path, model: nn.Module, axes: Any, message: str
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"an older export")
    with pytest.raises(ExportError, match=message):
        export_to_onnx(model, path, torch.randn(4, 4), dynamic_axes=axes)
    assert path.read_bytes() == b"an older export"
    assert [one.name for one in tmp_path.iterdir()] == ["model.onnx"]
    assert model.training


class Counting(nn.Module):
    """Changes a buffer of its own with each call."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        self.calls = self.calls + 1
        y = x * self.calls
        return y, y, x, self.calls


class Complex(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft(x)


def test_an_export_that_failed_leaves_no_trace_on_the_example(tmp_path: Path) -> None:
    model, example = nn.Linear(4, 4), torch.randn(2, 4)
    with pytest.raises(ExportError, match="fixes the size of an axis"):
        export_to_onnx(model, tmp_path / "m.onnx", example, dynamic_axes={"input": [0, 1]})
    assert not vars(example)
    assert export_to_onnx(model, tmp_path / "m.onnx", example).verified


def test_outputs_that_are_one_another_or_the_input_have_names_of_their_own_and_buffers_stay(tmp_path: Path) -> None:
    model = Counting()
    report = export_to_onnx(model, tmp_path / "m.onnx", torch.randn(2, 3), dynamic_axes={"input": {0: "rows"}})
    assert report.verified
    assert [one.name for one in model_information(report.path).outputs] == [f"output_{place}" for place in range(4)]
    assert float(model.calls) == 0


@pytest.mark.parametrize(
    ("model", "example", "options", "message"),
    [
        (torch.relu, torch.randn(2), {}, r"cannot be exported: give a torch\.nn\.Module"),
        ("resnet18", torch.randn(2), {}, r"a str cannot be exported: give a torch\.nn\.Module"),
        (nn.ReLU(), torch.randn(2), {"dynamic_axes": True}, r"dynamic_axes=True: give"),
        (nn.ReLU(), torch.randn(2), {"dynamic_axes": {"input": 0}}, r"dynamic_axes\['input'\]=0: give \{axis: name\}"),
        (Complex(), torch.randn(2, 8), {}, r"Complex gives complex numbers, which ONNX has not"),
        (
            nn.Linear(4, 4).bfloat16(),
            torch.randn(2, 4).bfloat16(),
            {},
            r"m\.onnx: ONNX Runtime, which compares it with PyTorch, cannot run it here .*=False, .* --no-verify",
        ),
    ],
)
def test_other_things_than_models_and_axes_are_named(
    tmp_path: Path, model: Any, example: Tensor, options: Any, message: str
) -> None:
    with pytest.raises(ExportError, match=message):
        export_to_onnx(model, tmp_path / "m.onnx", example, **options)
    assert not any(tmp_path.iterdir())


def test_a_pass_that_makes_other_numbers_is_found_by_the_verification(tmp_path: Path) -> None:
    def spoil(graph: Any) -> Any:
        for node in graph.graph:
            if node.op_type == "Relu":
                node.op_type = "Abs"
        return graph

    passes = (GraphPass("spoil", "Relu becomes Abs", "merline", spoil),)
    with pytest.raises(ExportError, match=r"at the example input ONNX Runtime differs from PyTorch by .* tolerance 0"):
        ONNXExporter(passes=passes).export(nn.ReLU(), torch.randn(2, 9), tmp_path / "m.onnx")
    assert not any(tmp_path.iterdir())


def test_eager_int8_does_not_export_and_the_cure_is_named(tmp_path: Path) -> None:
    from core.optimization.dynamic_int8 import quantize_dynamic
    from core.optimization.toolbox.quick import to_dynamic_int8

    for small in (
        quantize_dynamic(torch, nn.Sequential(nn.Linear(4, 4))).model,
        to_dynamic_int8(nn.Sequential(nn.Linear(4, 4))),
    ):
        with pytest.raises(ExportError, match=r"does not export: export the float model, then quantise the graph"):
            export_to_onnx(small, tmp_path / "m.onnx", torch.randn(1, 4))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"opset": 9}, r"opset 9: torch's exporter writes 18 to 25"),
        ({"tolerance": 0.0}, r"tolerance 0\.0: give a number above 0"),
        ({"opsett": 18}, r"unexpected keyword argument 'opsett'.*fields of ONNXExportConfig"),
        ({"input_names": ("a", "b")}, r"the example holds 1 tensors"),
        ({"output_names": ("a", "b")}, r"gives 1 tensors; name each"),
        ({"verify_sizes": {"rows": 3}}, r"verify_sizes: rows=3; dynamic axes are none"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        export_to_onnx(nn.Linear(4, 4), tmp_path / "m.onnx", torch.randn(1, 4), **options)


def test_an_example_is_needed_and_may_be_the_models_own(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = nn.Linear(4, 4)
    with pytest.raises(ExportError, match=r"Linear: give dummy_input, an example"):
        export_to_onnx(model, tmp_path / "m.onnx")
    with pytest.raises(ExportError, match=r"the example input does not fit Linear\.forward"):
        export_to_onnx(model, tmp_path / "m.onnx", {"x": torch.randn(1, 4)})
    with pytest.raises(ExportError, match=r"holds no tensor"):
        export_to_onnx(model, tmp_path / "m.onnx", 3)
    model.example_input = torch.randn(1, 4)  # type: ignore[assignment]
    capfd.readouterr()
    assert export_to_onnx(model, tmp_path / "m.onnx").verified
    assert capfd.readouterr() == ("", "")


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    whole = save(GRAPHS["batch-norm-into-convolution"].model(), tmp_path / "m.onnx")
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(whole.read_bytes()[:-40])
    empty = tmp_path / "empty.onnx"
    empty.touch()
    for path in (cut, empty, ROOT / "pyproject.toml"):
        with pytest.raises(ModelLoadError, match=r"no ONNX model"):
            read_model(path)
    with pytest.raises(ModelLoadError, match=r"there is no such file; export the model first"):
        open_session(tmp_path / "absent.onnx")
    with pytest.raises(ModelLoadError, match=r"ONNX Runtime cannot use it"):
        open_session(cut)
    with pytest.raises(InferenceError, match=r"the ONNX model failed on \['z'\].*it takes x\[1, 2, 6, 6\]"):
        run_session(open_session(whole), {"z": np.zeros((1, 2, 6, 6), np.float32)})


def test_a_full_disk_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    """The system's limit on a file's size, in a process of its own, stands in for the full disk."""
    code = (
        "import resource, signal, sys, warnings; warnings.simplefilter('ignore')\n"
        "from pathlib import Path\n"
        "import numpy as np, onnx_ir as ir\n"
        "from core.optimization.toolbox.onnx_files import write_model\n"
        "from core.utils.errors import ExportError\n"
        "weight = ir.val('w', const_value=ir.tensor(np.ones(50000, np.float32), name='w'))\n"
        "graph = ir.Graph([], [weight], nodes=[], initializers=[weight], opset_imports={'': 18}, name='g')\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_model(ir.Model(graph, ir_version=10), Path(sys.argv[1]), False)\n"
        "except ExportError as error:\n"
        "    print(error)\n"
    )
    if os.name == "nt":
        pytest.skip("Windows has no limit on a file's size")
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "m.onnx")], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert "cannot be written (File too large): make room, or choose another place" in done.stdout, done.stderr


def test_no_room_is_found_out_before_writing(tmp_path: Path) -> None:
    class Huge:
        """A model of more bytes than any disk has."""

        def graphs(self) -> list[Any]:
            weight = type("Value", (), {"const_value": type("Weight", (), {"nbytes": 2**62})})
            return [type("Graph", (), {"initializers": {"w": weight}})]

    with pytest.raises(ExportError, match=r"/wanted\.onnx: .* MB are needed and .* MB are free: make room"):
        write_model(Huge(), tmp_path / "m.onnx", False, tmp_path / "wanted.onnx")


def test_difference_knows_shapes_nan_and_infinity() -> None:
    one = np.array([1.0, 200.0, np.nan, np.inf])
    assert difference([one], [one.copy()]) == 0.0
    assert difference([one], [np.array([1.0, 201.0, np.nan, np.inf])]) == pytest.approx(1 / 200)
    assert difference([one], [np.array([1.0, 200.0, 0.0, np.inf])]) == float("inf")
    assert difference([one], [one[:3]]) == float("inf")
    assert difference([one], []) == float("inf")
    assert difference([np.zeros(0)], [np.zeros(0)]) == 0.0


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16", "int64", "bool"])
def test_large_weights_are_written_one_after_the_other_and_read_by_onnx_itself(tmp_path: Path, kind: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import onnx
        import onnx_ir as ir
    weight = torch.arange(2**17).remainder(7).reshape(2**9, 2**8).to(getattr(torch, kind))
    tensor = ir.tensor(weight, name="w")
    value, small = ir.val("w", const_value=tensor), ir.val("s", const_value=ir.tensor([1, 2], name="s"))
    nodes = [ir.node("Shape", inputs=[value]), ir.node("Identity", inputs=[small])]
    graph = ir.Graph(
        [], [one.outputs[0] for one in nodes], nodes=nodes, initializers=[value, small], opset_imports={"": 18}
    )
    model = ir.Model(graph, ir_version=10, producer_name="merline")
    path = tmp_path / "m.onnx"
    write_model(model, path, False)
    assert set(model.graph.initializers) == {"w", "s"}
    read = onnx.load(path)
    assert read.producer_name == "merline"
    assert {one.name: tuple(one.dims) for one in read.graph.initializer} == {"w": (2**9, 2**8), "s": (2,)}
    found = read_model(path).graph.initializers["w"].const_value
    assert found.dtype == tensor.dtype
    assert found.tobytes() == tensor.tobytes()


def test_what_a_killed_export_left_is_taken_away_a_day_later(tmp_path: Path) -> None:
    old, fresh = tmp_path / ".onnx-old", tmp_path / ".onnx-fresh"
    for left in (old, fresh):
        left.mkdir()
        (left / "m.onnx").write_bytes(b"half")
    for one in (old / "m.onnx", old, fresh):
        os.utime(one, (0, 0))  # in `fresh` a file is still written to
    with workshop(tmp_path / "m.onnx"):
        assert len(list(tmp_path.iterdir())) == 2
    assert list(tmp_path.iterdir()) == [fresh]

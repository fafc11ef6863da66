"""Small ONNX graphs from onnx's own text, one for each pass; they run without ONNX Runtime's optimisations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS = np.random.default_rng(5)


@dataclass(frozen=True, slots=True)
class SmallGraph:
    """A graph with one thing for one pass to do, and what that should come to."""

    inputs: str
    body: str
    expected: Mapping[str, int]
    """operator -> nodes more or fewer, "initialisers" among them"""
    weights: Mapping[str, Any] = field(default_factory=dict)
    output: str = "float[] y"

    def model(self, opset: int = 18) -> Any:
        """As an onnx.ModelProto."""
        import onnx
        from onnx import numpy_helper, parser

        head = '<ir_version: 9, opset_import: ["" : OPSET]>'.replace("OPSET", str(opset))
        model = parser.parse_model(f"{head} small ({self.inputs}) => ({self.output}) {{ {self.body} }}")
        for name, value in self.weights.items():
            model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        for one in model.graph.output:
            one.type.tensor_type.ClearField("shape")
        return onnx.shape_inference.infer_shapes(model)


def run(model: Any, seed: int = 3) -> list[Any]:
    """The outputs for random inputs of the graph's shapes, dynamic axes at 2."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    random = np.random.default_rng(seed)
    feeds = {
        one.name: random.standard_normal([size if isinstance(size, int) else 2 for size in one.shape], np.float32)
        for one in session.get_inputs()
    }
    return list(session.run(None, feeds))


def save(model: Any, path: Path) -> Path:
    """Written to `path`."""
    path.write_bytes(model.SerializeToString())
    return path


def _random(*shape: int) -> Any:
    return WEIGHTS.standard_normal(shape).astype(np.float32)


def _ints(*values: int) -> Any:
    return np.array(values, np.int64)


_IMAGE = "float[1,2,6,6] x"
_KERNEL = {"w": _random(3, 2, 3, 3), "b": _random(3)}
GRAPHS = {
    "constants-to-initialisers": SmallGraph(
        "float[2,3] x",
        "c = Constant <value = float[3] {1.0, 2.0, 3.0}> () y = Add(x, c)",
        {"Constant": -1, "initialisers": 1},
    ),
    "cast-like-to-cast": SmallGraph(
        "float[2,3] x",
        "i = Cast <to = 7> (x) z = CastLike(x, x) f = CastLike(i, z) y = Add(f, z)",
        {"CastLike": -2, "Cast": 1},
    ),
    "sequences-to-split": SmallGraph(
        "float[2,4] x",
        "s = SplitToSequence <axis = 1> (x, two) a = SequenceAt(s, zero) b = SequenceAt(s, one) y = Sub(b, a)",
        {"SplitToSequence": -1, "SequenceAt": -2, "Split": 1, "initialisers": -2},
        {"zero": np.int64(0), "one": np.int64(1), "two": np.int64(2)},
    ),
    "constant-folding": SmallGraph("float[2,3] x", "a = Add(w, w) y = Mul(x, a)", {"Add": -1}, {"w": _random(3)}),
    "identity-elimination": SmallGraph("float[2,3] x", "i = Identity(x) y = Relu(i)", {"Identity": -1}),
    "batch-norm-into-convolution": SmallGraph(
        _IMAGE,
        "c = Conv(x, w, b) y = BatchNormalization(c, scale, shift, mean, var)",
        {"BatchNormalization": -1, "initialisers": -4},
        _KERNEL | {"scale": _random(3), "shift": _random(3), "mean": _random(3), "var": np.float32([0.5, 1.0, 2.0])},
    ),
    "scale-into-convolution": SmallGraph(
        _IMAGE,
        "c = Conv(x, w, b) m = Mul(c, s) y = Add(m, o)",
        {"Mul": -1, "Add": -1, "initialisers": -2},
        _KERNEL | {"s": np.float32(1.5), "o": np.float32(0.25)},
    ),
    "bias-into-convolution": SmallGraph(
        _IMAGE,
        "c = Conv(x, w) y = Add(c, bias)",
        {"Add": -1},
        {"w": _KERNEL["w"], "bias": _random(1, 3, 1, 1)},
    ),
    "pad-into-convolution": SmallGraph(
        _IMAGE,
        "p = Pad(x, pads) y = Conv(p, w, b)",
        {"Pad": -1, "initialisers": -1},
        _KERNEL | {"pads": _ints(0, 0, 1, 1, 0, 0, 1, 1)},
    ),
    "consecutive-transposes": SmallGraph(
        "float[2,3,4] x",
        "a = Transpose <perm = [1, 0, 2]> (x) b = Transpose <perm = [0, 2, 1]> (a) y = Relu(b)",
        {"Transpose": -1},
    ),
    "consecutive-reshapes": SmallGraph(
        "float[2,3,4] x",
        "a = Reshape(x, one) b = Reshape(a, two) y = Relu(b)",
        {"Reshape": -1, "initialisers": -1},
        {"one": _ints(6, 4), "two": _ints(4, 6)},
    ),
    "no-op-reshapes": SmallGraph(
        "float[2,3] x", "a = Reshape(x, same) y = Relu(a)", {"Reshape": -1, "initialisers": -1}, {"same": _ints(2, 3)}
    ),
    "consecutive-unsqueezes": SmallGraph(
        "float[2,3] x",
        "a = Unsqueeze(x, first) b = Unsqueeze(a, second) y = Relu(b)",
        {"Unsqueeze": -1, "initialisers": -1},
        {"first": _ints(0), "second": _ints(1)},
    ),
    "consecutive-squeezes": SmallGraph(
        "float[2,3] x",
        "a = Unsqueeze(x, axes) b = Squeeze(a, axes) y = Relu(b)",
        {"Unsqueeze": -1, "Squeeze": -1, "initialisers": -1},
        {"axes": _ints(1)},
    ),
    "consecutive-casts": SmallGraph("float[2,3] x", "a = Cast <to = 1> (x) y = Relu(a)", {"Cast": -1}),
    "clips-and-relus": SmallGraph("float[2,3] x", "a = Relu(x) y = Relu(a)", {"Relu": -1}),
    "matmul-add-to-gemm": SmallGraph(
        "float[2,3] x",
        "m = MatMul(x, w) y = Add(m, b)",
        {"MatMul": -1, "Add": -1, "Gemm": 1},
        {"w": _random(3, 4), "b": _random(4)},
    ),
    "transpose-into-gemm": SmallGraph(
        "float[2,3] x, float[4,3] z",
        "t = Transpose <perm = [1, 0]> (z) m = MatMul(x, t) y = Add(m, b)",
        {"MatMul": -1, "Add": -1, "Transpose": -1, "Gemm": 1},
        {"b": _random(4)},
    ),
    "neutral-arithmetic": SmallGraph(
        "float[2,3] x", "a = Mul(x, one) y = Relu(a)", {"Mul": -1, "initialisers": -1}, {"one": np.float32(1)}
    ),
    "neutral-additions": SmallGraph(
        "float[2,3] x", "a = Add(x, zero) y = Relu(a)", {"Add": -1, "initialisers": -1}, {"zero": np.float32(0)}
    ),
    "reciprocal-to-division": SmallGraph(
        "float[2,3] x, float[2,3] z",
        "a = Abs(z) r = Reciprocal(a) y = Mul(x, r)",
        {"Reciprocal": -1, "Mul": -1, "Div": 1},
    ),
    "dropout-elimination": SmallGraph(
        "float[2,3] x",
        "d = Dropout(x, ratio) y = Relu(d)",
        {"Dropout": -1, "initialisers": -1},
        {"ratio": np.float32(0.5)},
    ),
    "whole-slices": SmallGraph(
        "float[2,3] x",
        "a = Slice(x, from, to, axes, steps) y = Relu(a)",
        {"Slice": -1, "initialisers": -4},
        {"from": _ints(0), "to": _ints(2**63 - 1), "axes": _ints(0), "steps": _ints(1)},
    ),
    "no-op-expands": SmallGraph(
        "float[2,3] x", "a = Expand(x, shape) y = Relu(a)", {"Expand": -1, "initialisers": -1}, {"shape": _ints(2, 3)}
    ),
    "single-concats": SmallGraph("float[2,3] x", "a = Concat <axis = 0> (x) y = Relu(a)", {"Concat": -1}),
    "consecutive-concats": SmallGraph(
        "float[2,3] x, float[2,3] z, float[2,3] w",
        "a = Concat <axis = 1> (x, z) y = Concat <axis = 1> (a, w)",
        {"Concat": -1},
    ),
    "einsum-to-matmul": SmallGraph(
        "float[2,3] x, float[3,4] z", 'y = Einsum <equation = "ij,jk->ik"> (x, z)', {"Einsum": -1, "MatMul": 1}
    ),
    "common-subexpressions": SmallGraph("float[2,3] x", "a = Relu(x) b = Relu(x) y = Add(a, b)", {"Relu": -1}),
    "duplicate-initialisers": SmallGraph(
        "float[2,3] x",
        "a = Add(x, v) y = Mul(a, w)",
        {"initialisers": -1},
        {"v": np.float32([1, 2, 3]), "w": np.float32([1, 2, 3])},
    ),
    "unused-nodes": SmallGraph("float[2,3] x", "dead = Exp(x) y = Relu(x)", {"Exp": -1}),
    "unused-initialisers": SmallGraph("float[2,3] x", "y = Relu(x)", {"initialisers": -1}, {"dead": _random(3)}),
}

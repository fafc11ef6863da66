"""Every graph pass does what its small graph asks for, changes no number, and harms nothing where it fails."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("onnxscript", reason="the extra toolbox is missing: onnxscript")
pytest.importorskip("onnxoptimizer", reason="the extra toolbox is missing: onnxoptimizer")
ort = pytest.importorskip("onnxruntime", reason="the extra toolbox is missing: onnxruntime")

from core.optimization.toolbox.graph_pass import GraphPass  # noqa: E402
from core.optimization.toolbox.onnx_passes import library  # noqa: E402
from core.optimization.toolbox.onnx_passes.table import PASSES, count, run_passes  # noqa: E402
from tests.optimization.toolbox.small_graphs import GRAPHS, run  # noqa: E402

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import onnx
    import onnx_ir as ir

BY_NAME = {one.name: one for one in PASSES}


def test_there_are_at_least_15_passes_and_a_graph_for_each() -> None:
    assert len(PASSES) >= 15
    assert {one.name for one in PASSES} == set(GRAPHS)
    assert {one.source for one in PASSES} == {"merline", "onnx-ir", "onnxscript", "onnxoptimizer"}


@pytest.mark.parametrize("name", GRAPHS)
def test_a_pass_does_its_work_and_the_numbers_stay(name: str) -> None:
    small = GRAPHS[name]
    before = small.model()
    model, records = run_passes(ir.from_proto(before), [BY_NAME[name]])
    assert records[0].left_out == ""
    assert records[0].differences == small.expected
    after = ir.to_proto(model)
    onnx.checker.check_model(after)
    for one, other in zip(run(before), run(after), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["sequences-to-split", "scale-into-convolution", "transpose-into-gemm", "unused-nodes"]
)
def test_all_passes_together_leave_the_numbers_of_every_graph(name: str) -> None:
    before = GRAPHS[name].model()
    model, records = run_passes(ir.from_proto(before))
    assert [one.line() for one in records if one.left_out] == []
    for one, other in zip(run(before), run(ir.to_proto(model)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_pass_does_nothing_where_there_is_nothing_to_do() -> None:
    before = ir.from_proto(GRAPHS["identity-elimination"].model())
    counted = count(before)
    for name in ("consecutive-transposes", "sequences-to-split", "einsum-to-matmul"):
        model, records = run_passes(before, [BY_NAME[name]])
        assert not records[0].changed
        assert count(model) == counted


def _breaks(model: object) -> object:
    model.graph.remove(next(iter(model.graph)))  # type: ignore[attr-defined]
    raise ValueError("it broke half way")


def test_a_pass_that_fails_is_undone_and_named() -> None:
    small = GRAPHS["identity-elimination"]
    broken = GraphPass("broken", "fails", "merline", _breaks)
    model, records = run_passes(ir.from_proto(small.model()), [broken, BY_NAME["identity-elimination"]])
    assert records[0].left_out == "ValueError: it broke half way"
    assert records[0].line() == "broken: left out: ValueError: it broke half way"
    assert records[1].differences == {"Identity": -1}
    np.testing.assert_array_equal(run(small.model())[0], run(ir.to_proto(model))[0])


def test_a_pass_after_which_the_outputs_are_wrong_is_undone() -> None:
    before = GRAPHS["clips-and-relus"].model()
    model, records = run_passes(ir.from_proto(before), [BY_NAME["clips-and-relus"]], still_right=lambda graph: False)
    assert records[0].left_out == "the outputs changed"
    assert not records[0].changed
    assert count(model).nodes == {"Relu": 2}


def test_records_add_up_over_rounds() -> None:
    records = run_passes(ir.from_proto(GRAPHS["scale-into-convolution"].model()))[1]
    told = {one.name: one for one in records}["scale-into-convolution"]
    assert told.as_json()["changed"] == {"Add": -1, "Mul": -1, "initialisers": -2}
    assert told.line() == "scale-into-convolution: 3 -> 1 nodes (Add -1, Mul -1, initialisers -2)"


def test_large_weights_go_round_onnxoptimizer_and_come_back() -> None:
    small = GRAPHS["bias-into-convolution"]
    before = small.model()
    graph = ir.from_proto(before)
    assert graph.graph.initializers["w"].const_value.nbytes == 216
    library_limit, library.LOOKED_INTO_BYTES = library.LOOKED_INTO_BYTES, 100
    try:
        model = BY_NAME["bias-into-convolution"].run(graph)
    finally:
        library.LOOKED_INTO_BYTES = library_limit
    assert [one.name for one in model.graph.inputs] == ["x"]
    assert count(model).nodes["Conv"] == 1
    np.testing.assert_allclose(run(before)[0], run(ir.to_proto(model))[0], rtol=1e-5, atol=1e-6)


def test_a_pass_without_its_operators_is_not_run_and_a_graph_that_stays_is_copied_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graph = ir.from_proto(GRAPHS["clips-and-relus"].model())
    ran, copies = [], []
    looks = GraphPass("looks", "", "merline", lambda model: ran.append("looks") or model)
    misses = GraphPass("misses", "", "merline", lambda model: ran.append("misses") or model, frozenset({"Einsum"}))
    clone = ir.Model.clone
    monkeypatch.setattr(ir.Model, "clone", lambda self, *options: copies.append(1) or clone(self, *options))
    _, records = run_passes(graph, [looks, misses, looks])
    assert ran == ["looks"]
    assert len(copies) == 1
    assert records[1].before.total == 2
    assert not records[1].changed


def test_equal_weights_of_any_size_are_kept_once_and_others_are_not_mixed_up() -> None:
    large = np.arange(2**18, dtype=np.float32)
    other, zeros = large.copy(), np.zeros(4, dtype=np.float32)
    other[1] = 7  # not among those that are looked at first
    weights = {"a": large, "b": large.copy(), "c": other, "d": zeros, "e": -zeros, "f": zeros.astype(np.int32)}
    nodes, outputs = [], []
    for name, numbers in weights.items():
        value = ir.val(name, const_value=ir.tensor(numbers, name=name))
        nodes.append(ir.node("Shape", inputs=[value]))
        outputs.append(nodes[-1].outputs[0])
        weights[name] = value
    graph = ir.Graph([], outputs, nodes=nodes, initializers=list(weights.values()), opset_imports={"": 18})
    made = BY_NAME["duplicate-initialisers"].run(ir.Model(graph, ir_version=10))
    assert [node.inputs[0].name for node in made.graph] == ["a", "a", "c", "d", "e", "f"]
    assert list(made.graph.initializers) == ["a", "c", "d", "e", "f"]

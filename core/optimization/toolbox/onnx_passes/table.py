"""The table of all graph passes in the order they run, and running them: counted, checked, undone where one fails."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from core.optimization.toolbox.graph_pass import GraphCount, GraphPass, PassRecord
from core.optimization.toolbox.onnx_passes import own
from core.optimization.toolbox.onnx_passes.library import (
    bias_into_convolution,
    fold_constants,
    ir_pass,
    optimizer_pass,
    rewrite_rules,
)
from core.optimization.toolbox.packages import toolbox_package

logger = logging.getLogger(__name__)

ROUNDS = 3
"""at most: what one pass leaves, another may take"""


def _rules(name: str, what: str, needs: str, *rules: str) -> GraphPass:
    return GraphPass(name, what, "onnxscript", rewrite_rules(*rules), frozenset(needs.split()))


def _optimizer(name: str, what: str, needs: str, *passes: str) -> GraphPass:
    return GraphPass(name, what, "onnxoptimizer", optimizer_pass(*passes), frozenset(needs.split()))


def _own(name: str, what: str, needs: str, run: Callable[[Any], Any]) -> GraphPass:
    return GraphPass(name, what, "merline", run, frozenset(needs.split()))


PASSES: tuple[GraphPass, ...] = (
    GraphPass(
        "constants-to-initialisers",
        "Constant nodes become initialisers",
        "onnx-ir",
        ir_pass("LiftConstantsToInitializersPass", lift_all_constants=True, size_limit=0),
        frozenset({"Constant"}),
    ),
    _own("cast-like-to-cast", "CastLike of a known type becomes Cast, or goes", "CastLike", own.cast_like_to_cast),
    _own(
        "sequences-to-split", "SplitToSequence and SequenceAt become Split", "SplitToSequence", own.sequences_to_split
    ),
    GraphPass("constant-folding", "what depends on constants alone is computed now", "onnxscript", fold_constants),
    GraphPass(
        "identity-elimination",
        "Identity goes",
        "onnx-ir",
        ir_pass("IdentityEliminationPass"),
        frozenset({"Identity"}),
    ),
    _rules(
        "batch-norm-into-convolution",
        "BatchNormalization goes into the weights of Conv, ConvTranspose or Gemm before it",
        "BatchNormalization",
        "fuse_batchnorm_into_conv_rule",
        "fuse_batchnorm_into_conv_transpose_rule",
        "fuse_batchnorm_into_gemm_rule",
    ),
    _rules(
        "scale-into-convolution",
        "Mul and Add of one number around Conv go into its weights",
        "Conv",
        "affine_conv_fusion_rule",
        "conv_affine_fusion_rule",
    ),
    GraphPass(
        "bias-into-convolution",
        "Add of a bias goes into Conv",
        "onnxoptimizer",
        bias_into_convolution,
        frozenset({"Conv"}),
    ),
    _rules(
        "pad-into-convolution",
        "Pad with zeros goes into Conv",
        "Conv ConvInteger",
        "normalize_pad_format_conv_rule",
        "fuse_pad_into_conv_rule",
    ),
    _rules(
        "consecutive-transposes",
        "Transpose after Transpose becomes one, or none",
        "Transpose",
        "transpose_transpose_rule",
        "no_op_transpose_rule",
    ),
    _rules(
        "consecutive-reshapes",
        "Reshape after Reshape becomes one",
        "Reshape",
        "reshape_reshape_rule",
        "squeeze_reshape_1d_rule",
    ),
    _optimizer(
        "no-op-reshapes",
        "Reshape to the shape that it has goes",
        "Reshape Flatten",
        "eliminate_nop_reshape",
        "eliminate_nop_flatten",
    ),
    _rules("consecutive-unsqueezes", "Unsqueeze after Unsqueeze becomes one", "Unsqueeze", "unsqueeze_unsqueeze_rule"),
    _own("consecutive-squeezes", "Squeeze that undoes an Unsqueeze goes", "Squeeze", own.consecutive_squeezes),
    _rules(
        "consecutive-casts",
        "Cast after Cast becomes one; to the same type, none",
        "Cast",
        "cast_cast_rule",
        "no_op_cast_rule",
    ),
    _rules(
        "clips-and-relus",
        "Relu, Clip, Min and Max in a row become one",
        "Relu Clip Min Max",
        "successive_relu_rule",
        "successive_clip_rule",
        "successive_clip_relu_rule",
        "successive_relu_clip_rule",
        "min_min_rule",
        "max_max_rule",
        "min_max_rule",
        "max_min_rule",
    ),
    _rules("matmul-add-to-gemm", "MatMul and Add of matrices become Gemm", "MatMul", "matmul_add_to_gemm_rule"),
    _rules(
        "transpose-into-gemm",
        "Transpose of a factor goes into Gemm",
        "Transpose",
        "transpose_a_matmul_add_to_gemm_rule",
        "transpose_b_matmul_add_to_gemm_rule",
        "transpose_ab_matmul_add_to_gemm_rule",
    ),
    _rules(
        "neutral-arithmetic",
        "x * 1, x / 1 and x - 0 are x",
        "Mul Div Sub",
        "mul_by_1_rule",
        "div_by_1_rule",
        "sub_0_rule",
    ),
    GraphPass(
        "neutral-additions",
        "x + 0 and, with tables, x * 1 are x",
        "onnxoptimizer",
        optimizer_pass("eliminate_nop_with_unit"),
    ),
    _own("reciprocal-to-division", "Mul by a Reciprocal becomes Div", "Reciprocal", own.reciprocal_to_division),
    _own("dropout-elimination", "Dropout, which infers nothing, goes", "Dropout", own.dropouts),
    _rules("whole-slices", "Slice that takes all goes", "Slice", "collapse_slice_rule", "collapse_slice2_rule"),
    _rules("no-op-expands", "Expand to the shape that it has goes", "Expand", "no_op_expand_rule"),
    _own("single-concats", "Concat of one part goes", "Concat", own.single_concats),
    _optimizer(
        "consecutive-concats",
        "Concat of a Concat along the same axis becomes one",
        "Concat",
        "fuse_consecutive_concats",
    ),
    _optimizer(
        "einsum-to-matmul", "Einsum that is a matrix product becomes MatMul", "Einsum", "replace_einsum_with_matmul"
    ),
    GraphPass(
        "common-subexpressions",
        "what is computed twice is computed once",
        "onnx-ir",
        ir_pass("CommonSubexpressionEliminationPass"),
    ),
    GraphPass("duplicate-initialisers", "equal weights are kept once", "merline", own.duplicate_initialisers),
    GraphPass("unused-nodes", "nodes that no output depends on go", "onnx-ir", ir_pass("RemoveUnusedNodesPass")),
    GraphPass("unused-initialisers", "weights that no node takes go", "merline", own.unused_initialisers),
)


def count(model: Any) -> GraphCount:
    """Nodes by operator and initialisers of an onnx_ir.Model, its subgraphs included."""
    nodes = Counter(node.op_type for node in model.graph.all_nodes())
    return GraphCount(dict(nodes), sum(len(graph.initializers) for graph in model.graphs()))


def run_passes(
    model: Any, passes: Sequence[GraphPass] = PASSES, still_right: Callable[[Any], bool] | None = None
) -> tuple[Any, tuple[PassRecord, ...]]:
    """The changed model and what each pass did, over as many rounds as change something, at most ROUNDS.

    A pass that fails is undone and named in its record; so is one after which `still_right` says no.
    """
    records = {one.name: PassRecord(one.name, one.what, one.source, GraphCount(), GraphCount()) for one in passes}
    broken: dict[str, str] = {}
    looked_at: dict[str, object] = {}
    state = _State(model)
    for _ in range(ROUNDS):
        started = state.counted
        for one in passes:
            if one.name in broken or looked_at.get(one.name) == state.wiring:
                continue
            before = state.counted
            if not one.needs or one.needs & before.nodes.keys():
                state, broken_by = _run_one(one, state, still_right)
                if broken_by:
                    broken[one.name] = broken_by
                    logger.warning("graph pass %s left out: %s", one.name, broken_by)
            looked_at[one.name] = state.wiring
            records[one.name] = _added(records[one.name], before, state.counted, broken.get(one.name, ""))
        if state.counted == started:
            break
    return state.model, tuple(records.values())


class _State:
    """A graph, how it is wired, and a copy to go back to, which stays good as long as the wiring does."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.wiring = _wiring(model)
        self.counted = count(model)
        self._kept: Any = None

    def kept(self) -> Any:
        if self._kept is None:
            self._kept = self.model.clone()
        return self._kept


def _wiring(model: Any) -> int:
    """Another number where a node or an initialiser came, went, or takes something else. Names tell them apart."""
    nodes = tuple(
        (node.domain, node.op_type, tuple(one.name if one is not None else None for one in node.inputs),
         tuple(one.name for one in node.outputs))
        for node in model.graph.all_nodes()
    )  # fmt: skip
    outputs = tuple(one.name for one in model.graph.outputs)
    return hash((nodes, outputs, tuple(tuple(graph.initializers) for graph in model.graphs())))


def _run_one(one: GraphPass, state: _State, still_right: Callable[[Any], bool] | None) -> tuple[_State, str]:
    """The graph after the pass, or as it was, and why."""
    kept = state.kept()
    ir = toolbox_package("onnx_ir", "an ONNX graph pass")
    try:
        changed = one.run(state.model)
        if _wiring(changed) == state.wiring:
            state.model = changed  # its attributes may have become others
            return state, ""
        _sweep(changed)
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        # libraries of others, over graphs of any kind: one that fails costs its own gain alone
        return _State(kept), f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
    assert isinstance(changed, ir.Model)
    after = _State(changed)
    if still_right is not None and after.counted != state.counted and not still_right(changed):
        return _State(kept), "the outputs changed"
    return after, ""


def _sweep(model: Any) -> None:
    """Into order, and without what the pass left dead, so that each pass is credited with all that it did."""
    common = toolbox_package("onnx_ir.passes.common", "an ONNX graph pass")
    common.TopologicalSortPass()(model)
    common.RemoveUnusedNodesPass()(model)
    common.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)


def _added(record: PassRecord, before: GraphCount, after: GraphCount, left_out: str) -> PassRecord:
    """The changes of one more round: the record runs from its first `before` to that plus all differences."""
    first = record.before if record.before.nodes or record.before.initialisers else before
    so_far = record.after if record.before.nodes or record.before.initialisers else before
    nodes = Counter(dict(so_far.nodes))
    nodes.update(after.nodes)
    nodes.subtract(before.nodes)
    nodes = Counter({name: number for name, number in nodes.items() if number})
    initialisers = so_far.initialisers + after.initialisers - before.initialisers
    return PassRecord(record.name, record.what, record.source, first, GraphCount(dict(nodes), initialisers), left_out)

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
from core.utils.errors import ExportError

logger = logging.getLogger(__name__)

ROUNDS = 3
"""at most: what one pass leaves, another may take"""


def _rules(name: str, what: str, *rules: str) -> GraphPass:
    return GraphPass(name, what, "onnxscript", rewrite_rules(*rules))


def _optimizer(name: str, what: str, *passes: str) -> GraphPass:
    return GraphPass(name, what, "onnxoptimizer", optimizer_pass(*passes))


PASSES: tuple[GraphPass, ...] = (
    GraphPass(
        "constants-to-initialisers",
        "Constant nodes become initialisers",
        "onnx-ir",
        ir_pass("LiftConstantsToInitializersPass", lift_all_constants=True, size_limit=0),
    ),
    GraphPass("cast-like-to-cast", "CastLike of a known type becomes Cast, or goes", "merline", own.cast_like_to_cast),
    GraphPass("sequences-to-split", "SplitToSequence and SequenceAt become Split", "merline", own.sequences_to_split),
    GraphPass("constant-folding", "what depends on constants alone is computed now", "onnxscript", fold_constants),
    GraphPass("identity-elimination", "Identity goes", "onnx-ir", ir_pass("IdentityEliminationPass")),
    _rules(
        "batch-norm-into-convolution",
        "BatchNormalization goes into the weights of Conv, ConvTranspose or Gemm before it",
        "fuse_batchnorm_into_conv_rule",
        "fuse_batchnorm_into_conv_transpose_rule",
        "fuse_batchnorm_into_gemm_rule",
    ),
    _rules(
        "scale-into-convolution",
        "Mul and Add of one number around Conv go into its weights",
        "affine_conv_fusion_rule",
        "conv_affine_fusion_rule",
    ),
    GraphPass("bias-into-convolution", "Add of a bias goes into Conv", "onnxoptimizer", bias_into_convolution),
    _rules(
        "pad-into-convolution",
        "Pad with zeros goes into Conv",
        "normalize_pad_format_conv_rule",
        "fuse_pad_into_conv_rule",
    ),
    _rules(
        "consecutive-transposes",
        "Transpose after Transpose becomes one, or none",
        "transpose_transpose_rule",
        "no_op_transpose_rule",
    ),
    _rules(
        "consecutive-reshapes", "Reshape after Reshape becomes one", "reshape_reshape_rule", "squeeze_reshape_1d_rule"
    ),
    _optimizer(
        "no-op-reshapes", "Reshape to the shape that it has goes", "eliminate_nop_reshape", "eliminate_nop_flatten"
    ),
    _rules("consecutive-unsqueezes", "Unsqueeze after Unsqueeze becomes one", "unsqueeze_unsqueeze_rule"),
    GraphPass("consecutive-squeezes", "Squeeze that undoes an Unsqueeze goes", "merline", own.consecutive_squeezes),
    _rules(
        "consecutive-casts", "Cast after Cast becomes one; to the same type, none", "cast_cast_rule", "no_op_cast_rule"
    ),
    _rules(
        "clips-and-relus",
        "Relu, Clip, Min and Max in a row become one",
        "successive_relu_rule",
        "successive_clip_rule",
        "successive_clip_relu_rule",
        "successive_relu_clip_rule",
        "min_min_rule",
        "max_max_rule",
        "min_max_rule",
        "max_min_rule",
    ),
    _rules("matmul-add-to-gemm", "MatMul and Add of matrices become Gemm", "matmul_add_to_gemm_rule"),
    _rules(
        "transpose-into-gemm",
        "Transpose of a factor goes into Gemm",
        "transpose_a_matmul_add_to_gemm_rule",
        "transpose_b_matmul_add_to_gemm_rule",
        "transpose_ab_matmul_add_to_gemm_rule",
    ),
    _rules("neutral-arithmetic", "x * 1, x / 1 and x - 0 are x", "mul_by_1_rule", "div_by_1_rule", "sub_0_rule"),
    _optimizer("neutral-additions", "x + 0 and, with tables, x * 1 are x", "eliminate_nop_with_unit"),
    GraphPass("reciprocal-to-division", "Mul by a Reciprocal becomes Div", "merline", own.reciprocal_to_division),
    GraphPass("dropout-elimination", "Dropout, which infers nothing, goes", "merline", own.dropouts),
    _rules("whole-slices", "Slice that takes all goes", "collapse_slice_rule", "collapse_slice2_rule"),
    _rules("no-op-expands", "Expand to the shape that it has goes", "no_op_expand_rule"),
    GraphPass("single-concats", "Concat of one part goes", "merline", own.single_concats),
    _optimizer("consecutive-concats", "Concat of a Concat along the same axis becomes one", "fuse_consecutive_concats"),
    _optimizer("einsum-to-matmul", "Einsum that is a matrix product becomes MatMul", "replace_einsum_with_matmul"),
    GraphPass(
        "common-subexpressions",
        "what is computed twice is computed once",
        "onnx-ir",
        ir_pass("CommonSubexpressionEliminationPass"),
    ),
    GraphPass(
        "duplicate-initialisers",
        "equal weights are kept once",
        "onnx-ir",
        ir_pass("DeduplicateInitializersPass", size_limit=2**20),
    ),
    GraphPass("unused-nodes", "nodes that no output depends on go", "onnx-ir", ir_pass("RemoveUnusedNodesPass")),
    GraphPass("unused-initialisers", "weights that no node takes go", "merline", own.unused_initialisers),
)


def pass_named(name: str) -> GraphPass:
    """Raises ExportError, with all names, for an unknown one."""
    for one in PASSES:
        if one.name == name:
            return one
    raise ExportError(f"'{name}' is no graph pass; there are {', '.join(one.name for one in PASSES)}")


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
    for _ in range(ROUNDS):
        started = count(model)
        for one in passes:
            if one.name in broken:
                continue
            before = count(model)
            model, broken_by = _run_one(one, model, still_right)
            if broken_by:
                broken[one.name] = broken_by
                logger.warning("graph pass %s left out: %s", one.name, broken_by)
            records[one.name] = _added(records[one.name], before, count(model), broken_by)
        if count(model) == started:
            break
    return model, tuple(records.values())


def _run_one(one: GraphPass, model: Any, still_right: Callable[[Any], bool] | None) -> tuple[Any, str]:
    """The model after the pass, or as it was, and why."""
    kept = model.clone()
    ir = toolbox_package("onnx_ir", "an ONNX graph pass")
    try:
        changed = one.run(model)
        _sweep(changed)
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        # libraries of others, over graphs of any kind: one that fails costs its own gain alone
        return kept, f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
    assert isinstance(changed, ir.Model)
    if still_right is not None and count(changed) != count(kept) and not still_right(changed):
        return kept, "the outputs changed"
    return changed, ""


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

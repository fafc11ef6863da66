"""The passes of onnx-ir, onnxscript and onnxoptimizer as functions from an onnx_ir.Model to one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.optimization.toolbox.packages import toolbox_package

PURPOSE = "an ONNX graph pass"
LOOKED_INTO_BYTES = 1024
"""initialisers up to this size are shapes, axes and single numbers, whose values onnxoptimizer's passes read"""


def ir_pass(name: str, **options: Any) -> Callable[[Any], Any]:
    """A pass class of onnx_ir.passes.common."""

    def run(model: Any) -> Any:
        made = getattr(toolbox_package("onnx_ir.passes.common", PURPOSE), name)(**options)
        return made(model).model

    return run


def rewrite_rules(*names: str) -> Callable[[Any], Any]:
    """Rules of onnxscript.rewriter.rules.common; a name that ends in s is a set of them."""

    def run(model: Any) -> Any:
        common = toolbox_package("onnxscript.rewriter.rules.common", PURPOSE)
        rewriter = toolbox_package("onnxscript.rewriter", PURPOSE)
        rules: list[Any] = []
        for name in names:
            found = getattr(common, name)
            rules += list(found) if name.endswith("rules") else [found]
        identities = _identities(model)
        changed = rewriter.rewrite(model, pattern_rewrite_rules=rules)
        if _identities(changed) > identities:
            ir_pass("IdentityEliminationPass")(changed)  # rules that take a node away put an Identity there
        return changed

    return run


def _identities(model: Any) -> int:
    return sum(node.op_type == "Identity" for node in model.graph)


def fold_constants(model: Any) -> Any:
    """What depends on nothing but constants is computed now, as long as it is small; shapes are inferred on the way."""
    toolbox_package("onnxscript.optimizer", PURPOSE).fold_constants(model, onnx_shape_inference=True)
    return model


def optimizer_pass(*names: str) -> Callable[[Any], Any]:
    """Passes of onnxoptimizer, to their fixed point.

    It takes one protobuf message, so large weights go round it: they are inputs while it runs, of which it knows the
    shape alone. Small ones, which the passes look into, stay.
    """

    def run(model: Any) -> Any:
        ir = toolbox_package("onnx_ir", PURPOSE)
        optimizer = toolbox_package("onnxoptimizer", PURPOSE)
        weights = _take_out(model)
        changed = ir.from_proto(optimizer.optimize(ir.to_proto(model), list(names), True))
        _put_back(changed, weights)
        return changed

    return run


def bias_into_convolution(model: Any) -> Any:
    """The library leaves a Squeeze of the bias, which is a constant: it is folded at once."""
    return fold_constants(optimizer_pass("fuse_add_bias_into_conv")(model))


def _take_out(model: Any) -> dict[str, Any]:
    graph = model.graph
    large = {
        name: value.const_value
        for name, value in graph.initializers.items()
        if value.const_value is not None and value.const_value.nbytes > LOOKED_INTO_BYTES and not value.is_graph_input()
    }
    for name in large:
        graph.inputs.append(graph.initializers.pop(name))
    return large


def _put_back(model: Any, weights: dict[str, Any]) -> None:
    graph = model.graph
    for value in [one for one in graph.inputs if one.name in weights]:
        graph.inputs.remove(value)
        value.const_value = weights[value.name]
        if value.uses():
            graph.register_initializer(value)

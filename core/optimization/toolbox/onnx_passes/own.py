"""Our own passes, over onnx_ir graphs of any size: what torch's exporter leaves behind and no library takes away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.optimization.toolbox.packages import toolbox_package

LOOKED_AT = 64
"""numbers of a weight that are compared before all of them are"""


def _ir() -> Any:
    return toolbox_package("onnx_ir", "an ONNX graph pass")


def _of_type(model: Any, operator: str) -> Iterator[Any]:
    """Nodes of standard operators, in the graph and its subgraphs; the graph may change meanwhile."""
    for node in tuple(model.graph.all_nodes()):
        if node.op_type == operator and node.domain in ("", "ai.onnx") and node.graph is not None:
            yield node


def _replace(node: Any, value: Any) -> None:
    """`value` takes the place of `node`'s output; a graph's output keeps its name, where need be by an Identity."""
    ir = _ir()
    old = node.outputs[0]
    if old.is_graph_output() and (value.producer() is None or value.is_graph_output()):
        through = ir.node("Identity", inputs=[value])
        through.outputs[0].type, through.outputs[0].shape = old.type, old.shape
        node.graph.insert_before(node, through)
        value = through.outputs[0]
    if old.is_graph_output():
        value.name, old.name = old.name, f"{old.name}_replaced"
    ir.convenience.replace_all_uses_with(old, value, replace_graph_outputs=True)


def cast_like_to_cast(model: Any) -> Any:
    """CastLike of a known type becomes Cast, or nothing where the type is the same: constants can fold then."""
    ir = _ir()
    for node in _of_type(model, "CastLike"):
        source, target = node.inputs
        if target.dtype is None:
            continue
        if source.dtype == target.dtype:
            _replace(node, source)
        else:
            cast = ir.node("Cast", inputs=[source], attributes={"to": int(target.dtype)})
            cast.outputs[0].dtype, cast.outputs[0].shape = target.dtype, node.outputs[0].shape
            node.graph.insert_before(node, cast)
            _replace(node, cast.outputs[0])
        node.graph.remove(node, safe=True)
    return model


def _constant(value: Any) -> Any:
    """The numpy array of a value that does not change, else None."""
    found = _ir().convenience.get_const_tensor(value) if value is not None else None
    return None if found is None else found.numpy()


def sequences_to_split(model: Any) -> Any:
    """SplitToSequence of which single places are taken becomes Split: sequences are slow, and TensorRT has none."""
    for node in _of_type(model, "SplitToSequence"):
        takers = [use.node for use in node.outputs[0].uses()]
        known = [_constant(taker.inputs[1]) if taker.op_type == "SequenceAt" else None for taker in takers]
        places = [int(place) for place in known if place is not None]
        sizes = _sizes(node)
        if not takers or sizes is None or len(places) < len(takers):
            continue
        split = _split(node, sizes)
        for taker, place in zip(takers, places, strict=True):
            part = split.outputs[place]
            part.type, part.shape = taker.outputs[0].type, taker.outputs[0].shape
            _replace(taker, part)
            taker.graph.remove(taker, safe=True)
        node.graph.remove(node, safe=True)
    return model


def _sizes(node: Any) -> list[int] | None:
    """Of the parts; None where they are not known before running."""
    shape = node.inputs[0].shape
    axis, keep = node.attributes.get_int("axis", 0), node.attributes.get_int("keepdims", 1)
    whole = shape[axis] if shape is not None else None
    if not isinstance(whole, int) or keep == 0:
        return None
    if len(node.inputs) < 2 or node.inputs[1] is None:
        return [1] * whole
    given = _constant(node.inputs[1])
    if given is None:
        return None
    if given.ndim == 1:
        return [int(size) for size in given]
    return [min(int(given), whole - at) for at in range(0, whole, int(given))]


def _split(node: Any, sizes: list[int]) -> Any:
    ir = _ir()
    graph = node.graph
    split_sizes = ir.val(f"{node.outputs[0].name}_sizes", const_value=ir.tensor(sizes, dtype=ir.DataType.INT64))
    graph.register_initializer(split_sizes)
    made = ir.node(
        "Split",
        inputs=[node.inputs[0], split_sizes],
        attributes={"axis": node.attributes.get_int("axis", 0)},
        num_outputs=len(sizes),
    )
    node.graph.insert_before(node, made)
    return made


def consecutive_squeezes(model: Any) -> Any:
    """Squeeze of an Unsqueeze at the same axes is nothing at all."""
    for node in _of_type(model, "Squeeze"):
        before = node.inputs[0].producer()
        if before is None or before.op_type != "Unsqueeze" or len(node.inputs) < 2:
            continue
        axes, undone = _constant(before.inputs[1]), _constant(node.inputs[1])
        if axes is not None and undone is not None and sorted(axes.tolist()) == sorted(undone.tolist()):
            _replace(node, before.inputs[0])
            node.graph.remove(node, safe=True)
    return model


def dropouts(model: Any) -> Any:
    """Dropout that does not train hands its input on; one whose mask is used stays."""
    for node in _of_type(model, "Dropout"):
        training = node.inputs[2] if len(node.inputs) > 2 else None
        trains = False if training is None else _constant(training)
        mask_used = len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output())
        if trains is None or bool(trains) or mask_used:
            continue
        _replace(node, node.inputs[0])
        node.graph.remove(node, safe=True)
    return model


def single_concats(model: Any) -> Any:
    """Concat of one part is that part."""
    for node in _of_type(model, "Concat"):
        if len(node.inputs) == 1:
            _replace(node, node.inputs[0])
            node.graph.remove(node, safe=True)
    return model


def reciprocal_to_division(model: Any) -> Any:
    """Mul by a Reciprocal becomes one Div, where nothing else takes the Reciprocal: one pass over memory less."""
    ir = _ir()
    for node in _of_type(model, "Mul"):
        for place in (0, 1):
            inverse = node.inputs[place].producer()
            if inverse is None or inverse.op_type != "Reciprocal" or len(inverse.outputs[0].uses()) != 1:
                continue
            if inverse.outputs[0].is_graph_output():
                continue
            made = ir.node("Div", inputs=[node.inputs[1 - place], inverse.inputs[0]])
            made.outputs[0].type, made.outputs[0].shape = node.outputs[0].type, node.outputs[0].shape
            node.graph.insert_before(node, made)
            _replace(node, made.outputs[0])
            node.graph.remove(node, safe=True)
            break
    return model


def unused_initialisers(model: Any) -> Any:
    """Initialisers that no node takes and that are no output; an earlier pass left them."""
    for graph in model.graphs():
        for name, value in tuple(graph.initializers.items()):
            if not value.uses() and not value.is_graph_output() and not value.is_graph_input():
                del graph.initializers[name]
    return model


def duplicate_initialisers(model: Any) -> Any:
    """Of initialisers with equal values the first is kept. Only those of one type and size are looked into, first a
    few of their numbers, so that no weights are copied."""
    for graph in model.graphs():
        alike: dict[Any, list[Any]] = {}
        for name, value in tuple(graph.initializers.items()):
            tensor = value.const_value
            if tensor is None or tensor.dtype.is_string() or value.is_graph_input() or value.is_graph_output():
                continue
            numbers = tensor.numpy()
            few = numbers.reshape(-1)[:: max(1, numbers.size // LOOKED_AT)].tobytes()
            others = alike.setdefault((tensor.dtype, numbers.shape, few), [])
            first = next((one for one in others if _same_bytes(one.const_value.numpy(), numbers)), None)
            if first is None:
                others.append(value)
            else:
                _ir().convenience.replace_all_uses_with(value, first)
                del graph.initializers[name]
    return model


def _same_bytes(one: Any, other: Any) -> bool:
    """-0.0 is another number than 0.0 here, and NaN is itself."""
    kind = f"u{one.dtype.itemsize}"
    if one.dtype.hasobject or one.dtype.itemsize not in (1, 2, 4, 8):
        return bool(one.tobytes() == other.tobytes())
    return bool((one.view(kind) == other.view(kind)).all()) if one.ndim else bool(one.tobytes() == other.tobytes())

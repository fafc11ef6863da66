"""nn.LSTM and nn.GRU with int8 weights: rows of what goes in, and of the state, are rounded as they come. CPU only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from core.optimization.toolbox.int8_layers import DynamicInt8Linear, copied, round_weights

Kind = Literal["LSTM", "GRU"]
State = tuple[Tensor, ...]
"""h, and an LSTM's c: [batch, ...]"""


@dataclass(frozen=True, slots=True)
class RecurrentShape:
    """As torch's own modules name these."""

    kind: Kind
    hidden_size: int
    num_layers: int
    bidirectional: bool
    batch_first: bool
    proj_size: int = 0

    @property
    def directions(self) -> tuple[str, ...]:
        """What torch appends to the names of weights, layer by layer."""
        ways = ("", "_reverse") if self.bidirectional else ("",)
        return tuple(f"l{layer}{way}" for layer in range(self.num_layers) for way in ways)

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Of h, and of c."""
        return (self.proj_size or self.hidden_size, *((self.hidden_size,) if self.kind == "LSTM" else ()))


class DynamicInt8Recurrent(nn.Module):
    """Is called like the module it was made from: a tensor or a PackedSequence, and maybe a state.

    Products are DynamicInt8Linear's; gates and states stay float32. Dropout between layers, which only trains, is gone.
    """

    def __init__(self, shape: RecurrentShape, products: Mapping[str, nn.Module]) -> None:
        """`products`: input_NAME, hidden_NAME and, with proj_size, projection_NAME for each direction's NAME."""
        super().__init__()
        self.shape = shape
        self.batch_first = shape.batch_first
        for name, product in products.items():
            self.add_module(name, product)

    @classmethod
    def from_float(cls, layer: nn.LSTM | nn.GRU, per_channel: bool, backend: str) -> DynamicInt8Recurrent:
        """Raises QuantizationError for weights that are not finite."""
        kind: Kind = "LSTM" if isinstance(layer, nn.LSTM) else "GRU"
        shape = RecurrentShape(
            kind, layer.hidden_size, layer.num_layers, layer.bidirectional, layer.batch_first, layer.proj_size
        )
        products: dict[str, nn.Module] = {}
        for name in shape.directions:
            for product, (weight, bias) in _weights(layer, name, kind).items():
                made = DynamicInt8Linear(*round_weights(weight, per_channel), copied(bias))
                made.backend = backend
                products[f"{product}_{name}"] = made.eval()
        return cls(shape, products)

    def forward(self, input: Tensor | PackedSequence, hx: Any = None) -> tuple[Any, Any]:
        """float32 outputs of the last layer, and the states [layers * directions, batch, ...] after the last step."""
        if isinstance(input, PackedSequence):
            state = self._begin(input.batch_sizes[0], hx, input.sorted_indices)
            data, ended = self._run(input.data, input.batch_sizes.tolist(), state)
            packed = PackedSequence(data, input.batch_sizes, input.sorted_indices, input.unsorted_indices)
            return packed, self._ended(ended, input.unsorted_indices)
        batched = input.dim() == 3
        x = input if batched else input.unsqueeze(1)
        x = x.transpose(0, 1) if batched and self.batch_first else x  # [steps, batch, width]
        if not batched and hx is not None:
            hx = tuple(one.unsqueeze(1) for one in hx) if isinstance(hx, tuple) else hx.unsqueeze(1)
        steps, batch = x.shape[:2]
        data, ended = self._run(x.reshape(steps * batch, -1), [batch] * steps, self._begin(batch, hx, None))
        output = data.view(steps, batch, -1)
        if not batched:
            told = tuple(one.squeeze(1) for one in ended)
            return output.squeeze(1), told if len(told) > 1 else told[0]
        return (output.transpose(0, 1) if self.batch_first else output), self._ended(ended, None)

    def extra_repr(self) -> str:
        """As torch prints it."""
        return f"{self.shape.kind}, int8"

    def extras(self) -> dict[str, Any]:
        """What a file must say of it beside its tensors."""
        return {"shape": asdict(self.shape)}

    @classmethod
    def from_extras(cls, tensors: Mapping[str, Tensor], extras: Mapping[str, Any]) -> DynamicInt8Recurrent:
        """The layer again; `tensors` are its products' by NAME.codes, NAME.scales and NAME.bias."""
        grouped: dict[str, dict[str, Tensor]] = {}
        for full, tensor in tensors.items():
            name, _, part = full.partition(".")
            grouped.setdefault(name, {})[part] = tensor
        products = {name: DynamicInt8Linear.from_extras(own, {}).eval() for name, own in grouped.items()}
        return cls(RecurrentShape(**extras["shape"]), products)

    def _begin(self, batch: Any, hx: Any, order: Tensor | None) -> State:
        """h and c [layers * directions, batch, ...] in the order of the data."""
        if hx is None:
            ways = len(self.shape.directions)
            return tuple(torch.zeros(ways, int(batch), size) for size in self.shape.state_sizes)
        given = hx if isinstance(hx, tuple) else (hx,)
        return given if order is None else tuple(one.index_select(1, order) for one in given)

    def _ended(self, states: State, order: Tensor | None) -> Any:
        told = states if order is None else tuple(one.index_select(1, order) for one in states)
        return told if len(told) > 1 else told[0]

    def _run(self, x: Tensor, sizes: list[int], states: State) -> tuple[Tensor, State]:
        """All layers; `x` [sum of sizes, width], the rows of each step after those of the one before."""
        ends: list[State] = []
        ways = 2 if self.shape.bidirectional else 1
        names = self.shape.directions
        for begin in range(0, len(names), ways):
            outputs = []
            for place in range(begin, begin + ways):
                state = tuple(one[place] for one in states)
                output, ended = self._direction(names[place], x, sizes, state)
                outputs.append(output)
                ends.append(ended)
            x = torch.cat(outputs, dim=-1) if ways > 1 else outputs[0]
        return x, tuple(torch.stack(one) for one in zip(*ends, strict=True))

    def _direction(self, name: str, x: Tensor, sizes: list[int], begin: State) -> tuple[Tensor, State]:
        step = self._lstm_step(name) if self.shape.kind == "LSTM" else self._gru_step(name)
        gates = list(self.get_submodule(f"input_{name}")(x).split(sizes))
        backward = name.endswith("_reverse")
        outputs: list[Tensor] = []
        left: list[State] = []  # states of sequences that ended before others
        order = range(len(sizes) - 1, -1, -1) if backward else range(len(sizes))
        now = tuple(one[: sizes[order[0]]] for one in begin)
        for at in order:
            rows, held = sizes[at], len(now[0])
            if rows > held:
                now = tuple(torch.cat((one, first[held:rows])) for one, first in zip(now, begin, strict=True))
            elif rows < held:
                left.append(tuple(one[rows:] for one in now))
                now = tuple(one[:rows] for one in now)
            now = step(gates[at], now)
            outputs.append(now[0])
        if backward:
            outputs.reverse()
        ended = tuple(torch.cat(parts) for parts in zip(now, *reversed(left), strict=True)) if left else now
        return torch.cat(outputs), ended

    def _lstm_step(self, name: str) -> Callable[[Tensor, State], State]:
        hidden = self.get_submodule(f"hidden_{name}")
        projection = self.get_submodule(f"projection_{name}") if self.shape.proj_size else None
        size = self.shape.hidden_size

        def step(gates: Tensor, state: State) -> State:
            h, c = state
            gates = hidden(h).add_(gates)
            into, forget, out = gates[..., : 3 * size].sigmoid().chunk(3, dim=-1)
            c = torch.addcmul(into * gates[..., 3 * size :].tanh(), forget, c)
            h = out * c.tanh()
            return (h if projection is None else projection(h)), c

        return step

    def _gru_step(self, name: str) -> Callable[[Tensor, State], State]:
        hidden = self.get_submodule(f"hidden_{name}")

        def step(gates: Tensor, state: State) -> State:
            (h,) = state
            reset, update, new = gates.chunk(3, dim=-1)
            own_reset, own_update, own_new = hidden(h).chunk(3, dim=-1)
            fresh = (new + (reset + own_reset).sigmoid() * own_new).tanh()
            return (torch.lerp(fresh, h, (update + own_update).sigmoid()),)

        return step


def _weights(layer: nn.LSTM | nn.GRU, name: str, kind: Kind) -> dict[str, tuple[Tensor, Tensor | None]]:
    """Weight and bias of each product. An LSTM's cell gate goes last, and its biases, which only add up, into one."""
    given = {
        product: (getattr(layer, f"weight_{short}_{name}").detach(), getattr(layer, f"bias_{short}_{name}", None))
        for product, short in (("input", "ih"), ("hidden", "hh"), ("projection", "hr"))
        if hasattr(layer, f"weight_{short}_{name}")
    }
    if kind == "GRU":
        return given
    order = torch.arange(4 * layer.hidden_size).view(4, -1)[[0, 1, 3, 2]].flatten()
    (into, own), (again, other) = given["input"], given["hidden"]
    bias = None if own is None or other is None else (own + other).detach()[order]
    return {**given, "input": (into[order], bias), "hidden": (again[order], None)}

"""What a model with recurrent layers keeps of a text: transformers' own states, which cannot be cut back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(slots=True)
class StateOfAll:
    """Of all layers together."""

    whole: Any
    """transformers' cache"""
    offset: int = 0
    """tokens it has seen"""


class StateCache:
    """One layer's member of a prompt cache. All of them share one state and go on together."""

    keys = values = None
    """such as other caches have are in the state"""

    def __init__(self, shared: StateOfAll, layer: int) -> None:
        self.shared = shared
        self._layer = layer

    @property
    def offset(self) -> int:
        """Tokens seen."""
        return self.shared.offset

    def size(self) -> int:
        """Tokens seen: all of them are in the state."""
        return self.shared.offset

    def is_trimmable(self) -> bool:
        """Never: a state does not tell what it was before its last token."""
        return False

    def trim(self, count: int) -> int:
        """Nothing is forgotten: 0."""
        return 0

    @property
    def nbytes(self) -> int:
        """Memory of this layer's state."""
        held = vars(self.shared.whole.layers[self._layer]).values()
        parts = [part for one in held for part in (one.values() if isinstance(one, dict) else (one,))]
        return sum(part.nbytes for part in parts if isinstance(part, Tensor))

"""How much memory a value keeps alive, for caches that are bounded by bytes. An estimate; never imports torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def estimate_size(value: object) -> int:
    """Bytes of `value` and of all it holds, each object once.

    A view of an array, and a torch tensor, count as the whole memory they keep alive. What is inside objects other
    than containers and dataclasses is not seen.
    """
    total = 0
    seen: set[int] = set()
    waiting: list[Any] = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        total += sys.getsizeof(one)
        if isinstance(one, np.ndarray):
            if one.base is not None:
                waiting.append(one.base)
            elif not one.flags.owndata:  # on memory that is not Python's
                total += one.nbytes
        elif callable(getattr(one, "element_size", None)) and callable(getattr(one, "numel", None)):
            total += _tensor_bytes(one)
        else:
            waiting.extend(_held(one))
    return total


def _tensor_bytes(tensor: Any) -> int:
    own = int(tensor.element_size() * tensor.numel())
    storage = getattr(tensor, "untyped_storage", None)
    return max(own, int(storage().nbytes())) if callable(storage) else own


def _held(one: Any) -> Iterator[Any]:
    if isinstance(one, dict):
        yield from one.keys()
        yield from one.values()
    elif isinstance(one, (list, tuple, set, frozenset)):
        yield from one
    elif is_dataclass(one) and not isinstance(one, type):
        for field in fields(one):
            yield getattr(one, field.name, None)
    elif isinstance(one, memoryview):
        yield one.obj

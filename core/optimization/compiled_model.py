"""A model behind its compiled call: everything else is the model's own, and it falls back to eager once, saying why.

A plain object and not an nn.Module, so the names in a state_dict stay the model's. Loads no torch.
"""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

logger = logging.getLogger(__name__)

_RETURN_THE_MODEL = frozenset(
    ("to", "cpu", "cuda", "half", "float", "double", "bfloat16", "type", "eval", "train", "requires_grad_", "apply")
)
"""Methods of nn.Module that return the module: through the wrapper they return the wrapper."""


class OptimizedModelWrapper:
    """Calls `compiled` in place of `model` until it fails where the model itself does not; then the model for good.

    `compiled` None means eager from the start, for `reason`. Methods such as `generate` are the model's own and run
    eagerly, with what they call. A failed compiled call is repeated eagerly: warm a model up before it is given state
    that it changes, such as a cache.
    """

    __slots__ = ("_compiled_call", "_lock", "_model", "_reason", "model_name")

    def __init__(
        self, model: Any, model_name: str, compiled: Callable[..., Any] | None = None, reason: str = ""
    ) -> None:
        object.__setattr__(self, "_model", model)
        object.__setattr__(self, "model_name", model_name)
        object.__setattr__(self, "_compiled_call", compiled)
        object.__setattr__(self, "_reason", reason)
        object.__setattr__(self, "_lock", threading.Lock())

    @property
    def unwrapped(self) -> Any:
        """The model itself."""
        return self._model

    @property
    def compiled(self) -> bool:
        """Whether calls go through the compiled code now."""
        return self._compiled_call is not None

    @property
    def fallback_reason(self) -> str:
        """Why calls are eager; "" while they are compiled."""
        return str(self._reason)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        compiled = self._compiled_call
        if compiled is None:
            return self._model(*arguments, **named)
        try:
            return compiled(*arguments, **named)
        except Exception as error:  # noqa: BLE001 - dynamo, inductor, Triton and compilers each raise types of their own
            result = self._model(*arguments, **named)  # raises here too where the input is at fault, and not compiling
            self._fall_back(error)
            return result

    def _fall_back(self, error: Exception) -> None:
        with self._lock:
            if self._compiled_call is None:
                return
            reason = f"the compiled call failed ({type(error).__name__}: {_first_words(error)})"
            object.__setattr__(self, "_reason", reason)
            object.__setattr__(self, "_compiled_call", None)
        logger.warning("%s runs eagerly from now on: %s", self.model_name, reason)

    def __getattr__(self, name: str) -> Any:
        if name in OptimizedModelWrapper.__slots__:
            raise AttributeError(name)  # copy and pickle ask before __init__ has run
        found = getattr(self._model, name)
        return self._returning_me(found) if name in _RETURN_THE_MODEL and callable(found) else found

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._model, name, value)

    def __delattr__(self, name: str) -> None:
        delattr(self._model, name)

    # Python asks the type, not the object, for these: model[0], len(model), `for layer in model`, `name in model`.

    def __getitem__(self, key: Any) -> Any:
        return self._model[key]

    def __len__(self) -> int:
        return len(self._model)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._model)

    def __contains__(self, item: object) -> bool:
        return item in self._model

    def __bool__(self) -> bool:
        return bool(self._model)

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *dir(self._model)})

    def __repr__(self) -> str:
        state = "compiled" if self.compiled else f"eager: {self._reason}"
        return f"OptimizedModelWrapper({self.model_name}, {state})"

    def _returning_me(self, method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def call(*arguments: Any, **named: Any) -> Any:
            result = method(*arguments, **named)
            return self if result is self._model else result

        return call


def _first_words(error: Exception) -> str:
    """The first line; the next one too where that only announces it, as torch's does for what its back end raised."""
    first, _, rest = str(error).strip().partition("\n")
    return f"{first} {rest.strip().partition(chr(10))[0]}" if first.endswith(":") else first

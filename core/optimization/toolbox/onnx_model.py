"""An ONNX file that is called like a torch module: tensors in, tensors out, through ONNX Runtime on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.optimization.toolbox.onnx_information import model_information
from core.optimization.toolbox.onnx_runtime import SessionOptions, open_session, run_session
from core.optimization.toolbox.onnx_verify import as_numpy
from core.utils.errors import InferenceError


class OnnxModel:
    """Positional arguments are inputs in the graph's order, keywords are inputs by name; None is left out."""

    def __init__(self, path: Path | str, options: SessionOptions | None = None) -> None:
        """Raises ModelLoadError: absent, damaged, or of operators that ONNX Runtime does not know."""
        self.path = Path(path)
        self.information = model_information(self.path)
        self._session = open_session(self.path, options)
        self._names = [one.name for one in self._session.get_inputs()]

    @property
    def size_bytes(self) -> int:
        """Of the file with its external data."""
        return self.information.file_bytes

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """One tensor, or a tuple of the graph's outputs. Raises InferenceError for inputs that it does not take."""
        import torch

        given = [one for one in inputs if one is not None]
        if len(given) + len(named) > len(self._names):
            raise InferenceError(
                f"{self.path} takes {len(self._names)} inputs ({', '.join(self._names)}), not {len(given)}"
            )
        feeds = dict(zip(self._names, given, strict=False)) | {n: one for n, one in named.items() if one is not None}
        found = run_session(self._session, {name: as_numpy(tensor) for name, tensor in feeds.items()})
        outputs = tuple(torch.from_numpy(one) for one in found)
        return outputs[0] if len(outputs) == 1 else outputs

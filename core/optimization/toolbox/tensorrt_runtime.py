"""Runs TensorRT engines and times them. **Unverified**: none ever ran, for want of a card that TensorRT takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.optimization.profiler import InferenceProfiler
from core.optimization.toolbox.onnx_runtime import OnnxBenchmark, open_session, run_session
from core.optimization.toolbox.onnx_verify import difference
from core.optimization.toolbox.tensorrt_engine_file import read_engine
from core.optimization.toolbox.tensorrt_library import check_card, describe_card, load_library, logger_of, version_of
from core.optimization.toolbox.tensorrt_profile import check_inputs
from core.utils.errors import InferenceError, ModelLoadError

WARM_UPS = 10


class TensorRTEngine:
    """An engine loaded on the card; inputs and outputs are torch tensors there. Unverified: see the module."""

    def __init__(self, path: Path | str, library: Any = None, card: Any = None) -> None:
        """Raises ModelLoadError for a damaged file, TensorRTUnavailableError where library or card do not fit it."""
        self.header, plan = read_engine(Path(path))
        trt = library or load_library()
        capability, _ = describe_card(card)
        check_card(trt, capability)
        self.header.check_fits(version_of(trt), capability)
        self._trt = trt
        self._runtime = trt.Runtime(logger_of(trt))  # must outlive the engine
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise ModelLoadError(f"{path}: TensorRT cannot read the engine; build it again from the ONNX model")
        self._context = self._engine.create_execution_context()
        if self._context is None:
            raise ModelLoadError(f"{path}: TensorRT cannot run the engine here; its own messages above say why")
        self._stream: Any = None

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Outputs by name. Raises InferenceError for inputs out of the profile, or when TensorRT fails."""
        import torch

        check_inputs({name: tuple(tensor.shape) for name, tensor in inputs.items()}, self.header.profiles)
        self._stream = self._stream or torch.cuda.Stream()  # type: ignore[no-untyped-call]  # the default one is slow
        self._stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self._stream):
            placed = {name: self._placed(name, tensor) for name, tensor in inputs.items()}
            for name, tensor in placed.items():
                self._context.set_input_shape(name, tuple(tensor.shape))
                self._context.set_tensor_address(name, tensor.data_ptr())
            outputs = self._outputs()
            done = self._context.execute_async_v3(self._stream.cuda_stream)
        self._stream.synchronize()
        if not done:
            raise InferenceError("TensorRT failed on the inputs; its own messages above say why")
        return outputs

    def _placed(self, name: str, tensor: Any) -> Any:
        wanted = self._dtype(name)
        if tensor.dtype != wanted:
            raise InferenceError(f"'{name}' is {tensor.dtype}, and the engine takes {wanted}")
        return tensor.contiguous().cuda()

    def _outputs(self) -> dict[str, Any]:
        import torch

        outputs: dict[str, Any] = {}
        for place in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(place)
            if self._engine.get_tensor_mode(name) == self._trt.TensorIOMode.OUTPUT:
                shape = tuple(self._context.get_tensor_shape(name))
                outputs[name] = torch.empty(shape, dtype=self._dtype(name), device="cuda")
                self._context.set_tensor_address(name, outputs[name].data_ptr())
        return outputs

    def _dtype(self, name: str) -> Any:
        import torch

        names = {"FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16", "INT64": "int64", "INT32": "int32"}
        names |= {"INT8": "int8", "BOOL": "bool", "UINT8": "uint8"}
        return getattr(torch, names[self._engine.get_tensor_dtype(name).name])

    def benchmark(self, inputs: Mapping[str, Any], iterations: int = 100) -> OnnxBenchmark:
        """Milliseconds of a run, the card's work waited for."""
        for _ in range(WARM_UPS):
            self.run(inputs)
        profiler = InferenceProfiler()
        for _ in range(iterations):
            with profiler.span("run"):
                self.run(inputs)
        found = profiler.statistics_of("run")
        assert found is not None
        mean, p50, p95, least = (1000 * one for one in (found.mean_s, found.p50_s, found.p95_s, found.min_s))
        return OnnxBenchmark(mean, p50, p95, least, iterations)

    def verify(self, onnx_path: Path | str, inputs: Mapping[str, Any]) -> float:
        """How far the outputs are from ONNX Runtime's on the CPU, relative to max(1, largest value)."""
        session = open_session(Path(onnx_path))
        expected = run_session(session, {name: tensor.cpu().numpy() for name, tensor in inputs.items()})
        found = self.run(inputs)
        return difference(expected, [found[one.name].float().cpu().numpy() for one in session.get_outputs()])

"""The claims that an NVIDIA card answers: TF32, half precision and TensorRT beside float32 on the same card.

Networks of true shapes with random weights, in batches that give a card something to do. Int8 layers of torch's kind
run on the CPU, so int8 on a card is TensorRT's alone; ONNX Runtime here comes without CUDA.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.claim_parts.measured import Measured
from benchmarks.shapes import SHAPES
from core.optimization.model_call import call_model
from core.optimization.toolbox.measuring import typical_ms
from core.optimization.toolbox.quality import relative_error
from core.optimization.toolbox.quantization import ModelQuantizer
from core.optimization.toolbox.quantization_config import QuantizationConfig, QuantizationType
from core.utils.errors import MerlineError

BATCH = 16
SIDE = 8192
ITERATIONS = 40
SEED = 20


def on_card(progress: Callable[[str], None]) -> Iterator[Measured]:
    """Nothing where there is no card."""
    if not torch.cuda.is_available():
        return
    name = torch.cuda.get_device_name()
    progress(f"on the {name}: TF32")
    yield _tf32(name)
    for shape in SHAPES[:2]:
        torch.manual_seed(SEED)
        inputs = tuple(one.repeat(BATCH, *(1,) * (one.dim() - 1)).cuda() for one in shape.make_input())
        model = shape.make().eval()
        progress(f"on the {name}: {shape.name}")
        yield from _halves(model, inputs, f"{shape.name}, batch {BATCH}, {name}")
        yield from _tensorrt(model, inputs, f"{shape.name}, batch {BATCH}, {name}", progress)


def _tf32(name: str) -> Measured:
    a, b = (torch.randn(SIDE, SIDE, device="cuda") for _ in range(2))

    def product(allowed: bool) -> Any:
        torch.backends.cuda.matmul.allow_tf32 = allowed
        return torch.mm(a, b)

    before = torch.backends.cuda.matmul.allow_tf32
    try:
        exact, off = product(False), product(True)
        cost = f"off by {100 * relative_error([off], [exact]):.2g} %"
        ways = {str(allowed): partial(_waited, partial(product, allowed)) for allowed in (False, True)}
        took = typical_ms(ways, ITERATIONS)
    finally:
        torch.backends.cuda.matmul.allow_tf32 = before
    return Measured("tf32", took["False"] / took["True"], f"a product of {SIDE}x{SIDE} matrices, {name}", cost)


def _waited(call: Callable[[], Any]) -> Any:
    result = call()
    torch.cuda.synchronize()
    return result


def _halves(model: Any, inputs: Any, where: str) -> Iterator[Measured]:
    for kind in (QuantizationType.FP16, QuantizationType.BF16):
        half = ModelQuantizer(QuantizationConfig(kind)).quantize(model).cuda()
        yield _beside("fp16 gpu", model.cuda(), half, inputs, f"{where}, {kind.value}")
        model.cpu()


def _tensorrt(model: Any, inputs: Any, where: str, progress: Callable[[str], None]) -> Iterator[Measured]:
    from core.optimization.toolbox.onnx_export import export_to_onnx
    from core.optimization.toolbox.tensorrt import TensorRTConfig, TensorRTOptimizer
    from core.optimization.toolbox.tensorrt_library import load_library, version_of
    from core.optimization.toolbox.tensorrt_runtime import TensorRTEngine

    data = [{"input": inputs[0].cpu().numpy()}]
    try:
        version = version_of(load_library())
        with tempfile.TemporaryDirectory() as folder:
            example = tuple(one.cpu() for one in inputs)
            onnx = export_to_onnx(
                model, Path(folder) / "m.onnx", example, input_names=("input",), verify_export=False
            ).path
            for key, config in (
                ("tensorrt fp16", TensorRTConfig(fp16_mode=True)),
                ("tensorrt int8", TensorRTConfig(int8_mode=True, fp16_mode=True, calibration_data=data)),
            ):
                report = TensorRTOptimizer(config).optimize_from_onnx(
                    onnx, Path(folder) / "m.engine", {"input": tuple(inputs[0].shape)}
                )
                engine = TensorRTEngine(report.path)
                yield _beside(key, model.cuda(), partial(_first, engine), inputs, f"{where}, TensorRT {version}")
                model.cpu()
    except MerlineError as error:
        progress(f"TensorRT: {str(error).partition(chr(10))[0]}")
    model.cpu()


def _first(engine: Any, tensor: Any) -> Any:
    return next(iter(engine.run({"input": tensor}).values()))


def _beside(key: str, plain: Any, new: Any, inputs: Any, where: str) -> Measured:
    card = torch.device("cuda")
    ways = {name: partial(call_model, torch, way, inputs, card) for name, way in (("plain", plain), ("new", new))}
    with torch.inference_mode():
        exact, off = ways["plain"](), ways["new"]()
    took = typical_ms(ways, ITERATIONS)
    cost = f"outputs off by {100 * relative_error([off.float().cpu()], [exact.float().cpu()]):.2g} %"
    return Measured(key, took["plain"] / took["new"], f"{where}, {took['plain']:.2f} -> {took['new']:.2f} ms", cost)

"""Analyse, plan, apply, bound, measure: what every stage's speed and memory come from. Names resolve on use."""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOMES = {
    "BatchProcessor": "batching",
    "InferenceCache": "cache",
    "InferenceProfiler": "profiler",
    "MachineProfile": "profile",
    "MemoryOptimizer": "memory",
    "ModelOptimizer": "toolbox.model_optimizer",
    "ModelQuantizer": "toolbox.quantization",
    "ONNXExportConfig": "toolbox.onnx_config",
    "ONNXExporter": "toolbox.onnx_export",
    "OptimizedModelWrapper": "compiled_model",
    "PerformanceTuner": "tuner",
    "Plan": "plan",
    "QatConfig": "toolbox.quantization_config",
    "QuantizationConfig": "toolbox.quantization_config",
    "QuantizationType": "toolbox.quantization_config",
    "StagePlan": "plan",
    "SystemAnalyzer": "analyzer",
    "TensorRTConfig": "toolbox.tensorrt",
    "TensorRTOptimizer": "toolbox.tensorrt",
    "TorchOptimizer": "torch_optimizer",
    "TransformPipeline": "toolbox.transform_pipeline",
    "benchmark_quantization": "toolbox.quick",
    "export_to_onnx": "toolbox.onnx_export",
    "get_performance_optimizer": "torch_optimizer",
    "leak_guard": "memory",
    "load_optimized_model": "toolbox.loader",
}

_RENAMED = {"mlx_generate": "generate", "mlx_load": "load", "mlx_stream_generate": "stream_generate"}
"""names of core.optimization.mlx_replacement as they are imported from here"""

__all__ = sorted([*_HOMES, *_RENAMED])


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        return getattr(import_module(f"{__name__}.mlx_replacement"), _RENAMED[name])
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

"""The four names under the module that the founding documents gave them; each is defined in a module of its own."""

from __future__ import annotations

from core.optimization.analyzer import SystemAnalyzer
from core.optimization.memory import MemoryOptimizer
from core.optimization.profiler import InferenceProfiler
from core.optimization.tuner import PerformanceTuner

__all__ = ["InferenceProfiler", "MemoryOptimizer", "PerformanceTuner", "SystemAnalyzer"]

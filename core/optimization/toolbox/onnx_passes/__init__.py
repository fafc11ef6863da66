"""Passes over ONNX graphs: our own, and those of onnx-ir, onnxscript and onnxoptimizer behind the same face."""

"""mlx-lm, the oracle, without the warnings that its import gives; skips where it is not installed."""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import pytest


def mlx_module(name: str) -> Any:
    """A module of mlx or mlx_lm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pytest.importorskip("mlx_lm", reason="needs mlx-lm[cpu], the oracle")
        return import_module(name)


def mlx_model(folder: Any) -> tuple[Any, Any]:
    """Model and tokenizer as mlx-lm loads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model, tokenizer = mlx_module("mlx_lm").load(str(folder))
        return model, tokenizer

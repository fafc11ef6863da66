"""Whisper's log-mel frames are faster-whisper's, and no thread but the caller's works for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from core.utils.whisper.mel import log_mel

feature_extractor = pytest.importorskip("faster_whisper.feature_extractor", reason="needs the extra full")


def noise(samples: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.random.default_rng(samples).normal(0.0, 0.1, samples).astype(np.float32)


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("samples", [1, 159, 160, 161, 400, 16_000, 48_123])
def test_frames_are_those_of_faster_whisper(samples: int, bands: int):
    theirs = feature_extractor.FeatureExtractor(feature_size=bands)
    expected, found = theirs(noise(samples)), log_mel(noise(samples), theirs.mel_filters)
    assert found.dtype == np.float32
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=2e-6)


def test_silence_is_frames_of_one_value():
    theirs = feature_extractor.FeatureExtractor()
    np.testing.assert_allclose(log_mel(np.zeros(3200, np.float32), theirs.mel_filters), -1.5, atol=1e-6)


class OnOneThread(np.ndarray[Any, np.dtype[np.float32]]):
    """An array that will not go to BLAS."""

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if ufunc in (np.matmul, np.vecdot):
            raise AssertionError("a product by BLAS, whose threads take the encoder's processors")
        return getattr(ufunc, method)(*(np.asarray(one) for one in inputs), **options)

    def __array_function__(self, function: Any, types: Any, inputs: Any, options: Any) -> Any:
        if function in (np.dot, np.inner, np.tensordot):
            raise AssertionError("a product by BLAS, whose threads take the encoder's processors")
        return function(*(np.asarray(one) if isinstance(one, OnOneThread) else one for one in inputs), **options)


def test_blas_is_not_asked():
    filters = feature_extractor.FeatureExtractor().mel_filters.view(OnOneThread)
    with pytest.raises(AssertionError, match="BLAS"):
        filters @ np.ones((201, 3), np.float32)
    assert log_mel(noise(4800), filters).shape == (80, 31)

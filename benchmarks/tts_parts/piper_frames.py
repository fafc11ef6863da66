"""A Piper voice with the frames that its decoder is given, which its package keeps to itself."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from core.messages import Samples

_DECODER = "dec.conv_pre.weight"


class PiperFrames:
    """`folder` holds one voice; onnx and piper-tts have to be there."""

    def __init__(self, folder: Path) -> None:
        import onnx
        import onnxruntime
        from piper import PiperVoice

        path = next(folder.glob("*.onnx"))
        model = onnx.load(str(path))
        name = next(node.input[0] for node in model.graph.node if _DECODER in node.input)
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
        self._voice = PiperVoice.load(path)
        self._frames: list[np.ndarray] = []
        with tempfile.TemporaryDirectory() as place:
            onnx.save(model, str(Path(place) / "voice.onnx"))
            self._session = onnxruntime.InferenceSession(str(Path(place) / "voice.onnx"))
        self._voice.session = self  # type: ignore[assignment]

    @property
    def rate_hz(self) -> int:
        """Of the sound."""
        return int(self._voice.config.sample_rate)

    def run(self, names: Any, inputs: Any, *others: Any) -> list[Any]:
        """As the package's session does, noting the frames."""
        *outputs, frames = self._session.run(None, inputs)
        self._frames.append(frames[0])
        return list(outputs)

    def say(self, text: str) -> tuple[np.ndarray, Samples]:
        """The frames [channels, n] and the sound as the network gives it."""
        from piper import SynthesisConfig

        self._frames.clear()
        plain = SynthesisConfig(normalize_audio=False)
        samples = np.concatenate([chunk.audio_float_array for chunk in self._voice.synthesize(text, syn_config=plain)])
        return np.concatenate(self._frames, axis=1), samples.astype(np.float32)

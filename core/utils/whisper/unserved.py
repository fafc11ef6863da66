"""faster-whisper's arguments that are not served here: their defaults are taken, and any other value is refused."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

Reasons = Mapping[str, tuple[tuple[Any, ...], str]]
"""name: values that change nothing, and why no other is taken"""

_FASTER_ONLY = "openai-whisper has no such thing, and both engines give the same text here"
_VAD = (
    "cut what is no speech with stt.voice_activity_detection first, or use transcribe_short(), which says nothing there"
)
_LANGUAGE = "the first 30 s are judged; give language=..., or detect_language() a part of the sound"
_CARD = "the card is chosen for the whole program: gpu.use in config.yaml"
_HUB = "nothing is downloaded here: fetch with `python3 main.py models download`, and give the folder's path"

TRANSCRIBE: Reasons = {
    "log_progress": ((False,), "take the segments as they come"),
    "length_penalty": ((1, None), "the engines mean different things by it"),
    "repetition_penalty": ((1,), _FASTER_ONLY),
    "no_repeat_ngram_size": ((0,), _FASTER_ONLY),
    "prompt_reset_on_temperature": ((0.5,), "openai-whisper resets at 0.5"),
    "prefix": ((None, ""), "the engines apply it to different windows; use initial_prompt"),
    "multilingual": ((False,), _FASTER_ONLY),
    "vad_filter": ((False,), _VAD),
    "vad_parameters": ((None,), _VAD),
    "max_new_tokens": ((None,), "transcribe_short() takes it"),
    "chunk_length": ((None, 30), "the windows are Whisper's 30 s; transcribe_short() takes shorter ones"),
    "hotwords": ((None, ""), "openai-whisper has none; use initial_prompt"),
    "language_detection_threshold": ((0.5, None), _LANGUAGE),
    "language_detection_segments": ((1,), _LANGUAGE),
}
DETECT: Reasons = {
    "features": ((None,), "give the sound itself as audio=..."),
    "vad_filter": ((False,), _VAD),
    "vad_parameters": ((None,), _VAD),
    "language_detection_threshold": ((0.5, None), _LANGUAGE),
    "language_detection_segments": ((1,), _LANGUAGE),
}
MODEL: Reasons = {
    "device_index": ((0,), _CARD),
    "num_workers": ((1,), "one transcription runs at a time"),
    "download_root": ((None,), _HUB),
    "local_files_only": ((False, True), ""),
    "files": ((None,), _HUB),
    "revision": ((None,), _HUB),
    "use_auth_token": ((None, False), _HUB),
}


def refuse_unserved(given: Mapping[str, Any], unserved: Reasons, served: Collection[str]) -> None:
    """Raises ValueError for a value that is not served, with the reason, and TypeError for a name that nobody knows."""
    for name, value in given.items():
        if name not in unserved:
            near = difflib.get_close_matches(name, [*served, *unserved], 1)
            raise TypeError(f"{name}: Whisper has no such argument" + (f"; did you mean {near[0]!r}?" if near else ""))
        harmless, reason = unserved[name]
        if not any(value is one or (isinstance(value, int | float | str) and value == one) for one in harmless):
            raise ValueError(f"{name}={value!r} is not served: {reason}")

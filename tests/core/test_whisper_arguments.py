"""Each of faster-whisper's arguments is served, or taken with its default and refused with the reason otherwise."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core.utils.whisper.options import MoreOptions
from core.utils.whisper.unserved import DETECT, MODEL, TRANSCRIBE, Reasons, refuse_unserved
from core.utils.whisper_compat import WhisperModel

faster_whisper = pytest.importorskip("faster_whisper")
THEIRS = faster_whisper.WhisperModel


def names_of(function: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(function).parameters.values()
    return {one.name: one.default for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD and one.name != "self"}


@pytest.mark.parametrize(
    ("theirs", "ours", "unserved"),
    [
        (THEIRS.transcribe, {*names_of(WhisperModel.transcribe), *MoreOptions.__annotations__}, TRANSCRIBE),
        (THEIRS.detect_language, {*names_of(WhisperModel.detect_language)}, DETECT),
        (THEIRS.__init__, {*names_of(WhisperModel.__init__)}, MODEL),
    ],
)
def test_no_argument_is_unknown_and_each_default_is_taken(
    theirs: Callable[..., Any], ours: set[str], unserved: Reasons
) -> None:
    for name, default in names_of(theirs).items():
        assert name in ours or name in unserved, name
        if name in unserved:
            refuse_unserved({name: default}, unserved, ours)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vad_filter", True),
        ("vad_filter", 2),
        ("hotwords", "Merline"),
        ("chunk_length", 15),
        ("repetition_penalty", 1.2),
        ("vad_parameters", {"threshold": 0.5}),
        ("vad_parameters", np.zeros(3)),
    ],
)
def test_another_value_is_refused_with_the_reason(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name}=.* is not served: \w+"):
        refuse_unserved({name: value}, TRANSCRIBE, ())


def test_a_name_that_nobody_knows_is_a_type_error_with_a_near_one() -> None:
    with pytest.raises(TypeError, match="vad_fliter: Whisper has no such argument; did you mean 'vad_filter'"):
        refuse_unserved({"vad_fliter": True}, TRANSCRIBE, ())
    with pytest.raises(TypeError, match=r"colour: Whisper has no such argument$"):
        refuse_unserved({"colour": 1}, TRANSCRIBE, ())

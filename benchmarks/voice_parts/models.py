"""Full-size models of random weights for a spoken conversation, made once and kept: Whisper tiny, 0.5 B, MeloTTS.

They compute what trained ones do and say nothing: the words are a script's, the reply is forced, the voice is noise.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.llm_parts.qwen import kept_folder, qwen_folder


@dataclass(frozen=True, slots=True)
class Models:
    """Folders."""

    whisper: Path
    """CTranslate2, int8"""
    language: Path
    voice: Path
    """MeloTTS with its BERT"""


def full_models() -> Models:
    """Those of the benchmark; making them takes a minute, once."""
    whisper = _kept("voice-whisper-tiny", _write_whisper) / "ctranslate2"
    return Models(whisper, qwen_folder(), _kept("voice-melo", _write_voice))


def _kept(name: str, write: Callable[[Path], None]) -> Path:
    folder = kept_folder(name)
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        write(folder)
        (folder / "complete").touch()
    return folder


def _write_whisper(folder: Path) -> None:
    from benchmarks.whisper.shapes import TINY, make_checkpoints

    made = make_checkpoints(folder, TINY, quantization="int8", timestamps=False)
    made.openai.unlink()


def _write_voice(folder: Path) -> None:
    """The published size; the phones have real names, so that a text can be said."""
    from benchmarks.tts_parts.voice import SYMBOLS, full_size, write_bert, write_voice
    from tests.tts.melo.spoken_voices import PHONES, VOCABULARY

    phones = ["_", *PHONES.split()]
    config = full_size()
    config["symbols"] = [*phones, *(f"s{number}" for number in range(SYMBOLS - len(phones)))]
    write_voice(folder, config)
    bert = write_bert(folder / "bert")
    (bert / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    (bert / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}))

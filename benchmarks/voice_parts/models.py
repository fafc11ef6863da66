"""Full-size models for a spoken conversation: Whisper tiny, 0.5 B, MeloTTS, of random weights, made once and kept.

Those compute what trained ones do and say nothing: the words are a script's, the reply is forced, the voice is noise.
In the folder that MERLINE_REAL names, real ones (tools/real_models.py) take their place: then what is heard and
answered is theirs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.endpoint_parts.turn_model import turn_model_folder
from benchmarks.endpoint_parts.whisper_words import REAL
from benchmarks.llm_parts.qwen import kept_folder, qwen_folder


@dataclass(frozen=True, slots=True)
class Models:
    """Folders."""

    whisper: Path
    """CTranslate2, int8"""
    language: Path
    voice: Path
    """MeloTTS with its BERT"""
    real_whisper: bool = False
    real_language: bool = False
    turn: Path | None = None
    """Smart Turn, where it is here"""

    @property
    def weights(self) -> str:
        """Which are real, for beside a figure."""
        real = [model.name for model, is_real in self._kinds() if is_real]
        if not real:
            return "random weights"
        random = "the voice's" if len(real) == len(self._kinds()) else "the others'"
        beside = ", Smart Turn" if self.turn else ", no Smart Turn"
        return f"real weights of {' and '.join(real)} ({random} random){beside}"

    def _kinds(self) -> tuple[tuple[Path, bool], ...]:
        return (self.whisper, self.real_whisper), (self.language, self.real_language)


WHISPERS = ("faster-whisper-tiny.en", "faster-whisper-base")
LANGUAGE = "Qwen2.5-Coder-0.5B-Instruct"
KEPT_FOR_NEXT = ("packed", "kernels", "machine_speed.json")
"""of a run's data folder; the rest begins anew in each"""


def full_models() -> Models:
    """Those of the benchmark; making them takes a minute, once."""
    whisper, language = real_whisper(), _real(LANGUAGE)
    return Models(
        whisper or _kept("voice-whisper-tiny", _write_whisper) / "ctranslate2",
        language or qwen_folder(),
        _kept("voice-melo", _write_voice),
        whisper is not None,
        language is not None,
        turn_model_folder() if whisper is not None else None,
    )


def real_whisper() -> Path | None:
    """The first that is there, of those that hear what is asked."""
    return _real(*WHISPERS)


def kept_home(name: str) -> Path:
    """A data folder for the real program: without what an earlier run left, but for what takes minutes to make."""
    home = kept_folder(name)
    home.mkdir(parents=True, exist_ok=True)
    for entry in home.iterdir():
        if entry.is_file() and entry.name not in KEPT_FOR_NEXT:
            entry.unlink()
    return home


def _real(*names: str) -> Path | None:
    """The first that is there."""
    folder = os.environ.get(REAL)
    found = [Path(folder, name) for name in names if Path(folder, name).is_dir()] if folder else []
    return found[0] if found else None


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

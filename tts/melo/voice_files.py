"""A MeloTTS voice on the disk: where its parts lie, and which language and speakers it has. Loads no weights."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from core.utils.errors import ModelLoadError
from tts.engine import SpokenLanguage
from tts.melo.configuration import MeloConfig, read_config
from tts.melo.text.front_ends import FRONT_ENDS, load_front_end
from tts.melo.text.symbols import language_code
from tts.melo.text.wordpiece import WordPiece

BERT_FOLDER = "bert"
"""inside a voice's folder, for voices that are given by path"""
WEIGHTS = ("checkpoint.pth", "network.safetensors")
"""as published, and converted"""
FAVOURITE_SPEAKERS = ("EN-Default", "EN-US")
"""of voices with several; of others it is the one in the first row"""


@dataclass(frozen=True, slots=True)
class VoiceFiles:
    """One voice."""

    folder: Path
    """with config.json and the weights"""
    language: SpokenLanguage
    bert: Path | None
    """folder of the masked language model; None for a voice that learnt without"""

    def files(self) -> tuple[Path, ...]:
        """All that is read of it."""
        folders = (self.folder, *([self.bert] if self.bert else []))
        return tuple(path for folder in folders for path in folder.iterdir() if path.is_file())


def find_voice(folder: Path, bert: Path | None = None, language: SpokenLanguage | None = None) -> VoiceFiles:
    """What lies in a folder. `bert` is taken where the folder has none of its own, `language` where it tells none.

    Raises ModelLoadError for a folder that is no voice, or lacks one of these.
    """
    config = read_config(folder)
    spoken = language_of(config) or language
    if spoken is None:
        raise ModelLoadError(
            f"{folder}: which language the voice speaks is not to be seen from its speakers "
            f"({', '.join(sorted(config.speakers))}); set tts.language to one of {', '.join(get_args(SpokenLanguage))}"
        )
    own = folder / BERT_FOLDER
    found = own if own.is_dir() else bert
    if found is None and not config.disable_bert:
        name = FRONT_ENDS[front_end_code(spoken)].bert
        raise ModelLoadError(f"{folder}: the voice needs {name}, of which there is no folder {own}; put it there")
    return VoiceFiles(folder, spoken, found)


def check_ready(voices: tuple[VoiceFiles, ...], speaker: str | None = None) -> None:
    """Look at everything but the weights themselves.

    Raises ModelLoadError for a missing file or speaker, MissingDependencyError for a package of the front end.
    """
    for voice in voices:
        if not any((voice.folder / name).is_file() for name in WEIGHTS):
            raise ModelLoadError(f"{voice.folder / WEIGHTS[0]} is missing; download the voice again")
        if voice.bert is not None:
            load_front_end(front_end_code(voice.language), WordPiece.from_folder(voice.bert))
    if speaker is not None and not any(has_speaker(voice, speaker) for voice in voices):
        read_config(voices[0].folder).speaker(speaker)


def has_speaker(voice: VoiceFiles, speaker: str) -> bool:
    """Whether the voice has one of that name."""
    return speaker in read_config(voice.folder).speakers


def language_of(config: MeloConfig) -> SpokenLanguage | None:
    """By the names of the speakers, as in EN-US, EN_INDIA, JP; None where they name none."""
    for name in config.speakers:
        code = re.split("[-_]", name)[0]
        try:
            known = language_code(code)
        except ValueError:
            continue
        for language in get_args(SpokenLanguage):
            if language == known and len(code) == len("EN"):
                return language  # type: ignore[no-any-return]
    return None


def front_end_code(language: SpokenLanguage) -> str:
    """As tts.melo.text.front_ends calls it: Chinese voices learnt with English words in their sentences."""
    return "zh-en" if language == "zh" else language


def choose_speaker(config: MeloConfig, wanted: str | None) -> int:
    """The row of the speaker asked for, else of a favourite, else of the first.

    Raises ModelLoadError naming those there are.
    """
    if wanted is not None:
        return config.speaker(wanted)
    favourite = next((name for name in FAVOURITE_SPEAKERS if name in config.speakers), None)
    if favourite is not None:
        return config.speakers[favourite]
    return min(config.speakers.values(), default=0)

"""Which sizes of Whisper a machine can hold beside the least of everything else. Pure: says it, decides nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.optimization.catalogue import EMBEDDED, WHISPER, Candidate, Stage, WhisperSize, whisper
from core.optimization.devices import choose_device
from core.optimization.ladders import int8_pays, ladder
from core.optimization.profile import MachineProfile
from core.optimization.selection import memory_of
from core.optimization.tuner import room_of
from core.utils.config import Config

ENGINE = "whisper"
VOICE_ENGINE = "melo"
STORED_WEIGHT_BYTES = 2
"""of a weight in the published files"""


@dataclass(frozen=True, slots=True)
class Fit:
    """One size on one machine, the least of the other engines included."""

    size: str
    place: str
    """which memory is meant: "memory" or "the card's memory" """
    needs_bytes: int
    room_bytes: int
    fits: bool


class WhisperFitting:
    """The sizes on this machine as configured.

    `alone`: as if no other program were running. Raises ConfigError, GpuUnavailableError or GpuBusyError where a
    setting asks for what the machine has not.
    """

    def __init__(self, config: Config, profile: MachineProfile, alone: bool = False) -> None:
        stt = config.stt.model_copy(update={"engine": "auto"})
        config = config.model_copy(update={"stt": stt})
        profile = with_all_memory(profile) if alone else profile
        choice = choose_device(profile, config)
        self._like = ladder("stt", frozenset({ENGINE}), choice, config, int8_pays(profile)).steps[0]
        self._room = room_of(profile, config, choice)
        self._known = bool(profile.memory.total_bytes)

    def of(self, size: WhisperSize) -> Fit:
        """Whether one of these dimensions fits. Where the machine's memory cannot be read, all do."""
        candidate = whisper(size, self._like.device, self._like.weights)
        needs = memory_of(_beside_the_least(candidate))
        on_card = needs.card_bytes > self._room.card_bytes
        fits = not self._known or (not on_card and needs.memory_bytes <= self._room.memory_bytes)
        if on_card:
            return Fit(size.name, "the card's memory", needs.card_bytes, self._room.card_bytes, fits)
        return Fit(size.name, "memory", needs.memory_bytes, self._room.memory_bytes, fits)

    def of_files(self, largest_file_bytes: int) -> Fit:
        """The same for a folder whose largest file is so large.

        It is taken to hold two bytes a weight, as published ones do: one that was quantised before is judged lightly.
        """
        weights = largest_file_bytes // STORED_WEIGHT_BYTES
        like = next((size for size in WHISPER if size.parameters >= weights), WHISPER[-1])
        return self.of(replace(like, parameters=max(weights, 1)))

    def largest(self) -> str | None:
        """The largest published size that fits."""
        return next((size.name for size in reversed(WHISPER) if self.of(size).fits), None)


def fit_voice(config: Config, profile: MachineProfile, alone: bool = False) -> Fit:
    """Whether a MeloTTS voice fits beside the least of everything else; all have one size. Raises as WhisperFitting."""
    tts = config.tts.model_copy(update={"engine": "auto"})
    config = config.model_copy(update={"tts": tts})
    profile = with_all_memory(profile) if alone else profile
    choice = choose_device(profile, config)
    voice = ladder("tts", frozenset({VOICE_ENGINE}), choice, config, int8_pays(profile)).steps[0]
    needs = memory_of({"stt": EMBEDDED["pocketsphinx"], "llm": EMBEDDED["skills"], "tts": voice})
    room, known = room_of(profile, config, choice), bool(profile.memory.total_bytes)
    if needs.card_bytes > room.card_bytes:
        return Fit("", "the card's memory", needs.card_bytes, room.card_bytes, not known)
    fits = not known or needs.memory_bytes <= room.memory_bytes
    return Fit("", "memory", needs.memory_bytes, room.memory_bytes, fits)


def _beside_the_least(candidate: Candidate) -> dict[Stage, Candidate]:
    return {"stt": candidate, "llm": EMBEDDED["skills"], "tts": EMBEDDED["espeak"]}


def with_all_memory(profile: MachineProfile) -> MachineProfile:
    """As if no other program were running."""
    memory = replace(profile.memory, available_bytes=profile.memory.total_bytes)
    return replace(profile, memory=memory, gpus=tuple(replace(gpu, free_bytes=gpu.total_bytes) for gpu in profile.gpus))

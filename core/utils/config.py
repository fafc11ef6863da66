"""Every setting, typed and checked before any thread starts. config.yaml documents them; a test keeps the two equal."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
DEFAULT_FILE = PROJECT_FOLDER / "config.yaml"

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]


class Section(BaseModel):
    """A part of the configuration: frozen, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _no_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """YAML reads `yes` and `no` as true and false, which pydantic would take for 1 and 0."""
        field = cls.model_fields.get(info.field_name or "")
        if isinstance(value, bool) and field is not None and field.annotation in (int, float):
            raise ValueError("it must be a number")
        return value


class AudioConfig(Section):
    backend: Literal["auto", "sounddevice", "pyaudio"] = "auto"
    input_device: int | str | None = None
    output_device: int | str | None = None
    block_ms: Annotated[int, Field(ge=5, le=100)] = 20
    output_latency_ms: Annotated[int, Field(ge=10, le=500)] = 60
    stall_s: Seconds = 1.5


class VadConfig(Section):
    engine: Literal["auto", "silero", "webrtc", "energy"] = "auto"
    threshold: Fraction = 0.5
    release: Fraction = 0.35
    far_end_threshold: Fraction = 0.8
    onset_ms: Milliseconds = 60
    far_end_onset_ms: Milliseconds = 30
    min_speech_ms: Milliseconds = 200
    far_end_min_speech_ms: Milliseconds = 200
    interrupt_ms: Annotated[int, Field(ge=100, le=1000)] = 500
    gap_ms: Milliseconds = 150
    pre_roll_ms: Milliseconds = 300
    max_speech_s: Seconds = 30.0


class EndpointConfig(Section):
    provisional_ms: Milliseconds = 200
    complete_ms: Milliseconds = 280
    incomplete_ms: Milliseconds = 800
    open_ms: Milliseconds = 1600
    mode: Literal["normal", "patient"] = "normal"
    model: str = "auto"
    """auto, off, or the folder or file of Smart Turn"""
    learn: bool = True

    @field_validator("model", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        """YAML reads a bare `off` as false."""
        return "off" if value is False else value


class WakeConfig(Section):
    mode: Literal["always", "word", "key"] = "always"
    word: str = "okay_nabu"
    window_s: Seconds = 8.0
    follow_up_s: Seconds = 8.0


class EchoConfig(Section):
    canceller: Literal["auto", "aec3", "off"] = "auto"
    guard: bool = True
    tail_ms: Milliseconds = 400
    noise_suppression: bool = False

    @field_validator("canceller", mode="before")
    @classmethod
    def _off_is_a_word(cls, value: object) -> object:
        """YAML reads a bare `off` as false."""
        return "off" if value is False else value


class SttConfig(Section):
    engine: Literal["auto", "pocketsphinx", "whisper"] = "auto"
    model: str | None = None
    backend: Literal["auto", "faster-whisper", "openai-whisper"] = "auto"
    languages: Annotated[tuple[Literal["en", "fr"], ...], Field(min_length=1)] = ("en", "fr")
    partial_ms: Milliseconds = 500
    command_margin: Annotated[float, Field(ge=-10.0, le=10.0)] = -1.1
    command_score: Annotated[float, Field(ge=-50.0, le=0.0)] = -4.0
    word_max_ms: Milliseconds = 550
    open_weight: Annotated[float, Field(gt=0.0, le=1.0)] = 0.01


class LlmConfig(Section):
    engine: Literal["auto", "skills", "mlx", "openai"] = "auto"
    model: str | None = None
    base_url: str | None = None
    reply_s: Annotated[float, Field(gt=0.0, le=60.0)] = 2.5
    temperature: Annotated[float, Field(ge=0.0, le=2.0)] = 0.7
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 256
    context_tokens: Annotated[int, Field(ge=512, le=131_072)] = 4096
    tools: bool = True
    timeout_s: Seconds = 30.0


class TtsConfig(Section):
    engine: Literal["auto", "espeak", "melo", "piper", "melotts"] = "auto"
    voice: str | tuple[str, ...] | None = None
    speaker: str | None = None
    language: Literal["auto", "en", "fr", "es", "zh", "ja", "ko"] = "auto"
    speed: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0
    precision: Literal["float32", "int8"] = "float32"
    cache_mb: Annotated[int, Field(ge=0, le=4096)] = 16
    working_tone: bool = True
    rate_wpm: Annotated[int, Field(ge=80, le=450)] = 170
    pitch: Annotated[int, Field(ge=0, le=99)] = 50
    voice_en: str = "en-us"
    voice_fr: str = "fr-fr"


class SkillsConfig(Section):
    enabled: tuple[str, ...] = ()
    snooze_min: Annotated[int, Field(ge=1, le=120)] = 5


class MemoryConfig(Section):
    enabled: bool = True
    history_turns: Annotated[int, Field(ge=1, le=10_000)] = 200


class IdleConfig(Section):
    unload_minutes: Annotated[float, Field(ge=0.0, le=1440.0)] = 30.0


class ViewConfig(Section):
    style: Literal["auto", "rich", "plain"] = "auto"


class LogConfig(Section):
    level: Literal["debug", "info", "warning", "error"] = "info"
    file: bool = True
    max_mb: Annotated[float, Field(gt=0, le=1000)] = 5.0
    files: Annotated[int, Field(ge=1, le=100)] = 3
    trace: bool = False
    turns: bool = True
    telemetry: str | None = None

    @field_validator("telemetry")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        """Else the exporter would say so after each turn, and in the log alone."""
        if value is not None and not re.match(r"https?://[^/\s]+", value):
            raise ValueError("it must be a server's address, like http://localhost:4318")
        return value


class GpuConfig(Section):
    use: str | None = None
    forbid: tuple[str, ...] = ()
    min_memory_gb: Annotated[float, Field(ge=0.0, le=1000.0)] = 0.0
    max_split_size_mb: Annotated[int, Field(ge=0, le=65_536)] = 0

    @field_validator("use", "forbid", mode="before")
    @classmethod
    def _bus_is_a_word(cls, value: object) -> object:
        """YAML reads a PCI bus 1 as a number, 01:00.0 as a number to base 60; one forbidden card needs no list."""
        if isinstance(value, list | tuple):
            return tuple(cls._bus_is_a_word(item) for item in value)
        if isinstance(value, float):
            raise ValueError("YAML took the PCI bus for a number: write the bus alone (1), or all of it in quotes")
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("forbid", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return (value,) if isinstance(value, str | int) else value

    @field_validator("max_split_size_mb")
    @classmethod
    def _more_than_a_large_buffer(cls, value: int) -> int:
        """torch ends the program with an error on a split size of 20 MB or less."""
        if 0 < value <= 20:
            raise ValueError("torch takes 21 or more; 0 leaves it to torch")
        return value


class OptimizationConfig(Section):
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    compute_type: Literal["auto", "float32", "float16", "bfloat16", "int8"] = "auto"
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    batch_size: Annotated[int, Field(ge=0, le=1024)] = 0
    memory_limit_mb: Annotated[int, Field(ge=0)] = 0
    compile: bool | Literal["auto"] = "auto"
    mps_watermark: Annotated[float, Field(ge=0.0, le=2.0)] = 0.8


class SetupConfig(Section):
    full_packages: bool = True
    full_models: Literal["ask", "always", "never"] = "ask"


class Config(Section):
    """The whole configuration."""

    language: Literal["auto", "en", "fr"] = "auto"
    audio: AudioConfig = AudioConfig()
    vad: VadConfig = VadConfig()
    endpoint: EndpointConfig = EndpointConfig()
    wake: WakeConfig = WakeConfig()
    echo: EchoConfig = EchoConfig()
    stt: SttConfig = SttConfig()
    llm: LlmConfig = LlmConfig()
    tts: TtsConfig = TtsConfig()
    skills: SkillsConfig = SkillsConfig()
    memory: MemoryConfig = MemoryConfig()
    idle: IdleConfig = IdleConfig()
    view: ViewConfig = ViewConfig()
    log: LogConfig = LogConfig()
    record: bool = False
    gpu: GpuConfig = GpuConfig()
    optimization: OptimizationConfig = OptimizationConfig()
    setup: SetupConfig = SetupConfig()

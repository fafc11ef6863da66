"""Every setting, typed and checked before any thread starts. config.yaml documents them; a test keeps the two equal."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.utils.errors import ConfigError

PROJECT_FOLDER = Path(__file__).resolve().parents[2]
DEFAULT_FILE = PROJECT_FOLDER / "config.yaml"

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
Milliseconds = Annotated[int, Field(ge=0, le=60_000)]
Seconds = Annotated[float, Field(gt=0.0, le=3600.0)]


class Section(BaseModel):
    """A part of the configuration: frozen, and no key it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class AudioConfig(Section):
    backend: Literal["auto", "sounddevice", "pyaudio"] = "auto"
    input_device: int | str | None = None
    output_device: int | str | None = None
    block_ms: Annotated[int, Field(ge=5, le=100)] = 20
    output_latency_ms: Annotated[int, Field(ge=10, le=500)] = 60
    stall_s: Seconds = 1.5
    duck_db: Annotated[float, Field(ge=20.0, le=90.0)] = 40.0


class VadConfig(Section):
    engine: Literal["auto", "silero", "webrtc", "energy"] = "auto"
    threshold: Fraction = 0.5
    release: Fraction = 0.35
    far_end_threshold: Fraction = 0.8
    onset_ms: Milliseconds = 60
    far_end_onset_ms: Milliseconds = 30
    min_speech_ms: Milliseconds = 200
    far_end_min_speech_ms: Milliseconds = 250
    gap_ms: Milliseconds = 150
    pre_roll_ms: Milliseconds = 300
    max_speech_s: Seconds = 30.0


class EndpointConfig(Section):
    provisional_ms: Milliseconds = 200
    complete_ms: Milliseconds = 280
    incomplete_ms: Milliseconds = 800
    open_ms: Milliseconds = 1600
    mode: Literal["normal", "patient"] = "normal"
    model: Literal["auto", "off"] = "auto"
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


def load_config(path: Path | None = None, settings: Iterable[str] = ()) -> Config:
    """Read the configuration from `path` (default: config.yaml beside main.py) and apply `section.key=value` settings.

    Raises ConfigError naming the dotted key, the value and the cure.
    """
    values = _read(path)
    for setting in settings:
        _apply(values, setting)
    return parse_config(values, origin=str(path or DEFAULT_FILE.name))


def parse_config(values: Mapping[str, Any], origin: str = "configuration") -> Config:
    """Check plain values against the schema. Raises ConfigError."""
    try:
        config = Config.model_validate(dict(values))
    except ValidationError as error:
        problems = "\n".join(_explain(problem) for problem in error.errors())
        raise ConfigError(f"{origin}:\n{problems}" if "\n" in problems else f"{origin}: {problems}") from None
    _check_relations(config)
    return config


def _check_relations(config: Config) -> None:
    if config.vad.release >= config.vad.threshold:
        raise ConfigError(
            f"vad.release: {config.vad.release} must be below vad.threshold ({config.vad.threshold}); lower it"
        )
    endpoint = config.endpoint
    if not endpoint.provisional_ms <= endpoint.complete_ms <= endpoint.incomplete_ms <= endpoint.open_ms:
        raise ConfigError(
            "endpoint: provisional_ms <= complete_ms <= incomplete_ms <= open_ms must hold, got "
            f"{endpoint.provisional_ms}, {endpoint.complete_ms}, {endpoint.incomplete_ms}, {endpoint.open_ms}"
        )

    llm = config.llm
    if llm.engine == "openai" and not (llm.base_url and llm.model):
        missing = "llm.base_url" if not llm.base_url else "llm.model"
        example = "http://localhost:11434/v1" if not llm.base_url else "the name of a model on that server"
        raise ConfigError(f"{missing}: is not set, and llm.engine: openai needs it; set it to e.g. {example}")
    if llm.max_tokens > llm.context_tokens // 2:
        raise ConfigError(
            f"llm.max_tokens: {llm.max_tokens} is more than half of llm.context_tokens ({llm.context_tokens}), which "
            "leaves too little for the conversation; lower it"
        )


def _read(path: Path | None) -> dict[str, Any]:
    import yaml

    file = path or DEFAULT_FILE
    if path is None and not file.exists():
        return {}
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); check the path given to --config") from error
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: is not a UTF-8 text file; save it as UTF-8") from None
    try:
        values = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(f"{file}: is not valid YAML{where}: {problem}; correct that line") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: must hold `section:` blocks with `key: value` lines, not a {type(values).__name__}")
    return {key: {} if value is None and key in _SECTIONS else value for key, value in values.items()}


def _apply(values: dict[str, Any], setting: str) -> None:
    import yaml

    dotted, equals, raw = setting.partition("=")
    if not equals or not dotted.strip():
        raise ConfigError(f"--set {setting}: write it as section.key=value, e.g. --set vad.threshold=0.6")
    try:
        value = yaml.safe_load(raw)
    except yaml.YAMLError:
        value = raw
    *parents, leaf = dotted.strip().split(".")
    node = values
    for parent in parents:
        child = node.setdefault(parent, {})
        if not isinstance(child, dict):
            raise ConfigError(f"--set {setting}: {parent} is a value, not a section")
        node = child
    node[leaf] = value


_SECTIONS = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


def _known_keys(parents: tuple[str, ...]) -> list[str]:
    if not parents:
        return list(Config.model_fields)
    section = _SECTIONS.get(parents[0])
    return list(section.model_fields) if section else []


def _explain(problem: Any) -> str:
    location = tuple(str(part) for part in problem["loc"] if part not in ("int", "str", "constrained-str"))
    dotted = ".".join(location)
    value = problem.get("input")
    if problem["type"] == "extra_forbidden":
        close = difflib.get_close_matches(location[-1], _known_keys(location[:-1]), n=1, cutoff=0.5)
        if close:
            return f"{dotted}: unknown setting; did you mean '{close[0]}'?"
        elsewhere = [s for s, section in _SECTIONS.items() if location[-1] in section.model_fields]
        if elsewhere:
            return f"{dotted}: unknown setting; did you mean '{elsewhere[0]}.{location[-1]}'?"
        return f"{dotted}: unknown setting; known here: {', '.join(_known_keys(location[:-1]))}"
    if problem["type"] == "literal_error":
        expected = problem["ctx"]["expected"].replace("'", "").replace(" or ", ", ")
        close = difflib.get_close_matches(str(value), expected.split(", "), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else ""
        return f"{dotted}: {value!r} is not one of {expected}{hint}"
    message = problem["msg"][0].lower() + problem["msg"][1:]
    return f"{dotted}: {value!r} is not accepted: {message}"

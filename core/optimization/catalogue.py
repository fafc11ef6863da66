"""The engines a stage may use, the sizes of their models, and what each takes: memory by derivation, work by counting.

Nothing here is downloaded or loaded. Weights are parameters times bytes; what a model needs while it works follows
from its layers, by the formulas below. What the embedded engines take was measured on the assistant itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from core.optimization.plan import Device, WeightType

Stage = Literal["stt", "llm", "tts"]
STAGES: tuple[Stage, ...] = ("stt", "llm", "tts")

MB = 10**6
GB = 10**9
MILLION = 10**6

WEIGHT_BYTES: dict[WeightType, float] = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int8": 1 + 2 / 64,
    "int4": 0.5 + 4 / 64,
}
"""a weight of CTranslate2's or torch's; int8 has a 16-bit scale for each 64 weights, int4 a scale and an offset"""
LANGUAGE_WEIGHT_BYTES: dict[WeightType, float] = {
    "float32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int8": 1 + 2 / 32,
    "int4": 0.5 + 2 / 32,
}
"""a weight of core.models; a float16 scale for each 32. In int4 the vocabulary's tables are int8"""
READING: dict[WeightType, float] = {"float32": 0.85, "bfloat16": 0.63, "float16": 0.63, "int8": 0.77, "int4": 0.73}
"""share of the memory's measured bandwidth at which core.models reads weights while it writes on a processor:
`python3 -m benchmarks.llm --only decode prediction`, two threads of a Xeon at 2.6 GHz. float16 was not measured"""

PERPLEXITY: dict[WeightType, float] = {"int8": 1.00, "int4": 1.05}
"""of a language model, as a multiple of the full model's: `bench llm`, on a trained model of 260,000 parameters"""

SHELL_BYTES = 60 * MB
"""numpy, microphone, echo canceller and voice activity: maximum resident size of importing and making them, 86 MB,
less the 31 MB that a process has which has read its configuration (resource.getrusage, Linux x86_64)"""
TORCH_BYTES = 250 * MB
"""`import torch` and one product of matrices: 247 MB resident (torch 2.13.0 for CPUs, Linux x86_64)"""
WHISPER_LIBRARY_BYTES = 40 * MB
"""`import faster_whisper`: 38 MB resident above numpy (1.2 with CTranslate2 4.8, Linux x86_64)"""
TURN_MODEL_BYTES = 80 * MB
"""Smart Turn, which comes with Whisper, and onnxruntime: 79 MB above faster-whisper once it has judged (proportional;
v3.2, onnxruntime on one thread, Linux x86_64)"""
LANGUAGE_LIBRARY_BYTES = 210 * MB
"""above torch: 19 MB for transformers, 42 for numba, 150 for a tokenizer of 151,000 tokens (resident; transformers 5,
numba, Linux x86_64)"""
CUDA_BYTES = 500 * MB
"""a CUDA context with its libraries' kernels, before any model: assumed, for want of a card to measure it on"""

WHISPER_FRAMES = 1500
"""of the encoder, for its window of 30 s"""
HEARD_S = 5.0
"""a long command; the encoder sees these seconds alone"""
HEARD_TOKENS = 20
CONTEXT_TOKENS = 4096
PREFILL_TOKENS = 512
"""of a prompt, at once"""
SPOKEN_WINDOW_S = 10.0


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to fill a stage."""

    stage: Stage
    engine: str
    model: str | None
    label: str
    """in plain words"""
    device: Device
    weights: WeightType
    memory_bytes: int
    """weights and what it needs while it works, without libraries shared with other engines"""
    torch: bool = False
    """needs torch's libraries in main memory"""
    scales: bool = False
    """can use more than one thread"""
    operations: float = 0.0
    """multiplications and additions for the stage's unit of work: an utterance, a token, a second of speech"""
    traffic_bytes: float = 0.0
    """read from main memory for that unit"""
    reading: float = 1.0
    """at which share of the memory's bandwidth"""


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine of a stage."""

    name: str
    stage: Stage
    label: str
    embedded: bool = False
    devices: tuple[Device, ...] = ("cpu",)


ENGINES = (
    Engine("pocketsphinx", "stt", "PocketSphinx", embedded=True),
    Engine("skills", "llm", "The skills", embedded=True),
    Engine("espeak", "tts", "eSpeak NG", embedded=True),
    Engine("whisper", "stt", "Whisper", devices=("cpu", "cuda")),
    Engine("mlx", "llm", "Qwen3", devices=("cpu", "cuda", "mps")),
    Engine("melo", "tts", "MeloTTS", devices=("cpu", "cuda", "mps")),
)
ALL_ENGINES = frozenset(engine.name for engine in ENGINES)
EMBEDDED_ENGINES = frozenset(engine.name for engine in ENGINES if engine.embedded)

EMBEDDED = {
    # Its model for any sentence and the one of the command grammar: 82 and 92 MB.
    "pocketsphinx": Candidate("stt", "pocketsphinx", None, "PocketSphinx", "cpu", "float32", 174 * MB),
    # `chat` takes 55 MB where a process that has read its configuration takes 31.
    "skills": Candidate("llm", "skills", None, "The skills", "cpu", "float32", 24 * MB),
    # `say` takes 50 MB where numpy and the configuration take 43; doubled for long sentences.
    "espeak": Candidate("tts", "espeak", None, "eSpeak NG", "cpu", "float32", 14 * MB),
}
ASKED_FOR = {
    "piper": Candidate("tts", "piper", None, "Piper", "cpu", "float32", 200 * MB),
    "melotts": Candidate("tts", "melotts", None, "The melo package", "cpu", "float32", 1500 * MB, torch=True),
}
"""never planned, only taken where the configuration names them; what they take is a guess"""


@dataclass(frozen=True, slots=True)
class WhisperSize:
    """The dimensions published with openai/whisper."""

    name: str
    parameters: int
    width: int
    encoder_layers: int
    decoder_layers: int
    heads: int


WHISPER = (
    WhisperSize("tiny", 39 * MILLION, 384, 4, 4, 6),
    WhisperSize("base", 74 * MILLION, 512, 6, 6, 8),
    WhisperSize("small", 244 * MILLION, 768, 12, 12, 12),
    WhisperSize("medium", 769 * MILLION, 1024, 24, 24, 16),
    WhisperSize("large-v3-turbo", 809 * MILLION, 1280, 32, 4, 20),
    WhisperSize("large-v3", 1550 * MILLION, 1280, 32, 32, 20),
)


QWEN_VOCABULARY = 151_936


@dataclass(frozen=True, slots=True)
class CausalSize:
    """The dimensions published with a language model."""

    name: str
    family: str
    """empty where the name says it"""
    parameters: int
    layers: int
    width: int
    key_value_width: int
    """key-value heads times the width of a head"""
    tied: bool = True
    """one table of the vocabulary serves as embedding and output head"""
    vocabulary: int = QWEN_VOCABULARY


QWEN = (
    CausalSize("0.6B", "Qwen3", 596 * MILLION, 28, 1024, 1024),
    CausalSize("1.7B", "Qwen3", 1721 * MILLION, 28, 2048, 1024),
    CausalSize("4B", "Qwen3", 4022 * MILLION, 36, 2560, 1024),
    CausalSize("8B", "Qwen3", 8191 * MILLION, 36, 4096, 1024, tied=False),
)
"""those that are planned with"""
QWEN_2_5 = (
    CausalSize("0.5B", "Qwen2.5", 494 * MILLION, 24, 896, 128),
    CausalSize("1.5B", "Qwen2.5", 1544 * MILLION, 28, 1536, 256),
)
"""to be had by name; its 3B is under a licence for research alone"""

MELO_PARAMETERS = 52 * MILLION
BERT_PARAMETERS = 71 * MILLION
"""of the ten of its twelve layers that are computed"""
BERT_TABLE = 24 * MILLION
"""of its words and places: on a processor it stays in its file, but for the rows that a sentence has"""
MELO_RATE_HZ = 44_100
MELO_CHANNELS = (256, 128, 64, 32, 16)
"""of its generator's five stages, which raise the rate by 8, 8, 2, 2 and 2 to MELO_RATE_HZ"""
MELO_STAGE_RATIOS = (64, 8, 4, 2, 1)
"""MELO_RATE_HZ over the stage's rate"""
MELO_TAPS = (3 + 7 + 11) * 6
"""of the convolutions in a stage: three kernels, three dilations, two each"""


def _number_bytes(device: Device, weights: WeightType) -> int:
    """Of what is computed with: a CPU computes in float32, whatever the weights are kept in."""
    return 4 if device == "cpu" or weights == "float32" else 2


def whisper(size: WhisperSize, device: Device, weights: WeightType) -> Candidate:
    """Weights; keys and values of cross-attention; one layer's attention scores and activations in the encoder."""
    number = _number_bytes(device, weights)
    cross = 2 * size.decoder_layers * WHISPER_FRAMES * size.width * number
    scores = size.heads * WHISPER_FRAMES**2 * number
    activations = 8 * WHISPER_FRAMES * size.width * number
    encoder = 12 * size.width**2 * size.encoder_layers
    decoder = size.parameters - encoder
    frames = WHISPER_FRAMES * HEARD_S / 30
    return Candidate(
        "stt",
        "whisper",
        size.name,
        f"Whisper {size.name} in {weights}",
        device,
        weights,
        round(size.parameters * WEIGHT_BYTES[weights]) + cross + scores + activations + WHISPER_LIBRARY_BYTES,
        scales=device == "cpu",
        operations=2 * encoder * frames + 2 * decoder * HEARD_TOKENS,
        traffic_bytes=decoder * WEIGHT_BYTES[weights] * HEARD_TOKENS,
    )


def qwen(size: CausalSize, device: Device, weights: WeightType) -> Candidate:
    """Weights; keys and values of CONTEXT_TOKENS; one layer's activations of PREFILL_TOKENS.

    A token is made from all weights but an embedding that is not the output head too: of that it reads one row.
    """
    number = _number_bytes(device, weights)
    cache = 2 * size.layers * size.key_value_width * CONTEXT_TOKENS * number
    activations = 16 * PREFILL_TOKENS * size.width * number
    table = size.vocabulary * size.width
    table_bytes = table * LANGUAGE_WEIGHT_BYTES["int8" if weights == "int4" else weights]
    tables = 1 if size.tied else 2
    shared = 2 * size.layers * size.width * size.key_value_width
    """weights that make keys and values, which have 8 bits in int4 too"""
    wider = LANGUAGE_WEIGHT_BYTES["int8"] - LANGUAGE_WEIGHT_BYTES["int4"] if weights == "int4" else 0.0
    stored = (size.parameters - tables * table) * LANGUAGE_WEIGHT_BYTES[weights] + tables * table_bytes + shared * wider
    return Candidate(
        "llm",
        "mlx",
        size.name,
        f"{size.family} {size.name} in {weights}".strip(),
        device,
        weights,
        round(stored) + cache + activations,
        torch=True,
        scales=device == "cpu",
        operations=2 * (size.parameters - (tables - 1) * table),
        traffic_bytes=stored - (tables - 1) * table_bytes,
        reading=READING[weights],
    )


def melo(device: Device, weights: WeightType) -> Candidate:
    """Weights with BERT's; two layers of the generator's last stage over SPOKEN_WINDOW_S."""
    table = 0 if device == "cpu" else BERT_TABLE
    stored = (MELO_PARAMETERS + BERT_PARAMETERS + table) * WEIGHT_BYTES[weights]
    window = 2 * MELO_RATE_HZ * SPOKEN_WINDOW_S * 2 * MELO_CHANNELS[-1] * WEIGHT_BYTES[weights]
    products = sum(
        channels**2 * MELO_RATE_HZ / ratio for channels, ratio in zip(MELO_CHANNELS, MELO_STAGE_RATIOS, strict=True)
    )
    return Candidate(
        "tts",
        "melo",
        None,
        f"MeloTTS in {weights}",
        device,
        weights,
        round(stored + window),
        torch=True,
        scales=device == "cpu",
        operations=2 * MELO_TAPS * products,
    )

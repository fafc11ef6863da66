"""What a MeloTTS voice's `config.json` says about its network. Reads and checks; loads no weights."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.utils.errors import ModelLoadError

CONFIG_FILE = "config.json"
BERT_WIDTH = 1024
"""of the `bert` input, which is zeros for all languages but Chinese"""
JA_BERT_WIDTH = 768
"""of the `ja_bert` input, which carries the features of all other languages"""


@dataclass(frozen=True, slots=True)
class DecoderShape:
    """The part that makes sound: frames of `channels` numbers to samples (Kong et al. 2020, HiFi-GAN)."""

    channels: int
    first_width: int
    """channels before the first upsampling; each upsampling halves them"""
    rates: tuple[int, ...]
    rate_kernels: tuple[int, ...]
    kernels: tuple[int, ...]
    dilations: tuple[tuple[int, ...], ...]
    """of each kernel's block"""
    paired: bool
    """whether an undilated convolution follows each dilated one ("1" in the files)"""
    speaker_width: int

    @property
    def hop(self) -> int:
        """Samples a frame."""
        product = 1
        for rate in self.rates:
            product *= rate
        return product

    def width(self, level: int) -> int:
        """Channels after the upsampling of that number, from 0; at level -1 before the first."""
        return int(self.first_width // 2 ** (level + 1))


@dataclass(frozen=True, slots=True)
class MeloConfig:
    """The network's shape, and the names it knows."""

    symbols: tuple[str, ...]
    tones: int
    languages: int
    speakers: Mapping[str, int]
    """speaker's name -> row of the speaker table"""
    speaker_rows: int
    sample_rate_hz: int
    add_blank: bool
    disable_bert: bool
    hidden: int
    inner: int
    heads: int
    layers: int
    kernel: int
    speaker_width: int
    conditioned_encoder: bool
    transformer_flow: bool
    flow_layers: int
    """layers in each coupling"""
    flow_couplings: int
    decoder: DecoderShape = field(repr=False)

    @property
    def channels(self) -> int:
        """Numbers a frame has."""
        return self.decoder.channels

    def speaker(self, name: str) -> int:
        """The row of a speaker. Raises ModelLoadError naming those there are."""
        if name not in self.speakers:
            near = difflib.get_close_matches(name.upper(), map(str.upper, self.speakers), 1)
            hint = [known for known in self.speakers if known.upper() in near]
            known = f"it has {', '.join(sorted(self.speakers))}" + (f"; did you mean {hint[0]}?" if hint else "")
            raise ModelLoadError(f"no speaker '{name}' in this voice; {known}")
        return self.speakers[name]


def read_config(folder: Path) -> MeloConfig:
    """The configuration in a voice's folder. Raises ModelLoadError naming the file and what is wrong with it."""
    path = folder / CONFIG_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if any(folder.glob("*.onnx")):
            raise ModelLoadError(f"{folder} holds a voice of Piper's: set tts.engine to piper") from error
        raise ModelLoadError(f"{path} is missing: a voice is a folder with config.json and its weights") from error
    except (OSError, ValueError) as error:
        raise ModelLoadError(f"{path} cannot be read as JSON ({error}); fetch the voice again") from error
    try:
        return _configuration(values)
    except KeyError as error:
        raise ModelLoadError(f"{path} has no entry {error}: it is not the configuration of a MeloTTS voice") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise ModelLoadError(f"{path} is not the configuration of a MeloTTS voice: {error}") from error


def _configuration(values: Mapping[str, Any]) -> MeloConfig:
    model, data = values["model"], values["data"]
    if model.get("flow_share_parameter"):
        raise ValueError("flow_share_parameter, which no published voice has, is not supported")
    speaker_width = int(model.get("gin_channels", 0))
    if not data["n_speakers"] or not speaker_width:
        raise ValueError("it has no speaker table (data.n_speakers or model.gin_channels is 0)")
    couplings = int(model.get("n_flow_layer", 4))
    transformer_flow = bool(model.get("use_transformer_flow", True))
    return MeloConfig(
        symbols=tuple(values["symbols"]),
        tones=int(values["num_tones"]),
        languages=int(values["num_languages"]),
        speakers={str(name): int(row) for name, row in dict(data["spk2id"]).items()},
        speaker_rows=int(data["n_speakers"]),
        sample_rate_hz=_rate(data["sampling_rate"]),
        add_blank=bool(data.get("add_blank", True)),
        disable_bert=bool(data.get("disable_bert", False)),
        hidden=int(model["hidden_channels"]),
        inner=int(model["filter_channels"]),
        heads=int(model["n_heads"]),
        layers=int(model["n_layers"]),
        kernel=int(model["kernel_size"]),
        speaker_width=speaker_width,
        conditioned_encoder=bool(model.get("use_spk_conditioned_encoder", True)),
        transformer_flow=transformer_flow,
        flow_layers=int(model.get("n_layers_trans_flow", 6)) if transformer_flow else couplings,
        flow_couplings=couplings if transformer_flow else 4,
        decoder=_decoder_shape(model, speaker_width),
    )


def _rate(value: Any) -> int:
    if int(value) <= 0:
        raise ValueError(f"data.sampling_rate is {value}")
    return int(value)


def _decoder_shape(model: Mapping[str, Any], speaker_width: int) -> DecoderShape:
    shape = DecoderShape(
        channels=int(model["inter_channels"]),
        first_width=int(model["upsample_initial_channel"]),
        rates=tuple(model["upsample_rates"]),
        rate_kernels=tuple(model["upsample_kernel_sizes"]),
        kernels=tuple(model["resblock_kernel_sizes"]),
        dilations=tuple(tuple(one) for one in model["resblock_dilation_sizes"]),
        paired=str(model["resblock"]) == "1",
        speaker_width=speaker_width,
    )
    if len(shape.rates) != len(shape.rate_kernels) or len(shape.kernels) != len(shape.dilations):
        raise ValueError("the decoder's lists of rates, kernels and dilations differ in length")
    return shape

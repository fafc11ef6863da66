"""A MeloTTS voice of the published size with random weights, in the published layout, and sentences for it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from tts.melo.configuration import CONFIG_FILE, read_config
from tts.melo.network import MeloNetwork, Sounds
from tts.melo.weights import CHECKPOINT_FILE

SYMBOLS = 219
FRAMES_A_PHONE = 3.4
"""86 frames a second"""


def full_size() -> dict[str, Any]:
    """config.json of a voice like the published English ones."""
    decoder = {
        "resblock": "1",
        "resblock_kernel_sizes": [3, 7, 11],
        "resblock_dilation_sizes": [[1, 3, 5]] * 3,
        "upsample_rates": [8, 8, 2, 2, 2],
        "upsample_initial_channel": 512,
        "upsample_kernel_sizes": [16, 16, 8, 2, 2],
    }
    text = {
        "inter_channels": 192,
        "hidden_channels": 192,
        "filter_channels": 768,
        "n_heads": 2,
        "n_layers": 6,
        "n_layers_trans_flow": 3,
        "kernel_size": 3,
        "gin_channels": 256,
        "use_spk_conditioned_encoder": True,
    }
    speakers = {"EN-Default": 0, "EN-US": 1, "EN-BR": 2, "EN_INDIA": 3, "EN-AU": 4}
    return {
        "data": {"sampling_rate": 44100, "add_blank": True, "n_speakers": 256, "spk2id": speakers},
        "model": {**text, **decoder},
        "num_tones": 16,
        "num_languages": 10,
        "symbols": [f"s{n}" for n in range(SYMBOLS)],
    }


def write_voice(folder: Path, config: dict[str, Any] | None = None, seed: int = 0) -> Path:
    """config.json and checkpoint.pth, of which the decoder's weights are in pairs of a weight norm."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG_FILE).write_text(json.dumps(config or full_size()), encoding="utf-8")
    torch.manual_seed(seed)
    network = MeloNetwork(read_config(folder))
    steady_pace(network)
    tensors: dict[str, Tensor] = {}
    for name, tensor in network.state_dict().items():
        if name.startswith(("dec.ups.", "dec.resblocks.")) and name.endswith(".weight"):
            tensors[f"{name}_v"] = tensor
            tensors[f"{name}_g"] = torch.norm_except_dim(tensor, 2, 0)
        else:
            tensors[name] = tensor
    torch.save(
        {"model": tensors | (training_encoder() if config is None else {}), "iteration": 1}, folder / CHECKPOINT_FILE
    )
    return folder


def steady_pace(network: MeloNetwork) -> None:
    """Have a phone last FRAMES_A_PHONE frames where durations are the deterministic ones, and sounds be audible."""
    with torch.no_grad():
        network.dp.proj.weight.mul_(0.1)
        assert network.dp.proj.bias is not None
        network.dp.proj.bias.fill_(math.log(FRAMES_A_PHONE - 0.5))  # of which the next whole number is taken
        network.dec.conv_post.weight.mul_(10)


def sentence(phones: int, seed: int = 0) -> Sounds:
    """Random phones of English, with random features."""
    generator = torch.Generator().manual_seed(seed)
    return Sounds(
        torch.randint(0, SYMBOLS, (phones,), generator=generator),
        torch.randint(7, 11, (phones,), generator=generator),
        torch.full((phones,), 2),
        torch.randn(768, phones, generator=generator),
    )


def spread(features: Tensor, sounds: Sounds) -> Sounds:
    """The sentence with BERT's features [768, tokens] spread evenly over its phones."""
    at = torch.arange(len(sounds.phones)) * features.shape[1] // len(sounds.phones)
    return Sounds(sounds.phones, sounds.tones, sounds.languages, features[:, at])


def write_bert(folder: Path, seed: int = 0) -> Path:
    """A masked language model of bert-base-uncased's size with random weights."""
    from transformers import BertConfig, BertForMaskedLM

    from core.models.hf_loading import without_progress_bars

    torch.manual_seed(seed)
    with without_progress_bars():
        BertForMaskedLM(BertConfig(tie_word_embeddings=True)).save_pretrained(folder)
    return folder


def training_encoder() -> dict[str, Tensor]:
    """As many weights as the published checkpoints carry for training alone, 8.9 million."""
    return {"enc_q.enc.weight": torch.zeros(8_900_000)}

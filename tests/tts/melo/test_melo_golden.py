"""Against the reference implementation's outputs, and the published layout's names and shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")

import torch
from melo_voices import GOLDEN

from benchmarks.tts_parts.spectra import signal_db, spectral_db
from benchmarks.tts_parts.voice import full_size
from tts.melo.network import Manner, MeloNetwork, Sounds
from tts.melo.weights import CHECKPOINT_FILE, CONVERTED_FILE, convert, load_network
from tts.melo.windows import TorchDecoder, choose_decoder

pytestmark = pytest.mark.skipif(
    not (GOLDEN / "cases.npz").exists(), reason=f"no golden model: {GOLDEN} is not there (set MERLINE_ASSETS)"
)
RATIOS = {"dp": 0.0, "sdp": 1.0, "mix": 0.2}


@pytest.fixture(scope="module")
def network() -> MeloNetwork:
    return load_network(GOLDEN)


@pytest.fixture(scope="module")
def cases() -> Any:
    return np.load(GOLDEN / "cases.npz")


def asked(cases: Any, case: int, mode: str) -> tuple[Sounds, Manner]:
    """What the reference was given."""
    phones, tones, languages, ja_bert = (
        torch.from_numpy(cases[f"{case}_{name}"]) for name in ("phones", "tones", "lang", "ja_bert")
    )
    manner = Manner(
        speaker=int(cases[f"{case}_sid"]),
        sdp_ratio=RATIOS[mode],
        noise_scale=0.0,
        noise_scale_w=0.0,
        length_scale=float(cases[f"{case}_length_scale"]),
    )
    return Sounds(phones, tones, languages, ja_bert), manner


@pytest.mark.parametrize("mode", RATIOS)
@pytest.mark.parametrize("case", [0, 1, 2])
def test_durations_are_identical_and_audio_is_within_1e_4(network: MeloNetwork, cases: Any, case: int, mode: str):
    sounds, manner = asked(cases, case, mode)
    with torch.inference_mode():
        frames, durations = network.frames(sounds, manner)
        speaker = network.speaker(manner.speaker)
        decoders = (TorchDecoder(network.dec), choose_decoder(network.dec)[0])
        audio = [decoder.window(frames, speaker, 0, frames.shape[2]).numpy() for decoder in decoders]
    assert durations.tolist() == cases[f"{case}_{mode}_durations"].tolist()
    np.testing.assert_allclose(frames[0].numpy(), cases[f"{case}_{mode}_z"], atol=1e-5)
    for one in audio:
        np.testing.assert_allclose(one, cases[f"{case}_{mode}_audio"], atol=5e-5, rtol=0)


@pytest.mark.parametrize("mode", RATIOS)
@pytest.mark.parametrize("case", [0, 1, 2])
def test_in_int8_durations_are_identical_and_audio_is_near(cases: Any, case: int, mode: str):
    pytest.importorskip("numba", reason="needs numba (the extra full)")
    from tts.melo.fused_feed_forward import fuse_flow

    network = load_network(GOLDEN)
    fuse_flow(network.flow, 2, "int8")
    decoder, _ = choose_decoder(network.dec, precision="int8")
    sounds, manner = asked(cases, case, mode)
    with torch.inference_mode():
        frames, durations = network.frames(sounds, manner)
        audio = decoder.window(frames, network.speaker(manner.speaker), 0, frames.shape[2])
    assert durations.tolist() == cases[f"{case}_{mode}_durations"].tolist()
    exact = torch.from_numpy(cases[f"{case}_{mode}_audio"])
    assert signal_db(exact, audio) > 29
    assert spectral_db(exact, audio) < 0.5


def test_every_published_name_and_shape_loads(tmp_path: Path):
    shapes = json.loads((GOLDEN / "full_size_state_dict_shapes.json").read_text())
    generator = torch.Generator().manual_seed(0)
    tensors = {
        name: torch.randn(shape, generator=generator) * 0.01 + 0.02 for name, (shape, _) in shapes["tensors"].items()
    }
    torch.save({"model": tensors, "iteration": 1}, tmp_path / CHECKPOINT_FILE)
    (tmp_path / "config.json").write_text(json.dumps(full_size()))
    network = load_network(tmp_path)
    kept = sum(tensor.numel() for tensor in network.state_dict().values())
    dropped = sum(tensor.numel() for name, tensor in tensors.items() if name.startswith("enc_q."))
    whole = sum(tensor.numel() for tensor in tensors.values())
    assert dropped > 8_000_000
    assert kept < whole - dropped  # weight norm's lengths and what trains the durations are gone as well


def test_converted_weights_are_the_checkpoints(tmp_path: Path, network: MeloNetwork):
    for name in ("config.json", CHECKPOINT_FILE):
        (tmp_path / name).write_bytes((GOLDEN / name).read_bytes())
    assert convert(tmp_path) == tmp_path / CONVERTED_FILE
    (tmp_path / CHECKPOINT_FILE).unlink()
    again = load_network(tmp_path).state_dict()
    assert again.keys() == network.state_dict().keys()
    assert all(torch.equal(tensor, again[name]) for name, tensor in network.state_dict().items())
    assert convert(tmp_path).exists()

"""The small Whisper's training on a card: plans drawn beside it and the sound made from them, here on the CPU."""

from __future__ import annotations

import logging
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs torch (the extra full)")
pytest.importorskip("whisper", reason="needs openai-whisper (the extra full)")
pytest.importorskip("soxr", reason="needs soxr")

import torch

from benchmarks.whisper.training import shards
from benchmarks.whisper.training.batch_sound import BatchSound
from benchmarks.whisper.training.disturb import Rooms, at_speed
from benchmarks.whisper.training.examples import HOP_SAMPLES, log_mel
from benchmarks.whisper.training.feed import FeedConfig
from benchmarks.whisper.training.plans import NOTHING, SOUNDS, PlanBatch, PlanMixer
from benchmarks.whisper.training.shards import Utterance, read_index, read_samples, read_shard, shard_path
from benchmarks.whisper.training.train import CHECKPOINT, TrainConfig, load_network, train
from benchmarks.whisper.training.vocabulary import END_OF_TEXT, SIZE, Vocabulary
from benchmarks.whisper.training.voices import RATE_HZ
from core.messages import Samples

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed file.*tiktoken:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*tiktoken:pytest.PytestUnraisableExceptionWarning"),
]
FRAMES = 1500
WORDS = ("turn", "on", "the", "light", "quelle", "heure")


def sung(number: int) -> Samples:
    """A sound of a second and a bit, that tells one utterance from another."""
    time_s = np.arange(RATE_HZ + 1000 * number) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * (300.0 + 150.0 * number) * time_s) * np.hanning(time_s.size)).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of made-up speech, a held-out one and a vocabulary."""
    found = tmp_path_factory.mktemp("training")
    said = [("turn on the light", "en", "a"), ("quelle heure", "fr", "b"), ("the light", "en", "a")]
    spoken = [
        Utterance(text, language, voice, "tɜn", (32767 * sung(index)).astype(np.int16), (0,) * len(text.split()))
        for index, (text, language, voice) in enumerate(said)
    ]
    shards.write(shard_path(found, 0), spoken[:2])
    shards.write(shard_path(found, 7), spoken[2:])
    shards.write(found / "held-out.npz", spoken[:1])
    return found


@pytest.fixture(scope="module")
def vocabulary(folder: Path) -> Vocabulary:
    from whisper.tokenizer import get_tokenizer

    known = get_tokenizer(True, num_languages=99, language="en", task="transcribe")
    ids = sorted({token for word in WORDS for token in known.encode(f" {word}")} | set(range(END_OF_TEXT, SIZE)))
    (folder / "vocabulary.json").write_text(str(ids), encoding="utf-8")
    return Vocabulary(tuple(ids))


@pytest.fixture(scope="module")
def rooms() -> Rooms:
    return Rooms(np.random.default_rng(0), rooms=5, noises=2)


@pytest.fixture(scope="module")
def batches(folder: Path, vocabulary: Vocabulary) -> list[PlanBatch]:
    return PlanMixer(FeedConfig(folder, FRAMES, full=0.0), vocabulary, [4000, 9000]).batches(3)


@pytest.fixture(scope="module")
def sound(folder: Path, rooms: Rooms) -> BatchSound:
    clips = [np.full(size, 0.1, np.float32) for size in (4000, 9000)]
    return BatchSound(folder, rooms, clips, torch.device("cpu"))


def test_a_file_without_its_sound_tells_where_the_sound_is(folder: Path):
    path = shard_path(folder, 0)
    samples = read_samples(path)
    for one, whole in zip(read_index(path), read_shard(path), strict=True):
        assert (one.text, one.voice, one.word_starts) == (whole.text, whole.voice, whole.word_starts)
        assert np.array_equal(samples[one.start : one.start + one.size], whole.samples)


def test_the_same_pool_is_planned_the_same_way_again(folder: Path, vocabulary: Vocabulary, batches: list[PlanBatch]):
    again = PlanMixer(FeedConfig(folder, FRAMES, full=0.0), vocabulary, [4000, 9000]).batches(3)
    assert len(again) == len(batches) > 5
    for one, other in zip(again, batches, strict=True):
        assert np.array_equal(one.pieces, other.pieces)
        assert np.array_equal(one.targets, other.targets)


def test_plans_take_every_file_connect_one_voice_and_stay_in_the_batch(batches: list[PlanBatch]):
    files = np.concatenate([batch.pieces[:, :, 0] for batch in batches])
    assert set(np.unique(files)) == {SOUNDS, NOTHING, 0, 7}
    assert np.any((files[:, 0] >= 0) & (files[:, 1] >= 0))
    for batch in batches:
        assert batch.frames * len(batch.pieces) <= FRAMES or len(batch.pieces) == 1
        assert batch.positions.max() <= batch.frames // 2


def test_without_speech_planning_names_the_folder_and_the_cure(tmp_path: Path, vocabulary: Vocabulary):
    with pytest.raises(FileNotFoundError, match="run make"):
        PlanMixer(FeedConfig(tmp_path), vocabulary, [4000]).batches(0)


def test_the_sound_of_a_plan_is_its_pieces_at_its_speed(folder: Path, sound: BatchSound, batches: list[PlanBatch]):
    files = {number: read_samples(shard_path(folder, number)) for number in (0, 7)}
    compared = 0
    for batch in batches[:4]:
        made = sound.spoken(batch).numpy()
        for row, found in enumerate(made):
            if batch.pieces[row, 0, 0] == SOUNDS:
                continue
            pieces = [piece for piece in batch.pieces[row] if piece[0] != NOTHING]
            plain = np.zeros(pieces[-1][3] + pieces[-1][2], np.float32)
            for file, start, size, place in pieces:
                plain[place : place + size] = files[file][start : start + size] / np.float32(32768.0)
            wanted = at_speed(plain, float(batch.speeds[row])) if batch.speeds[row] != 1.0 else plain
            begin = int(batch.before[row])
            part = found[begin : begin + wanted.size]
            assert np.abs(part - wanted[: part.size]).max() < 0.01
            assert not found[: max(0, begin - 8)].any()
            assert not found[begin + wanted.size + 8 :].any()
            compared += 1
    assert compared > 5


def test_its_window_is_the_one_whisper_computes(sound: BatchSound, batches: list[PlanBatch]):
    batch = batches[0]
    samples = sound.disturbed(sound.spoken(batch), batch)
    mel = sound.log_mel(samples, batch).numpy()
    for row, size in enumerate(batch.samples):
        content = int(size) // HOP_SAMPLES
        wanted = log_mel(samples[row, :size].numpy())
        assert np.abs(mel[row, :, : content - 2] - wanted[:, : content - 2]).max() < 2e-3
        assert not mel[row, :, content:].any()


def test_disturbed_sound_stays_within_one_and_ends_where_the_plan_does(sound: BatchSound, batches: list[PlanBatch]):
    for batch in batches[:4]:
        samples = sound.disturbed(sound.spoken(batch), batch)
        assert samples.isfinite().all()
        assert samples.abs().max() <= 1.0
        for row, size in zip(samples, batch.samples, strict=True):
            assert not row[size:].any()


def test_training_from_plans_saves_a_model_and_goes_on_from_it(
    folder: Path, vocabulary: Vocabulary, caplog: pytest.LogCaptureFixture
):
    config = TrainConfig(*(folder, 2), device="cpu:0", frames=400, processes=1, rooms=5, noises=2, sounds=2, full=0.0)
    with caplog.at_level(logging.INFO):
        train(config)
        first = zlib.crc32(b"".join(one.numpy().tobytes() for one in load_network(folder)[0].state_dict().values()))
        train(replace(config, steps=4))
    network, _ = load_network(folder)
    assert zlib.crc32(b"".join(one.numpy().tobytes() for one in network.state_dict().values())) != first
    assert torch.load(folder / CHECKPOINT, weights_only=True)["step"] == 4
    assert any("going on from step 2" in line for line in caplog.messages)
    assert any("held-out WER" in line for line in caplog.messages)


def test_weights_that_are_no_numbers_do_not_replace_the_last_checkpoint(folder: Path, vocabulary: Vocabulary):
    config = TrainConfig(*(folder, 6), rate=1e38, device="cpu:0", frames=400, processes=1, rooms=5, noises=2, sounds=2)
    before = (folder / CHECKPOINT).read_bytes()
    with pytest.raises(FloatingPointError, match="smaller --rate"):
        train(config)
    assert (folder / CHECKPOINT).read_bytes() == before

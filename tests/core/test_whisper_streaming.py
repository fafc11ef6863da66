"""A forced beginning, restricted languages and word times: the same on both backends, and as without them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("faster_whisper", reason="faster-whisper is not installed")
pytest.importorskip("whisper", reason="openai-whisper is not installed")

from benchmarks.whisper.shapes import Checkpoints
from core.utils.whisper import greedy
from core.utils.whisper.alignment import attention_path, timed, warp
from core.utils.whisper.results import Piece
from core.utils.whisper_compat import LanguageRule, ShortTranscript, StreamOptions, WhisperModel
from tests.core.whisper_checkpoints import SOUNDS, checkpoints, noise

__all__ = ["checkpoints"]

pytestmark = [
    # openai-whisper opens its vocabulary and never closes it
    pytest.mark.filterwarnings("ignore:unclosed file.*tiktoken:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Exception ignored in.*tiktoken:pytest.PytestUnraisableExceptionWarning"),
]
BACKENDS = ("faster-whisper", "openai-whisper")
LIMIT = 16


@pytest.fixture(scope="module")
def models(checkpoints: Checkpoints) -> dict[str, WhisperModel]:
    paths = {"faster-whisper": checkpoints.ctranslate2, "openai-whisper": checkpoints.openai}
    return {name: WhisperModel(path, "cpu", "float32", backend=name) for name, path in paths.items()}


def short(model: WhisperModel, sound: np.ndarray, limit: int = LIMIT, **options: object) -> ShortTranscript:
    language = None if "rule" in options else "en"
    stream = StreamOptions(may_fall_back=False, **options)  # type: ignore[arg-type]
    return model.transcribe_short(sound, language, limit, stream=stream)


@pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_beginning_that_the_model_agrees_with_changes_no_text(
    models: dict[str, WhisperModel], backend: str, sound: np.ndarray
):
    model = models[backend]
    free = short(model, sound)
    for given in (1, 7, LIMIT - 1):
        told = short(model, sound, LIMIT - given, prefix=free.tokens[:given])
        assert (told.tokens, told.text, told.pieces) == (free.tokens, free.text, free.pieces)
        assert told.no_speech_prob == pytest.approx(free.no_speech_prob, abs=1e-5)


@pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_draft_right_or_wrong_changes_no_text(models: dict[str, WhisperModel], backend: str, sound: np.ndarray):
    model = models[backend]
    free = short(model, sound)
    right = free.tokens
    wrong = (2425,) if right[5] != 2425 else (1002,)
    for draft in (right[:1], right, (*right, 11, 11), wrong, (*right[:5], *wrong), (*right[:5], *wrong, *right[6:])):
        told = short(model, sound, draft=draft)
        assert (told.tokens, told.text, told.ended) == (free.tokens, free.text, free.ended)
        assert told.avg_logprob == pytest.approx(free.avg_logprob, abs=1e-4)
        assert told.no_speech_prob == pytest.approx(free.no_speech_prob, abs=1e-5)
    behind = short(model, sound, LIMIT - 3, prefix=right[:3], draft=(*right[3:6], *wrong))
    assert behind.tokens == right


def test_a_right_draft_saves_openai_whispers_decoder_its_steps(
    models: dict[str, WhisperModel], monkeypatch: pytest.MonkeyPatch
):
    steps: list[int] = []
    step = greedy._Decoder.step

    def counted(self: greedy._Decoder, tokens: list[int], ends: int = 1) -> Any:
        steps.append(len(tokens))
        return step(self, tokens, ends)

    monkeypatch.setattr(greedy._Decoder, "step", counted)
    free = short(models["openai-whisper"], SOUNDS["noise"])
    alone = len(steps)
    short(models["openai-whisper"], SOUNDS["noise"], draft=free.tokens[:10])
    assert len(steps) - alone == alone - 10


@pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS)
def test_how_likely_the_sentence_ends_is_the_same_on_both_backends_and_behind_a_given_beginning(
    models: dict[str, WhisperModel], sound: np.ndarray
):
    ends = []
    for model in models.values():
        free = short(model, sound, judged=True)
        told = short(model, sound, LIMIT - 3, prefix=free.tokens[:3], judged=True)
        assert (free.sentence_end is None) == (not any(map(str.isalnum, free.text)))
        assert short(model, sound).sentence_end is None
        ends += [one.sentence_end or 0.0 for one in (free, told)]
    assert ends == pytest.approx([ends[0]] * 4, rel=1e-3)
    assert 0.0 <= ends[0] < 1.0


def test_only_what_is_new_is_weighed(models: dict[str, WhisperModel]):
    """The sums of the log-probabilities of both parts add up to the whole's, the end counted as OpenAI does."""
    free = short(models["openai-whisper"], SOUNDS["noise"])
    first = short(models["openai-whisper"], SOUNDS["noise"], 6)
    for model in models.values():
        rest = short(model, SOUNDS["noise"], LIMIT - 6, prefix=first.tokens)
        assert rest.avg_logprob * (LIMIT - 6 + 1) + first.avg_logprob * 7 == pytest.approx(
            free.avg_logprob * (LIMIT + 1), abs=1e-3
        )


def test_a_beginning_that_the_model_would_not_say_stays_and_both_go_on_alike(models: dict[str, WhisperModel]):
    prefix = (2425, 1002, 11)
    said = [short(model, SOUNDS["syllables"], prefix=prefix) for model in models.values()]
    assert said[0].tokens == said[1].tokens
    assert said[0].tokens[:3] == prefix
    assert len(said[0].tokens) == LIMIT + 3
    assert not said[0].ended


@pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS)
def test_pieces_are_the_text_and_both_backends_time_them_alike(models: dict[str, WhisperModel], sound: np.ndarray):
    timed_ones = [short(model, sound, timed=True) for model in models.values()]
    for one in timed_ones:
        assert "".join(piece.text for piece in one.pieces).strip() == one.text
        assert tuple(token for piece in one.pieces for token in piece.tokens) == one.tokens
        begins = [piece.start_s for piece in one.pieces]
        assert begins == sorted(begins, key=lambda begin: begin or 0.0)
        assert all(0.0 <= (piece.start_s or 0.0) <= (piece.end_s or 0.0) for piece in one.pieces)
        assert (one.pieces[-1].end_s or 0.0) <= len(sound) / 16_000 + 0.02
    assert timed_ones[0].pieces == timed_ones[1].pieces


def test_times_are_those_of_openai_whisper(models: dict[str, WhisperModel], checkpoints: Checkpoints):
    whisper = pytest.importorskip("whisper")
    from whisper.audio import log_mel_spectrogram, pad_or_trim
    from whisper.timing import find_alignment
    from whisper.tokenizer import get_tokenizer

    sound = noise(30.0)
    said = short(models["openai-whisper"], sound, timed=True)
    reference = whisper.load_model(str(checkpoints.openai), device="cpu")
    mel = pad_or_trim(log_mel_spectrogram(sound, 80), 3000)
    expected = find_alignment(reference, get_tokenizer(True, language="en"), list(said.tokens), mel, 3000)
    assert [(word.start, word.end) for word in expected] == [
        pytest.approx((piece.start_s, piece.end_s), abs=0.021) for piece in said.pieces
    ]


def test_without_asking_there_are_no_times(models: dict[str, WhisperModel]):
    assert {piece.start_s for piece in short(models["faster-whisper"], SOUNDS["noise"]).pieces} == {None}


def test_both_backends_choose_alike_between_the_languages_they_are_given(models: dict[str, WhisperModel]):
    for rule in (LanguageRule(("en", "fr")), LanguageRule(("en", "fr"), "fr", 1.1), LanguageRule(("de", "it", "es"))):
        found = [short(model, SOUNDS["sweep"], rule=rule) for model in models.values()]
        assert found[0].language == found[1].language
        assert found[0].language in rule.candidates
        assert found[0].tokens == found[1].tokens
        assert {code for code, _ in found[0].detected} == set(rule.candidates)
        assert dict(found[0].detected) == pytest.approx(dict(found[1].detected), abs=1e-4)
        if rule.switch_at > 1.0:
            assert found[0].language == "fr"


def test_a_prefix_longer_than_a_text_is_a_mistake(models: dict[str, WhisperModel]):
    with pytest.raises(ValueError, match="at most 223"):
        short(models["faster-whisper"], SOUNDS["noise"], prefix=(7,) * 224)
    assert len(short(models["faster-whisper"], SOUNDS["noise"], 224, prefix=(7,) * 220).tokens) == 224


@pytest.mark.parametrize(
    ("cost", "path"),
    [
        ([[0.0]], [(0, 0)]),
        ([[0.0, 0.0, 0.0]], [(0, 0), (0, 1), (0, 2)]),
        ([[0.0], [0.0]], [(0, 0), (1, 0)]),
        ([[0.0, 9.0, 9.0], [9.0, 0.0, 0.0]], [(0, 0), (1, 1), (1, 2)]),
        ([[0.0, 0.0, 9.0], [9.0, 9.0, 0.0]], [(0, 0), (0, 1), (1, 2)]),
    ],
)
def test_the_cheapest_path(cost: list[list[float]], path: list[tuple[int, int]]):
    assert warp(np.array(cost, np.float32)) == path


def test_attention_gives_each_token_its_frames():
    attention = np.full((2, 5, 40), 0.001, np.float32)
    for token in range(5):
        attention[:, token, token * 8 : token * 8 + 8] = 1.0
    begins: dict[int, int] = {}
    for token, frame in attention_path(attention, 0):
        begins.setdefault(token, frame)
    assert all(abs(begins[token] - token * 8) <= 1 for token in range(4))


def test_a_piece_lasts_until_the_next_begins():
    pieces = (Piece(" a", (1, 2)), Piece(" b", (3,)))
    path = [(0, 0), (0, 1), (1, 4), (2, 10), (2, 11), (3, 20)]
    assert [(piece.start_s, piece.end_s) for piece in timed(pieces, path)] == [(0.0, 0.2), (0.2, 0.4)]

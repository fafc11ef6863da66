"""What a user is told of an error: English as it was worded, French without English words in it."""

from __future__ import annotations

import pytest

from core.app.error_words import REST, error_words, lost_turn
from core.app.models import describe as describe_download
from core.app.scene import Scene
from core.app.setup import describe
from core.background import Progress
from core.messages import Language, TurnFailed
from core.stage import SHORT_OF_MEMORY
from core.turns import Timings, TurnRecord
from core.utils.download_progress import DownloadProgress
from core.utils.whisper.languages import not_understood

ABSENT = (
    "mlx cannot be used, the skills answer alone: qwen3-0.6b: is not on this machine; "
    "`models download qwen3-0.6b` fetches it"
)
HUB = "https://huggingface.co does not answer (timed out); check the network, or try again later. --offline never asks"


@pytest.mark.parametrize(
    ("error", "french"),
    [
        (
            "whisper cannot be used, pocketsphinx listens instead: whisper-base: is not on this machine; "
            "`models download whisper-base` fetches it",
            "whisper ne peut pas servir, pocketsphinx écoute à sa place : whisper-base n'est pas sur cette machine ; "
            "`python3 main.py models download whisper-base` le télécharge",
        ),
        ("espeak speaks where melo cannot: the decoder failed", f"espeak parle là où melo ne le peut pas : {REST}"),
        (
            "mlx cannot be used, the skills answer alone: /a/b: there is no such folder; give a model's folder",
            "le modèle de langue ne peut pas servir, je réponds avec ce que je sais faire : il n'y a pas de dossier "
            "/a/b",
        ),
        (f"Qwen/Qwen3-0.6B: {HUB}", "le serveur des modèles ne répond pas ; vérifiez le réseau"),
        (SHORT_OF_MEMORY, "la mémoire ne suffit pas"),
        (
            not_understood("tiny.en", ["en", "fr"], ["en"]),
            "tiny.en ne comprend que l'anglais ; un modèle multilingue entend le français : "
            "`--set stt.model=whisper-base`",
        ),
        ("ValueError: an unheard-of thing", REST),
    ],
)
def test_an_error_is_told_in_french_and_left_as_it_is_in_english(error: str, french: str) -> None:
    assert (error_words(error, "fr"), error_words(error, "en")) == (french, error)


@pytest.mark.parametrize(
    ("language", "sentence", "cure"),
    [
        ("en", "qwen3-0.6b is not on this machine yet; until it is, my skills answer alone.", "fetches it"),
        ("fr", "qwen3-0.6b n'est pas encore sur cette machine ; d'ici là, je réponds avec ce que je sais faire.", "le"),
    ],
)
def test_a_named_model_that_is_being_fetched_is_not_told_as_a_failure(
    language: Language, sentence: str, cure: str
) -> None:
    assert error_words(ABSENT, language, comes=True) == sentence
    left_to_the_user = error_words(ABSENT, language)
    assert left_to_the_user.startswith(sentence)
    assert "models download qwen3-0.6b" in left_to_the_user
    assert cure in left_to_the_user


def test_a_lost_turn_names_its_part_in_french() -> None:
    assert lost_turn("stt", "the decoder failed", "fr") == f"en cherchant les mots, {REST}"
    failed = TurnFailed(3, 0, "tts", "espeak: cannot say 'hello'")
    assert Scene("fr").take(failed) == [("note", f"ce tour est perdu : en parlant, {REST}")]
    assert Scene("en").take(failed) == [("note", "that turn was lost: espeak: cannot say 'hello'")]


def test_the_times_of_a_turn_have_french_names() -> None:
    record = TurnRecord(3, "bonjour", "fr", "words", 1.0, "Bonjour !", Timings(900.0, 350.0, 80.0, total=500.0))
    assert Scene("fr").take(record)[-1] == ("timing", "tour 3 : parole 900, fin de parole 350, mots 80, en tout 500 ms")
    assert Scene("en").take(record)[-1] == ("timing", record.line())


def test_what_is_installed_and_fetched_beside_the_conversation_is_told_in_french() -> None:
    package = Progress("downloading", "torch", 2, 40, 10**7, 2 * 10**8)
    assert describe(package, "fr") == (
        "paquets des grands moteurs : téléchargement de torch, paquet 2 sur 40, 10 sur 200 Mo"
    )
    failed = describe(Progress("failed", message="no such thing"), "fr")
    assert failed.startswith(f"les grands moteurs n'ont pas pu être installés : {REST}.")
    model = DownloadProgress("whisper-base", "model.bin", 30_000_000, 150_000_000, 2_500_000.0)
    assert describe_download(model, "fr") == "whisper-base : 30,0 Mo sur 150 Mo, 2,5 Mo/s, encore 48 s"

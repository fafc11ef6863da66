"""What a user is told of an error: English as it was worded, French without English words in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from audio.devices import Device, StreamOptions, choose_device, missing_package, not_started, portaudio_cure, refused
from core.app.error_words import REST, error_words, logged, lost_turn, told
from core.app.models import describe as describe_download
from core.app.recorded_turn import RecordedTurn, read_turn, write_turn
from core.app.scene import Scene
from core.app.setup import describe
from core.background import Progress
from core.messages import Language, TurnFailed
from core.selfcheck import BUSY as BUSY_MACHINE
from core.stage import SHORT_OF_MEMORY
from core.turns import Timings, TurnRecord
from core.utils.download_progress import DownloadProgress
from core.utils.errors import AudioDeviceError, AudioFileError
from core.utils.whisper.languages import not_understood
from llm.remote import _refusal

ABSENT = "the skills answer alone: qwen3-0.6b: is not on this machine; `models download qwen3-0.6b` fetches it"
UNHEARD = (
    "whisper cannot be used, pocketsphinx listens instead: whisper-base: is not on this machine; "
    "`models download whisper-base` fetches it"
)
HUB = "https://huggingface.co does not answer (timed out); check the network, or try again later. --offline never asks"


@pytest.mark.parametrize(
    ("error", "french"),
    [
        ("espeak speaks where melo cannot: the decoder failed", f"espeak parle là où melo ne le peut pas : {REST}"),
        (
            "the skills answer alone: /a/b: there is no such folder; give a model's folder",
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


@pytest.mark.parametrize("comes", [False, True], ids=["fetched by nobody", "a language model comes"])
def test_a_missing_whisper_is_told_as_missing_and_not_as_an_engine_that_fails(comes: bool) -> None:
    assert error_words(UNHEARD, "en", comes) == (
        "whisper-base is not on this machine yet; until it is, pocketsphinx listens. "
        "`python3 main.py models download whisper-base` fetches it."
    )
    assert error_words(UNHEARD, "fr", comes) == (
        "whisper-base n'est pas encore sur cette machine ; d'ici là, pocketsphinx écoute. "
        "`python3 main.py models download whisper-base` le télécharge."
    )


SERVER = "http://localhost:11434/v1"


@pytest.mark.parametrize(
    ("error", "french"),
    [
        (
            "does not answer ([Errno 111] Connection refused); is the server running?",
            "ne répond pas ([Errno 111] Connection refused) ; le serveur tourne-t-il ?",
        ),
        ("has not answered for 2.5 s in the middle of a reply", "n'a pas répondu depuis 2,5 s"),
        (_refusal(401), "refuse la clé ; donnez-en une par la variable MERLINE_LLM_API_KEY"),
        (_refusal(404), "ne connaît pas ce modèle ou ce chemin ; vérifiez llm.model et llm.base_url"),
        (_refusal(429), "a trop à faire ; réessayez plus tard"),
        (_refusal(302), "renvoie ailleurs ; donnez cette adresse-là à llm.base_url"),
        (_refusal(500), "refuse la demande (erreur 500) ; son journal dit pourquoi"),
    ],
)
def test_why_a_server_gave_no_reply_is_told_in_french(error: str, french: str) -> None:
    line = f"turn 7: {SERVER}: {error}"
    assert logged(line, "fr") == f"{SERVER} {french}"
    assert logged(line, "en") == line
    assert logged("turn 7: a thing unheard of", "fr") == "turn 7: a thing unheard of"


HEADSET = Device(3, "Headset (A2DP)", "ALSA", 1, 2, 44_100, default_output=True)
DESK = Device(4, "Desk Headset", "ALSA", 1, 0, 48_000)
BUSY = OSError("Device unavailable [PaErrorCode -9985]")


def wrongly_chosen(wanted: str) -> AudioDeviceError:
    with pytest.raises(AudioDeviceError) as raised:
        choose_device([HEADSET, DESK], wanted, "input")
    return raised.value


def nowhere() -> AudioDeviceError:
    with pytest.raises(AudioDeviceError) as raised:
        choose_device([], None, "output")
    return raised.value


@pytest.mark.parametrize(
    ("error", "parts"),
    [
        (nowhere(), ["aucun haut-parleur n'a été trouvé ; branchez-en un", "python3 main.py devices"]),
        (
            wrongly_chosen("webcam"),
            ["audio.input_device : 'webcam' : il n'y a pas", "\n  3: Headset (A2DP) (ALSA)\n  4: Desk Headset (ALSA)"],
        ),
        (wrongly_chosen("head"), ["audio.input_device : 'head' : plusieurs appareils", "4: Desk Headset (ALSA)"]),
        (
            refused("output", StreamOptions(HEADSET, 48_000, 2, 960, 0.06), BUSY),
            [
                "haut-parleur 3, 'Headset (A2DP)' (ALSA, celui de votre système), ne s'ouvre pas à 48000 Hz",
                "canaux : 2",
                "[PaErrorCode -9985]) ; fermez le programme",
                "`--set audio.output_device=NUMÉRO`",
            ],
        ),
        (
            not_started("input", DESK, BUSY),
            ["micro 4, 'Desk Headset' (ALSA), ne démarre pas (Device", "rebranchez-le", "audio.input_device=NUMÉRO"],
        ),
        (
            AudioDeviceError(f"the PortAudio library cannot be loaded (no file); {portaudio_cure()}"),
            ["PortAudio ne se charge pas (no file) ; pour l'installer : ", "nstall"],
        ),
        (missing_package("sounddevice", ImportError("x")), ["sounddevice n'est pas installé (x) ; pip install"]),
        (
            AudioDeviceError(f"{nowhere()}\nand {not_started('input', DESK, BUSY)}"),
            ["aucun haut-parleur", "devices\net micro 4, 'Desk Headset' (ALSA), ne démarre pas"],
        ),
    ],
)
def test_a_device_that_cannot_be_used_is_named_in_french_with_the_cure(error: Exception, parts: list[str]) -> None:
    assert told(str(error), "en") == str(error)
    french = told(str(error), "fr")
    for part in parts:
        assert part in french
    for english in ("choose", "plug", "close", "there is", "name one", " and ", "reinstall it"):
        assert english not in french


@pytest.mark.parametrize(
    ("finding", "french"),
    [
        (
            "disk space: 120 MB free at /data; free some disk space before it runs out",
            "120 Mo libres dans /data ; faites de la place sur le disque",
        ),
        (
            "packages: not installed: soxr, livekit; run `python3 main.py`, which installs them",
            "il manque des paquets (soxr, livekit) ; `python3 main.py` les installe",
        ),
        (
            "data folder: /data: the data folder is read-only; make it writable or set MERLINE_HOME to another",
            "le dossier de données /data est en lecture seule ; rendez-le inscriptible ou choisissez-en un autre par "
            "MERLINE_HOME",
        ),
        (
            f"models: gave no answer within 3.0 s; {BUSY_MACHINE}",
            "models : pas de réponse en 3,0 s ; fermez ce qui occupe cette machine, puis recommencez",
        ),
        (
            "/q.wav: there is no such file; check the name and the folder",
            "/q.wav : il n'y a pas de fichier de ce nom ; vérifiez le nom et le dossier",
        ),
        (
            "/q.wav: is an MP3 file, not a WAV file; convert it, e.g. with: ffmpeg -i q.wav -ar 16000 -ac 1 speech.wav",
            "/q.wav : n'est pas un fichier WAV que je sache lire ; convertissez-le, par exemple : ffmpeg -i q.wav "
            "-ar 16000 -ac 1 speech.wav",
        ),
        (
            "/q.wav: declares 1 channels at 1 Hz, which no recording has; convert it, e.g. with: ffmpeg -i q.wav s.wav",
            "/q.wav : n'est pas un fichier WAV que je sache lire ; convertissez-le, par exemple : ffmpeg -i q.wav "
            "s.wav",
        ),
        (
            "qwen3-0.6b: is not on this machine; `models download qwen3-0.6b` fetches it",
            "qwen3-0.6b n'est pas sur cette machine ; `python3 main.py models download qwen3-0.6b` le télécharge",
        ),
        (
            "--set audio.output_device: 99: there is no such device; name one of these by its number:"
            "\n  0: default (ALSA)",
            "--set audio.output_device : 99 : il n'y a pas d'appareil de ce nom ; donnez le numéro de l'un de ceux-ci :"
            "\n  0: default (ALSA)",
        ),
        ("llm.max_token: unknown setting; did you mean 'max_tokens'?",) * 2,
    ],
)
def test_what_keeps_a_command_from_beginning_is_told_in_french_where_that_is_known(finding: str, french: str) -> None:
    assert told(finding, "fr") == french


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


def test_a_recording_that_cannot_be_replayed_is_told_in_french_with_its_own_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder's was to name a WAV file in it."""
    (tmp_path / "text.zip").write_text("hello")
    with monkeypatch.context() as later:
        later.setattr("core.app.recorded_turn.VERSION", 99)
        write_turn(tmp_path / "newer.zip", RecordedTurn(1, datetime.now(UTC), "en", "", "", {}, ()))
    for name, french in (
        ("", "c'est un dossier ; nommez un fichier qu'il contient, comme turn-"),
        ("text.zip", "n'est pas l'enregistrement d'un tour ; donnez l'un des fichiers de "),
        ("newer.zip", "vient d'une version plus récente"),
        ("none.zip", "illisible (No such file or directory) ; vérifiez le nom"),
    ):
        with pytest.raises(AudioFileError) as raised:
            read_turn(tmp_path / name)
        assert told(str(raised.value), "fr").startswith(f"{tmp_path / name} : {french}")

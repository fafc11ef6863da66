"""In which language whole sentences by synthetic voices are heard, by weights that know several."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.stt_parts import real_speech
from benchmarks.stt_parts.engines import THREADS
from benchmarks.stt_parts.real_speech import Said
from core.messages import Language
from core.utils.vad_compat import VadEngine, load_vad
from core.utils.whisper_compat import LanguageRule, ShortContext, StreamOptions, WhisperModel
from stt.spoken_language import LanguageChoice
from stt.whisper_stream import WhisperStream

LANGUAGES: tuple[Language, ...] = ("en", "fr")
SHORT, FULL = ShortContext(limits=None), ShortContext(margin_s=30.0, limits=None)


def figures(model: str, folder: Path) -> Iterator[Figure]:
    """Which is likelier in each window, and what an English conversation makes of it. Not of English weights."""
    whisper = WhisperModel(folder, "cpu", "int8", THREADS)
    if "fr" not in whisper.supported_languages:
        return
    voice = load_vad("silero")
    french = list(real_speech.synthetic(real_speech.FRENCH, real_speech.FRENCH_VOICES, "fr"))
    english = list(real_speech.synthetic(real_speech.ENGLISH_SHORT, real_speech.ENGLISH_VOICES))
    people = [said for said in real_speech.recordings() if said.seconds < real_speech.SHORT_S]
    sets = (("French, espeak-ng", french), ("English, synthetic", english), ("English, recordings", people))
    for name, said in sets:
        title = f"{model}, {name} ({len(said)} utterances)"
        for window, context in (("short", SHORT), ("full", FULL)):
            right = sum(_likelier(whisper, one, context) == one.language for one in said)
            yield Figure(f"{title}, language right in the {window} window", 100 * right / len(said), "%", "higher")
        right = sum(_in_conversation(whisper, voice, one) == one.language for one in said)
        yield Figure(f"{title}, taken for that in an English conversation", 100 * right / len(said), "%", "higher")


def _likelier(model: WhisperModel, said: Said, context: ShortContext) -> str:
    rule = StreamOptions(rule=LanguageRule(LANGUAGES))
    return model.transcribe_short(said.samples, None, 1, context, rule).language


def _in_conversation(model: WhisperModel, voice: VadEngine, said: Said) -> str:
    choice = LanguageChoice(LANGUAGES, "en")
    listening = WhisperStream(model, choice, voice)
    listening.append(said.samples)
    return listening.conclude().language

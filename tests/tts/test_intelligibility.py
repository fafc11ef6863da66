"""What is spoken can be understood: a recogniser that knows nothing of our texts decodes the replies' words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core.messages import Language, Sentence
from core.utils.config import TtsConfig
from core.utils.voice import VoiceSettings
from tts.synthesizer import Synthesizer

pocketsphinx = pytest.importorskip("pocketsphinx")
soxr = pytest.importorskip("soxr")
pytest.importorskip("espeakng_loader")

GRAMMAR = """#JSGF V1.0;
grammar replies;
<digit> = one | two | three | four | five | six | seven | eight | nine;
<hour> = <digit> | ten | eleven | twelve;
<tens> = twenty | thirty | forty | fifty;
<minute> = oh <digit> | ten | fifteen | <tens> [<digit>];
<month> = january | february | march | april | may | june | july | august | september | october | november | december;
<day> = first | second | third | tenth | twelfth | twentieth | twenty-first | thirtieth;
<number> = <digit> | twelve | <tens> | <tens> <digit>;
<unit> = kilometers | meters | grams | degrees celsius | percent | minutes | hours | dollars | euros;
<time> = it is <hour> <minute> (a | p) m;
<date> = it is <month> <day>;
<measure> = that is <number> [point <digit>] <unit>;
public <reply> = <time> | <date> | <measure>;
"""


@pytest.fixture
def decoder(tmp_path: Path):
    # A new one for every case: it adapts to what it has heard.
    grammar = tmp_path / "replies.gram"
    grammar.write_text(GRAMMAR)
    model = Path(pocketsphinx.get_model_path()) / "en-us"
    return pocketsphinx.Decoder(
        hmm=str(model / "en-us"), dict=str(model / "cmudict-en-us.dict"), jsgf=str(grammar), loglevel="FATAL"
    )


def spoken_sound(text: str, language: Language, voice: str) -> bytes:
    stage = Synthesizer(TtsConfig(voice_en=voice), VoiceSettings())
    stage.load()
    speeches = list(stage.process(Sentence(1, 0, 0, text, True, language)))
    sound = np.concatenate([speech.samples for speech in speeches])
    padded = np.pad(soxr.resample(sound, stage.sample_rate_hz, 16_000), 4000)
    # A room is never digitally silent, and the recogniser's models know rooms.
    room = np.random.default_rng(0).normal(0.0, 0.002, len(padded))
    return ((padded + room) * 32767 * 0.7).astype(np.int16).tobytes()


@pytest.mark.parametrize("voice", ["en-us", "en-gb"])
@pytest.mark.parametrize(
    ("written", "heard"),
    [
        ("It is 7:30 PM.", "it is seven thirty p m"),
        ("It is 11:05 AM.", "it is eleven oh five a m"),
        ("It is November 21.", "it is november twenty-first"),
        ("It is March 3rd.", "it is march third"),
        ("That is 3.5 km.", "that is three point five kilometers"),
        ("That is 20 °C.", "that is twenty degrees celsius"),
        ("That is 50 %.", "that is fifty percent"),
        ("That is $45.", "that is forty five dollars"),
    ],
)
def test_decoded_words_are_the_spoken_ones(decoder, voice: str, written: str, heard: str) -> None:
    decoder.start_utt()
    decoder.process_raw(spoken_sound(written, "en", voice), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    assert hypothesis is not None
    assert hypothesis.hypstr == heard

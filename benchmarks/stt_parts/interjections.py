"""How far the short words that people say over a reply are told apart, by synthetic voices.

`python3 -m benchmarks.stt_parts.interjections`; needs flite and espeak-ng. `stt.interjections.MARGIN` was chosen on
some of these voices: the figures show what it does to them, not to people.
"""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figures import Figure
from benchmarks.stt_commands import Ear, spoken
from core.messages import Interjection, InterjectionHeard
from stt.interjections import WORDS

VOICES = ("flite:kal16", "flite:rms", "flite:slt", "flite:awb", "espeak-ng:en-us")
BACKCHANNELS = ("mhm", "uh-huh", "yes", "yeah", "okay", "right", "sure", "oh", "i see")
SPELT = {"uh-huh": "uh huh"}
"""for voices that read letters; what they make of "mhm" is no such sound, so it is left out"""
OTHERS = ("why", "who", "tomorrow", "the second one", "not that", "in the kitchen", "a quarter past nine")


def run() -> list[Figure]:
    """How many words are heard as themselves, and what becomes of the rest."""
    ear = Ear()
    words = [(said, heard_as(ear, voice, said)) for voice in VOICES for said in WORDS if said != "mhm"]
    others = [(said, heard_as(ear, voice, said)) for voice in VOICES for said in OTHERS]
    for said, heard in words + others:
        if said != heard:
            print(f"  {said!r} heard as {heard!r}")
    soft = [(said, heard) for said, heard in words if said in BACKCHANNELS]
    hard = [(said, heard) for said, heard in words if said not in BACKCHANNELS] + others
    return [
        _share("words over a reply heard as themselves", (said == heard for said, heard in words), "higher"),
        _share(
            "backchannels that let the reply go on", (not heard or heard in BACKCHANNELS for _, heard in soft), "higher"
        ),
        _share("other words taken for a backchannel", (heard in BACKCHANNELS for _, heard in hard), "lower"),
    ]


def heard_as(ear: Ear, voice: str, said: str) -> str:
    """The text of a word said alone over a reply."""
    samples = spoken(voice, SPELT.get(said, said))
    answers: Iterator[object] = ear.transcriber.process(Interjection(1, samples))
    return next(answer.text for answer in answers if isinstance(answer, InterjectionHeard))


def _share(name: str, cases: Iterator[bool], better: str) -> Figure:
    counted = list(cases)
    print(f"{name}: {sum(counted)} of {len(counted)}")
    return Figure(name, 100 * sum(counted) / len(counted), "%", "higher" if better == "higher" else "lower")


if __name__ == "__main__":
    for figure in run():
        print(figure.line())

"""Everything that travels between stages. A message says what happened; it is frozen and owned by nobody.

Samples are float32 mono in -1..1. A *turn* is an integer from the TurnClock, a *revision* counts how often the
user went on speaking within one turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]
Language = Literal["en", "fr"]
SAMPLE_RATE_HZ = 16_000
"""Rate of everything between the microphone's resampler and the recogniser."""
FREE_WORDS = "words"
"""A transcript's source where the embedded recogniser heard no command: English free words, often misheard."""


@dataclass(frozen=True, slots=True)
class AudioFrame:
    """A piece of microphone sound at the device's own rate."""

    samples: Samples
    """[n] mono"""
    sample_rate_hz: int
    captured_at: float
    """monotonic seconds at which the first sample was captured"""


@dataclass(frozen=True, slots=True)
class Attending:
    """From now on what is said is meant for the assistant (`on`), or is not until it is called again."""

    on: bool
    at: float
    """monotonic seconds"""
    again: bool = False
    """the wake word came where none was needed: what was said before it, and the reply, are over"""


@dataclass(frozen=True, slots=True)
class VoiceOnset:
    """Something like a voice began; the reply is held in mid-word until it is known whether it is meant to end it."""

    at: float
    """monotonic seconds"""


@dataclass(frozen=True, slots=True)
class VoiceRejected:
    """The onset was no speech, or said only that its speaker listens; the reply goes on from the same word."""

    at: float


@dataclass(frozen=True, slots=True)
class Interjection:
    """A short voice over a reply, which is held: by its words it is a turn or not, so it has none yet."""

    number: int
    """counts them, so that a late answer to an older one is told apart"""
    samples: Samples
    """[n] at 16 kHz, with its pre-roll"""
    echo_suspected: bool = False
    """the assistant was audible while this was spoken"""


@dataclass(frozen=True, slots=True)
class InterjectionHeard:
    """What an interjection was understood as; empty text when it was no speech, or the assistant's own."""

    number: int
    text: str
    language: Language


@dataclass(frozen=True, slots=True)
class Listening:
    """What a recogniser brought to a turn besides its sound, and when it looked at that: so it hears the same again."""

    model: str
    language: Language
    """the conversation's, as the turn began"""
    doubted: Language | None = None
    """another one that the turn before had sounded like"""
    looks: tuple[int, ...] = ()
    """how many samples of the utterance were there at each pass before its end"""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The user is speaking: a turn is open and every older one has ended."""

    turn: int
    revision: int
    at: float
    """monotonic seconds of the first voiced sample"""
    supersedes: int | None = None
    """the turn that had been taken as finished, whose words this one begins with: of its reply nothing was heard"""
    again: Listening | None = None
    """it was heard before, so, and is to be heard the same"""


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """The next piece of the user's speech, sent while it goes on; the first holds the pre-roll."""

    turn: int
    revision: int
    samples: Samples
    """[n] at 16 kHz"""


@dataclass(frozen=True, slots=True)
class Utterance:
    """The user paused (`final` false) or has finished (`final` true)."""

    turn: int
    revision: int
    samples: Samples
    """[n] at 16 kHz, the whole utterance with its pre-roll"""
    final: bool
    speech_ended_at: float
    """monotonic seconds of the last voiced sample"""
    echo_suspected: bool = False
    """the assistant was audible while this was spoken"""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was understood; empty text when it was not speech."""

    turn: int
    revision: int
    text: str
    stable: int
    """leading characters of `text` on which two passes agreed; what more sound puts right may still change them"""
    language: Language
    final: bool
    confidence: float = 1.0
    """0..1, the engine's own measure"""
    complete: bool = False
    """the words form a whole command, so the turn may end early"""
    source: str = ""
    """which path of the engine the words come from, e.g. "grammar" or `FREE_WORDS`"""
    paused: bool = False
    """the user paused after these words: a reply to them may be prepared"""
    sentence_end: float | None = None
    """0..1 that a sentence ends behind these words as they were spoken; None where the recogniser does not tell"""
    listening: Listening | None = None
    """how they were heard; None while the user speaks, and where the sound alone decides"""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A speakable unit of the reply."""

    turn: int
    revision: int
    index: int
    text: str
    """may be empty when the reply is only an action"""
    last: bool
    language: Language = "en"
    chime: bool = False
    """a short tone comes before it"""


@dataclass(frozen=True, slots=True)
class ReplyUnderWay:
    """A reply is being written and there is nothing to say yet: between two of these it can be cancelled."""

    turn: int
    revision: int
    prefill_s: float | None = None
    """how long the model had read its prompt before it began to write; None until it has begun"""


@dataclass(frozen=True, slots=True)
class Mark:
    """From this sample of a sentence's sound on, this many of its characters have been said."""

    sample: int
    characters: int


@dataclass(frozen=True, slots=True)
class Speech:
    """A chunk of a sentence's sound."""

    turn: int
    revision: int
    index: int
    """of the sentence"""
    samples: Samples
    sample_rate_hz: int
    marks: tuple[Mark, ...] = ()
    """samples counted from the start of this chunk"""
    ends_sentence: bool = False
    last: bool = False
    """nothing of this turn follows"""


@dataclass(frozen=True, slots=True)
class Working:
    """The answer takes long: a tone that says so, played unless the answer is there by now.

    It is of no revision, and no stage takes it from behind a reply that is held until the last words are understood:
    those may take long.
    """

    turn: int
    samples: Samples
    sample_rate_hz: int


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first voiced sample of a turn leaves the speaker."""

    turn: int
    revision: int
    at: float
    """monotonic seconds"""


@dataclass(frozen=True, slots=True)
class Heard:
    """How much of a sentence has left the speaker so far."""

    turn: int
    revision: int
    index: int
    characters: int
    finished: bool = False
    """the whole turn has been played"""


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something to say unasked: it waits for a gap, then is a turn of its own."""

    text: str
    language: Language
    chime: bool = True


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; whoever watches the time looks at it."""

    at: float
    """monotonic seconds"""


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """A sound device went, is silent, came back or changed; what is said of it is the app's."""

    kind: Literal["input", "output"]
    state: Literal["lost", "silent", "restored", "changed"]
    device: str
    """its name"""


@dataclass(frozen=True, slots=True)
class EchoDropped:
    """A turn that the assistant's own voice had opened was recognised as such and dropped."""

    turn: int
    text: str


@dataclass(frozen=True, slots=True)
class TurnFailed:
    """One turn was lost to an error; the assistant says so if it still can, and goes on."""

    turn: int
    revision: int
    stage: str
    error: str
    prepared: bool = False
    """only what was done before the user had finished is lost, which nobody has heard of: it is done again"""

    @property
    def silent(self) -> bool:
        """It was lost on the way to the speaker, so that nothing can be said about it, or nothing has to be."""
        return self.prepared or self.stage in ("tts", "play")

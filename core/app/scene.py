"""What there is to show of a conversation, kept from its events; whoever draws it knows nothing of messages."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from core.app.device_words import device_words
from core.app.error_words import lost_turn
from core.messages import (
    Attending,
    DeviceEvent,
    EchoDropped,
    Heard,
    Language,
    PlaybackStarted,
    Sentence,
    SpeechStarted,
    Transcript,
    TurnFailed,
    Utterance,
    VoiceOnset,
    VoiceRejected,
)
from core.turns import TurnRecord

SHOWN = (
    Attending,
    VoiceOnset,
    VoiceRejected,
    SpeechStarted,
    Utterance,
    Transcript,
    Sentence,
    PlaybackStarted,
    Heard,
    DeviceEvent,
    EchoDropped,
    TurnFailed,
)

WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "listening": "listening",
        "hearing": "hearing you",
        "thinking": "thinking",
        "speaking": "speaking",
        "waiting": "say “{phrase}”",
        "key": "press the space bar",
        "muted": "MICROPHONE OFF, M switches it on",
        "you": "you",
        "lost": "that turn was lost",
        "echo": "my own voice, ignored",
        "colon": ": ",
        "bye": "Goodbye.",
        "hint": "Ctrl-C to stop, M switches the microphone off",
    },
    "fr": {
        "listening": "j'écoute",
        "hearing": "je vous entends",
        "thinking": "je réfléchis",
        "speaking": "je parle",
        "waiting": "dites « {phrase} »",
        "key": "appuyez sur la barre d'espace",
        "muted": "MICRO COUPÉ, M le rallume",
        "you": "vous",
        "lost": "ce tour est perdu",
        "echo": "ma propre voix, ignorée",
        "colon": " : ",
        "bye": "Au revoir.",
        "hint": "Ctrl-C pour arrêter, M coupe le micro",
    },
}


_TIMES = {
    "speech": "parole",
    "endpoint": "fin de parole",
    "stt": "mots",
    "first_token": "réponse",
    "first_audio": "premier son",
    "total": "en tout",
}
"""the parts of a turn's line, in French"""


def timing_line(record: TurnRecord, language: Language) -> str:
    """How long the parts of a turn took, in one line."""
    if language != "fr":
        return record.line()
    times = [f"{_TIMES[name]} {value:.0f}" for name, value in asdict(record.timings_ms).items() if value is not None]
    return f"tour {record.turn} : {', '.join(times)} ms" if times else f"tour {record.turn}"


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the user that comes from outside the pipeline."""

    text: str


@dataclass(frozen=True, slots=True)
class Muted:
    """The microphone was switched off or on."""

    on: bool


class Scene:
    """What there is to show, kept from the events: state, words as they come, the reply, lines that stay."""

    def __init__(self, language: Language, phrase: str = "") -> None:
        self._language = language
        self.words = WORDS[language]
        self.state = "listening"
        self.muted = False
        self._attending = True
        self._phrase = phrase
        self.partial = ""
        self.reply: list[str] = []
        self._sounded = False
        """something of the reply has been heard"""
        self._turn = 0
        """whose reply that is"""

    @property
    def state_words(self) -> str:
        """What it is doing, in the user's language."""
        if self.muted:
            return self.words["muted"]
        if self.state == "listening" and not self._attending:
            return self.words["waiting"].format(phrase=self._phrase) if self._phrase else self.words["key"]
        return self.words[self.state]

    def take(self, event: object) -> list[tuple[str, str]]:
        """Update from one event; returns lines that stay, as (kind, text)."""
        match event:
            case Attending(on=on, again=again):
                self._attending = on
                if again:
                    self._drop_words()
                return []
            case Muted(on=on):
                self.muted = on
                if on:
                    self._drop_words()
                return []
            case Note(text=text):
                return [("note", text)]
            case DeviceEvent():
                if (event.kind, event.state) == ("input", "lost"):
                    self._drop_words()
                return [("note", device_words(event, self._language))]
            case EchoDropped(text=text):
                return [("note", f"{self.words['echo']}{self.words['colon']}{text}")]
            case TurnFailed(stage=stage, error=error):
                self.state = "listening"
                return [("note", f"{self.words['lost']}{self.words['colon']}{lost_turn(stage, error, self._language)}")]
            case TurnRecord():
                return [*self._flush(), ("timing", timing_line(event, self._language))]
            case _:
                return self._follow(event)

    def _follow(self, event: object) -> list[tuple[str, str]]:
        match event:
            case SpeechStarted(turn=turn):
                lines = self._flush()
                self.state, self.partial, self._turn = "hearing", "", turn
                return lines
            case Utterance(final=True):
                self.state = "thinking"
            case Transcript(text=text, final=final):
                self.partial = text
                if final:
                    self.partial = ""
                    self.state = "thinking" if text else "listening"
                    return [("you", text)] if text else []
            case Sentence(turn=turn, text=text):
                lines = self._flush() if turn != self._turn and self._sounded else []
                if turn != self._turn:
                    self._turn, self.reply = turn, []
                if text:
                    self.reply.append(text)
                return lines
            case PlaybackStarted():
                self.state, self._sounded = "speaking", True
            case Heard(finished=True):
                self.state = "listening"
                return self._flush()
        return []

    def _drop_words(self) -> None:
        """What the user is saying is not to be answered."""
        if self.state == "hearing":
            self.state, self.partial = "listening", ""

    def _flush(self) -> list[tuple[str, str]]:
        lines = [("merline", " ".join(self.reply))] if self.reply else []
        self.reply, self._sounded = [], False
        return lines

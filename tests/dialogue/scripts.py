"""The words dialogues are written in: what is said and done, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from core.messages import Language
from tests.dialogue.rig import SECONDS_A_CHARACTER, TICK_S, Conversation, Outcome

Act = Callable[[Conversation], None]
Check = Callable[[Conversation, Outcome], bool]


@dataclass(frozen=True)
class Dialogue:
    """`fault` names one of tests.dialogue.faults; with it at least one check must fail."""

    name: str
    acts: tuple[Act, ...]
    checks: tuple[Check, ...]
    fault: str
    language: Language = "en"


DIALOGUES: list[Dialogue] = []


def dialogue(name: str, acts: list[Act], checks: list[Check], fault: str, language: Language = "en") -> None:
    DIALOGUES.append(Dialogue(name, tuple(acts), tuple(checks), fault, language))


# What is done.


def say(text: str) -> Act:
    return lambda talk: talk.say(text)


def wait(seconds: float) -> Act:
    return lambda talk: talk.wait(seconds)


def quiet(at_most_s: float = 15.0) -> Act:
    return lambda talk: talk.until_quiet(at_most_s)


def noise(seconds: float) -> Act:
    return lambda talk: talk.noise(seconds)


def spoken_to(text: str) -> Act:
    """Wait until a reply is heard, so that it can be interrupted."""

    def act(talk: Conversation) -> None:
        talk.say(text)
        assert talk.until(lambda: talk.speaker.audible)

    return act


def lose(stage: str, count: int = 1) -> Act:
    """Let a stage lose turns."""
    return lambda talk: setattr(getattr(talk, stage), "fail", count)


def deaf_to_interjections(talk: Conversation) -> None:
    """From now on the recogniser says nothing of what is said over a reply."""
    talk.ear.deaf = True


def unplug_microphone(talk: Conversation) -> None:
    talk.microphone.plugged = False


def plug_microphone(talk: Conversation) -> None:
    talk.microphone.plugged = True


# What must come of it.


def said(*expected: tuple[str, str]) -> Check:
    """All that was said: the user's words exactly, and how the heard part of the reply begins."""

    def check(talk: Conversation, outcome: Outcome) -> bool:
        return len(outcome.said) == len(expected) and all(
            user == words and reply.startswith(heard)
            for (user, reply), (words, heard) in zip(outcome.said, expected, strict=True)
        )

    return check


def heard_only_a_part(number: int) -> Check:
    """Of exchange `number` something was heard, and not all."""

    def check(talk: Conversation, outcome: Outcome) -> bool:
        exchange = talk.brain.conversation.exchanges[number]
        return bool(exchange.heard) and not exchange.heard_whole

    return check


def told_as_heard(number: int, told: int) -> Check:
    """Exchange `told` says what was heard of exchange `number`, and nothing that was not."""

    def check(talk: Conversation, outcome: Outcome) -> bool:
        exchanges = talk.brain.conversation.exchanges
        return f'"{exchanges[number].heard.rstrip(" ,")}"' in exchanges[told].reply

    return check


def heard_whole(number: int) -> Check:
    return lambda talk, outcome: talk.brain.conversation.exchanges[number].heard_whole


def no_word_lost(number: int) -> Check:
    """All of exchange `number` left the speaker, each of its sounds at least once."""

    def check(talk: Conversation, outcome: Outcome) -> bool:
        sentences = talk.brain.conversation.exchanges[number].sentences
        return outcome.sounded_s >= sum(map(len, sentences)) * SECONDS_A_CHARACTER - TICK_S / 2

    return check


def word_again(talk: Conversation, outcome: Outcome) -> bool:
    """Some of it was said twice: the word in which it was held."""
    sentences = [sentence for exchange in talk.brain.conversation.exchanges for sentence in exchange.sentences]
    longest = max(map(len, " ".join(sentences).split())) + 1
    twice_s = outcome.sounded_s - sum(map(len, sentences)) * SECONDS_A_CHARACTER
    return TICK_S <= twice_s <= longest * SECONDS_A_CHARACTER + TICK_S


def held_at_most(seconds: float) -> Check:
    return lambda talk, outcome: outcome.held_s <= seconds


def silent_for_good(talk: Conversation, outcome: Outcome) -> bool:
    """Nothing is said about the user's last words."""
    return talk.brain.conversation.exchanges[-1].reply == ""


def nothing_heard_of(count: int) -> Check:
    """Observers were told of so many replies and of no other: what was prepared for nothing they never saw."""
    return lambda talk, outcome: len({(one.turn, one.revision) for one in talk.told}) == count


def prepared(count: int) -> Check:
    """So many pauses were ends for which something had been prepared, and nothing was prepared in vain."""
    return lambda talk, outcome: talk.mouth.early == count


def written(count: int) -> Check:
    """The voice spoke so many sentences."""
    return lambda talk, outcome: talk.mouth.spoken == count


def nothing_said(talk: Conversation, outcome: Outcome) -> bool:
    return outcome.said == []


def turns(count: int) -> Check:
    return lambda talk, outcome: outcome.turns == count


def at_most_turns(count: int) -> Check:
    return lambda talk, outcome: outcome.turns <= count


def loud_again(talk: Conversation, outcome: Outcome) -> bool:
    return not outcome.held


def no_talking_over(talk: Conversation, outcome: Outcome) -> bool:
    """Past the moment in which a voice becomes speech, the assistant is silent while the user speaks."""
    return outcome.overlap_s <= 0.25


def silent(talk: Conversation, outcome: Outcome) -> bool:
    return outcome.audible_s == 0.0


def lost_in(*stages: str) -> Check:
    return lambda talk, outcome: outcome.failed == list(stages)


def ringing(count: int) -> Check:
    """So many announcements were begun."""
    return lambda talk, outcome: sum(1 for user, _ in outcome.said if not user) == count


def waiting_items(count: int) -> Check:
    """So many timers and reminders are still to come."""
    return lambda talk, outcome: len(_schedule(talk).items()) == count


def _schedule(talk: Conversation) -> Any:
    return talk.brain.responder.skills.context.schedule


def record_of(number: int, **parts: float) -> Check:
    """The record's parts lie within 0.1 s of these milliseconds."""

    def check(talk: Conversation, outcome: Outcome) -> bool:
        waterfall = talk.records[number].waterfall_ms
        found = {name: getattr(waterfall, name) for name in parts}
        return all(found[name] is not None and abs(found[name] - value) <= 100 for name, value in parts.items())

    return check

"""The dialogues: what is said and done, what must come of it, and the planted fault under which that must not be so."""

from __future__ import annotations

from tests.dialogue.scripts import (
    DIALOGUES,
    at_most_turns,
    deaf_to_interjections,
    dialogue,
    heard_only_a_part,
    heard_whole,
    held_at_most,
    lose,
    lost_in,
    loud_again,
    no_talking_over,
    no_word_lost,
    noise,
    nothing_heard_of,
    nothing_said,
    plug_microphone,
    prepared,
    quiet,
    record_of,
    ringing,
    said,
    say,
    silent,
    silent_for_good,
    spoken_to,
    told_as_heard,
    turns,
    unplug_microphone,
    wait,
    waiting_items,
    word_again,
    written,
)

__all__ = ["DIALOGUES"]

# One question, one answer: each in a turn of its own, heard to its end and remembered so.

for _name, _words, _reply in (
    ("the time", "what time is it", "It's 2:30 PM."),
    ("the date", "what is the date", "It's Saturday"),
    ("a sum", "what is twelve times seven", "That's 84."),
    ("a conversion", "how many miles is ten kilometers", "10 km is"),
    ("a capability", "what can you do", "I can tell the time"),
    ("a note", "note call the dentist", ""),
    ("a list", "add milk to my shopping list", ""),
    ("nothing known", "who is the president", "Sorry"),
):
    dialogue(
        f"{_name} is asked and heard whole",
        [say(_words), quiet()],
        [said((_words, _reply)), heard_whole(0), turns(1)],
        "nothing is heard",
    )

for _name, _words, _reply in (
    ("l'heure", "quelle heure est-il", "Il est 14 h 30."),
    ("un calcul", "combien font six fois sept", ""),
    ("une note", "note appeler le dentiste", ""),
    ("la date", "quelle est la date", "Nous sommes"),
):
    dialogue(
        f"en français : {_name}",
        [say(_words), quiet()],
        [said((_words, "")), heard_whole(0), turns(1)],
        "nothing is heard",
        "fr",
    )

# The user pauses and goes on: one turn, its revisions without a trace.

for _first, _pause, _rest in (
    ("what is twelve", 0.25, "times seven"),
    ("what is twelve", 0.5, "times seven"),
    ("remind me to", 0.9, "call the dentist in ten minutes"),
    ("how many miles is", 1.1, "ten kilometers"),
    ("add milk and", 1.0, "bread to my shopping list"),
    ("set a timer for twenty", 0.7, "minutes"),
    ("what is eleven", 0.95, "plus thirty"),
    ("what is eleven times", 1.0, "six"),
):
    dialogue(
        f"'{_first}', {_pause} s, '{_rest}' is one turn",
        [say(_first), wait(_pause), say(_rest), quiet()],
        [said((f"{_first} {_rest}", "")), turns(1), heard_whole(0)],
        "a revision is a turn",
    )

for _pauses in ((0.3, 0.3), (0.5, 0.4), (0.25, 0.6)):
    dialogue(
        f"pauses of {_pauses} within one question lose no words",
        [say("what is"), wait(_pauses[0]), say("twelve"), wait(_pauses[1]), say("times seven"), quiet()],
        [said(("what is twelve times seven", "That's 84.")), turns(1)],
        "sound after a pause is lost",
    )

for _pause in (0.5, 0.65):
    dialogue(
        f"nothing is answered in a pause of {_pause} s",
        [say("what is twelve"), wait(_pause)],
        [nothing_said, silent],
        "a pause is an end",
    )

# Who goes on after a whole command, before they could have heard of the reply, goes on with the same words.

for _first, _pause, _rest, _reply in (
    ("what is the date", 0.36, "tomorrow", "Tomorrow is Sunday"),
    ("what is twelve times seven", 0.4, "plus one", "That's 85."),
    ("set a timer for an hour", 0.45, "and a half", "Timer set for 1 hour and 30 minutes."),
):
    dialogue(
        f"'{_first}' was taken as finished, and '{_rest}' follows after {_pause} s",
        [say(_first), wait(_pause), say(_rest), quiet()],
        [said((f"{_first} {_rest}", _reply)), turns(2), heard_whole(0)],
        "who goes on begins anew",
    )
dialogue(
    "a command right after another is answered for itself",
    [say("what time is it"), wait(0.4), say("what is the date"), quiet()],
    [said(("what time is it", ""), ("what is the date", "It's Saturday"))],
    "nothing is heard",
)
dialogue(
    "what the beginning of a command did is taken back when its speaker goes on",
    [say("set a timer for an hour"), wait(0.45), say("and a half"), quiet(), say("what timers do i have"), quiet()],
    [
        said(
            ("set a timer for an hour and a half", "Timer set for 1 hour and 30 minutes."),
            ("what timers do i have", "You have 1 timer: the 1 hour and 30 minute timer"),
        )
    ],
    "what was done stays done",
)

# In a pause the reply and its first sound are prepared: nobody hears of it, sees it or finds it in the history.

for _first, _pause, _rest, _reply in (
    ("what time is it", 0.26, "in paris", "It's"),
    ("what time is it", 0.26, "no what is the date", ""),
    ("what can you do", 0.26, "stop", ""),
):
    dialogue(
        f"a reply that was prepared for '{_first}' leaves no trace when '{_rest}' follows",
        [say(_first), wait(_pause), say(_rest), quiet()],
        [said((f"{_first} {_rest}", _reply)), turns(1), nothing_heard_of(1), no_talking_over],
        "what is prepared is heard at once",
    )
dialogue(
    "a prepared reply is there when the pause is an end",
    [say("what time is it"), quiet()],
    [said(("what time is it", "It's 2:30 PM.")), record_of(0, stt=0, first_clause=0), prepared(1), written(1)],
    "nothing is prepared",
)
dialogue(
    "what changes anything is done once, and only when the user has finished",
    [say("add milk to my shopping list"), wait(0.26), say("no"), quiet(), say("what is on my shopping list"), quiet()],
    [lambda talk, outcome: "milk" not in outcome.said[-1][1].replace("milk to my shopping list no", "")],
    "everything is prepared",
)
dialogue(
    "the voice fails at what was prepared, and the reply is heard all the same",
    [lose("mouth"), say("what time is it"), quiet()],
    [said(("what time is it", "It's 2:30 PM.")), lost_in(), heard_whole(0)],
    "nothing is prepared",
)

dialogue(
    "a doubtful pause ends after 0.8 s, not much earlier and not much later",
    [say("who is the president"), quiet()],
    [record_of(0, endpoint=800)],
    "a pause is an end",
)
dialogue(
    "a whole command ends after 0.28 s",
    [say("what time is it"), quiet()],
    [record_of(0, endpoint=320)],
    "words do not count",
)
dialogue(
    "a dangling word is waited for",
    [say("what is the"), wait(1.2), say("date"), quiet()],
    [said(("what is the date", "It's Saturday"))],
    "words do not count",
)
dialogue(
    "an um is waited for",
    [say("um"), wait(1.3), say("what time is it"), quiet()],
    [said(("um what time is it", "It's 2:30"))],
    "words do not count",
)
dialogue(
    "who asked for time gets it",
    [say("take your time"), quiet(), say("what is twelve"), wait(1.4), say("times seven"), quiet()],
    [said(("take your time", "I'll give you"), ("what is twelve times seven", "That's 84."))],
    "nobody is patient",
)
dialogue(
    "en français, qui demande du temps en a",
    [say("prends ton temps"), quiet(), say("combien font six"), wait(1.4), say("fois sept"), quiet()],
    [said(("prends ton temps", "Je vous laisse"), ("combien font six fois sept", ""))],
    "nobody is patient",
    "fr",
)

# The user cuts in: the reply is silent at once, ends with words, and only what was heard is remembered.

for _after in (0.3, 0.8, 1.5):
    dialogue(
        f"a reply is cut off after {_after} s by another question",
        [spoken_to("what can you do"), wait(_after), say("what time is it"), quiet()],
        [
            said(("what can you do", ""), ("what time is it", "It's 2:30 PM.")),
            heard_only_a_part(0),
            no_talking_over,
            turns(2),
            loud_again,
        ],
        "what is old is still played",
    )

for _after in (0.3, 1.0):
    dialogue(
        f"a reply is held as soon as a voice begins after {_after} s",
        [spoken_to("what can you do"), wait(_after), say("what time is it"), quiet()],
        [no_talking_over, loud_again],
        "voices do not hold the reply",
    )

for _word in ("stop", "never mind"):
    dialogue(
        f"'{_word}' ends the reply",
        [spoken_to("what can you do"), wait(0.4), say(_word), quiet()],
        [heard_only_a_part(0), turns(2), no_talking_over],
        "what is old is still played",
    )

dialogue(
    "two interruptions in a row leave the last question alone",
    [
        *(spoken_to("what can you do"), wait(0.3), spoken_to("what can you do"), wait(0.3)),
        *(say("what time is it"), quiet()),
    ],
    [
        said(("what can you do", ""), ("what can you do", ""), ("what time is it", "It's 2:30 PM.")),
        heard_only_a_part(0),
        heard_only_a_part(1),
        heard_whole(2),
    ],
    "what is old is still played",
)
dialogue(
    "the interrupted reply is said again on request",
    [spoken_to("what can you do"), wait(0.4), say("what time is it"), quiet(), say("repeat that"), quiet()],
    [said(("what can you do", ""), ("what time is it", "It's 2:30 PM."), ("repeat that", "It's 2:30 PM."))],
    "nothing is heard",
)
dialogue(
    "asked what it said it tells as much as was heard, and all of it on a yes",
    [
        *(spoken_to("what can you do"), wait(1.2), say("what did you just say"), quiet()),
        *(say("yes"), quiet()),
    ],
    [
        said(
            ("what can you do", "I can tell the time"),
            ("what did you just say", 'I had said: "I can tell the time'),
            ("yes", "I can tell the time, set timers, alarms and reminders, do sums"),
        ),
        heard_only_a_part(0),
        told_as_heard(0, 1),
        heard_whole(2),
    ],
    "nothing is heard",
)
dialogue(
    "a question right after another replaces it before a word is said",
    [say("what can you do"), wait(0.36), say("what time is it"), quiet()],
    [
        lambda talk, outcome: outcome.said[-1] == ("what time is it", "It's 2:30 PM."),
        heard_only_a_part(0),
        no_talking_over,
    ],
    "work is not given up",
)

# Noises, coughs and "mhm" are no turn: the reply falls silent, goes on from the same word, and is heard to its end.

_LONG = "what can you do"
for _word, _language in (
    ("mhm", "en"),
    ("uh-huh", "en"),
    ("yes", "en"),
    ("okay", "en"),
    ("i see", "en"),
    ("oui", "fr"),
    ("d'accord", "fr"),
    ("je vois", "fr"),
):
    dialogue(
        f"'{_word}' over a reply leaves it to its end, from the same word",
        [
            spoken_to(_LONG if _language == "en" else "que sais-tu faire"),
            wait(0.9 if _language == "en" else 1.0),
            say(_word),
            quiet(),
        ],
        [turns(1), heard_whole(0), no_word_lost(0), word_again, held_at_most(1.0), no_talking_over],
        "every word is an interruption" if _word in ("mhm", "oui") else "a reply goes on in mid-word",
        _language,  # type: ignore[arg-type]
    )
for _after in (0.2, 0.55, 1.35, 2.05):
    dialogue(
        f"a cough {_after} s into a reply is nobody's turn",
        [spoken_to(_LONG), wait(_after), noise(0.3), quiet()],
        [turns(1), heard_whole(0), no_word_lost(0), held_at_most(1.0)],
        "every voice is an interruption",
    )
dialogue(
    "three times 'mhm' over one reply",
    [spoken_to(_LONG), wait(0.6), say("mhm"), wait(1.2), say("mhm"), wait(1.0), say("mhm"), quiet()],
    [turns(1), heard_whole(0), no_word_lost(0), held_at_most(3.0)],
    "every word is an interruption",
)
dialogue(
    "who says 'mhm' and goes on interrupts, and none of the words is lost",
    [spoken_to(_LONG), wait(0.6), say("mhm"), wait(0.1), say("what time is it"), quiet()],
    [said((_LONG, ""), ("mhm what time is it", "")), heard_only_a_part(0), turns(2), no_talking_over],
    "speech over a reply is lost",
)
for _word, _language in (("stop", "en"), ("wait", "en"), ("hold on", "en"), ("attends", "fr"), ("stop", "fr")):
    dialogue(
        f"'{_word}' ({_language}) ends the reply within its first half second",
        [spoken_to(_LONG if _language == "en" else "que sais-tu faire"), wait(0.9), say(_word), quiet()],
        [heard_only_a_part(0), turns(2), no_talking_over, silent_for_good],
        "no word is an interruption",
        _language,  # type: ignore[arg-type]
    )
for _length in (0.7, 1.2, 1.9, 2.9, 4.5):
    dialogue(
        f"a laugh of {_length} s over a reply leaves it to its end, from the same word",
        [spoken_to(_LONG), wait(0.9), noise(_length), quiet()],
        [turns(1), heard_whole(0), no_word_lost(0), word_again, held_at_most(_length + 0.5), no_talking_over],
        "every voice is an interruption",
    )
dialogue(
    "who laughs for 2 s over a reply and then speaks has the turn, and none of the words is lost",
    [spoken_to(_LONG), wait(0.9), noise(2.0), say("what time is it"), quiet()],
    [said((_LONG, ""), ("what time is it", "")), heard_only_a_part(0), turns(2), no_talking_over],
    "speech over a reply is lost",
)
dialogue(
    "a voice of 5.5 s interrupts without anybody knowing a word of it",
    [spoken_to(_LONG), wait(0.9), noise(5.5), quiet()],
    [heard_only_a_part(0), turns(2), no_talking_over],
    "nothing is long enough to interrupt",
)
dialogue(
    "a recogniser that says nothing of a voice over the reply lets it count as words",
    [spoken_to(_LONG), wait(0.9), deaf_to_interjections, say("stop"), wait(1.0), quiet()],
    [heard_only_a_part(0), turns(2), no_talking_over],
    "a reply waits for ever",
)
dialogue(
    "a microphone that goes in mid-voice lets the reply go on",
    [
        spoken_to(_LONG),
        wait(0.9),
        lambda talk: talk.start_saying("mhm"),
        wait(0.128),
        unplug_microphone,
        wait(3.0),
        plug_microphone,
        quiet(),
    ],
    [heard_whole(0), no_word_lost(0), turns(1), held_at_most(2.7)],
    "a reply waits for ever",
)
dialogue(
    "a cough while the reply is thought of does not lose the question",
    [say("what is twelve"), wait(0.3), say("times seven"), wait(0.42), noise(0.25), quiet()],
    [said(("what is twelve times seven", "That's 84.")), heard_whole(0)],
    "nothing is heard",
)

for _length in (0.1, 0.15):
    dialogue(
        f"a click of {_length} s holds the reply for a moment and does not end it",
        [spoken_to("what can you do"), wait(0.5), noise(_length), quiet()],
        [heard_whole(0), no_word_lost(0), held_at_most(0.6), turns(1)],
        "a reply stays held",
    )
    dialogue(
        f"a click of {_length} s in silence is nothing",
        [noise(_length), quiet(2.0)],
        [nothing_said, turns(0), silent],
        "a click is speech",
    )

for _length in (0.5, 1.5):
    dialogue(
        f"a noise of {_length} s opens a turn that nobody answers",
        [noise(_length), quiet(3.0)],
        [nothing_said, silent, at_most_turns(1)],
        "a noise is answered",
    )
dialogue(
    "after a noise a question is answered as ever",
    [noise(0.6), quiet(3.0), say("what time is it"), quiet()],
    [said(("what time is it", "It's 2:30 PM."))],
    "a noise is answered",
)

# Timers and reminders: in a gap, in a turn of their own, until they are heard.

_TIMER = "set a timer for one minute"
dialogue(
    "a timer rings once",
    [say(_TIMER), quiet(), wait(62.0), quiet()],
    [said((_TIMER, ""), ("", "Your timer of 1 minute is done.")), waiting_items(0)],
    "an alarm is not settled",
)
dialogue(
    "a timer that nobody heard rings again",
    [
        say(_TIMER),
        quiet(),
        lambda talk: setattr(talk.speaker, "plugged", False),
        wait(68.0),
        lambda talk: setattr(talk.speaker, "plugged", True),
        wait(40.0),
        quiet(),
    ],
    [waiting_items(0), lambda talk, outcome: outcome.said[-1][1].startswith("Your timer of 1 minute")],
    "what is not heard counts as heard",
)
dialogue(
    "a timer waits until the user has finished and been answered",
    [
        say(_TIMER),
        quiet(),
        wait(54.0),
        say("add a very long list of things to my shopping list please"),
        quiet(),
        quiet(),
    ],
    [
        said(
            (_TIMER, ""),
            ("add a very long list of things to my shopping list please", ""),
            ("", "Your timer of 1 minute is done."),
        ),
        heard_whole(1),
        no_talking_over,
    ],
    "the floor is always free",
)
dialogue(
    "a timer waits for the end of a reply",
    [say(_TIMER), quiet(), wait(55.6), say("what can you do"), quiet(), quiet()],
    [said((_TIMER, ""), ("what can you do", ""), ("", "Your timer of 1 minute is done.")), heard_whole(1)],
    "the floor is always free",
)
dialogue(
    "an announcement is cut off by the user and not forgotten",
    [
        say(_TIMER),
        quiet(),
        lambda talk: talk.until(lambda: len(talk.brain.conversation.exchanges) == 2 and talk.speaker.audible, 70),
        wait(0.6),
        say("what time is it"),
        quiet(),
        quiet(),
    ],
    [lambda talk, outcome: ("what time is it", "It's 2:31 PM.") in outcome.said, no_talking_over, heard_only_a_part(1)],
    "what is old is still played",
)
dialogue(
    "a cancelled timer is silent",
    [say(_TIMER), quiet(), say("cancel the timer"), quiet(), wait(62.0), quiet()],
    [ringing(0), waiting_items(0), lambda talk, outcome: outcome.said[1][1].startswith("Cancelled")],
    "a whole command does nothing",
)
dialogue(
    "two timers due at once are one announcement",
    [say(_TIMER), quiet(), say("set a timer for one minute"), quiet(), wait(70.0), quiet()],
    [waiting_items(0), lambda talk, outcome: 1 <= sum(not user for user, _ in outcome.said) <= 2],
    "an alarm is not settled",
)
dialogue(
    "what the assistant has to say waits for a gap",
    [
        say("what can you do"),
        wait(0.5),
        lambda talk: talk.assistant.say("The larger engines are ready."),
        quiet(),
        quiet(),
    ],
    [heard_whole(0)],
    "the floor is always free",
)
dialogue(
    "a suspended laptop rings late and says so",
    [say("set a timer for ten minutes"), quiet(), lambda talk: talk.clock.suspend(3600.0), wait(3.0), quiet()],
    [lambda talk, outcome: "ago" in outcome.said[-1][1], waiting_items(0)],
    "an alarm is not settled",
)

# A stage that loses a turn: it is said, and the next turn is whole.

dialogue(
    "the recogniser loses a turn and the next is answered",
    [lose("ear"), say("what time is it"), quiet(), say("what time is it"), quiet()],
    [lost_in("stt"), said(("what time is it", "It's 2:30 PM.")), lambda talk, outcome: outcome.audible_s > 1.8],
    "a lost turn is not said",
)
dialogue(
    "the voice loses a turn and the next is heard",
    [lose("mouth", 2), say("what time is it"), quiet(), say("what is twelve times seven"), quiet()],
    [
        lost_in("tts"),
        said(("what time is it", ""), ("what is twelve times seven", "That's 84.")),
        heard_whole(1),
        lambda talk, outcome: outcome.said[0][1] == "",
    ],
    "nothing is heard",
)
dialogue(
    "a speaker that is gone costs the turn and not the conversation",
    [
        lambda talk: setattr(talk.speaker, "plugged", False),
        say("what time is it"),
        wait(7.0),
        lambda talk: setattr(talk.speaker, "plugged", True),
        say("what is twelve times seven"),
        quiet(),
    ],
    [
        lost_in("play"),
        lambda talk, outcome: (
            outcome.said[-1] == ("what is twelve times seven", "84.") or outcome.said[-1][1].startswith("That's 84.")
        ),
        heard_whole(1),
    ],
    "nothing is heard",
)
dialogue(
    "three lost turns in a row are three apologies",
    [lose("ear", 3), say("what time is it"), quiet(), say("what time is it"), quiet(), say("what time is it"), quiet()],
    [lost_in("stt", "stt", "stt"), lambda talk, outcome: outcome.audible_s > 3.0, turns(3)],
    "a lost turn is not said",
)

# Context and undo go over turns; several questions are several turns.

dialogue(
    "four questions are four turns in their order",
    [
        say("what time is it"),
        quiet(),
        say("what is twelve times seven"),
        quiet(),
        say("what is the date"),
        quiet(),
        say("who is the president"),
        quiet(),
    ],
    [
        said(
            ("what time is it", "It's"),
            ("what is twelve times seven", "That's 84."),
            ("what is the date", "It's Saturday"),
            ("who is the president", "Sorry"),
        ),
        turns(4),
    ],
    "a revision is a turn",
)
dialogue(
    "a list remembers what was added in another turn",
    [say("add milk to my shopping list"), quiet(), say("what is on my shopping list"), quiet()],
    [lambda talk, outcome: "milk" in outcome.said[1][1], turns(2)],
    "a whole command does nothing",
)
dialogue(
    "what was done is undone",
    [say("add milk to my shopping list"), quiet(), say("undo"), quiet(), say("what is on my shopping list"), quiet()],
    [lambda talk, outcome: "milk" in outcome.said[0][1] and "milk" not in outcome.said[2][1], turns(3)],
    "a whole command does nothing",
)
dialogue(
    "a key press ends the reply",
    [spoken_to("what can you do"), wait(0.3), lambda talk: talk.assistant.call(), quiet()],
    [heard_only_a_part(0), loud_again],
    "a cancelled turn goes on",
)
dialogue(
    "a cancelled question is not answered",
    [say("what is twelve"), lambda talk: talk.assistant.drop_utterance(), quiet(3.0)],
    [nothing_said, silent],
    "a dropped question is answered",
)

# The times of a turn are told to who asks for them.

for _language, _first, _words, _reply in (
    ("en", "what time is it", "why was that so slow", "It took 0.3 seconds from your last word to my first sound."),
    ("fr", "quelle heure est-il", "pourquoi c'était si long", "Il s'est passé 0,3 seconde entre votre dernier mot"),
):
    dialogue(
        f"why an answer took long is told from its record, {_language}",
        [say(_first), quiet(), say(_words), quiet()],
        [said((_first, ""), (_words, _reply)), record_of(0, endpoint=256), turns(2)],
        "the times of a turn are lost",
        _language,
    )
dialogue(
    "an answer that nobody heard has no times",
    [say("why was that so slow"), quiet(), say("why was that so slow"), quiet()],
    [said(("why was that so slow", "I can't say"), ("why was that so slow", "It took")), turns(2)],
    "the times of a turn are lost",
)

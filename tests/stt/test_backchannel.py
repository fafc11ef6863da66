"""What only shows that somebody listens."""

from __future__ import annotations

import pytest

from stt.backchannel import is_backchannel

LISTENING = (
    ("mhm", "Mm-hmm.", "uh-huh", "uh huh", "mm", "yes", "Yeah, okay.", "I see", "oh I see", "right", "of course"),
    ("oui", "D'accord.", "d’accord", "ouais", "je vois", "ah oui", "très bien", "c'est ça"),
    ("M-M-H-N", "M.H.M.", "MMMM", "NNN", "Mmhm.", "m hm", "Um-hum.", "Ohhh", "haha", "Mm-hmm, mm-hmm.", "Ehm..."),
    ("Ha ha ha ha ha!", "Hahahahaha.", "Ah, ha ha ha", "Hee hee hee", "hihihi", "hé hé hé hé", "Ho-ho-ho."),
)
SPEAKING = (
    ("stop", "wait", "no", "yes but", "okay stop", "mhm what time is it", "I see no timer", "", "what", "yes 12"),
    ("attends", "non", "oui mais", "d'accord arrête", "yesterday", "merline", "12", "okay okay okay okay"),
    ("mm-mm", "uh-uh", "N", "hm no", "M&M's", "N.H.", "him", "mhm when"),
    ("he", "Hi.", "hi hi", "Hey, hey, hey.", "ha ha stop", "he has", "Hello"),
)


@pytest.mark.parametrize("text", [text for line in LISTENING for text in line])
def test_who_says_only_that_they_listen_does_not_interrupt(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize("text", [text for line in SPEAKING for text in line])
def test_everything_else_does(text: str) -> None:
    assert not is_backchannel(text)


@pytest.mark.parametrize("text", ["yes", "okay", "oui", "d'accord", "yeah sure", "of course", "bien sûr"])
def test_a_yes_to_a_question_is_an_answer(text: str) -> None:
    assert is_backchannel(text)
    assert not is_backchannel(text, asked=True)


def test_mhm_is_none_even_over_a_question() -> None:
    assert is_backchannel("mhm", asked=True)

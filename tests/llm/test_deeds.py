"""A reply in words tells of a deed, or it does not; none of the sentences is the skills' own."""

from __future__ import annotations

from functools import cache

import pytest
from skill_rig import make_skills

from core.messages import Language
from llm.tool_calls import ToolBox, Words
from llm.tools import declare

PASTA = "my pasta needs nine minutes, can you tell me when"
MILK = "we are out of milk, the shopping list should have it"
UP = "il faut me réveiller à six heures et demie"


@cache
def box() -> ToolBox:
    skills = make_skills()
    return ToolBox(declare(skills, "en"), skills.recogniser)


@pytest.mark.parametrize(
    ("request_", "language", "unit"),
    [
        (PASTA, "en", "Your pasta timer is running, nine minutes from now."),
        (PASTA, "en", "Okay, nine minutes on the clock."),
        (PASTA, "en", "Done!"),
        ("I need to be up by six thirty", "en", "Waking you at 6:30 tomorrow."),
        ("I need to be up by six thirty", "en", "Sure, consider yourself woken at half past six."),
        (MILK, "en", "Milk was put on the list."),
        (MILK, "en", "Got it, one more item: milk."),
        ("would you note that the plumber comes on friday", "en", "It is noted: the plumber comes on Friday."),
        ("remind me about the dentist, it is at three", "en", "You will be reminded at three."),
        ("get rid of the pasta timer thing", "en", "It has been cancelled."),
        (UP, "fr", "Vous serez réveillé à six heures et demie."),
        (UP, "fr", "C'est noté."),
        ("il n'y a plus de lait, la liste devrait l'avoir", "fr", "Le lait est maintenant sur la liste."),
    ],
)
def test_what_tells_of_a_deed(request_: str, language: Language, unit: str) -> None:
    assert box().promised(unit, Words(request_, language))


@pytest.mark.parametrize(
    ("request_", "language", "unit"),
    [
        (PASTA, "en", "Pasta usually takes eight to twelve minutes."),
        (PASTA, "en", "Do you want me to set the timer?"),
        (PASTA, "en", "The timer cannot be set without a length."),
        (PASTA, "en", "Boil it for the minutes on the packet."),
        (PASTA, "en", "I'm unable to provide the exact time of your pasta."),
        (MILK, "en", "You could buy oat milk instead."),
        (MILK, "en", "Which list do you mean?"),
        ("tell me about the alarm clock", "en", "The alarm clock was invented in 1787."),
        ("how do I add fractions", "en", "The denominators are added last."),
        ("is it good to wake early", "en", "It is set by your inner clock."),
        ("how do I wake up early", "en", "You will wake up early after an early night."),
        (UP, "fr", "Le sommeil est important."),
    ],
)
def test_what_does_not(request_: str, language: Language, unit: str) -> None:
    assert not box().promised(unit, Words(request_, language))

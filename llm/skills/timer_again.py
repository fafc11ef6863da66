"""The timer that was set last, set once more: "the same timer again", also after a restart."""

from __future__ import annotations

import json
from dataclasses import replace

from llm.skills.base import Context, Intent, Reply, Skill, choose, reply
from llm.skills.spoken import say_duration
from llm.skills.timers import LAST_SET, set_timer

_OF_TIMERS = frozenset(("SetTimer", "SetTimerAgain", "CancelTimer", "TimeLeft", "ListTimers", "AddTime", "ChangeTimer"))
"""after these "the same again" is a timer"""


def set_again(intent: Intent, context: Context) -> Reply:
    text = context.store.setting(LAST_SET)
    if not text:
        return reply(intent, en="No timer was set before.", fr="Aucun minuteur n'a été réglé avant.")
    name, seconds = json.loads(text)
    if intent.word("bare") and context.session.last not in _OF_TIMERS:
        length = say_duration(seconds, intent.language)
        return Reply(
            choose(intent.language, f"Set the timer of {length} again?", f"Remettre le minuteur de {length} ?"),
            intent.language,
            offers=choose(intent.language, "set the same timer again", "remets le même minuteur"),
        )
    return set_timer(replace(intent, name="SetTimer", slots={"seconds": seconds, "name": name}), context)


SKILL = Skill("timer_again", {"SetTimerAgain": set_again}, for_models=())

"""A timer that runs is given another length, from now on: "change the timer to 20 minutes"."""

from __future__ import annotations

from llm.schedule import Item
from llm.skills.base import Context, Intent, Reply, Skill, Undo, choose, reply
from llm.skills.spoken import join, say_duration
from llm.skills.timers import LONGEST_S, meant, title, titles
from llm.skills.when import duration_s


def change_timer(intent: Intent, context: Context) -> Reply:
    chosen, seconds = meant(intent, context), duration_s(intent) or 0.0
    if isinstance(chosen, Reply):
        return chosen
    if len(chosen) > 1:
        listed = join(titles(chosen, intent.language), intent.language)
        return reply(intent, en=f"There are several: {listed}. Say which.",
                     fr=f"Il y en a plusieurs : {listed}. Dites lequel.")  # fmt: skip
    if not 1 <= seconds <= LONGEST_S:
        return reply(intent, en="A timer can last from 1 second to 7 days.",
                     fr="Un minuteur peut durer de 1 seconde à 7 jours.")  # fmt: skip
    before, schedule = chosen[0], context.schedule
    schedule.remove([before])
    after = schedule.add(Item("timer", before.text, intent.language, schedule.now + seconds, duration_s=seconds))

    def put_back() -> None:
        schedule.remove([after])
        schedule.restore([before])

    was, length = title(before, intent.language), say_duration(seconds, intent.language)
    undo = Undo(put_back, choose(intent.language, f"I put {was} back.", f"J'ai remis {was}."))
    return reply(intent, en=f"Changed: {length} from now.", fr=f"C'est changé : {length} à partir de maintenant.",
                 undo=undo)  # fmt: skip


SKILL = Skill("timer_change", {"ChangeTimer": change_timer}, for_models=())

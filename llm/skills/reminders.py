"""Reminders with the user's own words, once or recurring."""

from __future__ import annotations

from datetime import timedelta

from llm.schedule import Item
from llm.skills.alarms import describe
from llm.skills.base import Context, Intent, Reply, Skill, Undo, ask, choose, reply
from llm.skills.days import date_of, day_of_month, named_later
from llm.skills.feasts import next_feast
from llm.skills.rescheduling import about, exchange, moved
from llm.skills.spoken import join, say_duration
from llm.skills.when import duration_s, moment
from llm.skills.which import by_place

NTH_WEEKDAY = "nth_weekday"
"""a slot of what no schedule can hold"""


def set_reminder(intent: Intent, context: Context) -> Reply:
    text, language = clean(intent.word("text")), intent.language
    when = moment(intent, context.schedule.local)
    if intent.word(NTH_WEEKDAY):
        return reply(
            intent,
            en="I can't remind you on every first Monday and the like, only every week or on a day of the month.",
            fr="Je ne sais pas rappeler tous les premiers lundis, seulement chaque semaine ou un jour du mois.",
        )
    if when is None and intent.word("repeat"):
        return reply(intent, en="I can remind you at most once a minute, and at least once a year.",
                     fr="Je peux rappeler au plus une fois par minute, au moins une fois par an.")  # fmt: skip
    if when is None and named_later(intent):
        return reply(intent, en="That is past, or no such day.", fr="C'est passé, ou ce jour n'existe pas.")
    if when is None and intent.number("month") and day_of_month(intent):
        return reply(intent, en="There is no such day.", fr="Ce jour n'existe pas.")
    if when is None:
        return ask(
            intent,
            en=(
                "When?",
                f"remind me {{}}{f' to {text}' if text else ''}",
                f"remind me at {{}}{f' to {text}' if text else ''}",
            ),
            fr=(
                "Quand ?",
                f"rappelle-moi {{}}{f' de {text}' if text else ''}",
                f"rappelle-moi à {{}}{f' de {text}' if text else ''}",
            ),
        )
    item = context.schedule.add(
        Item(
            *("reminder", text, language, when.instant),
            wall=when.wall, weekdays=when.weekdays, every_s=when.every_s, day=when.day, month=when.month,
        )
    )  # fmt: skip
    undo = Undo(
        lambda: context.schedule.remove([item]),
        choose(language, "I removed that reminder.", "J'ai supprimé ce rappel."),
    )
    seconds = duration_s(intent)
    said = describe(item, context, language)
    if seconds is not None and not item.every_s and round(item.due_at - context.schedule.now) == round(seconds):
        length = say_duration(seconds, language)
        said = f"dans {length}" if language == "fr" else f"in {length}"
    if not text:
        return reply(intent, en=f"Reminder set: {said}.", fr=f"Rappel réglé : {said}.", undo=undo)
    return reply(
        intent, en=f"I'll remind you {said}: {text}.", fr=f"Je vous le rappellerai {said} : {text}.", undo=undo
    )


def list_reminders(intent: Intent, context: Context) -> Reply:
    items, language, local = context.schedule.items("reminder"), intent.language, context.schedule.local
    if not items:
        return no_reminder(intent)
    day, when, within = intent.word("day"), "", intent.word("within")
    if within:
        today = local.wall.date()
        last = today + timedelta(days=6 - today.weekday()) if within == "week" else next_feast("month_end", today)
        items = [item for item in items if local.at(item.due_at).date() <= last]
        when = choose(language, f" this {within}", " cette semaine" if within == "week" else " ce mois-ci")
        if not items:
            return reply(intent, en=f"You have no reminders{when}.", fr=f"Vous n'avez pas de rappel{when}.")
    if day:
        meant = date_of(day, local)
        items = [item for item in items if local.at(item.due_at).date() == meant]
        when = choose(language, " for that day", " pour ce jour-là")
        if not items:
            return reply(intent, en="You have no reminders for that day.", fr="Vous n'avez pas de rappel ce jour-là.")
    if intent.word("first"):
        told = f"{items[0].text or '…'}, {describe(items[0], context, language)}"
        return reply(intent, en=f"Next: {told}.", fr=f"Le prochain : {told}.")
    listed = "; ".join(f"{item.text or '…'}, {describe(item, context, language)}" for item in items)
    count = len(items)
    return reply(
        intent,
        en=f"You have {count} reminder{'s' if count > 1 else ''}{when}: {listed}.",
        fr=f"Vous avez {count} rappel{'s' if count > 1 else ''}{when} : {listed.replace('; ', ' ; ')}.",
    )


def cancel_reminder(intent: Intent, context: Context) -> Reply:
    items = context.schedule.items("reminder")
    if not items:
        return no_reminder(intent)
    text, language, position = clean(intent.word("text")), intent.language, intent.number("position")
    chosen = about(items, text, lambda item: describe(item, context, language), language) if text else items
    chosen = chosen or by_place(items, text)
    if intent.word("which"):
        chosen = by_place(items, intent.word("which"))
    if position is not None:
        chosen = items[int(position) - 1 : int(position)] if position >= 1 else []
        if not chosen:
            return reply(intent, en=f"There are only {len(items)}.", fr=f"Il n'y en a que {len(items)}.")
    if not chosen:
        return reply(intent, en=f"I have no reminder about {text}.", fr=f"Je n'ai pas de rappel pour « {text} ».")
    if len(chosen) > 1 and not intent.word("all"):
        listed = join([item.text for item in chosen], language)
        return ask(
            intent,
            en=(f"Which one: {listed}?", "cancel {} reminders", "cancel my reminder to {}"),
            fr=(f"Lequel : {listed} ?", "annule {} mes rappels", "annule mon rappel pour {}"),
        )
    context.schedule.remove(chosen)
    listed = join([item.text or "…" for item in chosen], language)
    undo = Undo(
        lambda: context.schedule.restore(chosen),
        choose(language, f"I'll remind you after all: {listed}.", f"Je vous le rappellerai quand même : {listed}."),
    )
    return reply(intent, en=f"Reminder cancelled: {listed}.", fr=f"Rappel annulé : {listed}.", undo=undo)


def change_reminder(intent: Intent, context: Context) -> Reply:
    """A reminder comes at another time or on another day; on the days on which it came, where it recurs."""
    items, language = context.schedule.items("reminder"), intent.language
    if not items:
        return no_reminder(intent)
    text = clean(intent.word("text"))
    chosen = about(items, text, lambda item: describe(item, context, language), language) if text else items
    if not chosen:
        return reply(intent, en=f"I have no reminder about {text}.", fr=f"Je n'ai pas de rappel pour « {text} ».")
    if len(chosen) > 1:
        listed = join([item.text or "…" for item in chosen], language)
        return reply(intent, en=f"There are several: {listed}. Say which.",
                     fr=f"Il y en a plusieurs : {listed}. Dites lequel.")  # fmt: skip
    before = chosen[0]
    if before.every_s or before.day or (before.weekdays and intent.word("day")):
        return reply(intent, en="That one recurs. Cancel it and set another.",
                     fr="Celui-ci revient régulièrement. Annulez-le et réglez-en un autre.")  # fmt: skip
    after = moved(before, intent, context.schedule)
    if after is None:
        return reply(intent, en="There is no such time.", fr="Cette heure n'existe pas.")
    item, put_back = exchange(before, after, context.schedule)
    said, earlier = describe(item, context, language), describe(before, context, language)
    undo = Undo(
        put_back, choose(language, f"The reminder is as it was: {earlier}.", f"Le rappel est comme avant : {earlier}.")
    )
    told = before.text or "…"
    return reply(
        intent, en=f"I'll remind you {said}: {told}.", fr=f"Je vous le rappellerai {said} : {told}.", undo=undo
    )


def clean(text: str) -> str:
    """Free words without the punctuation around them."""
    return text.strip(" .,;:!?'\"«»")


def no_reminder(intent: Intent) -> Reply:
    return reply(intent, en="You have no reminders.", fr="Vous n'avez pas de rappel.")


SKILL = Skill(
    "reminders",
    {
        "SetReminder": set_reminder,
        "ListReminders": list_reminders,
        "CancelReminder": cancel_reminder,
        "ChangeReminder": change_reminder,
    },
    for_models=("SetReminder", "ListReminders"),
)

"""Greetings, thanks, who I am and what I can do."""

from __future__ import annotations

from llm.skills.base import Action, Context, Intent, Reply, Skill, reply


def greet(intent: Intent, context: Context) -> Reply:
    hour = context.schedule.local.wall.hour
    english = (
        "Good evening!"
        if hour >= 18
        else "Good morning!"
        if 5 <= hour < 12
        else "Good afternoon!"
        if 12 <= hour < 18
        else "Hello!"
    )
    return reply(intent, en=english, fr="Bonjour !" if 5 <= hour < 18 else "Bonsoir !")


def how_are_you(intent: Intent, context: Context) -> Reply:
    return reply(intent, en="Fine, thank you. What can I do for you?", fr="Bien, merci. Que puis-je faire pour vous ?")


def goodbye(intent: Intent, context: Context) -> Reply:
    return reply(intent, en="Goodbye!", fr="Au revoir !")


def thanks(intent: Intent, context: Context) -> Reply:
    return reply(intent, en="You're welcome.", fr="Je vous en prie.")


def who_are_you(intent: Intent, context: Context) -> Reply:
    if context.session.model == "elsewhere":
        return reply(
            intent,
            en="I'm Merline, the assistant on your own computer. What I can't answer by myself goes, as text, to the "
            "server you configured.",
            fr="Je suis Merline, l'assistante de votre ordinateur. Ce à quoi je ne sais pas répondre seule part, en "
            "texte, au serveur que vous avez configuré.",
        )
    return reply(
        intent,
        en="I'm Merline, the assistant on your own computer. Nothing you say leaves it.",
        fr="Je suis Merline, l'assistante de votre ordinateur. Rien de ce que vous dites n'en sort.",
    )


def capabilities(intent: Intent, context: Context) -> Reply:
    if context.session.model != "none":
        return reply(
            intent,
            en="I can tell the time, set timers, alarms and reminders, do sums, convert units, keep notes and a "
            "shopping list, remember what you ask me to, and answer questions.",
            fr="Je donne l'heure, je règle des minuteurs, des alarmes et des rappels, je calcule, je convertis des "
            "unités, je tiens vos notes et votre liste de courses, je retiens ce que vous me demandez, et je réponds "
            "aux questions.",
        )
    return reply(
        intent,
        en="I can tell the time, set timers, alarms and reminders, do sums, convert units, "
        "and keep notes and a shopping list.",
        fr="Je donne l'heure, je règle des minuteurs, des alarmes et des rappels, je calcule, je convertis des unités, "
        "et je tiens vos notes et votre liste de courses.",
    )


def languages(intent: Intent, context: Context) -> Reply:
    return reply(
        intent,
        en='I speak English and French: say "speak French". Without Whisper I hear only English; French can be typed.',
        fr="Je parle anglais et français : dites « parle anglais ». Sans Whisper je n'entends que l'anglais ; le "
        "français peut s'écrire.",
    )


def compliment(intent: Intent, context: Context) -> Reply:
    return reply(intent, en="That's kind of you.", fr="C'est gentil.")


def insult(intent: Intent, context: Context) -> Reply:
    return reply(
        intent,
        en='I\'m sorry. Say "never mind" to take the last thing back, or ask me what I can do.',
        fr="Je suis désolée. Dites « annule » pour revenir en arrière, ou demandez-moi ce que je sais faire.",
    )


def cannot_do(intent: Intent, context: Context) -> Reply:
    english, french = _CANNOT.get(intent.word("topic"), ("I can't do that yet.", "Je ne sais pas encore faire cela."))
    return reply(intent, english, french)


_CANNOT = {
    "sky": (
        "I can't tell when the sun or the moon rises or sets: I don't know where you are.",
        "Je ne sais pas quand le soleil ou la lune se lève ou se couche : je ne sais pas où vous êtes.",
    ),
    "weather": ("I can't tell the weather: I work offline.", "Je ne connais pas la météo : je travaille hors ligne."),
    "news": ("I have no news: I work offline.", "Je n'ai pas les nouvelles : je travaille hors ligne."),
    "music": ("I can't play music yet.", "Je ne sais pas encore jouer de musique."),
    "messages": ("I can't call or write to anyone.", "Je ne peux ni appeler ni écrire à personne."),
    "currency": (
        "I have no exchange rates: I work offline.",
        "Je n'ai pas les taux de change : je travaille hors ligne.",
    ),
    "jokes": ("I know no jokes or songs yet.", "Je ne connais pas encore de blagues ni de chansons."),
    "devices": (
        "I can't control devices or programs yet.",
        "Je ne commande pas encore les appareils ni les programmes.",
    ),
}
_ACTIONS: dict[str, Action] = {
    "Greet": greet,
    "HowAreYou": how_are_you,
    "Goodbye": goodbye,
    "Thanks": thanks,
    "WhoAreYou": who_are_you,
    "Capabilities": capabilities,
    "Language": languages,
    "Compliment": compliment,
    "Insult": insult,
    "CannotDo": cannot_do,
}
SKILL = Skill("smalltalk", _ACTIONS, for_models=())

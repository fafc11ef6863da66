"""Heads or tails, dice, a number between two: drawn from the context's generator, the system's unless one is given."""

from __future__ import annotations

from llm.skills.base import Context, Intent, Reply, Skill, reply
from llm.skills.spoken import join, say_number

MOST_COINS = 1000
MOST_DICE = 20
"""more are not listened to"""
SIDES = 6.0
MOST_SIDES = 1000
LOWEST, HIGHEST = 1.0, 100.0
"""of a number whose bounds are not said"""


def flip_coin(intent: Intent, context: Context) -> Reply:
    times = said_or(intent, "times", 1.0)
    if not 1 <= times <= MOST_COINS or times != int(times):
        return reply(intent, en=f"I can flip 1 to {MOST_COINS} coins.", fr=f"Je lance de 1 à {MOST_COINS} pièces.")
    heads = sum(context.chance.randint(0, 1) for _ in range(int(times)))
    if times == 1:
        return reply(intent, en="Heads." if heads else "Tails.", fr="Face." if heads else "Pile.")
    tails = int(times) - heads
    return reply(intent, en=f"{heads} heads and {tails} tails.", fr=f"{heads} fois face et {tails} fois pile.")


def roll_dice(intent: Intent, context: Context) -> Reply:
    count, sides = said_or(intent, "dice", 1.0), said_or(intent, "sides", SIDES)
    if not (1 <= count <= MOST_DICE and 2 <= sides <= MOST_SIDES and count == int(count) and sides == int(sides)):
        return reply(
            intent,
            en=f"I can roll 1 to {MOST_DICE} dice of 2 to {MOST_SIDES} sides.",
            fr=f"Je lance de 1 à {MOST_DICE} dés de 2 à {MOST_SIDES} faces.",
        )
    rolled = [context.chance.randint(1, int(sides)) for _ in range(int(count))]
    if len(rolled) == 1:
        return reply(intent, en=f"It's {rolled[0]}.", fr=f"C'est {rolled[0]}.", result=float(rolled[0]))
    listed, total = join([str(one) for one in rolled], intent.language), sum(rolled)
    return reply(intent, en=f"{listed}: {total} together.", fr=f"{listed} : {total} en tout.", result=float(total))


def pick_number(intent: Intent, context: Context) -> Reply:
    """A whole number, both bounds included, whichever is said first."""
    bounds = sorted((said_or(intent, "first", LOWEST), said_or(intent, "last", HIGHEST)))
    if any(bound != int(bound) for bound in bounds):
        return reply(intent, en="I can pick a whole number between two others.",
                     fr="Je choisis un nombre entier entre deux autres.")  # fmt: skip
    picked = float(context.chance.randint(int(bounds[0]), int(bounds[1])))
    return Reply(f"{say_number(picked, intent.language)}.", intent.language, result=picked)


def said_or(intent: Intent, slot: str, otherwise: float) -> float:
    """The number that is said, or another where none is."""
    said = intent.number(slot)
    return otherwise if said is None else said


SKILL = Skill(
    "chance",
    {"FlipCoin": flip_coin, "RollDice": roll_dice, "PickNumber": pick_number},
    for_models=(),
)

"""Everyday sentences that a language model is calibrated and judged on where its user brings no text."""

from __future__ import annotations

SENTENCES = """\
Good morning. What is the weather like today? It is cold and dry, with a little wind from the north, and the sun should
come out after lunch. Could you set a timer for twelve minutes, please, and remind me to take the bread out of the oven?
Of course. I have set a timer for twelve minutes, and I will tell you about the bread when it rings. Thank you. While we
wait, tell me something about the history of bread. People have baked it for more than ten thousand years. At first they
mixed ground grain with water and laid the flat dough on hot stones; later, in Egypt, somebody left the dough standing
until wild yeast made it rise, and the first light loaves came out of closed ovens.
Bonjour, quelle heure est-il à Montréal quand il est midi à Paris ? À cette époque de l'année, il y est six heures du
matin. Peux-tu me lire la liste des courses ? Oui : du lait, six œufs, du beurre, des pommes, une salade verte, et le
café que tu as ajouté hier soir. Ajoute aussi du riz, et dis-moi combien coûtent deux kilos de tomates.
How do I turn off the heating before I go on holiday? Close the valve of each radiator, but leave the little star open,
so that the pipes do not freeze in winter. Then switch the boiler to its frost setting and write down the reading of the
meter. If you are away for more than two weeks, ask a neighbour to look after the plants and to open a window once.
My daughter has to explain at school why the moon changes its shape. The moon itself does not change: the sun always
lights one half of it, and as it travels around the earth in about a month, we see more or less of that bright half.
When it stands between us and the sun we see only its dark side, and two weeks later the whole round face.
Please write a short message to my colleague. Dear Anna, the meeting on Thursday has been moved to a quarter past three
in the small room on the second floor. Could you bring the figures of last year, and the list of people who said they
would come? I will be on the train until noon, so a short answer by mail is enough. Best regards, Thomas.
"""

"""Every scripted dialogue comes out as it must, the same every time, and its planted fault is noticed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.dialogue.dialogues import DIALOGUES
from tests.dialogue.faults import FAULTS
from tests.dialogue.rig import Conversation
from tests.dialogue.scripts import Dialogue


def play(dialogue: Dialogue, folder: Path, seed: int = 1) -> tuple[list[int], object]:
    """Which checks failed, and all that came of it."""
    with Conversation(folder, dialogue.language, seed) as talk:
        for act in dialogue.acts:
            act(talk)
        outcome = talk.outcome()
        failed = [number for number, check in enumerate(dialogue.checks) if not check(talk, outcome)]
    return failed, outcome


def ids(dialogues: list[Dialogue]) -> list[str]:
    return [dialogue.name for dialogue in dialogues]


def test_there_are_as_many_as_promised_and_each_has_a_name_of_its_own() -> None:
    assert len(set(ids(DIALOGUES))) == len(DIALOGUES) >= 60


def test_every_fault_that_can_be_planted_is_planted() -> None:
    assert {dialogue.fault for dialogue in DIALOGUES} == set(FAULTS)


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=ids(DIALOGUES))
def test_a_dialogue_comes_out_as_it_must(dialogue: Dialogue, tmp_path: Path) -> None:
    failed, outcome = play(dialogue, tmp_path)
    assert failed == [], outcome


@pytest.mark.parametrize("dialogue", DIALOGUES, ids=ids(DIALOGUES))
def test_its_planted_fault_is_noticed(dialogue: Dialogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FAULTS[dialogue.fault](monkeypatch)
    failed, outcome = play(dialogue, tmp_path)
    assert failed, outcome


@pytest.mark.parametrize("dialogue", DIALOGUES[::10], ids=ids(DIALOGUES[::10]))
def test_it_is_the_same_every_time_and_good_in_any_order_of_the_stages(dialogue: Dialogue, tmp_path: Path) -> None:
    first, again = (play(dialogue, tmp_path / name, seed=5) for name in ("first", "again"))
    assert first == again
    failed, outcome = play(dialogue, tmp_path / "other", seed=2)
    assert failed == [], outcome

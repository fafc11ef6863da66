"""One thread while other programs hold the processors, several again when one runs freely."""

from __future__ import annotations

from machines import FakeTorch

from core.models.kernel_threads import kernel_threads
from core.optimization.crowding import JUDGED_S, MOST_PATIENCE, Crowding
from core.optimization.inference_context import thread_count


def test_a_free_machine_keeps_the_planned_threads():
    crowding = Crowding(tick_s=1e-9)
    for _ in range(5):
        crowding.saw(JUDGED_S, 0.98 * JUDGED_S)
        assert crowding.threads(4) == 4


def test_waiting_for_processors_leaves_one_thread_and_running_freely_brings_the_others_back():
    crowding = Crowding(tick_s=1e-9)
    crowding.saw(JUDGED_S, 0.5 * JUDGED_S)
    assert crowding.threads(4) == 1
    crowding.saw(JUDGED_S, 0.6 * JUDGED_S)
    assert crowding.threads(4) == 1
    crowding.saw(JUDGED_S, JUDGED_S)
    assert crowding.threads(4) == 4


def test_short_pieces_of_work_are_judged_together():
    crowding = Crowding(tick_s=1e-9)
    for _ in range(3):
        crowding.saw(JUDGED_S / 4, 0.0)
        assert not crowding.crowded
    crowding.saw(JUDGED_S / 4, 0.0)
    assert crowding.crowded


def test_a_coarse_clock_is_given_longer():
    crowding = Crowding(tick_s=0.0156)
    crowding.saw(0.15, 0.0)
    assert not crowding.crowded
    crowding.saw(0.15, 0.0)
    assert crowding.crowded


def test_what_failed_at_once_is_tried_again_later_each_time_up_to_a_bound():
    crowding = Crowding(tick_s=1e-9)
    waits = []
    for _ in range(7):
        crowding.saw(JUDGED_S, 0.5 * JUDGED_S)
        assert crowding.crowded
        waits.append(0)
        while crowding.crowded:
            crowding.saw(JUDGED_S, JUDGED_S)
            waits[-1] += 1
    assert waits == [1, 2, 4, 8, 16, MOST_PATIENCE, MOST_PATIENCE]
    crowding.saw(JUDGED_S, JUDGED_S)
    crowding.saw(JUDGED_S, 0.5 * JUDGED_S)
    crowding.saw(JUDGED_S, JUDGED_S)
    assert not crowding.crowded, "several ran well, so the next trial is an early one again"


def test_a_context_measures_its_own_thread_and_gives_torch_one_thread_and_our_kernels_all_when_crowded():
    seconds, torch = [0.0], FakeTorch()
    torch.set_num_threads(3)
    crowding = Crowding(clock=lambda: seconds[0], ran=lambda: 0.0, tick_s=1e-9)
    with thread_count(torch, 2, crowding):
        assert torch.get_num_threads() == 2
        seconds[0] += JUDGED_S
    with thread_count(torch, 2, crowding):
        assert torch.get_num_threads() == 1
        assert kernel_threads() == 2, "our own kernels wait for no late thread"
        with thread_count(torch, 1, crowding):
            assert kernel_threads() == 1
        assert kernel_threads() == 2
    assert torch.get_num_threads() == 3


def test_a_stage_with_one_thread_says_nothing_about_crowding():
    seconds, torch = [0.0], FakeTorch()
    crowding = Crowding(clock=lambda: seconds[0], ran=lambda: 0.0, tick_s=1e-9)
    with thread_count(torch, 1, crowding):
        seconds[0] += JUDGED_S
    assert not crowding.crowded

"""An echo is believed in, or not, by comparisons that agree."""

from audio.delay import AGREEMENT, CERTAIN, Delay
from audio.echo_vote import HEIGHT, KEPT, UNFOUND, EchoVote, Verdict, count_votes


def at(samples: int, height: float = HEIGHT) -> Delay:
    return Delay(samples, height, 0.0)


def test_each_that_agrees_with_the_last_has_a_vote_and_a_certain_one_two() -> None:
    assert count_votes([at(400), None]) == 0
    assert count_votes([at(400), at(500)]) == 1
    assert count_votes([at(400), None, at(400 + AGREEMENT)]) == 2
    assert count_votes([at(400, CERTAIN), at(900, CERTAIN), at(400)]) == 3


def test_three_votes_end_the_belief_in_headphones_and_two_doubt_it() -> None:
    vote = EchoVote()
    assert vote.take(at(400), absent=True) is Verdict.UNCHANGED
    assert vote.take(at(400), absent=True) is Verdict.DOUBTED
    assert vote.take(at(900), absent=True) is Verdict.UNCHANGED
    assert vote.take(at(400), absent=True) is Verdict.PRESENT
    assert vote.take(at(400), absent=True) is Verdict.UNCHANGED, "a new belief is not shaken by what led to the old one"


def test_a_certain_comparison_is_enough_to_doubt() -> None:
    assert EchoVote().take(at(400, CERTAIN), absent=True) is Verdict.DOUBTED


def test_faint_likenesses_and_old_ones_do_not_count() -> None:
    vote = EchoVote()
    assert {vote.take(at(400, HEIGHT - 1), absent=True) for _ in range(5)} == {Verdict.UNCHANGED}
    vote.take(at(400, CERTAIN), absent=True)
    for _ in range(KEPT - 1):
        vote.take(None, absent=True)
    assert vote.take(at(400), absent=True) is Verdict.UNCHANGED


def test_an_echo_that_is_long_not_found_is_none() -> None:
    vote = EchoVote()
    for _ in range(3):
        assert vote.take(at(400), absent=False) is Verdict.UNCHANGED
    verdicts = [vote.take(None, absent=False) for _ in range(UNFOUND + 1)]
    assert verdicts == [*[Verdict.UNCHANGED] * (UNFOUND - 1), Verdict.ABSENT, Verdict.ABSENT]

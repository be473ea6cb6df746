"""A few sessions of `make storm`: nothing is lost, doubled or hung when connections break."""

import pytest

from tests.storm.session import run_session
from tests.storm.silence import measure

SEEDS = range(1_000, 1_020)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_session_in_a_storm(seed):
    report = run_session(seed)
    assert report.wrong == []
    assert report.outcome


def test_the_same_seed_gives_the_same_storm():
    first, again = run_session(1_003), run_session(1_003)
    assert first == again
    assert first.counts["Resumed"] > 0


@pytest.mark.parametrize("seed", range(3))
def test_users_hear_no_silence_inside_an_answer_whatever_becomes_of_connections(seed):
    silences = measure(seed, None)
    assert silences.wrong == []
    assert silences.events["AnswerCut"] > 0
    assert silences.events["Moving"] > 0
    assert set(silences.in_whole_turns + silences.in_cut_turns) == {0}
    # As long as something waits to be played, the next answer may take its time.
    assert len(silences.waiting) == len(silences.before_answering_again)
    for waiting_ms, pause_ms in zip(silences.waiting, silences.before_answering_again, strict=True):
        assert pause_ms <= max(0, 1_000 - waiting_ms)


def test_over_a_link_what_came_of_an_answer_is_heard_as_it_came():
    silences = measure(1, "lte")
    assert silences.wrong == []
    assert silences.events["AnswerCut"] > 0
    assert max(silences.in_whole_turns + silences.in_cut_turns) < 100


def test_over_a_slow_link_what_goes_again_does_not_keep_the_next_question_waiting():
    silences = measure(0, "3g")
    assert silences.wrong == []
    assert silences.events["Moving"] > 0

"""A few sessions of `make storm`: nothing is lost, doubled or hung when connections break."""

import pytest

from tests.storm.session import run_session

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

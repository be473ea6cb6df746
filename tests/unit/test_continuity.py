"""When to try again, and when to give up."""

import pytest

from antiphon.protocol.closure import Closure
from antiphon.protocol.continuity import Attempts, Continuity, can_be_mended
from antiphon.wire.close_codes import TOO_LARGE_FOR_US


def all_waits(attempts, now):
    """Waits until it gives up, if every attempt fails at once."""
    waits = []
    while (at_s := attempts.next(now)) is not None:
        waits.append(at_s - now)
        now = at_s
    return waits


def test_the_first_attempt_is_at_once():
    attempts = Attempts(Continuity())
    assert attempts.begin(100.0) == 100.0
    assert attempts.number == 1
    assert attempts.lost_at_s == 100.0


def test_waits_double_up_to_a_bound_and_half_of_each_is_jitter():
    attempts = Attempts(Continuity(max_attempts=12, give_up_after_s=1_000))
    attempts.begin(0.0)
    waits = all_waits(attempts, 0.0)
    assert len(waits) == 11
    for number, wait_s in enumerate(waits):
        longest = min(0.25 * 2**number, 8.0)
        assert longest / 2 <= wait_s <= longest


def test_the_jitter_is_the_seeds():
    def waits(seed):
        attempts = Attempts(Continuity(seed=seed))
        attempts.begin(0.0)
        return all_waits(attempts, 0.0)

    assert waits(1) == waits(1)
    assert waits(1) != waits(2)


def test_it_gives_up_after_so_many_attempts():
    attempts = Attempts(Continuity(max_attempts=3))
    attempts.begin(0.0)
    assert len(all_waits(attempts, 0.0)) == 2
    assert attempts.number == 3


def test_it_gives_up_after_so_long_and_does_not_wait_for_what_would_be_too_late():
    attempts = Attempts(Continuity(give_up_after_s=5.0, max_attempts=1_000))
    attempts.begin(10.0)
    assert attempts.next(14.0) is not None
    assert attempts.next(14.95) is None


def test_success_ends_the_row_and_tells_the_gap():
    attempts = Attempts(Continuity())
    attempts.begin(10.0)
    attempts.next(11.0)
    assert attempts.succeed(12.5) == 2.5
    assert (attempts.number, attempts.lost_at_s) == (0, None)
    assert attempts.begin(100.0) == 100.0  # a connection that lasted: at once
    assert attempts.number == 1


def test_a_connection_that_did_not_last_counts_as_a_failed_attempt():
    attempts = Attempts(Continuity(max_attempts=4))
    now, waits = 0.0, []
    at_s = attempts.begin(now)
    while at_s is not None:
        waits.append(at_s - now)
        attempts.succeed(at_s)
        now = at_s + 1.0  # accepted, and gone after a second
        at_s = attempts.begin(now)
    assert len(waits) == 4
    assert waits[0] == 0.0
    assert 0 < waits[1] < waits[3] <= 1.0


def test_the_first_connection_of_all_may_be_short():
    assert Attempts(Continuity(max_attempts=1)).begin(0.5) == 0.5


@pytest.mark.parametrize(
    ("succeeded_s", "left_s", "due_s"),
    [
        (0.0, 60.0, 100.0),  # an old connection: at the next pause
        (95.0, 60.0, 105.0),  # a new one is used for a while
        (99.0, 6.0, 103.0),  # unless there is no time
        (99.0, 1.0, 100.0),
    ],
)
def test_when_to_move(succeeded_s, left_s, due_s):
    attempts = Attempts(Continuity())
    attempts.begin(succeeded_s)
    attempts.succeed(succeeded_s)
    assert attempts.when_to_move(100.0, left_s) == due_s


@pytest.mark.parametrize(
    ("code", "reason", "mended"),
    [
        (1000, "", True),
        (1001, "", True),
        (1006, "", True),
        (1011, "Internal error occurred.", True),
        (1007, "Request contains an invalid argument.", False),
        (1009, "frame with 17333486 bytes exceeds limit of 16777216 bytes", False),
        (1009, f"{TOO_LARGE_FOR_US}: frame with 9 bytes exceeds limit of 8 bytes", True),
        (1007, "API key not valid. Please pass a valid API key.", False),
        (1008, "models/x is not found for API version v1beta, or", False),
    ],
)
def test_which_closes_another_connection_can_mend(code, reason, mended):
    assert can_be_mended(Closure.of_close(code, reason, during_setup=False)) is mended


def test_our_own_close_is_not_mended_but_a_silent_service_is():
    assert not can_be_mended(Closure.of_ours(1000, "", during_setup=False))
    assert not can_be_mended(Closure.of_slow_consumer(10_001, 1_000))
    assert can_be_mended(Closure.of_setup_timeout(10))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_attempts", 0),
        ("give_up_after_s", 0),
        ("give_up_after_s", float("nan")),
        ("connect_timeout_s", -1),
        ("live_again_s", -1),
    ],
)
def test_limits_that_allow_nothing_are_refused(name, value):
    with pytest.raises(ValueError, match=name):
        Continuity(**{name: value})


def test_the_jitter_of_two_sessions_differs_unless_they_are_seeded():
    """Else the clients that were cut at the same moment would all come back at the same moment."""

    def waits(policy):
        attempts = Attempts(policy)
        attempts.begin(1000.0)
        return all_waits(attempts, 1000.0)

    assert waits(Continuity()) != waits(Continuity())
    assert waits(Continuity(seed=7)) == waits(Continuity(seed=7))


def test_a_time_to_move_that_is_none_is_refused():
    for wrong in (-1.0, 0.0, float("nan")):
        with pytest.raises(ValueError, match="move_after_s"):
            Continuity(move_after_s=wrong)

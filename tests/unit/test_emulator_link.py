"""The link model: distance, order, jitter, losses, rate, outages, and the same again."""

import math
import statistics
from itertools import pairwise

import pytest

from antiphon.emulator.world.link import LINKS, Link, LinkProfile, link_profile


def arrivals(profile, times, *, size_bytes=1_000, direction="down", seed=1):
    link = Link(profile, direction, seed)
    return [link.send(size_bytes, at) for at in times]


def every(seconds, count):
    return [seconds * number for number in range(count)]


def lateness(profile, times, **options):
    came = arrivals(profile, times, **options)
    return [at - sent for sent, at in zip(times, came, strict=True)]


def test_a_link_without_numbers_delivers_at_once():
    assert arrivals(LinkProfile(), [0.0, 0.0, 2.5]) == [0.0, 0.0, 2.5]


def test_the_distance_is_a_constant_delay():
    assert arrivals(LinkProfile(delay_ms=40), [0.0, 1.0]) == pytest.approx([0.04, 1.04])


@pytest.mark.parametrize("name", LINKS)
def test_messages_arrive_in_order_and_never_before_they_could(name):
    profile, times = LINKS[name], every(0.02, 3_000)
    for direction in ("up", "down"):
        came = arrivals(profile, times, direction=direction)
        assert came == sorted(came)
        late_s = lateness(profile, times, direction=direction)
        assert min(late_s) >= profile.delay_ms / 1000
        assert statistics.median(late_s) < 2.5 * (profile.delay_ms + profile.jitter_ms) / 1000


@pytest.mark.parametrize("name", LINKS)
def test_equal_seeds_give_equal_times_and_others_give_others(name):
    profile, times = LINKS[name], every(0.02, 500)
    assert arrivals(profile, times, seed=3) == arrivals(profile, times, seed=3)
    assert arrivals(profile, times, seed=3) != arrivals(profile, times, seed=4)
    assert arrivals(profile, times, direction="up") != arrivals(profile, times)


def test_jitter_has_the_median_and_the_spread_that_were_asked_for():
    profile = LinkProfile(jitter_ms=10, jitter_spread=0.5)
    late_ms = [1000 * late for late in lateness(profile, every(1.0, 4_000))]
    logs = [math.log(each) for each in late_ms]
    assert statistics.median(late_ms) == pytest.approx(10, rel=0.05)
    assert statistics.stdev(logs) == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize(("memory_ms", "expected"), [(0, 0.0), (100, math.exp(-0.2))])
def test_jitter_resembles_what_it_was_a_moment_ago(memory_ms, expected):
    profile = LinkProfile(jitter_ms=1, jitter_spread=0.5, jitter_memory_ms=memory_ms)
    logs = [math.log(late) for late in lateness(profile, every(0.02, 20_000))]
    assert statistics.correlation(logs[1:], logs[:-1]) == pytest.approx(expected, abs=0.05)


def test_a_lost_segment_holds_everything_behind_it_until_tcp_has_repaired_it():
    profile = LinkProfile(delay_ms=50, loss=0.02)
    times = every(0.02, 2_000)
    came, late_s = arrivals(profile, times), lateness(profile, times)
    first = next(index for index, late in enumerate(late_s) if late > 0.051)
    # One segment has nothing behind it to tell of its loss: the timer, 100 ms and 200 more.
    assert late_s[first] == pytest.approx(0.05 + 0.3)
    held = [at for at in came[first:] if at == came[first]]
    assert len(held) == 300 // 20 + 1
    assert came[first + len(held)] == pytest.approx(times[first + len(held)] + 0.05)


def test_a_loss_within_a_long_message_is_repaired_in_a_round_trip():
    profile = LinkProfile(delay_ms=50, loss=0.01)
    link = Link(profile, "down", 5)
    late_s = [link.send(100 * 1_460, at) - at for at in every(10.0, 200)]
    fast = [late for late in late_s if late == pytest.approx(0.15)]
    slow = [late for late in late_s if late > 0.151]
    assert len(fast) > 4 * len(slow) > 0


def test_losses_come_in_bursts():
    profile = LinkProfile(delay_ms=1, burst_start=0.001, burst_end=0.02, burst_loss=0.5)
    late = [each > 0.1 for each in lateness(profile, every(10.0, 40_000))]
    after_a_loss = [now for before, now in pairwise(late) if before]
    assert sum(late) / len(late) < 0.05
    assert sum(after_a_loss) / len(after_a_loss) > 0.4


def test_messages_leave_at_the_rate_of_their_direction():
    profile = LinkProfile(up_kbit_s=80, down_kbit_s=800)
    assert arrivals(profile, [0.0] * 3) == pytest.approx([0.01, 0.02, 0.03])
    assert arrivals(profile, [0.0] * 2, direction="up") == pytest.approx([0.1, 0.2])


def test_a_full_queue_makes_the_sender_wait_until_it_has_room():
    link = Link(LinkProfile(down_kbit_s=80, queue_bytes=2_000, delay_ms=500), "down", 1)
    assert link.room_at(0.0) == 0.0
    link.send(1_500, 0.0)  # leaves at 0.15
    assert link.room_at(0.0) == 0.0
    link.send(1_500, 0.0)  # leaves at 0.30
    assert link.room_at(0.0) == pytest.approx(0.15)
    assert link.room_at(0.16) == 0.16


def test_a_message_larger_than_the_queue_gets_through():
    link = Link(LinkProfile(down_kbit_s=80, queue_bytes=10), "down", 1)
    assert link.send(10_000, 0.0) == pytest.approx(1.0)
    assert link.room_at(0.5) == pytest.approx(1.0)


def test_an_outage_holds_everything_and_then_comes_a_burst():
    profile = LinkProfile(delay_ms=10, outage_every_s=5, outage_ms=(300, 300))
    times = every(0.02, 5_000)
    came, late = arrivals(profile, times), lateness(profile, times)
    outages = [index for index in range(1, len(late)) if late[index] > late[index - 1] + 1e-6]
    assert 100 / 5.3 / 2 < len(outages) < 100 / 5.3 * 2
    for index in outages:
        burst = [at for at in came if at == came[index]]
        assert len(burst) in (15, 16)
        assert late[index] == pytest.approx(0.31, abs=0.02)


def test_an_outage_stops_a_message_that_is_on_its_way_out():
    profile = LinkProfile(down_kbit_s=8, outage_every_s=1, outage_ms=(500, 500))
    took_s = arrivals(profile, [0.0], size_bytes=10_000)[0]
    assert took_s > 10.5
    assert (took_s - 10) % 0.5 == pytest.approx(0, abs=1e-9) or (took_s - 10) % 0.5 > 0.499


def test_profiles_by_name_and_numbers_that_are_none():
    assert link_profile("wifi") is LINKS["wifi"]
    assert link_profile(LINKS["3g"]) is LINKS["3g"]
    with pytest.raises(ValueError, match="wired, wifi"):
        link_profile("5g")
    for wrong in (
        {"loss": 1.5},
        {"loss": 1.0},
        {"delay_ms": -1},
        {"delay_ms": math.inf},
        {"jitter_ms": math.nan},
        {"outage_ms": (2, 1)},
        {"queue_bytes": 0},
    ):
        with pytest.raises(ValueError, match="link"):
            LinkProfile(**wrong)

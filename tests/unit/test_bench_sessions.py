"""The search of `benches.sessions` finds what is there; how many that are, is not asked here."""

import pytest

from benches.circumstances import Circumstances
from benches.report import save
from benches.sessions import ramp, table, targets
from benches.sessions.measured import ROWS, Measured, Memory, load
from benches.sessions.ramp import Ramp, Run

OURS, THEIRS = ROWS
AT = Circumstances("2026-01-01", "python -m benches.sessions", "a machine", "none", {})
FLAT = Memory(2, 1_000_000, 80 << 20, 81 << 20, 82 << 20)


def a_run(
    row, sessions, *, late_ms=1.0, sink=0.2, gave_up=False, missing=(0, 0), wrong=0, waited=0.0
):
    return Run(
        row=row,
        sessions=sessions,
        seconds=10.0,
        gave_up=gave_up,
        late_p50_ms=0.5,
        late_p99_ms=late_ms,
        late_max_ms=20.0,
        heard_late_p99_ms=1.0,
        arrived_late_p99_ms=1.0,
        up=500 * sessions,
        up_missing=missing[0],
        down=250 * sessions,
        down_missing=missing[1],
        down_wrong=wrong,
        client_share=0.5,
        waited_share=waited,
        sink_share=sink,
        sink_behind_p99_ms=1.0,
        load_average=1.0,
    )


def search(capacities, **options):
    """All runs of a search, where so many sessions of each row are in time."""

    def run(row, sessions):
        return a_run(row, sessions, late_ms=1.0 if sessions <= capacities[row] else 30.0)

    return list(ramp.ramp(list(capacities), run, **options))


@pytest.mark.parametrize("capacity", [1, 2, 7, 24, 25, 99, 100, 137, 399, 1_234])
def test_the_limit_is_found_to_a_twentieth(capacity):
    found = ramp.replayed(search({OURS: capacity}), OURS)
    assert found.next is None
    assert found.held <= capacity < found.failed
    assert found.failed - found.held <= max(1, 0.05 * found.held)


def test_rows_take_turns_until_each_is_done():
    runs = search({OURS: 400, THEIRS: 100})
    both = [run.row for run in runs]
    theirs = both.count(THEIRS)
    assert both[: 2 * theirs] == [OURS, THEIRS] * theirs
    assert set(both[2 * theirs :]) == {OURS}
    assert ramp.replayed(runs, OURS).held > 380
    assert 95 < ramp.replayed(runs, THEIRS).held <= 100


def test_a_search_can_end_early():
    runs = search({OURS: 400}, at_most=100)
    assert [run.sessions for run in runs] == [25, 25, 50, 50, 100, 100]
    assert ramp.replayed(runs, OURS).next == 200


def test_two_of_three_tries_decide():
    spoilt, lucky = Ramp(OURS), Ramp(OURS)
    for late_ms in (30.0, 1.0, 1.0):
        spoilt.add(a_run(OURS, 25, late_ms=late_ms))
    assert (spoilt.held, spoilt.failed, spoilt.next) == (25, None, 50)
    for late_ms in (30.0, 1.0, 30.0):
        lucky.add(a_run(OURS, 25, late_ms=late_ms))
    assert (lucky.held, lucky.failed, lucky.next) == (0, 25, 12)


def test_disturbed_runs_are_tried_again_but_not_for_ever():
    search = Ramp(OURS)
    for _ in range(5):
        search.add(a_run(OURS, 25, late_ms=30.0, waited=0.1))
        assert search.next == 25
    search.add(a_run(OURS, 25, late_ms=30.0, waited=0.1))
    assert (search.held, search.failed) == (0, 25)


def test_a_run_that_is_held_in_spite_of_others_counts():
    search = Ramp(OURS)
    for _ in range(2):
        search.add(a_run(OURS, 25, waited=0.1))
    assert search.held == 25


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ({}, "held"),
        ({"late_ms": 10.1}, "too late"),
        ({"gave_up": True}, "too late"),
        ({"missing": (1, 0)}, "incomplete"),
        ({"missing": (0, 1)}, "incomplete"),
        ({"wrong": 1}, "incomplete"),
        ({"sink": 0.71}, "discarded"),
        ({"waited": 0.006, "late_ms": 10.1}, "disturbed"),
    ],
)
def test_what_holds(fault, word):
    run = a_run(OURS, 25, **fault)
    assert run.word == word
    assert (run.held and run.valid) == (not fault)


def test_a_busy_sink_shows_nothing_and_is_told():
    runs = search({OURS: 10**6}, at_most=100) + [a_run(OURS, 200, sink=0.8)] * 2
    found = ramp.replayed(runs, OURS)
    assert (found.held, found.failed, found.sink_was_short) == (100, 200, True)
    shown = targets.check(Measured(AT, runs, [], {}))[0].measured
    assert shown == "100 (of 200, the sink would be what is measured)"


def test_targets_and_table_of_a_whole_run(tmp_path):
    runs = search({OURS: 400, THEIRS: 100})
    whole = Measured(AT, runs, [FLAT], {})
    save(whole, tmp_path / "sessions.json")
    assert load(tmp_path / "sessions.json") == whole
    ours, theirs, beside, memory = targets.check(whole)
    assert ours.measured.startswith("400 (")
    assert theirs.measured.startswith("100 (")
    assert (beside.measured, beside.met) == ("4.0 times as many", True)
    assert (memory.measured, memory.met) == ("+1024 KiB per session", True)
    text = table.render(whole)
    assert "| antiphon | 400 | held |" in text
    assert "| 2 | 1,000,000 | 83.9 | 84.9 | +1024 |" in text


def test_targets_that_are_short():
    grown = Memory(1, 1_000_000, 80 << 20, 80 << 20, 82 << 20)
    short = Measured(AT, search({OURS: 100, THEIRS: 100}), [grown], {})
    assert [target.met for target in targets.check(short)] == [None, None, False, False]


def test_what_was_not_measured_is_not_judged():
    none = Measured(AT, [], [Memory(1, 40_000, 1, 1, 1)], {"sessions": "there is one core"})
    assert [target.met for target in targets.check(none)] == [None, None]
    assert "there is one core" in table.render(none)
    unfinished = Measured(AT, search({OURS: 400, THEIRS: 100}, at_most=50), [], {})
    assert [target.met for target in targets.check(unfinished)] == [None, None, None]

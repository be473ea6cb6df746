"""What `benches.emulator` says is so; how fast anything is, is not asked here."""

import dataclasses

import pytest

from antiphon.wire import decode_realtime_audio
from benches.circumstances import Circumstances
from benches.emulator import capacity, table, targets, ten_minutes
from benches.emulator.measured import Measured, Twice, load
from benches.report import save

SCRIPTED, LISTENED_TO = ten_minutes.PLANS
AT = Circumstances("2026-01-01", "python -m benches.emulator", "a machine", "none", {})


@pytest.fixture(scope="module")
def scripted():
    return Twice(*(ten_minutes.simulate(SCRIPTED, seed=seed) for seed in (7, 7, 8)))


def test_ten_minutes_with_forty_turns_over_connections_that_are_cut(scripted):
    run = scripted.first
    assert run.simulated_s == pytest.approx(600)
    assert run.turns_heard == 40
    assert run.turns_answered >= 40  # the result of a call may be a turn of its own
    assert (run.connections, run.go_aways, run.resumptions) == (4, 3, 3)
    assert run.messages_up > 600 / 0.1
    assert run.bytes_down > 40 * 48_000  # each answer is seconds long


def test_equal_seeds_give_equal_bytes(scripted):
    assert scripted.first.sha256 == scripted.again.sha256
    assert scripted.first.sha256 != scripted.other.sha256
    assert scripted.reproducible


@pytest.mark.speech
def test_what_is_recognized_from_the_sound_is_reproducible_too():
    pytest.importorskip("pocketsphinx")
    plan = dataclasses.replace(LISTENED_TO, turns=4, connection_limit_s=40.0, go_away_lead_s=20.0)
    runs = [ten_minutes.simulate(plan, seed=seed) for seed in (7, 7)]
    assert (runs[0].turns_heard, runs[0].resumptions) == (4, 2)
    assert runs[0].turns_answered >= 4
    assert runs[0].sha256 == runs[1].sha256


def a_load(sessions, *, late_ms=1.0, share=0.2, packets=1.0, chunks=1.0):
    seconds = 10.0
    served = capacity.Served(0, 0.5, 0.1, late_ms, 9.0, sessions, 10**8)
    generated = capacity.Generated(
        seconds=seconds,
        cpu_share=share,
        packets=int(sessions * seconds * 50 * packets),
        stalls=0,
        behind_p99_ms=1.0,
        chunks=int(sessions * seconds * 25 * chunks),
        late_p50_ms=0.1,
        late_p99_ms=1.0,
        late_max_ms=9.0,
    )
    return capacity.Load(sessions, served, generated, 1.0)


def test_a_load_is_held_when_all_was_sent_in_time():
    assert a_load(100).held
    assert not a_load(100, late_ms=10.1).held
    assert not a_load(100, chunks=0.9).held


def test_a_run_that_measured_its_load_does_not_count():
    assert not a_load(100, share=0.71).valid
    assert not a_load(100, packets=0.9).valid
    loads = [a_load(100), a_load(200), a_load(300, share=0.8), a_load(250, late_ms=20)]
    assert capacity.limit(loads) == 200
    assert capacity.limit([]) == 0


def test_results_come_back_and_are_told(tmp_path, scripted):
    idle = capacity.Idle(500, 30_000)
    loads = [a_load(250), a_load(300, late_ms=30)]
    run = Measured(AT, [scripted], loads, idle, {"something": "of a reason"})
    save(run, tmp_path / "emulator.json")
    assert load(tmp_path / "emulator.json") == run
    assert table.render(run) == table.render(load(tmp_path / "emulator.json"))
    for words in ("250 (300 were tried)", "29 KiB (500 sessions)", "too late", "of a reason"):
        assert words in table.render(run)
    met = {target.what: target.met for target in targets.check(run)}
    assert met["real-time sessions on one core, p99 ≤ 10 ms"] is True
    assert met["their bytes"] is True


def test_what_clients_send_differs_in_spelling_alone():
    packets = capacity._packets()
    assert len(packets) == 200
    ours, theirs = (list(client(packets)) for client in (capacity._antiphon, capacity._genai))
    assert decode_realtime_audio(ours[2 + 60]) == ("audio/pcm;rate=16000", packets[60])
    assert decode_realtime_audio(theirs[2 + 60]) == ("audio/pcm;rate=16000", packets[60])
    assert ours != theirs

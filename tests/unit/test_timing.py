"""The timing trace: its format, what it leaves out, and that no disk disturbs anyone."""

import asyncio
import json
import logging
import sys
import threading
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from live_script import DONE, accept_and_wait, audio, content, model_for, spoken, written

from antiphon.errors import RecordingError
from antiphon.protocol import LiveServerMessage, TurnTracker
from antiphon.session import timing
from antiphon.session.timing import TimingRecorder, TurnTiming
from antiphon.wire import AudioPart, bytes_to_base64, decode_server_message

START_S = 1000.0
GENERATED = content(generationComplete=True)
INTERRUPTED = content(interrupted=True)


def read_trace(path):
    """What the judge's loader does."""
    header, *lines = path.read_text().splitlines()
    turns = [json.loads(line) for line in lines]
    for turn in turns:
        turn["chunks"] = list(accumulate(turn.pop("dchunk_us")))
    return json.loads(header), turns


def ms(duration_ms, **fields):
    """A message with audio of a duration."""
    return audio(frames=24 * duration_ms, **fields)


class Feed:
    """A recorder that is told of messages as a session tells it."""

    def __init__(self, path, model="gemini-3.8-live"):
        self.path = path
        self.recorder = TimingRecorder(path, start_s=START_S, model=model)
        self.tracker = TurnTracker()

    def __call__(self, at_ms, *messages):
        for message in messages:
            decoded = decode_server_message(json.dumps(message).encode())
            self.recorder.take(
                LiveServerMessage(
                    decoded,
                    received_s=START_S + at_ms / 1000,
                    marks=self.tracker.observe(decoded),
                )
            )

    def interrupt(self, at_ms):
        """The application interrupts, as `SessionProtocol.interrupt` does."""
        assert self.tracker.open
        self.tracker.interrupt()
        self.recorder.interrupt(START_S + at_ms / 1000)

    def written(self):
        """The trace as it is when the thread has nothing to do."""
        for waiting in self.recorder._waiting:
            waiting.result(10)
        return read_trace(self.path)

    def ended(self):
        """The trace after the end."""
        self.recorder.end()
        self.recorder.wait()
        assert self.recorder.error is None
        return read_trace(self.path)


@pytest.fixture
def feed(tmp_path):
    feed = Feed(tmp_path / "trace.jsonl")
    yield feed
    feed.recorder.end()
    feed.recorder.wait()


# ---------------------------------------------------------------------- format


def test_a_turn_is_a_line_of_the_judges_format(feed):
    feed(100, ms(40))
    feed(110.25, ms(40), spoken("never shown"))
    feed(150, ms(40))
    feed(151, GENERATED)
    feed(180, DONE)
    header, (turn,) = feed.ended()
    assert header.pop("library").startswith("antiphon ")
    assert header == {
        "v": 1,
        "regime": "stream",
        "cls": "recorded",
        "seed": 0,
        "ppm": 0,
        "n_turns": 1,
        "model": "gemini-3.8-live",
        "left_out_ms": 0,
    }
    assert turn == {
        "turn": 0,
        "media0_ms": 0,
        "media_ms": 120,
        "chunk_ms": 40,
        "pace": "fast",
        "flush_us": None,
        "end_us": 151_000,
        "chunks": [100_000, 110_250, 150_000],
    }
    assert "never shown" not in feed.path.read_text()


def test_messages_of_several_sizes_become_pieces_of_one(feed):
    feed(0, ms(40))
    feed(10, ms(100))
    feed(30, ms(60))
    feed(40, DONE)
    _, (turn,) = feed.ended()
    assert (turn["chunk_ms"], turn["media_ms"]) == (20, 200)
    assert turn["chunks"] == [0] * 2 + [10_000] * 5 + [30_000] * 3


def test_turns_lie_one_after_the_other_in_the_media(feed):
    for number, duration_ms in enumerate((40, 200, 60)):
        feed(1000 * number, ms(duration_ms), DONE)
    header, turns = feed.ended()
    assert header["n_turns"] == 3
    assert [turn["turn"] for turn in turns] == [0, 1, 2]
    assert [turn["media0_ms"] for turn in turns] == [0, 540, 1240]
    assert [turn["end_us"] for turn in turns] == [0, 1_000_000, 2_000_000]


@pytest.mark.parametrize(
    ("every_ms", "pace"), [(4, "burst"), (15, "fast"), (35, "near"), (40, "slow"), (60, "slow")]
)
def test_the_pace_is_media_over_arrival_time(feed, every_ms, pace):
    for number in range(50):
        feed(every_ms * number, ms(40))
    _, (turn,) = feed.ended()
    assert turn["pace"] == pace


def test_a_single_message_is_a_burst(feed):
    feed(0, ms(40))
    assert feed.ended()[1][0]["pace"] == "burst"


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5_000),
            st.sampled_from([8_000, 11_025, 22_050, 24_000, 48_000]),
            st.integers(0, 300_000),
        ),
        min_size=1,
    )
)
def test_sizes_that_are_no_whole_milliseconds_lose_and_invent_nothing(messages):
    turn, now_us = TurnTiming(1), 0
    arrived = []  # (time, exact audio up to then)
    total_ms = Fraction(0)
    for frames, rate_hz, later_us in messages:
        now_us += later_us
        part = AudioPart(rate_hz=rate_hz, pcm=bytes(2 * frames))
        assert turn.add(timing._duration_ns(part), now_us)
        total_ms += Fraction(1000 * frames, rate_hz)
        arrived.append((now_us, total_ms))
    if not turn.media_ms:
        assert total_ms < 1
        return
    line = turn.line(3, 700)
    chunks = list(accumulate(line["dchunk_us"]))
    assert len(chunks) * line["chunk_ms"] == line["media_ms"] == turn.media_ms
    for at_us, exact_ms in dict(arrived).items():
        told_ms = line["chunk_ms"] * sum(chunk <= at_us for chunk in chunks)
        assert abs(told_ms - exact_ms) <= 0.501
    assert all(type(value) is int for value in line["dchunk_us"])


def test_audio_of_another_rate_counts_by_its_duration(feed):
    blob = {"mimeType": "audio/pcm;rate=16000", "data": bytes_to_base64(bytes(2 * 16 * 20))}
    feed(0, content(modelTurn={"parts": [{"inlineData": blob}, {"inlineData": blob}]}))
    assert feed.ended()[1][0]["media_ms"] == 40


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("gemini-3.8-live", "gemini-3.8-live"),
        (
            "projects/secret-1/locations/x/publishers/google/models/gemini-live-2.5-flash",
            "gemini-live-2.5-flash",
        ),
        ("projects/secret-1/locations/x/endpoints/4711", "other"),
        ("tunedModels/gemini-my secret", "other"),
        ("gemini-" + "x" * 500, "other"),
    ],
)
def test_the_header_names_public_models_only(tmp_path, name, shown):
    feed = Feed(tmp_path / "trace.jsonl", model=name)
    feed(0, ms(40), DONE)
    assert feed.ended()[0]["model"] == shown
    assert "secret" not in feed.path.read_text()


# ---------------------------------------------------------------------- ends


def test_the_first_of_two_ends_counts(feed):
    feed(0, ms(40))
    feed(50, GENERATED)
    feed(80, ms(40))  # a residual chunk
    feed(900, DONE)
    _, (turn,) = feed.ended()
    assert turn["end_us"] == 50_000
    assert turn["chunks"] == [0, 80_000]


def test_an_interruption_of_the_service_is_a_flush_and_late_audio_is_counted(feed):
    feed(0, ms(40))
    feed(70, ms(20, interrupted=True))  # its own audio is void already
    feed(90, ms(100))
    feed(95, INTERRUPTED)
    feed(99, DONE)
    feed(500, ms(40), DONE)
    header, (cut, whole) = feed.ended()
    assert cut["flush_us"] == 70_000
    assert cut["end_us"] == 99_000
    assert cut["chunks"] == [0]
    assert (whole["flush_us"], whole["media0_ms"]) == (None, 540)
    assert header["left_out_ms"] == 120


def test_an_interruption_of_the_application_is_a_flush(feed):
    feed(0, ms(40))
    feed.interrupt(55.5)
    feed(60, ms(40))
    feed(80, INTERRUPTED)
    feed(99, DONE)
    header, (turn,) = feed.ended()
    assert turn["flush_us"] == 55_500
    assert turn["chunks"] == [0]
    assert header["left_out_ms"] == 40


def test_an_interruption_of_a_complete_turn_is_added_to_its_line(feed):
    feed(0, ms(40), DONE)
    feed(10, ms(80), DONE)
    assert feed.written()[1][1]["flush_us"] is None
    feed(30, INTERRUPTED)
    feed(900, ms(20), DONE)
    header, turns = feed.ended()
    assert header["n_turns"] == 3
    assert [turn["flush_us"] for turn in turns] == [None, 30_000, None]
    assert [turn["media0_ms"] for turn in turns] == [0, 540, 1120]


def test_a_turn_that_nothing_ended_has_no_end(feed):
    feed(0, ms(40))
    _, (turn,) = feed.ended()
    assert (turn["flush_us"], turn["end_us"]) == (None, None)


def test_turns_without_audio_have_no_line(feed):
    feed(0, written("only text"), DONE)
    feed(10, ms(40), DONE)
    feed(20, audio(frames=6), DONE)  # a quarter of a millisecond
    feed(30, content(inputTranscription={"text": "of the user"}))
    feed(40, INTERRUPTED, DONE)
    header, turns = feed.ended()
    assert (header["n_turns"], len(turns)) == (1, 1)


def test_the_last_turn_is_counted_though_all_of_it_was_late(feed):
    feed(0, ms(40), DONE)
    feed(100, spoken("…"))
    feed.interrupt(110)
    feed(120, ms(40))
    header, turns = feed.ended()
    assert (len(turns), header["left_out_ms"]) == (1, 40)


def test_an_end_with_nothing_is_an_empty_trace(feed):
    header, turns = feed.ended()
    assert (header["n_turns"], turns) == (0, [])
    feed.recorder.end()


# ---------------------------------------------------------------------- the file


def test_a_complete_turn_is_in_the_file_at_once(feed):
    for number in range(3):
        feed(1000 * number, ms(40), DONE)
        header, turns = feed.written()
        assert header["n_turns"] == len(turns) == number + 1
    feed(5000, ms(40))
    assert len(feed.written()[1]) == 3
    assert len(feed.ended()[1]) == 4


def test_a_file_that_exists_is_replaced(tmp_path):
    path = tmp_path / "trace.jsonl"
    path.write_text("x" * 10_000)
    feed = Feed(path)
    feed(0, ms(40), DONE)
    assert len(feed.ended()[1]) == 1


@pytest.mark.parametrize("path", ["no-such-folder/trace.jsonl", "."])
def test_a_path_that_cannot_be_written_is_named_at_once(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecordingError, match=r"timing_trace") as caught:
        TimingRecorder(path, start_s=0.0, model="")
    assert path in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_disk_that_is_full_at_the_start_is_said_at_once():
    with pytest.raises(RecordingError, match="No space left"):
        TimingRecorder("/dev/full", start_s=0.0, model="")


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
@pytest.mark.parametrize("last", ["a turn", "more of the last turn"])
def test_a_disk_that_gets_full_stops_the_trace_and_keeps_the_turns(feed, caplog, last):
    import resource

    feed(0, ms(40), DONE)
    feed(10, ms(40), DONE)
    before = feed.written()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (feed.path.stat().st_size, limits[1]))
    try:
        with caplog.at_level(logging.WARNING, "antiphon.session"):
            if last == "a turn":
                feed(20, ms(40), DONE)
            else:
                feed(20, INTERRUPTED)
            assert feed.written() == before
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "trace.jsonl stopped" in caplog.text
    feed(30, ms(40), DONE)
    feed.recorder.end()
    feed.recorder.wait()
    assert isinstance(feed.recorder.error, RecordingError)
    assert len(caplog.records) == 1
    assert read_trace(feed.path) == before


def test_a_disk_that_does_not_answer_holds_nobody_up(feed, monkeypatch):
    hangs = threading.Event()
    put = feed.recorder._file.put

    def slow_put(*args):
        hangs.wait(10)
        put(*args)

    monkeypatch.setattr(feed.recorder._file, "put", slow_put)
    monkeypatch.setattr(timing, "_CLOSE_TIMEOUT_S", 0.01)
    for number in range(17):
        feed(1000 * number, ms(40), DONE)
    assert "16 turns behind" in str(feed.recorder.error)
    feed.recorder.end()
    feed.recorder.wait()
    hangs.set()
    monkeypatch.setattr(timing, "_CLOSE_TIMEOUT_S", 10)
    feed.recorder.wait()
    header, turns = read_trace(feed.path)
    assert header["n_turns"] == len(turns) == 16


@pytest.mark.parametrize(("limit", "value"), [("_MAX_TURN_MS", 100), ("_MAX_TURN_MESSAGES", 2)])
def test_what_is_beyond_the_bounds_of_a_turn_is_left_out_and_counted(
    feed, monkeypatch, limit, value
):
    monkeypatch.setattr(timing, limit, value)
    feed(0, ms(40), ms(40), ms(40), ms(10), DONE)
    feed(10, ms(40), DONE)
    header, (long, short) = feed.ended()
    assert (long["media_ms"], short["media_ms"]) == (80, 40)
    assert header["left_out_ms"] == 50


def test_the_longest_turn_takes_the_memory_that_was_said(feed):
    turn = TurnTiming(1)
    for number in range(timing._MAX_TURN_MESSAGES):
        turn.add(10_000_000, number)
    kept = sys.getsizeof(turn._arrived_us) + sys.getsizeof(turn._sizes_ms)
    assert (timing._MAX_WAITING_TURNS + 1) * kept < 20_000_000  # the rest is for making a line
    assert len(turn.line(0, 0)["dchunk_us"]) == 60_000


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # an open file
def test_the_judge_reads_the_same(feed, shared, monkeypatch):
    judge = shared / "judge" / "jitter"
    if not judge.is_dir():
        pytest.skip("the judge of the jitter buffer is not there")
    monkeypatch.syspath_prepend(str(judge))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it is not ours
    from jlab import traces

    feed(5, ms(40))
    feed(70, ms(100))
    feed(90, INTERRUPTED, DONE)
    feed(500, ms(60), DONE)
    ours = feed.ended()
    assert traces.load(feed.path) == ours
    for name in ("jlab", "jlab.traces"):
        sys.modules.pop(name)


def test_a_trace_that_nobody_wants_any_more_is_closed(tmp_path, monkeypatch):
    begun, go_on, ended = threading.Event(), threading.Event(), threading.Event()

    class Slow(TimingRecorder):
        def __init__(self, *args, **kwargs):
            begun.set()
            go_on.wait()
            super().__init__(*args, **kwargs)

        def end(self):
            super().end()
            self.wait()
            ended.set()

    monkeypatch.setattr(timing, "TimingRecorder", Slow)

    async def main():
        model = model_for(accept_and_wait)
        opening = asyncio.ensure_future(model._open(None, 30.0, tmp_path / "trace.ndjson"))
        await asyncio.to_thread(begun.wait)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        go_on.set()
        assert await asyncio.to_thread(ended.wait, 10.0)

    asyncio.run(main())

"""What a conversation remembers of itself, though it may go on for days."""

import math
from dataclasses import dataclass

import pytest

from antiphon.conversation import Conversation
from antiphon.conversation import playback as playback_module
from antiphon.conversation import transcript as transcript_module
from antiphon.conversation.playback import Playback
from antiphon.conversation.timeline import Interruption, Timeline
from antiphon.conversation.transcript import Transcript
from antiphon.devices import FileDevice


@dataclass
class Head:
    """A play head that a test moves."""

    turn: int | None = None
    media_frames: int = 0
    emitted_frames: int = 0
    flushes: int = 0
    flushed_turn: int | None = None
    flushed_media_frames: int = 0


# ------------------------------------------------------------------ words


def test_the_transcript_keeps_the_last_turns():
    transcript = Transcript(keep_turns=10)
    for turn in range(1, 1_001):
        transcript.add(transcript.user(turn), f"question {turn}")
        transcript.add(transcript.model(turn), f"answer {turn}")
    assert len(transcript) == 22
    assert transcript.forgotten == 2_000 - 22
    first, *_, last = transcript
    assert (first.text, last.text) == ("question 990", "answer 1000")
    assert transcript.to_text().startswith("[1,978 earlier utterances are not kept]\n")
    assert transcript._characters == sum(len(each.text) for each in transcript)


def test_the_words_of_a_turn_and_of_all_are_bounded(monkeypatch):
    monkeypatch.setattr(transcript_module, "_MAX_UTTERANCE_CHARACTERS", 100)
    monkeypatch.setattr(transcript_module, "_MAX_CHARACTERS", 1_000)
    transcript = Transcript()
    for turn in range(1, 51):
        for _ in range(30):
            transcript.add(transcript.model(turn), "seven!!")
        assert transcript.model(turn).text == ("seven!!" * 30)[:100]
        assert sum(len(each.text) for each in transcript) <= 1_000
    assert (len(transcript), transcript.forgotten) == (10, 40)


def test_words_of_a_turn_that_is_forgotten_do_not_stand_behind_the_newer_ones():
    transcript = Transcript(keep_turns=3)
    for turn in range(1, 11):
        transcript.model(turn)
    transcript.model(2).text = "late"
    assert [each.turn for each in transcript] == [7, 8, 9, 10]


def test_reading_the_transcript_while_it_forgets_skips_nothing():
    transcript = Transcript(keep_turns=3)
    for turn in range(1, 5):
        transcript.model(turn)
    seen = []
    for utterance in transcript:
        seen.append(utterance.turn)
        transcript.model(utterance.turn + 4)
    assert seen == [1, 2, 3, 4]


# ------------------------------------------------------------------ times


def test_the_timeline_keeps_the_latest_of_everything():
    timeline = Timeline(keep_turns=10)
    for turn in range(1, 1_001):
        timeline.speech_started(turn)
        timeline.speech_stopped(turn + 0.5)
        timeline.turn(turn).heard_ms = turn
        timeline.tool_called(turn, "f", {"x": turn}, turn)
        timeline.turn_interrupted(Interruption(turn, turn, turn, turn))
    plain = timeline.to_dict()
    for name in ("user_speech", "turns", "tools", "interruptions"):
        assert len(getattr(timeline, name)) == len(plain[name]) == 10
    assert plain["turns"][0]["heard_ms"] == 991
    assert plain["tools"][-1]["arguments"] == {"x": 1000}
    assert "keep_turns" not in plain
    assert timeline.last_speech_end_s(1_000) == 999.5
    assert timeline.last_speech_end_s(10) is None
    assert [span.start_s for span in timeline.speech_after(997)] == [998, 999, 1000]


def test_a_turn_that_is_forgotten_does_not_come_back_in_place_of_a_newer_one():
    timeline = Timeline(keep_turns=2)
    for turn in (1, 2, 3, 1, 1):
        timeline.turn(turn)
    assert list(timeline.turns) == [2, 3]


def test_large_arguments_are_not_kept_in_the_timeline():
    timeline = Timeline()
    timeline.tool_called(1, "f" * 1_000, {"x": "y" * 5_000}, 1.0)
    (used,) = timeline.tools
    assert (used.name, used.arguments) == ("f" * 128, {})


# ------------------------------------------------------------------ what was heard


def played(playback, head, turn, frames, silent=0):
    """A turn comes, sounds from the next frame on, and ends."""
    playback.received(turn, frames)
    playback.ended(turn)
    head.turn, head.media_frames = turn, frames
    head.emitted_frames += frames + silent
    return [type(seen).__name__ for seen in playback.observe(head)]


def test_playback_keeps_the_last_turns_and_looks_only_at_those_that_go_on():
    playback, head = Playback(keep_turns=10), Head()
    for turn in range(1, 1_001):
        assert played(playback, head, turn, 100) == ["Started", "Finished"]
    assert list(playback.turns) == list(range(991, 1_001))
    assert playback._going_on == {}
    assert playback.drained


def test_a_turn_that_still_plays_is_not_forgotten():
    playback = Playback(keep_turns=2)
    for turn in range(1, 6):
        playback.received(turn, 100)
    assert list(playback.turns) == [1, 2, 3, 4, 5]
    assert playback.flushed(4) == [1, 2, 3, 4]
    head = Head(turn=1, media_frames=50, emitted_frames=50, flushes=1, flushed_turn=1)
    playback.observe(head)
    assert [playback.settled(turn) for turn in range(1, 6)] == [True] * 4 + [False]
    playback.received(6, 100)
    playback.received(7, 100)
    assert 1 not in playback.turns
    assert not playback.drained


def test_the_gaps_of_an_endless_turn_are_bounded_and_add_up(monkeypatch):
    monkeypatch.setattr(playback_module, "_MAX_GAPS", 10)
    playback, head = Playback(), Head(turn=1, media_frames=10, emitted_frames=10)
    playback.received(1, 10_000)
    playback.observe(head)
    for _ in range(500):
        head.media_frames += 10
        head.emitted_frames += 13
        playback.observe(head)
        head.media_frames += 10
        head.emitted_frames += 10
        playback.observe(head)
    turn = playback.turns[1]
    assert len(turn.gaps) == 10
    assert sum(gap.frames for gap in turn.gaps) == 1_500
    assert turn.end_frame == head.emitted_frames
    assert turn.gaps[0].from_frame == 10
    assert all(a.to_frame <= b.from_frame for a, b in zip(turn.gaps, turn.gaps[1:], strict=False))


@pytest.mark.parametrize("keep_turns", [0, -1])
def test_a_conversation_that_remembers_no_turn_is_refused(keep_turns):
    with pytest.raises(ValueError, match="keep_turns"):
        Conversation(None, FileDevice(), keep_turns=keep_turns)


def test_nothing_was_said_before_the_first_speech():
    assert Timeline().speech_after(-math.inf) == []
    Timeline().speech_stopped(1.0)

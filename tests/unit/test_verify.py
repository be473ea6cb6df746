"""The self-check passes what is whole and fails on every kind of damage."""

from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from playout_support import SOURCE_HZ, Delivery, Heard, sent

from antiphon.audio import Resampler
from antiphon.audio.wav import read_wav
from antiphon.conversation.playback import TurnPlayback
from antiphon.conversation.verify import verify_recording
from antiphon.conversation.verify_words import check_words
from antiphon.errors import AudioFormatError

ASSETS = Path(str(files("antiphon"))) / "assets"
DECOYS = (
    "Once upon a time a fox lived at the edge of a quiet wood",
    "The train to the airport leaves from platform nine every half hour",
)


def human(name="librivox-austen-0890.wav"):
    """A recording of a person, at the rate of the model's audio."""
    pcm, rate_hz = read_wav(ASSETS / "speech" / name)
    mono = np.ascontiguousarray(pcm[:, 0])
    return Resampler(rate_hz, SOURCE_HZ, "hq", dtype="int16").process(mono, last=True)


def espeak():
    """An answer of the local server, spoken by espeak: some of its clips in a row."""
    names = ("the-seven-of-clubs", "seven-has-always-been-the-number", "i-am-your-concierge")
    clips = [read_wav(ASSETS / "clips" / f"{name}.wav") for name in names]
    assert {rate_hz for _, rate_hz in clips} == {SOURCE_HZ}
    return np.concatenate([pcm[:, 0] for pcm, _ in clips])


SPEECH = {
    "human": human(),
    "another human": human("go-forward-ten-meters.wav"),
    "espeak": espeak(),
}


@cache
def played_once(name, rate_hz=48_000):
    return played(SPEECH[name], rate_hz)


def played(pcm, rate_hz=48_000):
    """One turn through the whole playout, delivered in bursts as the service does."""
    chunks = np.array_split(pcm, max(1, len(pcm) // 4_800))
    deliveries = [
        Delivery(0.2 + 0.05 * number, 1, chunk, last=number == len(chunks) - 1)
        for number, chunk in enumerate(chunks)
    ]
    return Heard(deliveries, 0.6 + len(pcm) / SOURCE_HZ, rate_hz)


def check(heard, pcm, model=None):
    return verify_recording(
        heard.recording(model), heard.rate_hz, [sent(1, pcm)], heard.playback.turns
    )


@pytest.mark.parametrize("rate_hz", [48_000, 44_100, 24_000, 16_000])
@pytest.mark.parametrize("name", SPEECH)
def test_whole_speech_passes_with_a_wide_margin(name, rate_hz):
    pcm = SPEECH[name]
    report = check(played(pcm, rate_hz), pcm)
    assert report.passed, report.all_problems
    (turn,) = report.turns
    assert turn.voiced_windows > 20
    assert turn.worst_correlation > 0.999


def voiced_place(heard, frames, part):
    """The loudest place near a part of the turn: damage in a pause would be no damage."""
    turn = heard.playback.turns[1]
    scale = heard.rate_hz / SOURCE_HZ
    begin = round(turn.start_frame * scale)
    length = round(turn.heard_frames * scale)
    middle = begin + round(length * part)
    first = max(begin, middle - max(frames, length // 10))
    last = min(begin + length - frames, first + 2 * max(frames, length // 10))
    energy = np.cumsum(heard.model[first : last + frames].astype(float) ** 2)
    return first + int(np.argmax(energy[frames:] - energy[:-frames]))


def lose(model, place, frames):
    return np.concatenate([model[:place], model[place + frames :], np.zeros(frames, np.int16)])


def repeat(model, place, frames):
    return np.concatenate([model[: place + frames], model[place:]])


def zero(model, place, frames):
    damaged = model.copy()
    damaged[place : place + frames] = 0
    return damaged


def insert_silence(model, place, frames):
    return np.concatenate([model[:place], np.zeros(frames, np.int16), model[place:]])


@pytest.mark.parametrize("name", SPEECH)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("duration_ms", [20, 300])
@pytest.mark.parametrize("damage", [lose, repeat, zero, insert_silence])
def test_damage_is_found(name, part, duration_ms, damage):
    heard = played_once(name)
    frames = 48 * duration_ms
    model = damage(heard.model, voiced_place(heard, frames, part), frames)
    report = check(heard, SPEECH[name], model)
    assert not report.passed
    assert min(turn.worst_correlation for turn in report.turns) < 0.95 or report.stray_s


@pytest.mark.parametrize("name", SPEECH)
def test_a_tail_cut_in_half_is_found(name):
    heard = played_once(name)
    turn = heard.playback.turns[1]
    end = turn.end_frame * 2
    loud = np.flatnonzero(np.abs(heard.model[:end].astype(int)) > 500)[-1]
    model = heard.model.copy()
    model[loud - 48 * 100 :] = 0
    assert not check(heard, SPEECH[name], model).passed
    quieter = heard.model.copy()
    quieter[loud - 48 * 200 :] //= 2
    assert not check(heard, SPEECH[name], quieter).passed


def test_noise_is_found():
    heard = played_once("human")
    noise = np.random.default_rng(1).normal(0, 3000, len(heard.model)).astype(np.int16)
    report = check(heard, SPEECH["human"], noise)
    assert any("cannot be found" in problem for problem in report.all_problems)
    assert report.stray_s


def test_another_answer_is_found():
    heard = played_once("human")
    other = played_once("another human")
    model = np.zeros_like(heard.model)
    model[: len(other.model)] = other.model[: len(model)]
    assert not check(heard, SPEECH["human"], model).passed


def test_silence_is_found():
    heard = played_once("human")
    assert not check(heard, SPEECH["human"], np.zeros_like(heard.model)).passed


def test_swapped_channels_are_found():
    heard = played_once("human")
    swapped = np.ascontiguousarray(heard.recording()[:, ::-1])
    report = verify_recording(swapped, 48_000, [sent(1, SPEECH["human"])], heard.playback.turns)
    assert not report.passed


def test_sound_after_the_end_is_found():
    heard = played_once("human")
    end = heard.playback.turns[1].end_frame * 2
    again = heard.model[end - 48_000 : end - 24_000]
    model = np.concatenate([heard.model, again])
    report = check(heard, SPEECH["human"], model)
    assert report.problems
    assert "sound where no turn sounds" in report.problems[0]
    assert not report.turns[0].problems


def test_a_turn_that_was_not_played_is_found():
    pcm = SPEECH["human"]
    report = verify_recording(
        np.zeros((48_000, 2), np.int16), 48_000, [sent(1, pcm)], {1: TurnPlayback(1)}
    )
    assert "nobody interrupted" in report.all_problems[0]


def test_nothing_sent_is_no_pass():
    assert not verify_recording(np.zeros((48_000, 2), np.int16), 48_000, [], {}).passed


def test_turns_in_order_pass_and_exchanged_ones_fail():
    first, second = SPEECH["another human"], SPEECH["human"]
    heard = Heard([Delivery(0.1, 1, first, last=True), Delivery(0.2, 2, second, last=True)], 9.0)
    turns = heard.playback.turns
    right = [sent(1, first), sent(2, second)]
    assert verify_recording(heard.recording(), 48_000, right, turns).passed
    wrong = [sent(1, second), sent(2, first)]
    assert not verify_recording(heard.recording(), 48_000, wrong, turns).passed


def test_an_underrun_passes_only_if_the_playout_reported_it():
    pcm = SPEECH["human"]
    cut = 24_000 * 2
    heard = Heard([Delivery(0.1, 1, pcm[:cut]), Delivery(2.5, 1, pcm[cut:], last=True)], 7.5)
    turn = heard.playback.turns[1]
    (gap,) = turn.gaps
    assert gap.from_frame <= cut <= gap.to_frame + 240
    assert 0.3 < gap.frames / SOURCE_HZ < 0.6
    report = check(heard, pcm)
    assert report.passed, report.all_problems
    assert report.turns[0].gaps_ms == pytest.approx(gap.frames / 24)
    turn.gaps.clear()
    assert not check(heard, pcm).passed


def interrupted(pcm, at_s=2.0):
    return Heard([Delivery(0.1, 1, pcm), Delivery(at_s, 1, flush=True)], len(pcm) / SOURCE_HZ)


def test_an_interrupted_turn_passes_up_to_its_flush():
    heard = interrupted(SPEECH["human"])
    assert heard.playback.turns[1].interrupted
    assert heard.playback.turns[1].heard_frames < 24_000 * 2
    report = check(heard, SPEECH["human"])
    assert report.passed, report.all_problems


def test_a_voice_that_goes_on_after_the_flush_is_found():
    heard, whole = interrupted(SPEECH["human"]), played_once("human")
    end = heard.playback.turns[1].end_frame * 2
    begin = whole.playback.turns[1].start_frame * 2 - heard.playback.turns[1].start_frame * 2
    model = heard.model.copy()
    model[end : end + 48 * 60] = whole.model[begin + end : begin + end + 48 * 60]
    assert check(heard, SPEECH["human"], model).stray_s


def test_a_wrong_claim_of_where_it_was_cut_is_found():
    heard = interrupted(SPEECH["human"])
    heard.playback.turns[1].heard_frames += 24 * 50
    assert not check(heard, SPEECH["human"]).passed


def test_a_mono_recording_is_refused_with_advice():
    with pytest.raises(AudioFormatError, match=r"shape \(100,\).*\(frames, 2\)"):
        verify_recording(np.zeros(100, np.int16), 48_000, [], {})


@pytest.mark.speech
def test_words_are_recognized_among_decoys():
    pytest.importorskip("pocketsphinx")
    text = "unless to be rather cold hearted and rather selfish is to be ill disposed"
    sound = played_once("human").model.astype(np.float32) / 32768
    found = check_words(sound, 48_000, text, DECOYS)
    assert found.recognized
    assert found.found >= 0.7 * found.expected
    for other in (
        np.random.default_rng(0).normal(0, 0.1, len(sound)).astype(np.float32),
        np.zeros_like(sound),
        sound[::-1].copy(),
        played_once("another human").model.astype(np.float32) / 32768,
    ):
        assert not check_words(other, 48_000, text, DECOYS).recognized

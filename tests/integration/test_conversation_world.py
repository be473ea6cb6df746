"""Whole conversations over bad links: what is heard is what was sent, only later."""

import numpy as np
import pytest
from conversation_support import talk

from antiphon import SessionClosed
from antiphon.audio.wav import read_wav
from antiphon.conversation import Interrupted, TurnHeard, UserTranscript
from antiphon.conversation.verify import SentTurn, verify_recording
from antiphon.emulator import Emulator
from antiphon.emulator.faults import Drop
from antiphon.virtual_time import run_in_virtual_time

pytestmark = pytest.mark.speech
pytest.importorskip("pocketsphinx")


def converse(link, path):
    """A spoken question, its answer, another question in the middle of it, that answer."""
    emulator = Emulator(link=link, seed=2)

    async def main():
        async with talk(emulator=emulator, record_to=path) as t:
            t.say("cards-001.wav", after_s=0.2)
            await t.until(UserTranscript)
            t.say("cards-003.wav", after_s=4)
            cut = await t.until(Interrupted)
            await t.until(UserTranscript)
            heard = await t.until_over()
        return t, cut, heard

    return emulator, *run_in_virtual_time(main())


@pytest.mark.parametrize("link", ["wifi_congested", "lte_handover", "satellite"])
def test_a_conversation_over_a_bad_link_is_whole(link, tmp_path):
    emulator, t, cut, heard = converse(link, tmp_path / "a.wav")
    said = [event.text for event in t.seen if isinstance(event, UserTranscript)]
    assert said == ["ten of clubs", "seven of clubs"]
    first, second = emulator.sessions[0].turns
    assert first.interrupted
    assert not second.interrupted
    assert 0 < cut.heard_ms < 1000 * first.duration_s
    assert heard.heard_ms == pytest.approx(1000 * second.duration_s, abs=1)
    sent = [
        SentTurn(turn.index + 1, np.frombuffer(bytes(turn.pcm), np.int16), 24_000)
        for turn in (first, second)
    ]
    recording, rate_hz = read_wav(tmp_path / "a.wav")
    report = verify_recording(recording, rate_hz, sent, t.conversation.playback)
    assert report.passed, report.all_problems


def test_a_link_that_hesitates_slows_a_turn_down_instead_of_stopping_it(tmp_path):
    emulator, t, _, heard = converse("3g", tmp_path / "a.wav")
    stats = t.conversation.stats()
    assert stats["inserted_samples_for_deceleration"] > 0
    assert stats["interruption_count"] == stats["concealment_events"] == 0
    assert heard.heard_ms == pytest.approx(1000 * emulator.sessions[0].turns[1].duration_s, abs=1)


def test_equal_seeds_give_the_same_recording(tmp_path):
    for name in ("a.wav", "b.wav"):
        converse("3g", tmp_path / name)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_a_connection_that_breaks_in_mid_turn_ends_the_conversation_with_what_was_heard():
    emulator = Emulator(link="lte", faults=[Drop(kind="audio", number=10)])

    async def main():
        async with talk(emulator=emulator) as t:
            t.say("cards-003.wav", after_s=0.2)
            heard = await t.until(TurnHeard)
            with pytest.raises(SessionClosed) as caught:
                await t.conversation.wait()
        return caught.value.code, heard, t

    code, heard, t = run_in_virtual_time(main())
    assert code == 1006
    assert heard.heard_ms == pytest.approx(200 + 9 * 240, abs=1)  # ten chunks
    _, model = t.conversation.transcript
    assert model.text.startswith("The seven of clubs.")

"""Whole conversations: the real client, the real server, the real audio core."""

import asyncio
import struct
import sys

import numpy as np
import pytest
from conversation_support import SPEECH, Talk, talk

from antiphon import LiveModel, SessionClosed
from antiphon.audio.wav import read_wav
from antiphon.conversation import (
    Interrupted,
    RecordingFailed,
    ToolCalled,
    TurnHeard,
    TurnSounded,
    UserStartedSpeaking,
    UserStoppedSpeaking,
    UserTranscript,
)
from antiphon.conversation.verify import SentTurn, verify_recording
from antiphon.devices import FileDevice
from antiphon.emulator import Emulator
from antiphon.errors import AudioFormatError, DeviceError, RecordingError
from antiphon.virtual_time import run_in_virtual_time

pytestmark = pytest.mark.speech
pytest.importorskip("pocketsphinx")

SOURCE_HZ = 24_000


def sent_by(emulator):
    """What the server really sent, from its own record."""
    return [
        SentTurn(turn.index + 1, np.frombuffer(bytes(turn.pcm), np.int16), SOURCE_HZ)
        for turn in emulator.sessions[0].turns
        if turn.pcm
    ]


def test_a_spoken_question_gets_a_spoken_answer(tmp_path):
    emulator = Emulator()

    async def main():
        async with talk(emulator=emulator, record_to=tmp_path / "a.wav") as t:
            clip = t.say("cards-003.wav", after_s=0.2)
            heard = await t.until_over()
        return t, clip, heard

    t, clip, heard = run_in_virtual_time(main())
    kinds = [type(event) for event in t.seen]
    assert kinds.index(UserStartedSpeaking) < kinds.index(UserStoppedSpeaking)
    assert kinds.index(UserStoppedSpeaking) < kinds.index(UserTranscript)
    assert kinds.index(UserTranscript) < kinds.index(TurnSounded) < kinds.index(TurnHeard)
    user, model = t.conversation.transcript
    assert (user.speaker, user.text) == ("user", "seven of clubs")
    assert clip.start_s - 0.05 < user.start_s < user.end_s < clip.end_s + 0.05
    assert model.text.startswith("The seven of clubs.")
    assert model.heard_ms == heard.heard_ms > 5_000
    recording, rate_hz = read_wav(tmp_path / "a.wav")
    report = verify_recording(recording, rate_hz, sent_by(emulator), t.conversation.playback)
    assert report.passed, report.all_problems
    # The user's side is the clip itself, where it was said.
    left = recording[clip.start_frame : clip.end_frame, 0] / 32768
    assert np.corrcoef(left, clip.samples)[0, 1] > 0.999


def test_latency_is_from_the_end_of_the_voice_to_the_first_sound():
    async def main():
        async with talk() as t:
            t.say("cards-001.wav")
            sounded = await t.until(TurnSounded)
            stopped = next(e for e in t.seen if isinstance(e, UserStoppedSpeaking))
            assert sounded.latency_ms == pytest.approx((sounded.at_s - stopped.at_s) * 1000)
            assert 500 < sounded.latency_ms < 2_000
            await t.until_over()
            await t.conversation.send_text("hello")
            typed = await t.until(TurnSounded)
            assert typed.latency_ms is None

    run_in_virtual_time(main())


def test_an_interruption_stops_the_voice_within_20_ms_without_a_click(tmp_path):
    emulator = Emulator()

    async def main():
        async with talk(emulator=emulator, record_to=tmp_path / "a.wav") as t:
            t.say("cards-001.wav")
            sounded = await t.until(TurnSounded)
            await asyncio.sleep(2.5)
            t.say("cards-003.wav")
            cut = await t.until(Interrupted)
            answer = await t.until(TurnHeard, turn=sounded.turn + 1)
        return t, sounded, cut, answer

    t, sounded, cut, answer = run_in_virtual_time(main())
    assert cut.turn == sounded.turn
    assert cut.heard_text_is_estimate
    recording, rate_hz = read_wav(tmp_path / "a.wav")
    model = recording[:, 1].astype(int)
    timing = t.conversation.timeline
    (interruption,) = timing.interruptions

    # Silence: measured in the recording, from the message to the last sample.
    message = round(interruption.message_s * rate_hz)
    until_answer = model[message : round(timing.turns[answer.turn].sound.start_s * rate_hz) - 480]
    last = message + np.flatnonzero(np.abs(until_answer) > 1)[-1]
    assert (last - message) / rate_hz < 0.020
    assert cut.silence_ms < 20
    assert abs(last / rate_hz - cut.at_s) < 0.003

    # Exact: as many samples were heard as were said to be heard.
    assert cut.heard_ms == pytest.approx((cut.at_s - sounded.at_s) * 1000, abs=0.05)
    report = verify_recording(recording, rate_hz, sent_by(emulator), t.conversation.playback)
    assert report.passed, report.all_problems

    # No click: the fade has no step that the speech itself did not have.
    steps = np.abs(np.diff(model))
    before = steps[last - rate_hz // 2 : last - rate_hz // 100]
    assert steps[last - 240 : last + 240].max() <= before.max()
    assert abs(model[last]) < 40

    # The words: the beginning of the answer, cut where the voice was.
    said = next(u for u in t.conversation.transcript if u.speaker == "model" and u.interrupted)
    assert said.turn == cut.turn
    assert said.text.startswith(cut.heard_text)
    assert 0.1 < len(cut.heard_text) / len(said.text) < 0.6
    assert said.heard_ms == cut.heard_ms


def test_only_what_was_cut_is_marked_as_interrupted():
    async def main():
        async with talk() as t:
            t.say("cards-001.wav")
            await t.until_over()
            t.say("cards-003.wav")
            await t.until(TurnHeard)
        return t

    t = run_in_virtual_time(main())
    assert not any(u.interrupted for u in t.conversation.transcript)
    assert not t.conversation.timeline.interruptions


def test_interrupt_stops_the_voice_from_this_side():
    async def main():
        async with talk() as t:
            await t.conversation.send_text("tell me a story")
            sounded = await t.until(TurnSounded)
            await asyncio.sleep(1.0)
            await t.conversation.interrupt()
            cut = await t.until(Interrupted)
            assert cut.turn == sounded.turn
            assert cut.heard_ms == pytest.approx(1010, abs=20)
            await asyncio.sleep(1.0)
            assert t.conversation.stats()["flush_count"] == 1
            await t.conversation.interrupt()  # nothing sounds: nothing happens
            await t.conversation.send_text("hello")
            heard = await t.until(TurnHeard)
            assert heard.turn > cut.turn
            assert heard.heard_ms > 1000

    run_in_virtual_time(main())


def test_a_function_is_called_with_the_number_from_the_words():
    called = []

    def go_forward(distance_meters: float) -> str:
        """Drive ahead.

        Args:
            distance_meters: How far.
        """
        called.append(distance_meters)
        return "The way was free."

    async def main():
        async with talk(tools=[go_forward]) as t:
            t.say("go-forward-ten-meters.wav")
            event = await t.until(ToolCalled)
            await t.until(TurnHeard)  # by default a function of this model does not block
            await t.until(TurnHeard)
        return t, event

    t, event = run_in_virtual_time(main())
    assert called == [10.0]
    assert (event.name, event.arguments) == ("go_forward", {"distance_meters": 10})
    meanwhile, result = list(t.conversation.transcript)[-2:]
    assert meanwhile.text == "Here we go."
    assert "ten meters" in result.text
    assert [tool.name for tool in t.conversation.timeline.tools] == ["go_forward"]


def test_a_file_that_ends_ends_the_audio_stream():
    emulator = Emulator()

    async def main():
        device = FileDevice([SPEECH / "cards-003.wav"])
        async with talk(device=device, emulator=emulator) as t:
            await t.until(TurnHeard)

    run_in_virtual_time(main())
    assert emulator.sessions[0].heard == ["seven of clubs"]


def test_the_same_talk_gives_the_same_bytes(tmp_path):
    async def main(path):
        async with talk(record_to=path) as t:
            t.say("cards-003.wav")
            await t.until(TurnHeard)
        return t.seen

    first, second = tmp_path / "1.wav", tmp_path / "2.wav"
    assert run_in_virtual_time(main(first)) == run_in_virtual_time(main(second))
    assert first.read_bytes() == second.read_bytes()


def test_nothing_is_left_behind():
    async def main():
        async with talk() as t:
            await t.conversation.send_text("hello")
            await t.until(TurnSounded)
        with pytest.raises(StopAsyncIteration):
            while True:
                await anext(t.events)
        await t.conversation.wait()
        await t.conversation.close()
        return asyncio.all_tasks()

    assert len(run_in_virtual_time(main())) == 1


def test_a_cancelled_conversation_closes_everything(tmp_path):
    async def hold():
        async with talk(record_to=tmp_path / "a.wav") as t:
            await t.conversation.send_text("tell me a story")
            await asyncio.sleep(1000)

    async def main():
        task = asyncio.create_task(hold())
        await asyncio.sleep(3.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return asyncio.all_tasks()

    assert len(run_in_virtual_time(main())) == 1
    recording, _ = read_wav(tmp_path / "a.wav")
    assert len(recording) == pytest.approx(3.0 * 48_000, abs=1000)
    assert np.abs(recording[:, 1]).max() > 1000


def test_leaving_a_loop_over_events_loses_none():
    async def main():
        async with talk() as t:
            await t.conversation.send_text("hello")
            complete = t.conversation.events()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await anext(t.events)
            await t.until(TurnHeard)
            seen = []
            async for event in complete:
                seen.append(event)
                if isinstance(event, TurnHeard):
                    break
            assert seen == t.seen

    run_in_virtual_time(main())


@pytest.mark.parametrize("code", [1000, 1011])
def test_when_the_service_hangs_up_what_came_is_heard_and_then_the_reason_told(code):
    async def main():
        async with talk() as t:
            await t.conversation.send_text("tell me a story")
            await t.until(TurnSounded)
            await asyncio.sleep(1.0)
            await t.connector.server_end.close(code, "the end")
            closed_s = asyncio.get_running_loop().time()
            heard = await t.until(TurnHeard)
            if code == 1000:
                await t.conversation.wait()
                with pytest.raises(StopAsyncIteration):
                    await anext(t.events)
            else:
                with pytest.raises(SessionClosed, match="the end") as caught:
                    await t.conversation.wait()
                assert caught.value.code == 1011
                with pytest.raises(SessionClosed):
                    await anext(t.events)
            return heard, asyncio.get_running_loop().time() - closed_s

    heard, went_on_s = run_in_virtual_time(main())
    assert heard.heard_ms / 1000 == pytest.approx(1.0 + went_on_s, abs=0.1)
    assert went_on_s > 1.0


def test_a_device_that_fails_ends_the_conversation():
    class Failing(FileDevice):
        def check(self):
            if self.position_frames > 48_000:
                raise DeviceError("the cable was pulled")

    async def main():
        async with talk(device=Failing()) as t:
            with pytest.raises(DeviceError, match="cable"):
                await t.conversation.wait()
            assert not t.session.closed

    run_in_virtual_time(main())


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_a_full_disk_does_not_stop_the_conversation(tmp_path):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    seen = []

    async def main():
        async with talk(record_to=tmp_path / "a.wav") as t:
            seen.append(t)
            await t.conversation.send_text("hello")
            await t.until(TurnHeard)
            await t.conversation.send_text("hello")
            await t.until(TurnHeard)

    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, before[1]))
    try:
        with pytest.raises(RecordingError, match=r"a\.wav"):
            run_in_virtual_time(main())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    (t,) = seen
    assert len([e for e in t.seen if isinstance(e, TurnHeard)]) == 2
    assert len([e for e in t.seen if isinstance(e, RecordingFailed)]) == 1
    recording, _ = read_wav(tmp_path / "a.wav")
    assert 10_000 < len(recording) < 40_000


def test_a_recording_that_cannot_be_made_is_told_at_once(tmp_path):
    async def main():
        async with talk(record_to=tmp_path / "no" / "a.wav"):
            raise AssertionError("it must not start")

    with pytest.raises(RecordingError, match=r"a\.wav"):
        run_in_virtual_time(main())


def wav_bytes(samples, rate_hz, tag, bits):
    channels = samples.shape[1]
    data = samples.tobytes()
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * block, block, bits)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"LIST" + struct.pack("<I", 3) + b"odd\0"  # an unknown chunk, of odd size
    chunks += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


@pytest.mark.parametrize("kind", ["stereo float", "8 bit"])
def test_odd_wav_files_are_understood(tmp_path, kind):
    pcm, rate_hz = read_wav(SPEECH / "cards-003.wav")
    if kind == "stereo float":
        samples = np.column_stack([pcm[:, 0] / 32768, np.zeros(len(pcm))]).astype("<f4")
        content = wav_bytes(samples, rate_hz, tag=3, bits=32)
    else:
        samples = (pcm // 256 + 128).astype(np.uint8)
        content = wav_bytes(samples, rate_hz, tag=1, bits=8)
    (tmp_path / "odd.wav").write_bytes(content)

    async def main():
        async with talk(device=FileDevice([tmp_path / "odd.wav"], rate_hz=44_100)) as t:
            await t.until(TurnHeard)
        return t

    t = run_in_virtual_time(main())
    assert next(iter(t.conversation.transcript)).text == "seven of clubs"


def test_a_session_starts_its_own_conversation():
    async def main():
        emulator = Emulator()
        from conversation_support import MemoryConnector

        connector = MemoryConnector(emulator)
        model = LiveModel(backend=emulator.backend("google"), connector=connector)
        async with model.connect() as session:
            reply = await session.ask("hello")
            async with session.start_audio_conversation(FileDevice()) as conversation:
                t = Talk(session, None, conversation)
                await conversation.send_text("hello")
                heard = await t.until(TurnHeard)
                # Turns before the conversation are not its own.
                assert heard.turn == reply.turn + 1
                assert [u.turn for u in conversation.transcript] == [heard.turn] * 2
        await asyncio.gather(*connector.serving)
        emulator.close()

    run_in_virtual_time(main())


def test_a_device_of_an_impossible_format_is_refused():
    with pytest.raises(AudioFormatError):
        FileDevice(rate_hz=7)


@pytest.mark.realtime
def test_over_a_real_socket_in_real_time(tmp_path):
    called = []

    def go_forward(distance_meters: float) -> None:
        """Drive ahead."""
        called.append(distance_meters)

    async def main():
        async with Emulator() as emulator:
            model = LiveModel(backend=emulator.backend("google"), tools=[go_forward])
            async with model.connect() as session:
                device = FileDevice([SPEECH / "go-forward-ten-meters.wav"])
                conversation = session.start_audio_conversation(
                    device, record_to=tmp_path / "a.wav"
                )
                async with conversation:
                    t = Talk(session, device, conversation)
                    await t.until(TurnHeard)
            return emulator, conversation

    emulator, conversation = asyncio.run(main())
    assert called == [10.0]
    recording, rate_hz = read_wav(tmp_path / "a.wav")
    report = verify_recording(recording, rate_hz, sent_by(emulator), conversation.playback)
    assert report.passed, report.all_problems

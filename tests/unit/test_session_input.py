"""What an application gives a session to send: taken for what it is, or refused by name."""

import array
import base64

import numpy as np
import pytest
from live_script import accept_and_wait, model_for

from antiphon.errors import AudioFormatError
from antiphon.session import LiveSession
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import FunctionResponse


def sent_by(use):
    """What the service gets, after the setup, of a session that ``use`` had."""

    async def main():
        model = model_for(accept_and_wait)
        async with model.connect() as session:
            await use(session)
        await model._connector.tasks[0]
        return model._connector.servers[0].received[1:]

    return run_in_virtual_time(main())


def pcm_of(messages):
    blobs = [message["realtimeInput"]["audio"] for message in messages]
    return [np.frombuffer(base64.b64decode(blob["data"]), "<i2") for blob in blobs]


def test_a_buffer_is_taken_for_what_it_says_that_it_is():
    samples = np.linspace(-0.5, 0.5, 320, dtype=np.float32)
    ints = np.round(samples * 32768).astype(np.int16)
    buffers = [
        array.array("f", samples.tolist()),
        memoryview(samples),
        array.array("h", ints.tolist()),
        memoryview(ints.tobytes()),
        memoryview(np.stack([samples, samples], axis=1)),
    ]

    async def use(session):
        for buffer in buffers:
            await session.send_audio_realtime(buffer)
        with pytest.raises(AudioFormatError, match="float64"):
            await session.send_audio_realtime(array.array("d", [0.0]))

    packets = pcm_of(sent_by(use))
    assert len(packets) == len(buffers)
    for packet in packets:
        assert np.array_equal(packet, ints)


@pytest.mark.parametrize("wrong", [5, "a text", np.zeros((2, 2), np.uint8)])
def test_an_image_is_bytes(wrong):
    async def use(session):
        with pytest.raises(TypeError, match=type(wrong).__name__):
            await session.send_video_realtime(wrong)
        with pytest.raises(ValueError, match="empty"):
            await session.send_video_realtime(b"")
        await session.send_video_realtime(memoryview(b"\xff\xd8\xfb"))

    (message,) = sent_by(use)
    assert message["realtimeInput"]["video"] == {"mimeType": "image/jpeg", "data": "/9j7"}


TURN_OF_OTHERS = {"role": "user", "content": "My name is Ada."}


@pytest.mark.parametrize("use", [LiveSession.send, LiveSession.ask, LiveSession.update_context])
def test_a_turn_whose_words_stand_elsewhere_is_refused_and_nothing_is_sent(use):
    name = "system_instruction" if use is LiveSession.update_context else "content"

    async def say(session):
        with pytest.raises(ValueError, match="role 'user' has 'content' in place of 'parts'"):
            await use(session, **{name: [TURN_OF_OTHERS]})

    assert sent_by(say) == []


def test_so_it_is_in_a_history():
    async def main():
        with pytest.raises(ValueError, match="'content' in place of 'parts'"):
            await model_for(accept_and_wait).connect([TURN_OF_OTHERS])

    run_in_virtual_time(main())


@pytest.mark.parametrize("result", ["sunny", ["sunny"], 21, None])
def test_a_result_is_a_dict_or_refused_and_nothing_is_sent(result):
    async def use(session):
        wrong = FunctionResponse(id="a", name="get_weather", response=result)
        with pytest.raises(TypeError, match=r"'get_weather' is a .* response={'output': …}"):
            await session.send_function_responses([wrong])

    assert sent_by(use) == []


@pytest.mark.parametrize("wrong", [{"id": "a"}, [{"id": "a"}], "a", 5, [FunctionResponse(), None]])
def test_what_is_no_function_response_is_refused_and_nothing_is_sent(wrong):
    async def use(session):
        with pytest.raises(TypeError, match="list of FunctionResponse"):
            await session.send_function_responses(wrong)
        await session.send_function_responses(FunctionResponse(id="a", name="f"))

    (message,) = sent_by(use)
    (response,) = message["toolResponse"]["functionResponses"]
    assert response == {"id": "a", "name": "f", "response": {}}


@pytest.mark.parametrize("wrong", ["{}", bytearray(b"{}"), None])
def test_a_message_of_audio_is_bytes(wrong):
    """What no connection can write would wait for one, and break each that comes."""

    async def use(session):
        with pytest.raises(TypeError, match="bytes of a message"):
            session.send_live_audio_message(wrong, 0.02)
        with pytest.raises(TypeError, match="bytes of a message"):
            await session.send_audio_message(wrong)

    assert sent_by(use) == []

"""Questions and turns of a session, and the text of what was spoken."""

import asyncio

import pytest
from live_script import DONE, audio, content, in_session, spoken, written

from antiphon.channel import ChannelClosed
from antiphon.errors import AudioFormatError, SessionClosed
from antiphon.session import LiveGenerationConfig

# ---------------------------------------------------------------------- ask and turns


async def answering(server):
    """Answers every turn with its own words, spoken."""
    await server.accept()
    while True:
        try:
            message = await server.hear()
        except ChannelClosed:
            return
        text = message["clientContent"]["turns"][-1]["parts"][0]["text"]
        await server.say(content(inputTranscription={"text": "heard "}), spoken(text), audio(240))
        await server.say(spoken("!"), audio(120), content(generationComplete=True))
        await asyncio.sleep(0.015)
        await server.say(DONE | {"usageMetadata": {"totalTokenCount": 9}})


def test_ask_gives_the_whole_turn():
    async def use(session):
        first = await session.ask("one")
        second = await session.ask("two")
        assert (first.turn, second.turn) == (1, 2)
        assert (first.text, second.text) == ("one!", "two!")
        assert first.audio.shape == (360,)
        assert first.audio_s == 0.015
        assert first.input_transcription == "heard "
        assert first.usage.total_token_count == 9
        assert session.usage.total_tokens == 18
        assert not first.interrupted
        assert session.turn == 2
        assert not session.turn_open

    in_session(answering, use)


def test_ask_leaves_what_came_before_it_to_the_first_who_receives():
    async def script(server):
        await server.accept()
        await server.say(written("Welcome."), DONE)
        await server.hear()
        await server.say(written("An answer."), DONE)
        await asyncio.sleep(1)
        await server.say(written("And more."), DONE)
        await asyncio.sleep(1)

    async def use(session):
        await asyncio.sleep(0.5)
        assert (await session.ask("x")).text == "An answer."
        stream = session.receive()
        await asyncio.sleep(1.5)
        await session.close()
        return [message.text async for message in stream if message.text]

    said, _ = in_session(script, use)
    assert said == ["Welcome.", "And more."]


def test_ask_is_answered_though_the_end_of_the_turn_before_cannot_be_read():
    end = content(generationComplete=True)

    async def script(server):
        await server.accept()
        await server.say(spoken("before"), audio(), end)
        await server.channel.send(b'{"serverContent": {"turnComplete": tr')
        await server.say(spoken(" late"))  # a transcript may be: it begins nothing
        await server.hear()
        for _ in range(3):
            await server.say(audio(120))
        await server.say(spoken("after"), end, DONE)
        await asyncio.sleep(1)

    async def use(session):
        turns = session.turns()
        await asyncio.sleep(0.5)
        async with asyncio.timeout(0.5):
            asked = await session.ask("x")
        before, after = await anext(turns), await anext(turns)
        assert asked == after
        assert (before.text, before.audio.shape) == ("before late", (240,))
        assert (after.turn, after.text, after.audio.shape) == (2, "after", (360,))

    in_session(script, use)


def test_what_cannot_be_read_in_mid_answer_ends_no_turn():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(audio())
        await server.channel.send(b"no JSON")
        await server.say(audio(), content(generationComplete=True), audio(), DONE)
        await asyncio.sleep(1)

    async def use(session):
        assert (await session.ask("x")).audio.shape == (720,)
        assert session.turn == 1

    in_session(script, use)


def test_ask_waits_for_its_own_answer_when_another_turn_is_still_open():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(spoken("old"), audio())
        await server.hear()
        await server.say(content(interrupted=True), audio(99), DONE)
        await server.say(spoken("new"), DONE)
        await server.hear_all()

    async def use(session):
        await session.send("first")
        await asyncio.sleep(1)
        reply = await session.ask("second")
        assert (reply.turn, reply.text) == (2, "new")
        assert session.dropped_audio_frames == 99

    in_session(script, use)


@pytest.mark.parametrize(
    "ends",
    [[content(interrupted=True), DONE], [content(interrupted=True, turnComplete=True)]],
)
@pytest.mark.parametrize("before", [0, 1])
def test_ask_waits_for_its_own_answer_when_it_interrupts_one_that_has_not_begun(before, ends):
    async def script(server):
        await server.accept()
        for _ in range(before):
            await server.hear()
            await server.say(spoken("Hello."), audio(), DONE)
        await server.hear()
        await server.hear()
        await server.say(*ends, written("to the second"), DONE)
        await server.hear_all()

    async def use(session):
        for _ in range(before):
            await session.ask("zero")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await session.ask("first")
        return await session.ask("second")

    reply, _ = in_session(script, use)
    assert (reply.turn, reply.text, reply.interrupted) == (before + 1, "to the second", False)


def test_of_two_that_ask_at_once_both_get_the_same_answer():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.hear()
        await server.say(content(interrupted=True), DONE, written("to both"), DONE)
        await server.hear_all()

    async def use(session):
        return await asyncio.gather(session.ask("one"), session.ask("two"))

    replies, _ = in_session(script, use)
    assert [reply.text for reply in replies] == ["to both"] * 2


def test_ask_is_not_misled_by_turns_of_before():
    async def script(server):
        await server.accept()
        await server.say(spoken("uncalled"), DONE)
        await server.hear()
        await server.say(content(interrupted=True), DONE)
        await server.say(spoken("called"), DONE)
        await server.hear_all()

    async def use(session):
        await asyncio.sleep(1)
        assert (await session.ask("x")).text == "called"

    in_session(script, use)


def test_an_empty_answer_is_a_reply_too():
    async def script(server):
        await server.accept()
        for _ in range(2):
            await server.hear()
            await server.say(content(turnComplete=True, turnCompleteReason="BLOCKLIST"))
        await server.hear()
        await server.say(spoken("ok"), DONE)
        await server.hear()
        await server.say(content(turnComplete=True, turnCompleteReason="BLOCKLIST"))
        await server.hear_all()

    async def use(session):
        for _ in range(2):
            reply = await session.ask("x")
            assert (reply.turn, reply.text, reply.reason) == (None, "", "BLOCKLIST")
            assert reply.audio.shape == (0,)
        assert (await session.ask("x")).text == "ok"
        assert (await session.ask("x")).turn is None

    in_session(script, use)


def test_turns_numbers_no_empty_turn_either():
    """Also where it begins between two turns, and knows of none before."""

    async def script(server):
        await server.accept()
        await server.say(spoken("one"), DONE)
        for answer in ([DONE], [content(interrupted=True), DONE], [spoken("two"), DONE], [DONE]):
            await server.hear()
            await server.say(*answer)
        await server.hear_all()

    async def use(session):
        await asyncio.sleep(1)
        whole, late = session.turns(), session.turns()
        for text in "abcd":
            await session.send(text)
            await asyncio.sleep(1)
        told = [(1, "one"), (None, ""), (None, ""), (2, "two"), (None, "")]
        for turns, expected in ((whole, told), (late, told[1:])):
            replies = [await anext(turns) for _ in expected]
            assert [(reply.turn, reply.text) for reply in replies] == expected

    in_session(script, use)


def test_audio_of_two_rates_is_given_in_parts_only(tmp_path):
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(audio(24_000), audio(8_000, rate_hz=16_000), DONE)
        await server.hear_all()

    async def use(session):
        reply = await session.ask("x")
        assert reply.audio_s == 1.5
        assert [(part.rate_hz, part.frames) for part in reply.audio_parts] == [
            (24_000, 24_000),
            (16_000, 8_000),
        ]
        for wanted in (lambda: reply.audio, lambda: reply.save(tmp_path / "reply.wav")):
            with pytest.raises(AudioFormatError, match=r"\[16000, 24000\] Hz. Use .*audio_parts"):
                wanted()
        assert not list(tmp_path.iterdir())

    in_session(script, use)


def test_an_answer_in_several_turns_is_waited_for():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(spoken("Let me think."))
        await server.say(content(turnComplete=True, interactionStatus="IN_PROGRESS"))
        await server.say(spoken(" 42."), content(turnComplete=True, interactionStatus="IDLE"))
        await server.hear_all()

    async def use(session):
        assert (await session.ask("x")).text == "Let me think. 42."

    in_session(script, use)


@pytest.mark.parametrize("code", [1000, 1011])
def test_ask_raises_when_the_session_ends(code):
    async def script(server):
        await server.accept()
        await server.hear()
        await server.channel.close(code, "over")

    async def use(session):
        with pytest.raises(SessionClosed) as caught:
            await session.ask("x")
        assert caught.value.code == code

    in_session(script, use)


def test_turns_gives_complete_turns_and_a_cancelled_wait_loses_nothing():
    async def script(server):
        await server.accept()
        await server.say(spoken("a"))
        await asyncio.sleep(2)
        await server.say(DONE, spoken("b"), content(interrupted=True), DONE)
        await server.channel.close(1000)

    async def use(session):
        turns = session.turns()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await anext(turns)
        got = [reply async for reply in turns]
        assert [(reply.turn, reply.text, reply.interrupted) for reply in got] == [
            (1, "a", False),
            (2, "b", True),
        ]
        turns.close()

    in_session(script, use)


# ---------------------------------------------------------------------- TEXT


def test_text_of_a_speech_model_is_its_transcription():
    async def use(session):
        assert session.notes
        assert "speech only" in session.notes[0]
        reply = await session.ask("one")
        assert reply.text == "one!"
        assert reply.audio.size == 0

    _, received = in_session(
        answering, use, config=LiveGenerationConfig(response_modalities=["TEXT"])
    )
    setup = received[0]["setup"]
    assert setup["generationConfig"]["responseModalities"] == ["AUDIO"]
    assert setup["outputAudioTranscription"] == {}


def test_text_of_a_text_model_is_text():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(
            written("Hel"),
            written(
                "lo",
            ),
            DONE,
        )
        await server.hear_all()

    async def use(session):
        assert [note for note in session.notes if "retired" not in note] == []
        assert (await session.ask("x")).text == "Hello"

    _, received = in_session(
        script,
        use,
        name="gemini-2.0-flash-live-001",
        config=LiveGenerationConfig(response_modalities=["text"]),
    )
    setup = received[0]["setup"]
    assert setup["generationConfig"]["responseModalities"] == ["TEXT"]
    assert "outputAudioTranscription" not in setup


def test_what_was_kept_for_the_first_subscriber_has_the_numbers_it_came_with():
    async def script(server):
        await server.accept()
        await server.say(audio(turnComplete=True), DONE)
        await asyncio.sleep(1)
        await server.say(audio(), DONE)
        await server.hear_all()

    async def use(session):
        await asyncio.sleep(0.5)
        turns = session.turns()
        return [(await anext(turns)).turn for _ in range(3)]

    numbers, _ = in_session(script, use)
    assert numbers == [1, None, 2]

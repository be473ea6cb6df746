"""The session's state machine: every way in, every way out, in simulated time."""

import json
import math

import msgspec
import pytest
from live_script import DONE, READY, audio, content, spoken, written

from antiphon.errors import (
    AuthError,
    ConnectError,
    ConsumerTooSlow,
    QuotaError,
    SessionClosed,
    SetupRejected,
)
from antiphon.protocol import (
    Closed,
    LiveServerMessage,
    MessageReceived,
    Notice,
    Ready,
    SessionProtocol,
    State,
    Usage,
)
from antiphon.wire import (
    ClientContent,
    ClientMessage,
    Content,
    FunctionResponse,
    Part,
    Setup,
    Tool,
)


def opened(**settings):
    protocol = SessionProtocol(Setup(model="models/m"), **settings)
    protocol.start(0.0)
    protocol.data_to_send()
    return protocol


def ready(**settings):
    protocol = opened(**settings)
    feed(protocol, READY)
    protocol.events()
    return protocol


def feed(protocol, *messages, now=1.0):
    for message in messages:
        protocol.receive(json.dumps(message).encode(), now)


def messages_of(protocol) -> list[LiveServerMessage]:
    return [e.message for e in protocol.events() if isinstance(e, MessageReceived)]


def closure_of(protocol):
    (closed,) = [event for event in protocol.events() if isinstance(event, Closed)]
    assert protocol.state is State.CLOSED
    assert protocol.closure is closed.closure
    return closed.closure


def sent(protocol):
    return [json.loads(data) for data in protocol.data_to_send()]


# ---------------------------------------------------------------------- opening


def test_start_sends_the_setup_and_only_the_setup():
    protocol = SessionProtocol(Setup(model="models/m"))
    assert protocol.data_to_send() == []
    protocol.start(0.0)
    assert sent(protocol) == [{"setup": {"model": "models/m"}}]
    assert sent(protocol) == []
    assert protocol.state is State.OPENING


def test_the_acceptance_makes_it_ready_and_is_no_message():
    protocol = opened()
    feed(protocol, {"setupComplete": {"sessionId": "s-1"}})
    assert protocol.events() == [Ready("s-1")]
    assert protocol.session_id == "s-1"
    assert protocol.state is State.READY
    assert protocol.next_timeout() is None


def test_a_setup_that_is_never_accepted_times_out():
    protocol = opened(setup_timeout_s=5)
    assert protocol.next_timeout() == 5
    protocol.handle_timeout(4.9)
    assert protocol.events() == []
    protocol.handle_timeout(5.0)
    closure = closure_of(protocol)
    error = closure.error()
    assert isinstance(error, ConnectError)
    assert error.cause == "timeout"
    assert "within 5 s" in str(error)
    assert not closure.clean


@pytest.mark.parametrize(
    ("code", "reason", "kind", "cause"),
    [
        (1007, "API key not valid. Please pass a valid API key.", AuthError, "auth"),
        (1007, "API key expired. Please renew the API key.", AuthError, "auth"),
        (1011, "You exceeded your current quota, please check", QuotaError, "quota"),
        (1008, "models/x is not found for API version v1beta, or", SetupRejected, "model"),
        (1007, "Request contains an invalid argument.", SetupRejected, "argument"),
        (1006, "", SetupRejected, "lost"),
        (1000, "", SetupRejected, "goodbye"),
        (4999, "strange", SetupRejected, "unknown"),
    ],
)
def test_a_close_during_setup_is_a_refusal_with_its_code_and_reason(code, reason, kind, cause):
    protocol = opened()
    protocol.connection_lost(code, reason, 1.0)
    closure = closure_of(protocol)
    error = closure.error()
    assert type(error) is kind
    assert (error.code, error.reason, error.cause) == (code, reason, cause)
    assert str(code) in str(error)
    assert reason in str(error)
    assert error.hint in str(error)
    assert not closure.clean
    assert protocol.closed_s == 1.0


def test_an_error_object_during_setup_is_a_refusal():
    protocol = opened()
    feed(protocol, {"error": {"code": 400, "message": "API key not valid."}})
    error = closure_of(protocol).error()
    assert type(error) is AuthError
    assert "API key not valid." in str(error)


def test_a_first_message_that_is_no_acceptance_is_tolerated_and_reported_once():
    protocol = opened()
    feed(protocol, {}, written("early"), written("birds"), READY)
    notice, first, second, is_ready = protocol.events()
    assert isinstance(notice, Notice)
    assert "before it accepted the setup" in str(notice.error)
    assert (first.message.text, second.message.text) == ("early", "birds")
    assert is_ready == Ready("")
    assert protocol.violations == 1


def test_a_second_acceptance_is_reported():
    protocol = ready()
    feed(protocol, READY)
    (notice,) = protocol.events()
    assert isinstance(notice, Notice)
    assert protocol.state is State.READY


# ---------------------------------------------------------------------- messages


@pytest.mark.parametrize("data", [b"{", b"[]", b"nonsense", b'{"serverContent": 5}', b"\xff\xfe"])
def test_malformed_messages_are_notices_and_the_session_goes_on(data):
    protocol = ready()
    protocol.receive(data, 1.0)
    (notice,) = protocol.events()
    assert isinstance(notice, Notice)
    feed(protocol, written("still here"))
    assert messages_of(protocol)[0].text == "still here"


def test_audio_beside_a_null_is_audio_however_often_it_comes():
    protocol = ready()
    turn = {"role": None, "parts": [*audio(960)["serverContent"]["modelTurn"]["parts"]]}
    for _ in range(2):  # each begins a turn, which is looked at more closely than its middle
        feed(protocol, {"serverContent": {"modelTurn": turn}}, DONE)
    heard = [message.audio for message in messages_of(protocol) if message.audio is not None]
    assert [len(audio) for audio in heard] == [960] * 2


@pytest.mark.parametrize(("digits", "value"), [("9" * 4_301, math.inf), ("9" * 4_300, None)])
def test_integers_of_any_length_in_unknown_members_are_passed_on(digits, value):
    protocol = ready()
    protocol.receive(f'{{"news": [{digits}, -{digits}]}}', 1.0)
    (message,) = messages_of(protocol)
    number = int(digits) if value is None else value
    assert message.raw == {"news": [number, -number]}


def test_empty_shells_are_no_messages_but_unknown_members_are():
    protocol = ready()
    feed(protocol, {}, {"serverContent": {}}, {"news": 1}, {"serverContent": {"news": 2}})
    assert [message.raw for message in messages_of(protocol)] == [
        {"news": 1},
        {"serverContent": {"news": 2}},
    ]


def test_a_message_says_what_it_holds():
    protocol = ready()
    feed(
        protocol,
        audio(
            480,
            outputTranscription={"text": "Hi"},
            inputTranscription={"text": " hello"},
            generationComplete=True,
            turnComplete=True,
            turnCompleteReason="NEED_MORE_INPUT",
            interactionStatus="IDLE",
        )
        | {"usageMetadata": {"totalTokenCount": "5", "candidatesTokenCount": 2}},
        now=3.5,
    )
    (message,) = messages_of(protocol)
    assert message.audio.shape == (480,)
    assert message.audio.dtype == "int16"
    assert set(message.audio) == {7}
    assert message.audio_rate_hz == 24_000
    assert message.audio_duration_s == 0.02
    assert message.audio_frames == 480
    assert message.output_transcription == "Hi"
    assert message.input_transcription == " hello"
    assert message.generation_complete
    assert message.turn_complete
    assert message.audio_ended
    assert not message.interrupted
    assert message.turn == 1
    assert message.text == ""
    assert message.turn_complete_reason == "NEED_MORE_INPUT"
    assert message.interaction_status == "IDLE"
    assert message.usage.total_token_count == 5
    assert message.received_s == 3.5
    assert message.raw["serverContent"]["turnComplete"] is True
    assert "turn=1" in repr(message)
    assert protocol.usage.total_tokens == 5
    assert protocol.usage.response_tokens == 2


def test_thoughts_are_never_text():
    protocol = ready()
    parts = [{"text": "hmm", "thought": True}, {"text": "Hi"}]
    feed(protocol, content(modelTurn={"parts": parts}))
    (message,) = messages_of(protocol)
    assert message.text == "Hi"
    assert message.thought == "hmm"
    assert message.audio is None


def test_audio_of_several_rates_in_one_message_is_not_mixed_up():
    def blob(rate):
        return {"inlineData": {"mimeType": f"audio/pcm;rate={rate}", "data": "AAA="}}

    protocol = ready()
    feed(protocol, content(modelTurn={"parts": [blob(24000), blob(16000)]}))
    (message,) = messages_of(protocol)
    assert [part.rate_hz for part in message.audio_parts] == [24000, 16000]
    with pytest.raises(ValueError, match="16000, 24000"):
        _ = message.audio


def test_notices_of_the_service_are_kept():
    protocol = ready()
    feed(
        protocol,
        {"sessionResumptionUpdate": {"newHandle": "h1", "resumable": True}},
        {"sessionResumptionUpdate": {}},
        {"goAway": {"timeLeft": "50.5s"}},
        {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1.2s"}},
        {"toolCallCancellation": {"ids": ["a"]}},
        now=10.0,
    )
    first, second, away, voice, cancelled = messages_of(protocol)
    assert first.resumption.new_handle == "h1"
    assert not second.resumption.resumable
    assert protocol.resumption.new_handle == "h1"
    assert away.go_away.time_left_s == 50.5
    assert protocol.go_away_s == 60.5
    assert voice.voice_activity.type == "ACTIVITY_START"
    assert cancelled.tool_call_cancellation.ids == ["a"]
    assert {m.turn for m in (first, second, away, voice, cancelled)} == {None}


def test_speech_as_text_gives_the_transcription_and_no_audio():
    protocol = ready(speech_as_text=True)
    feed(protocol, audio(240, outputTranscription={"text": "Hi"}), spoken(" you"), DONE)
    got = messages_of(protocol)
    assert "".join(message.text for message in got) == "Hi you"
    assert all(message.audio is None for message in got)
    assert got[-1].turn_complete


def test_a_peer_that_makes_up_modalities_does_not_fill_the_memory():
    protocol = ready()
    for number in range(500):
        details = [{"modality": f"M{number}", "tokenCount": 1}, {"modality": "AUDIO"}]
        feed(protocol, DONE | {"usageMetadata": {"promptTokensDetails": details}})
    assert protocol.usage.reports == 500
    assert len(protocol.usage.prompt) == 32


def test_usage_adds_up_over_reports():
    protocol = ready()
    report = {"promptTokenCount": 3, "responseTokenCount": 4, "totalTokenCount": 7}
    feed(protocol, DONE | {"usageMetadata": report}, DONE | {"usageMetadata": report})
    usage = protocol.usage
    assert (usage.reports, usage.prompt_tokens, usage.response_tokens) == (2, 6, 8)
    assert usage.total_tokens == 14
    assert usage.last.total_token_count == 7


def test_usage_has_deltas_and_totals_by_modality_in_one_vocabulary():
    def details(**counts):
        return [{"modality": name, "tokenCount": count} for name, count in counts.items()]

    protocol = ready()
    google = {
        "promptTokenCount": 10,
        "promptTokensDetails": details(TEXT=3, AUDIO=7),
        "responseTokenCount": 5,
        "responseTokensDetails": details(AUDIO=5),
        "cachedContentTokenCount": 2,
        "cacheTokensDetails": details(TEXT=2),
        "toolUsePromptTokenCount": 4,
        "toolUsePromptTokensDetails": details(TEXT=4),
        "thoughtsTokenCount": 6,
        "totalTokenCount": 15,
    }
    vertex = {
        "promptTokenCount": 20,
        "promptTokensDetails": details(TEXT=3, AUDIO=7, IMAGE=10),
        "candidatesTokenCount": 9,
        "candidatesTokensDetails": [*details(AUDIO=8, TEXT=1), {"modality": "IMAGE"}],
        "totalTokenCount": 29,
    }
    feed(protocol, DONE | {"usageMetadata": google})
    before = protocol.usage
    feed(protocol, DONE | {"usageMetadata": vertex})
    total, delta = protocol.usage, protocol.usage.since(before)
    assert before == Usage.of(before.last)
    assert (before.prompt, before.response) == ({"TEXT": 3, "AUDIO": 7}, {"AUDIO": 5})
    assert (before.cached_tokens, before.tool_use_tokens, before.thoughts_tokens) == (2, 4, 6)
    assert (before.cached, before.tool_use) == ({"TEXT": 2}, {"TEXT": 4})
    assert (delta.reports, delta.prompt_tokens, delta.response_tokens) == (1, 20, 9)
    assert delta.prompt == {"TEXT": 3, "AUDIO": 7, "IMAGE": 10}
    assert delta.response == {"AUDIO": 8, "TEXT": 1}
    assert (delta.cached, delta.thoughts_tokens) == ({}, 0)
    assert total.prompt == {"TEXT": 6, "AUDIO": 14, "IMAGE": 10}
    assert total.response == {"AUDIO": 13, "TEXT": 1}
    assert (total.total_tokens, total.last.candidates_token_count) == (44, 9)


def test_what_else_a_message_tells():
    protocol = ready()
    feed(
        protocol,
        content(waitingForInput=True, interactionStatus="IN_PROGRESS", turnComplete=True),
        content(interimInputTranscription={"text": "hel"}),
        content(
            groundingMetadata={"webSearchQueries": ["q"]},
            urlContextMetadata={"urlMetadata": [{"retrievedUrl": "u"}]},
        ),
        {"voiceActivity": {"type": "ACTIVITY_END", "audioOffset": "1.5s"}},
        {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_EOS"}},
    )
    waiting, interim, grounded, activity, signal = messages_of(protocol)
    assert waiting.waiting_for_input
    assert "waiting_for_input=True, " not in repr(interim)
    assert "IN_PROGRESS" in repr(waiting)
    assert interim.interim_input_transcription == "hel"
    assert interim.input_transcription is None
    assert grounded.grounding.web_search_queries == ["q"]
    assert grounded.url_context.url_metadata[0].retrieved_url == "u"
    assert activity.voice_activity.audio_offset_s == 1.5
    assert (signal.vad_signal, activity.vad_signal) == ("VAD_SIGNAL_TYPE_EOS", "")


def test_the_consent_to_a_cloned_voice_is_kept():
    protocol = SessionProtocol(Setup())
    protocol.start(0.0)
    feed(protocol, {"setupComplete": {"voiceConsentSignature": {"signature": "sig"}}})
    assert protocol.voice_consent_signature == "sig"


# ---------------------------------------------------------------------- commands


def test_every_command_has_its_message():
    protocol = ready()
    hello = Content(role="user", parts=[Part(text="hi")])
    protocol.send_content([hello])
    protocol.send_content([], turn_complete=False)
    protocol.send_text("now")
    protocol.send_audio_message(b'{"realtimeInput":{}}')
    protocol.send_video(b"\xff\xd8", "image/jpeg")
    protocol.activity_start()
    protocol.activity_end()
    protocol.audio_stream_end()
    protocol.send_function_responses([FunctionResponse(id="1", name="f", response={"output": 1})])
    protocol.update_context(system_instruction=hello, tools=[])
    protocol.update_context(tools=[Tool(google_search={})])
    protocol.send_raw(ClientMessage(client_content=ClientContent(turn_complete=True)))
    protocol.send_raw(b'{"own":1}')
    part = {"role": "user", "parts": [{"text": "hi"}]}
    assert sent(protocol) == [
        {"clientContent": {"turns": [part], "turnComplete": True}},
        {"clientContent": {}},
        {"realtimeInput": {"text": "now"}},
        {"realtimeInput": {}},
        {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "/9g="}}},
        {"realtimeInput": {"activityStart": {}}},
        {"realtimeInput": {"activityEnd": {}}},
        {"realtimeInput": {"audioStreamEnd": True}},
        {
            "toolResponse": {
                "functionResponses": [{"id": "1", "name": "f", "response": {"output": 1}}]
            }
        },
        {"contextUpdate": {"systemInstruction": part, "tools": {"tools": []}}},
        {"contextUpdate": {"tools": {"tools": [{"googleSearch": {}}]}}},
        {"clientContent": {"turnComplete": True}},
        {"own": 1},
    ]


def test_interrupt_stops_an_open_turn_and_sends_nothing_without_one():
    protocol = ready()
    protocol.interrupt()
    assert sent(protocol) == []
    feed(protocol, audio())
    protocol.interrupt()
    protocol.interrupt()
    assert sent(protocol) == [{"clientContent": {}}]
    protocol.events()
    feed(protocol, audio(100), DONE, audio(50))
    late, done, fresh = messages_of(protocol)
    assert (late.audio, late.turn) == (None, 1)
    assert done.turn_complete
    assert fresh.turn == 2
    assert fresh.audio_frames == 50
    assert protocol.turns.dropped_audio_frames == 100


def test_commands_before_ready_and_after_the_end_are_refused():
    protocol = opened()
    with pytest.raises(RuntimeError, match="not ready"):
        protocol.send_text("too early")
    feed(protocol, READY)
    protocol.close(2.0)
    with pytest.raises(SessionClosed, match="closed"):
        protocol.send_text("too late")
    protocol.connection_lost(1000, "", 3.0)
    with pytest.raises(SessionClosed):
        protocol.send_audio_message(b"{}")
    assert protocol.data_to_send() == []


# ---------------------------------------------------------------------- ends


def test_our_close_is_a_clean_end_whatever_the_peer_answers():
    for code in (1000, 1005, 1006, 1011):
        protocol = ready()
        protocol.close(2.0)
        assert protocol.state is State.CLOSING
        feed(protocol, written("last words"))
        assert messages_of(protocol)[0].text == "last words"
        protocol.connection_lost(code, "", 3.0)
        closure = closure_of(protocol)
        assert closure.clean
        assert closure.by == "us"
        assert closure.code == code


def test_a_close_that_is_not_answered_ends_by_itself():
    protocol = ready(close_timeout_s=7)
    protocol.close(2.0)
    protocol.close(3.0)
    assert protocol.next_timeout() == 9.0
    protocol.handle_timeout(9.0)
    assert closure_of(protocol).by == "us"


@pytest.mark.parametrize(
    ("code", "reason", "cause", "clean", "by"),
    [
        (1000, "", "goodbye", True, "service"),
        (1001, "going away", "goodbye", False, "service"),
        (1006, "", "lost", False, "network"),
        (1007, "Request contains an invalid argument.", "argument", False, "service"),
        (1011, "The service is currently unavailable.", "unavailable", False, "service"),
    ],
)
def test_a_close_of_the_service(code, reason, cause, clean, by):
    protocol = ready()
    protocol.connection_lost(code, reason, 2.0)
    closure = closure_of(protocol)
    assert (closure.cause, closure.clean, closure.by) == (cause, clean, by)
    error = closure.error()
    assert type(error) is SessionClosed
    assert str(code) in str(error)
    assert reason in str(error)
    assert closure.error() is not error


def test_only_the_first_end_counts_and_nothing_comes_after_it():
    protocol = ready()
    protocol.connection_lost(1011, "first", 2.0)
    protocol.connection_lost(1000, "second", 3.0)
    protocol.give_up_on_consumer(9, 9, 3.0)
    protocol.handle_timeout(99.0)
    feed(protocol, written("ghost"))
    assert closure_of(protocol).reason == "first"
    assert protocol.events() == []


def test_a_slow_consumer_ends_the_session():
    protocol = ready()
    protocol.give_up_on_consumer(10_001, 3 * 2**20, 2.0)
    error = closure_of(protocol).error()
    assert type(error) is ConsumerTooSlow
    assert "10001 messages without audio, and 3.0 MiB in all" in str(error)


def test_a_message_survives_without_its_audio_only_if_it_says_more():
    protocol = ready()
    feed(protocol, audio(10), audio(10, outputTranscription={"text": "x"}), audio(10, news=1))
    bare, told, _ = messages_of(protocol)
    assert bare.without_audio() is None
    kept = told.without_audio()
    assert kept.output_transcription == "x"
    assert (kept.audio, kept.turn) == (None, 1)


def test_the_raw_message_keeps_unknown_members():
    protocol = ready()
    feed(protocol, content(modelTurn={"parts": [{"text": "a", "later": [1]}]}))
    (message,) = messages_of(protocol)
    assert message.raw["serverContent"]["modelTurn"]["parts"][0]["later"] == [1]
    assert isinstance(message.message, msgspec.Struct)


def test_an_error_object_in_mid_session_is_told_and_shown():
    protocol = ready()
    protocol.receive(b'{"error": {"code": 500, "message": "backend gone"}}', 1.0)
    notice, received = protocol.events()
    assert isinstance(notice, Notice)
    assert "backend gone" in str(notice.error)
    assert received.message.message.error["code"] == 500
    assert protocol.state is State.READY

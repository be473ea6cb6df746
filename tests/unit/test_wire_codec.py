"""Bytes to typed messages and back."""

import base64
import json

import pytest

from antiphon.errors import ProtocolViolation
from antiphon.wire import (
    AudioPart,
    ClientContent,
    ClientMessage,
    Content,
    GoAway,
    Part,
    RealtimeInput,
    ServerContent,
    ServerMessage,
    SetupComplete,
    base64_to_bytes,
    bytes_to_base64,
    decode_client_message,
    decode_realtime_audio,
    decode_server_message,
    encode_client_message,
    encode_server_message,
    parse_duration_s,
    pcm_rate_hz,
)


def server(value):
    return decode_server_message(json.dumps(value).encode())


def audio_part(data, mime_type="audio/pcm;rate=24000"):
    blob = {"mimeType": mime_type, "data": data}
    return {"serverContent": {"modelTurn": {"parts": [{"inlineData": blob}]}}}


@pytest.mark.parametrize(
    "parameters",
    [
        "rate=0",
        "rate=384001",
        "rate=",
        "rate=-1",
        "rate=x",
        "rate=1e3",
        f"rate={'9' * 5000}",
        "rate=8000;rate=16000",
        "channels=2",
    ],
)
def test_audio_of_an_impossible_rate_is_a_violation_that_names_it(parameters):
    with pytest.raises(ProtocolViolation, match=parameters[:8]) as caught:
        server(audio_part("AAA=", f"audio/pcm;{parameters}"))
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("mime_type", "rate_hz"),
    [
        ("audio/pcm", 5),
        ("Audio/PCM ; Rate = 8000", 8000),
        ("audio/L16;codec=pcm;rate=24000", 24_000),
        ('audio/pcm;rate="384000";channels=1;', 384_000),
        ("audio/pcm;rate=1;rate=1", 1),
        ("audio/pcmu;rate=0", None),
        ("image/png", None),
        ("", None),
    ],
)
def test_media_types_of_pcm(mime_type, rate_hz):
    assert pcm_rate_hz(mime_type, 5) == rate_hz


def test_text_and_bytes_read_alike():
    text = '{"goAway": {"timeLeft": "50s"}}'
    of_text, of_bytes = decode_server_message(text), decode_server_message(text.encode())
    assert (of_text.message, of_text.audio, of_text.json) == (
        of_bytes.message,
        of_bytes.audio,
        of_bytes.json,
    )


def test_nulls_mean_unset():
    decoded = server({"serverContent": {"turnComplete": None, "interrupted": True}})
    assert decoded.message.server_content == ServerContent(interrupted=True)


def test_the_service_writes_camel_case_with_nulls_and_without():
    for beside in ({}, {"interrupted": None}):
        decoded = server({"serverContent": {"turn_complete": True, **beside}, "go_away": {}})
        assert decoded.message == ServerMessage(server_content=ServerContent())
    call = {"name": "f", "id": None, "args": {"a_b": None}}
    (read,) = server({"toolCall": {"functionCalls": [call]}}).message.tool_call.function_calls
    assert read.args == {"a_b": None}


def test_integers_may_be_text():
    decoded = server({"usageMetadata": {"totalTokenCount": "12"}})
    assert decoded.message.usage_metadata.total_token_count == 12


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"1", b'"x"', b"\xff", b'{"goAway": 3}', b"[" * 100_000]
)
def test_what_cannot_be_read_is_a_violation_that_shows_it(data):
    with pytest.raises(ProtocolViolation) as caught:
        decode_server_message(data)
    assert f"({len(data)} bytes)" in str(caught.value)
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize(
    ("mime_type", "rate_hz"),
    [
        ("audio/pcm;rate=24000", 24_000),
        ("audio/pcm", 24_000),
        ("audio/pcm; rate=16000", 16_000),
        ("audio/pcm;RATE=8000", 8_000),
    ],
)
def test_audio_comes_out_with_its_rate(mime_type, rate_hz):
    decoded = server(audio_part("AAD/fw==", mime_type))
    (part,) = decoded.audio
    assert (part.rate_hz, part.pcm, part.frames) == (rate_hz, b"\0\0\xff\x7f", 2)
    assert decoded.raw["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"] in (
        "",
        "AAD/fw==",
    )


@pytest.mark.parametrize("data", ["_-8", "_-8=", "/+8=", "/+8"])
def test_every_base64_alphabet_padded_or_not(data):
    (part,) = server(audio_part(data)).audio
    assert part.pcm == b"\xff\xef"


@pytest.mark.parametrize("data", ["!!!", "A", "AAAA"])
def test_audio_that_is_none_is_a_violation(data):
    with pytest.raises(ProtocolViolation):
        server(audio_part(data))


def test_other_blobs_stay_in_the_message():
    decoded = server(audio_part("AAAA", "image/png"))
    assert decoded.audio == ()
    assert decoded.message.server_content.model_turn.parts[0].inline_data.data == "AAAA"


def test_several_parts_keep_their_order():
    parts = [{"inlineData": {"mimeType": "audio/pcm", "data": d}} for d in ("AAA=", "AQA=")]
    decoded = server({"serverContent": {"modelTurn": {"parts": parts}}})
    assert [part.pcm for part in decoded.audio] == [b"\0\0", b"\1\0"]


def test_client_messages_leave_defaults_out_and_come_back():
    message = ClientMessage(
        client_content=ClientContent(turns=[Content(role="user", parts=[Part(text="hi")])])
    )
    data = encode_client_message(message)
    assert data == b'{"clientContent":{"turns":[{"role":"user","parts":[{"text":"hi"}]}]}}'
    assert decode_client_message(data)[0] == message
    start = encode_client_message(ClientMessage(realtime_input=RealtimeInput(activity_start={})))
    assert start == b'{"realtimeInput":{"activityStart":{}}}'


def test_clients_may_write_snake_case_but_the_users_own_words_are_kept():
    message, camel = decode_client_message(
        json.dumps(
            {
                "setup": {
                    "model": "m",
                    "generation_config": {"response_modalities": ["AUDIO"], "top_p": 0.5},
                    "tools": [
                        {
                            "function_declarations": [
                                {
                                    "name": "f",
                                    "parameters": {
                                        "type": "OBJECT",
                                        "properties": {"my_arg": {"any_of": [{"type": "STRING"}]}},
                                    },
                                    "parameters_json_schema": {"x_y": 1},
                                }
                            ]
                        }
                    ],
                    "session_resumption": {"handle": None},
                    "labels": {"cost_center": "7"},
                }
            }
        )
    )
    setup = message.setup
    assert setup.generation_config.top_p == 0.5
    declaration = setup.tools[0].function_declarations[0]
    assert declaration.parameters["properties"] == {"my_arg": {"anyOf": [{"type": "STRING"}]}}
    assert declaration.parameters_json_schema == {"x_y": 1}
    assert setup.session_resumption.handle is None
    assert camel["setup"]["labels"] == {"cost_center": "7"}


@pytest.mark.parametrize("data", [b"{", b"[]", b"3", b'{"setup": 3}', b"[" * 100_000])
def test_client_messages_that_cannot_be_read(data):
    with pytest.raises(ProtocolViolation):
        decode_client_message(data)


PCM = bytes(range(250, 256)) * 2


@pytest.mark.parametrize("outer", ["realtimeInput", "realtime_input"])
@pytest.mark.parametrize("inner", ["mimeType", "mime_type"])
@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_audio_of_a_client_is_read_in_one_step_in_every_spelling(outer, inner, separators):
    blob = {"data": bytes_to_base64(PCM), inner: "audio/pcm;rate=16000"}
    text = json.dumps({outer: {"audio": blob}}, separators=separators)
    assert decode_realtime_audio(text) == ("audio/pcm;rate=16000", PCM)
    assert decode_realtime_audio(text.encode()) == ("audio/pcm;rate=16000", PCM)
    message, _ = decode_client_message(text)
    assert base64_to_bytes(message.realtime_input.audio.data) == PCM


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        "{}",
        '{"setup": {}}',
        '{"realtimeInput": null}',
        '{"realtimeInput": {}}',
        '{"realtimeInput": {"audio": {}}}',
        '{"realtimeInput": {"audio": {"data": "AAA="}}}',
        '{"realtimeInput": {"audio": {"data": "AAA=", "mimeType": null}}}',
        '{"realtimeInput": {"audio": {"data": "AAA=", "mimeType": 3}}}',
        '{"realtimeInput": {"audio": {"data": "AAA", "mimeType": "audio/pcm"}}}',
        '{"realtimeInput": {"audio": {"data": "-_8=", "mimeType": "audio/pcm"}}}',
        '{"realtimeInput": {"audio": {"data": "!!!!", "mimeType": "audio/pcm"}}}',
        '{"realtimeInput": {"audio": {"data": "AAA=", "mimeType": "audio/pcm", "x": 1}}}',
        '{"realtimeInput": {"audio": {"data": "AAA=", "mimeType": "a", "mime_type": "b"}}}',
        '{"realtimeInput": {"audio": {"data": "AAA=", "mimeType": "audio/pcm"}, "text": "x"}}',
        '{"realtimeInput": {"audio": {"data": "AAA=", "mimeType": "audio/pcm"}}, "setup": {}}',
        '{"realtimeInput": {"video": {"data": "AAA=", "mimeType": "image/png"}}}',
        '{"realtimeInput": {"audio": {"data": "AAA=", "mimeType": "audio/pcm"}}',
    ],
)
def test_whatever_else_a_client_sends_is_left_to_the_full_reading(text):
    assert decode_realtime_audio(text) is None


def test_audio_that_is_no_text_is_left_to_the_full_reading():
    data = b'{"realtimeInput": {"audio": {"data": "AAA=", "mimeType": "\xff"}}}'
    assert decode_realtime_audio(data) is None


@pytest.mark.parametrize("word", ["plain", "é", "\x7f", '\x1f\n"\\/', ""])
def test_content_is_written_alike_however_it_is_written(word):
    blob = {"mimeType": "audio/pcm;rate=24000", "data": bytes_to_base64(PCM)}
    content = {"modelTurn": {"role": "model", "parts": [{"inlineData": blob}, {"text": word}]}}
    for value in (content, {}, {"interrupted": True}, {"outputTranscription": {"text": word}}):
        message = {"serverContent": value}
        assert encode_server_message(message) == json.dumps(message, indent=2).encode() + b"\n"


def test_server_messages_are_written_as_the_service_writes_them():
    assert encode_server_message({"setupComplete": {}}) == b'{\n  "setupComplete": {}\n}\n'
    message = ServerMessage(setup_complete=SetupComplete())
    assert encode_server_message(message) == b'{\n  "setupComplete": {}\n}\n'
    assert b"\\u00fc" in encode_server_message({"text": "ü"})


def test_base64_round_trips():
    for size in range(40):
        data = bytes(range(size))
        assert base64_to_bytes(bytes_to_base64(data)) == data
        assert base64_to_bytes(base64.urlsafe_b64encode(data).decode().rstrip("=")) == data


@pytest.mark.parametrize(
    ("text", "seconds"), [("50s", 50), ("10.500s", 10.5), ("", 0), ("soon", 0), ("7", 7)]
)
def test_durations(text, seconds):
    assert parse_duration_s(text) == seconds
    assert GoAway(time_left=text).time_left_s == seconds


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        ("", True),
        (',"role":"model"', True),
        (',"role":"model","mood":"calm"', False),
        (',"role":null', False),
    ],
)
def test_nothing_but_audio_is_told_from_audio_beside_something_unknown(beside, expected):
    part = '{"inlineData":{"mimeType":"audio/pcm;rate=24000","data":"AAA="}}'
    message = f'{{"serverContent":{{"modelTurn":{{"parts":[{part}]{beside}}}}}}}'
    for _ in range(2):  # the second time, its shape is known
        decoded = decode_server_message(message)
        assert decoded.only_audio is expected
        assert decoded.audio == (AudioPart(rate_hz=24_000, pcm=bytes(2)),)
        assert decoded.message.server_content.model_turn.parts[0].inline_data.data == ""
        assert ("mood" in decoded.raw["serverContent"]["modelTurn"]) is ("mood" in beside)

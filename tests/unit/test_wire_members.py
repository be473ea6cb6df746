"""Every member of the protocol is typed, and none that is not gets lost, in either direction."""

import json
import typing
from types import UnionType

import live_client_schema
import live_schema
import msgspec
import pytest
from test_recordings import FILES, frames_of

from antiphon import wire
from antiphon.protocol import MessageReceived, SessionProtocol
from antiphon.wire import (
    ClientMessage,
    Content,
    FunctionDeclaration,
    GenerationConfig,
    Part,
    RealtimeInput,
    Setup,
    Tool,
    as_turns,
    decode_client_message,
    decode_server_message,
    encode_client_message,
    to_wire,
)

WORDS = [{"word": "Hi", "startOffset": "0.100s", "endOffset": "0.300s"}]
TRANSCRIPT = {
    "text": "Hi",
    "finished": True,
    "languageCode": "en-US",
    "speakerLabel": "spk_1",
    "words": WORDS,
    "startOffset": "0.100s",
    "endOffset": "0.300s",
}
COUNTS = [{"modality": "TEXT", "tokenCount": 3}, {"modality": "AUDIO", "tokenCount": 4}]

#: Members that are plain JSON values in their typed form too.
FREE_FORM = {
    *("args", "groundingChunks", "groundingSupports"),
    *("searchEntryPoint", "retrievalMetadata"),
}
#: Together they have every member that a server may send.
SERVER_MESSAGES = [
    {"setupComplete": {"sessionId": "s-1", "voiceConsentSignature": {"signature": "sig"}}},
    {
        "serverContent": {
            "modelTurn": {
                "role": "model",
                "parts": [
                    {"text": "thinking", "thought": True},
                    {"inlineData": {"mimeType": "audio/pcm;rate=24000", "data": "AAAAAAAA"}},
                    {"executableCode": {"language": "PYTHON", "code": "f()", "id": "c1"}},
                    {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1", "id": "c1"}},
                ],
            },
            "outputTranscription": TRANSCRIPT,
            "inputTranscription": TRANSCRIPT,
            "interimInputTranscription": TRANSCRIPT,
            "groundingMetadata": {
                "webSearchQueries": ["q"],
                "groundingChunks": [{"web": {"uri": "u"}}],
                "groundingSupports": [{"segment": {"endIndex": 3}}],
                "searchEntryPoint": {"renderedContent": "<b>"},
                "retrievalMetadata": {"googleSearchDynamicRetrievalScore": 0.5},
            },
            "urlContextMetadata": {
                "urlMetadata": [{"retrievedUrl": "u", "urlRetrievalStatus": "OK"}]
            },
            "turnComplete": True,
            "generationComplete": True,
            "turnCompleteReason": "NEED_MORE_INPUT",
            "waitingForInput": True,
            "interactionStatus": "IN_PROGRESS",
        },
        "usageMetadata": {
            "promptTokenCount": 7,
            "cachedContentTokenCount": 1,
            "responseTokenCount": 7,
            "toolUsePromptTokenCount": 2,
            "thoughtsTokenCount": 5,
            "totalTokenCount": 14,
            "promptTokensDetails": COUNTS,
            "cacheTokensDetails": COUNTS,
            "responseTokensDetails": COUNTS,
            "toolUsePromptTokensDetails": COUNTS,
            "serviceTier": "STANDARD",
        },
    },
    {
        "serverContent": {"interrupted": True},
        "usageMetadata": {
            "candidatesTokenCount": 7,
            "candidatesTokensDetails": COUNTS,
            "trafficType": "ON_DEMAND",
        },
    },
    {"toolCall": {"functionCalls": [{"name": "f", "args": {"my_arg": {"x": None}}, "id": "1"}]}},
    {"toolCallCancellation": {"ids": ["1"]}},
    {"goAway": {"timeLeft": "10.500s"}},
    {
        "sessionResumptionUpdate": {
            "newHandle": "h",
            "resumable": True,
            "lastConsumedClientMessageIndex": "7",
        }
    },
    {"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "1.200s"}},
    {"voiceActivityDetectionSignal": {"vadSignalType": "VAD_SIGNAL_TYPE_SOS"}},
]


def leaves(value, path=()):
    """Every value that holds no other, by the way to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    for name, member in inner:
        if isinstance(member, dict | list) and member:
            yield from leaves(member, (*path, name))
        else:
            yield (*path, name), member


def at(value, path):
    for name in path:
        value = value[name]
    return value


def objects(value, path=()):
    """The way to every object that is the protocol's own."""
    if isinstance(value, dict):
        yield path
        for name, member in value.items():
            if name not in FREE_FORM:
                yield from objects(member, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from objects(item, (*path, index))


def members(shape, seen):
    """Every member of a schema and of all types in it, with the type that it stands in."""
    if shape in seen:
        return
    seen.add(shape)
    for field in msgspec.structs.fields(shape):
        yield shape.__name__, field.encode_name
        yield from (found for inner in structs_in(field.type) for found in members(inner, seen))


def structs_in(annotation):
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    elif typing.get_origin(annotation) in (UnionType, typing.Union, list, typing.Annotated):
        for argument in typing.get_args(annotation):
            yield from structs_in(argument)


@pytest.mark.parametrize(
    ("schema", "ours"),
    [
        (live_schema.ServerMessage, wire.ServerMessage),
        (live_client_schema.ClientMessage, wire.ClientMessage),
    ],
)
def test_every_published_member_has_a_field(schema, ours):
    published, fields = set(members(schema, set())), set(members(ours, set()))
    as_we_say = {
        ("ModelTurn", "parts"): ("Content", "parts"),
        ("ModelTurn", "role"): ("Content", "role"),
    }
    assert {as_we_say.get(member, member) for member in published} - fields - {
        ("TranscribedWord", "word")
    } <= set()
    assert len(published) > 70


def test_the_samples_are_what_a_server_may_send_and_have_every_member():
    seen = FREE_FORM.copy()
    for message in SERVER_MESSAGES:
        for path in objects(message):
            seen.update(at(message, path))
    for message in SERVER_MESSAGES[:1] + SERVER_MESSAGES[3:]:
        live_schema.validate(json.dumps(message).encode(), vertex=False)
    assert {name for _, name in members(live_schema.ServerMessage, set())} <= seen


@pytest.mark.parametrize("message", SERVER_MESSAGES, ids=lambda message: next(iter(message)))
def test_every_value_of_a_server_message_is_in_a_typed_field(message):
    decoded = decode_server_message(json.dumps(message))
    typed = msgspec.to_builtins(decoded.message)
    for path, value in leaves(message):
        if path[-1] == "data":
            assert [part.pcm for part in decoded.audio] == [bytes(6)]
        elif path[-1] == "lastConsumedClientMessageIndex":
            assert at(typed, path) == int(value)
        else:
            assert at(typed, path) == value


@pytest.mark.parametrize("message", SERVER_MESSAGES, ids=lambda message: next(iter(message)))
def test_members_that_nobody_knows_are_passed_through_from_any_depth(message):
    plain = decode_server_message(json.dumps(message))
    unknown = {"a_b": [1, None, {"é": "\U0001f600"}], "big": 10**30}
    for path in objects(message):
        changed = json.loads(json.dumps(message))
        at(changed, path)["newMember"] = unknown
        protocol = SessionProtocol(Setup())
        protocol.start(0.0)
        if "setupComplete" not in message:
            protocol.receive(b'{"setupComplete": {}}', 0.0)
        protocol.events()
        protocol.receive(json.dumps(changed), 1.0)
        (received,) = [
            event.message for event in protocol.events() if isinstance(event, MessageReceived)
        ]
        assert at(received.raw, path)["newMember"] == unknown
        assert received.message == plain.message
        assert received.received_audio_parts == plain.audio


@pytest.mark.skipif(not FILES, reason="the recordings are not here")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_value_of_a_recording_is_typed_and_raw(path):
    _, received = frames_of(path)
    protocol = SessionProtocol(Setup())
    protocol.start(0.0)
    for number, frame in enumerate(received):
        whole = frame.replace(b'"<audio>"', b'"AAAA////"')  # shortened at the source
        protocol.receive(whole, float(number))
        value = json.loads(whole)
        told = [event.message for event in protocol.events() if isinstance(event, MessageReceived)]
        if not told:
            assert list(leaves(value)) in ([], [(("serverContent",), {})]) or (
                value["setupComplete"].get("sessionId", "") == protocol.session_id
            )
            continue
        (message,) = told
        pcm = iter(message.received_audio_parts)
        typed, raw = msgspec.to_builtins(message.message), message.raw
        for where, leaf in leaves(value):
            if where[-1] == "data":
                assert wire.base64_to_bytes(leaf) == next(pcm).pcm
            elif leaf in ({}, [], "", False, 0):  # a default, or a shell that is told as such
                assert at(raw, where) == leaf
            else:
                assert at(raw, where) == leaf
                assert at(typed, where) in (leaf, int(leaf) if str(leaf).isdigit() else leaf)
        assert next(pcm, None) is None


# ---------------------------------------------------------------------- what we send


def sent(message):
    return json.loads(encode_client_message(message))


def test_extra_members_are_sent_beside_the_others_at_any_depth():
    declaration = FunctionDeclaration(name="f", extra={"newMember": {"*": 1}})
    setup = Setup(
        model="m",
        generation_config=GenerationConfig(temperature=0.0, extra={"topP": 0.5, "new": None}),
        tools=[Tool(function_declarations=[declaration], extra={"newTool": {}})],
        labels={"*": "mine"},
        extra={"generationConfig": {"thinkingConfig": {"thinkingBudget": 1}, "new": 2}},
    )
    assert sent(ClientMessage(setup=setup, extra={"newMessage": {}})) == {
        "setup": {
            "model": "m",
            "generationConfig": {
                "temperature": 0.0,
                "topP": 0.5,
                "new": 2,
                "thinkingConfig": {"thinkingBudget": 1},
            },
            "tools": [
                {
                    "functionDeclarations": [{"name": "f", "newMember": {"*": 1}}],
                    "newTool": {},
                }
            ],
            "labels": {"*": "mine"},
        },
        "newMessage": {},
    }


def test_every_command_of_a_session_is_what_a_client_may_send():
    protocol = SessionProtocol(
        Setup(model="m", history_config=wire.HistoryConfig(initial_history_in_client_content=True))
    )
    protocol.start(0.0)
    protocol.receive(b'{"setupComplete": {}}', 0.0)
    (said,) = as_turns("hi")
    declaration = FunctionDeclaration(name="f", parameters={"type": "OBJECT"})
    response = wire.FunctionResponse(
        id="1", name="f", response={"output": 1}, scheduling="SILENT", will_continue=True
    )
    protocol.send_history([said])
    protocol.send_content([said])
    protocol.send_content([], turn_complete=False)
    protocol.send_text("now")
    protocol.send_video(b"\xff\xd8", "image/jpeg")
    protocol.activity_start()
    protocol.activity_end()
    protocol.audio_stream_end()
    protocol.send_function_responses([response])
    protocol.update_context(system_instruction=said)
    protocol.update_context(tools=[Tool(function_declarations=[declaration])])
    protocol.update_context(tools=[])
    messages = [json.loads(data) for data in protocol.data_to_send()]
    assert len(messages) == 14  # with the setup, and the end of the history
    for message in messages:
        live_client_schema.validate(message)


def test_a_text_that_looks_like_the_mark_of_extra_members_is_only_text():
    for text in ('"*":', '\\"*":{"a":1}', "*"):
        message = ClientMessage(realtime_input=RealtimeInput(text=text))
        assert sent(message) == {"realtimeInput": {"text": text}}


def test_plain_values_become_typed_and_lose_nothing():
    value = {
        "file_data": {"mime_type": "video/mp4", "fileUri": "gs://x", "display_name": "d"},
        "video_metadata": {"startOffset": "1s"},
    }
    (turn,) = as_turns([value])
    assert turn.parts[0].file_data.file_uri == "gs://x"
    message = ClientMessage(client_content=wire.ClientContent(turns=[turn]))
    assert sent(message)["clientContent"]["turns"][0]["parts"] == [
        {
            "fileData": {"mimeType": "video/mp4", "fileUri": "gs://x", "displayName": "d"},
            "videoMetadata": {"startOffset": "1s"},
        }
    ]
    tool = to_wire({"function_declarations": [{"name": "f", "newer": 1}]}, Tool)
    assert tool == Tool(function_declarations=[FunctionDeclaration(name="f", extra={"newer": 1})])


@pytest.mark.parametrize(
    ("part", "named"),
    [({"text": 3}, "text"), ({"inline_data": {"data": 1}}, "data"), ({}, "empty")],
)
def test_parts_that_are_none_are_refused_by_name(part, named):
    with pytest.raises(ValueError, match=named):
        as_turns([part])


def test_a_part_of_the_service_goes_back_as_it_came():
    part = {"functionResponse": {"name": "f", "response": {"a_b": 1}, "newer": {"c_d": 2}}}
    content = to_wire({"role": "user", "parts": [part]}, Content)
    assert content.parts[0].function_response.response == {"a_b": 1}
    message = ClientMessage(client_content=wire.ClientContent(turns=[content]))
    assert sent(message)["clientContent"]["turns"][0]["parts"][0]["functionResponse"][
        "response"
    ] == {"a_b": 1}


def test_the_local_server_does_not_take_the_mark_for_a_name():
    message, camel = decode_client_message('{"setup": {"model": "m", "*": {"a": 1}}}')
    assert message.setup.model == "m"
    assert camel["setup"]["*"] == {"a": 1}
    from antiphon.emulator.service.setup_check import unknown_name

    assert 'Unknown name "*"' in unknown_name(camel).reason


def test_parts_have_a_place_for_each_kind_of_data():
    assert Part(file_data=wire.FileData(file_uri="u")) != Part()

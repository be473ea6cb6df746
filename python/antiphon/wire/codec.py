"""Bytes to typed messages and back.

Reading follows proto3 JSON as the service does: ``null`` as unset, 64-bit integers as text or
number, either base64 alphabet, padded or not. Clients may write camelCase or snake_case; the
service itself writes camelCase, and what it sends is not searched for other names.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from antiphon import _native
from antiphon.errors import ProtocolViolation
from antiphon.wire.client import ClientMessage
from antiphon.wire.media_type import pcm_rate_hz
from antiphon.wire.secret import excerpt
from antiphon.wire.server import EXTRA, AudioPart, DecodedMessage, ServerMessage, _OpenWire

__all__ = [
    "base64_to_bytes",
    "bytes_to_base64",
    "camel_case",
    "decode_client_message",
    "decode_realtime_audio",
    "decode_server_message",
    "encode_client_message",
    "encode_server_message",
    "to_wire",
]

_server_decoder = msgspec.json.Decoder(ServerMessage, strict=False)
_encoder = msgspec.json.Encoder()

# Members whose keys are the user's own words, not the protocol's: they are left as they are.
_VERBATIM = frozenset(
    {
        "args",
        "labels",
        "parametersJsonSchema",
        "response",
        "responseJsonSchema",
    }
)
# Between quotes that are not escaped, and before a colon: no text can hold these bytes.
_EXTRA_KEY = f'"{EXTRA}":'.encode()
_DEFAULT_RATE_HZ = 24_000
# Without its audio, one chunk of speech reads like the next: such JSON is not parsed again.
_only_audio: set[bytes] = set()
_MAX_KNOWN = 16
_MAX_KNOWN_BYTES = 512
# Every value takes hundreds of bytes here, be it ``{}`` there; protobuf reads 100 levels as well.
_MAX_VALUES = 100_000
_MAX_DEPTH = 100
# Of a message that cannot be read.
_SHOWN_CHARS = 200

T = TypeVar("T")
WireT = TypeVar("WireT", bound=_OpenWire)


class _Audio(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    data: bytes
    mimeType: str | None = None  # noqa: N815 - as on the wire, in both spellings
    mime_type: str | None = None


class _AudioInput(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    audio: _Audio


class _AudioMessage(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    realtimeInput: _AudioInput | None = None  # noqa: N815
    realtime_input: _AudioInput | None = None


_audio_decoder = msgspec.json.Decoder(_AudioMessage)


def decode_server_message(data: bytes | str, secrets: Sequence[str] = ()) -> DecodedMessage:
    """Read one message of the service.

    Args:
        data: As it was received.
        secrets: What must not show in an error.

    Raises:
        ProtocolViolation: Not JSON, not an object, a known field of the wrong type, more than
            100,000 values, or nested more than 100 deep. The message shows the first 200
            characters received.
    """
    # A lone surrogate is no UTF-8: the decoder says so.
    raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    rest, audio = _native.split_server_message(raw)
    parts = tuple([AudioPart(rate_hz, pcm) for rate_hz, pcm in audio])
    message = None
    if not (only_audio := rest in _only_audio):
        message = _read(rest, raw, secrets)
        # Whoever wants to see it after all reads it in one way: not with nulls.
        short = len(rest) <= _MAX_KNOWN_BYTES and b"null" not in rest
        only_audio = bool(parts) and short and _is_only_audio(rest)
        if only_audio:
            if len(_only_audio) == _MAX_KNOWN:
                _only_audio.clear()
            _only_audio.add(rest)
        parts = parts or _unscanned_audio(message)
    audio_s, size_bytes = 0.0, len(rest)
    for part in parts:
        audio_s += len(part.pcm) / (2 * part.rate_hz)
        size_bytes += len(part.pcm)
    return DecodedMessage(parts, audio_s, rest, size_bytes, message, only_audio)


def _read(rest: bytes, raw: bytes, secrets: Sequence[str]) -> ServerMessage:
    """What is not audio."""
    _check_bounds(rest, "service")
    try:
        if _count(rest, "{", "[") > _MAX_DEPTH:
            _check_depth(msgspec.json.decode(rest), "service")
        return _decode_typed(rest)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        shown = excerpt(raw, _SHOWN_CHARS, secrets)
        raise ProtocolViolation(
            f"The service sent a message that cannot be read ({error}): {shown!r}"
            f"{'…' if len(raw) > _SHOWN_CHARS else ''} ({len(raw)} bytes). Report it with this "
            "text; the session itself can go on."
        ) from error


def _is_only_audio(rest: bytes) -> bool:
    """Whether there is nothing but audio, be it known here or not, in a message that has some."""
    try:
        value = msgspec.json.decode(rest)
    except msgspec.ValidationError:  # a number that no double holds
        return False
    match value:
        case {"serverContent": {"modelTurn": {"parts": [*parts], **turn}, **content}, **message}:
            beside = {*turn, *content, *message}
            return beside <= {"role"} and all(_is_audio(part) for part in parts)
    return False


def _is_audio(part: Any) -> bool:
    match part:
        case {"inlineData": {**blob}, **beside}:
            return not beside and blob.keys() <= {"mimeType", "data"}
    return False


def _decode_typed(data: bytes) -> ServerMessage:
    if not data.isascii():
        data.decode()  # the decoder would not look at the text of unknown members
    try:
        return _server_decoder.decode(data)
    except msgspec.ValidationError:  # nulls, perhaps: they mean unset, and cost a second reading
        value = _without_nulls(msgspec.json.decode(data))
        return msgspec.convert(value, ServerMessage, strict=False)


def _unscanned_audio(message: ServerMessage) -> tuple[AudioPart, ...]:
    """Audio of a message whose shape the fast scan did not know: it is still in the JSON."""
    content = message.server_content
    if content is None or content.model_turn is None:
        return ()
    parts = []
    for part in content.model_turn.parts:
        blob = part.inline_data
        if blob is None or not blob.data:
            continue
        try:
            rate_hz = pcm_rate_hz(blob.mime_type, _DEFAULT_RATE_HZ)
            if rate_hz is None:
                continue
            pcm = base64_to_bytes(blob.data)
        except ValueError as error:
            raise ProtocolViolation(
                f"The service sent audio that cannot be read: {error}"
            ) from error
        if len(pcm) % 2:
            raise ProtocolViolation(
                f"The service sent {len(pcm)} bytes of 16-bit audio: not a whole number of samples."
            )
        parts.append(AudioPart(rate_hz=rate_hz, pcm=pcm))
        blob.data = ""
    return tuple(parts)


def encode_client_message(message: ClientMessage) -> bytes:
    """Write a client message as compact JSON, with what stands in ``extra`` in its place.

    Where a member and ``extra`` have the same name, objects are merged; of all else that of
    ``extra`` is sent.
    """
    data = _encoder.encode(message)
    return _encoder.encode(_with_extra(message)) if _EXTRA_KEY in data else data


def _with_extra(value: Any) -> Any:
    """Plain JSON values, the members of ``extra`` among the others."""
    if isinstance(value, list):
        return [_with_extra(item) for item in value]
    if not isinstance(value, msgspec.Struct):
        return value
    written = msgspec.to_builtins(value)  # without defaults
    members = {
        name: _with_extra(getattr(value, field))
        for field, name in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        if name in written and name != EXTRA
    }
    extra = value.extra if isinstance(value, _OpenWire) else None
    return _merged(members, extra or {})


def _merged(members: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(members)
    for name, value in extra.items():
        mine = members.get(name)
        both = isinstance(mine, dict) and isinstance(value, Mapping)
        merged[name] = _merged(mine or {}, value) if both else value
    return merged


def to_wire(value: Mapping[str, Any], kind: type[WireT]) -> WireT:
    """The typed form of plain values, in either spelling of their names, none of them lost.

    Members that ``kind`` does not list, at any depth, are kept in ``extra``.

    Raises:
        ValueError: A member of the wrong type; the text says which.
    """
    camel = _to_camel(dict(value))
    try:
        typed = msgspec.convert(camel, kind, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"This is no {kind.__name__}: {error}.") from error
    _keep_unknown(typed, camel)
    return typed


def _keep_unknown(typed: Any, plain: Any) -> None:
    if isinstance(typed, list):
        for item, value in zip(typed, plain, strict=True):
            _keep_unknown(item, value)
    elif isinstance(typed, _OpenWire):
        names = dict(zip(typed.__struct_encode_fields__, typed.__struct_fields__, strict=True))
        if unknown := {name: value for name, value in plain.items() if name not in names}:
            typed.extra = unknown
        for name in plain.keys() & names.keys() - {EXTRA}:
            _keep_unknown(getattr(typed, names[name]), plain[name])


def encode_server_message(message: ServerMessage | dict[str, Any]) -> bytes:
    """Write a server message as the service does: two spaces of indent, ASCII, a newline.

    Cost: 2 µs for 40 ms of audio, some 20 µs for calls and for what is not ASCII.
    """
    value = message if isinstance(message, dict) else msgspec.to_builtins(message)
    if "toolCall" not in value:  # whose arguments are any JSON, and numbers have many spellings
        compact = _encoder.encode(value)
        if compact.isascii() and b"\x7f" not in compact:
            return msgspec.json.format(compact, indent=2) + b"\n"
    return json.dumps(value, indent=2).encode() + b"\n"


def decode_realtime_audio(data: bytes | str) -> tuple[str, bytes] | None:
    """Read a client message that holds audio and nothing else: its media type, and its bytes.

    Cost: 0.7 µs for 20 ms. It is for the fifty messages a second that are such; whatever is
    unusual about a message (other members, nulls, base64 of another kind, no JSON) gives None, and
    is for `decode_client_message` to judge.
    """
    try:
        message = _audio_decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    realtime = _only(message.realtimeInput, message.realtime_input)
    if realtime is None:
        return None
    mime_type = _only(realtime.audio.mimeType, realtime.audio.mime_type)
    return None if mime_type is None else (mime_type, realtime.audio.data)


def _only(camel: T | None, snake: T | None) -> T | None:
    """The one of two spellings that was used; None for neither and for both."""
    if camel is None or snake is None:
        return snake if camel is None else camel
    return None


def decode_client_message(data: bytes | str) -> tuple[ClientMessage, dict[str, Any]]:
    """Read one message of any client; also return it as plain values with camelCase keys.

    Raises:
        ProtocolViolation: Not JSON, not an object, a field of the wrong type, more than 100,000
            values, or nested more than 100 deep.
    """
    _check_bounds(data, "client")
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolViolation(f"The client's message is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise ProtocolViolation(
            f"The client's message is a JSON {type(value).__name__}; it must be an object."
        )
    if _count(data, "{", "[") > _MAX_DEPTH:
        _check_depth(value, "client")
    try:
        camel = _to_camel(value)
        return msgspec.convert(camel, ClientMessage, strict=False), camel
    except (msgspec.ValidationError, RecursionError) as error:
        raise ProtocolViolation(f"The client's message does not fit: {error}.") from error


def _check_bounds(data: bytes | str, whose: str) -> None:
    """Refuse what would take far more memory than it has bytes, before it is read.

    Raises:
        ProtocolViolation: More than 100,000 values, as far as their commas tell.
    """
    if len(data) > _MAX_VALUES and (values := _count(data, ",")) > _MAX_VALUES:
        raise ProtocolViolation(
            f"The {whose}'s message has {values:,} commas; at most {_MAX_VALUES:,} values are read."
        )


def _check_depth(value: Any, whose: str) -> None:
    """Refuse what a reader with recursion would stumble over.

    Raises:
        ProtocolViolation: Nested more than 100 deep.
    """
    if _deeper_than(value, _MAX_DEPTH):
        raise ProtocolViolation(
            f"The {whose}'s message is nested more than {_MAX_DEPTH} deep; flatter ones are read."
        )


def _count(data: bytes | str, *signs: str) -> int:
    if isinstance(data, str):
        return sum(data.count(sign) for sign in signs)
    return sum(data.count(sign.encode()) for sign in signs)


def _deeper_than(value: Any, levels: int) -> bool:
    """Whether objects and lists are nested deeper; without recursion, which has a limit too."""
    level = [value]
    for _ in range(levels + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def _to_camel(value: Any) -> Any:
    """Plain values with the names of the protocol in camelCase, and without nulls."""
    return _without_nulls(value, camel_case)


def _without_nulls(value: Any, spelled: Callable[[str], str] = str) -> Any:
    """Drop nulls, and spell the keys, at every depth where the protocol owns the keys."""
    if isinstance(value, list):
        return [_without_nulls(item, spelled) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {}
    for key, member in value.items():
        name = spelled(key)
        if member is None:
            continue
        if name == "properties" and isinstance(member, dict):
            kept[name] = {own: _without_nulls(schema, spelled) for own, schema in member.items()}
        elif name in _VERBATIM:
            kept[name] = member
        else:
            kept[name] = _without_nulls(member, spelled)
    return kept


def camel_case(key: str) -> str:
    """A name of the protocol in the spelling of its JSON: ``turn_complete`` is ``turnComplete``."""
    head, *tail = key.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in tail)


def base64_to_bytes(text: str) -> bytes:
    """Decode standard or URL-safe base64, padded or not.

    Raises:
        ValueError: Other characters, or an impossible length.
    """
    clean = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(clean + "=" * (-len(clean) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"{error}, in {len(text)} characters of base64") from error


def bytes_to_base64(data: bytes) -> str:
    """Encode as standard, padded base64: the one form that every client reads."""
    return base64.b64encode(data).decode("ascii")

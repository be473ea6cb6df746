"""``split_server_message``: the audio out of a message, and everything else untouched."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from antiphon._native import split_server_message

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
PCM = st.binary(max_size=300).map(lambda pcm: pcm[: len(pcm) // 2 * 2])


def message(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"serverContent": {"modelTurn": {"role": "model", "parts": list(parts)}}}


def audio(pcm: bytes, mime_type: str = "audio/pcm;rate=24000") -> dict[str, Any]:
    return {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(pcm).decode()}}


def test_audio_is_taken_and_the_rest_is_kept_byte_for_byte() -> None:
    text = json.dumps(message({"text": "h\u00e9"}, audio(b"\x01\x00\x02\x00")), indent=2)
    remainder, found = split_server_message(text.encode())
    assert remainder.decode() == text.replace("AQACAA==", "")
    assert found == [(24_000, b"\x01\x00\x02\x00")]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_will_do(kind: Any) -> None:
    data = json.dumps(message(audio(b"\x01\x00", "audio/pcm"))).encode()
    assert split_server_message(kind(data))[1] == [(24_000, b"\x01\x00")]


@pytest.mark.parametrize("data", ["{}", None, 5, np.zeros(4, "<i2"), np.zeros(4, "f4")])
def test_what_is_no_buffer_of_bytes_is_told(data: Any) -> None:
    with pytest.raises(TypeError, match=rf"{type(data).__name__}; it must be bytes"):
        split_server_message(data)


def test_a_message_without_audio_is_the_same_object() -> None:
    data = b'{"setupComplete": {}}'
    remainder, found = split_server_message(data)
    assert remainder is data
    assert found == []


@pytest.mark.parametrize("data", [b"", b"nonsense", b"\xff\xfe", b'{"inlineData"', b"[" * 100_000])
def test_what_is_not_json_comes_back_as_it_is(data: bytes) -> None:
    assert split_server_message(data) == (data, [])


def test_something_that_is_no_buffer_is_a_type_error() -> None:
    text: Any = "{}"
    with pytest.raises(TypeError):
        split_server_message(text)


@given(
    st.lists(st.tuples(PCM, st.sampled_from([8_000, 24_000]), JSON), max_size=4),
    JSON,
    st.booleans(),
)
def test_splitting_and_parsing_equals_parsing(
    parts: list[tuple[bytes, int, Any]], extra: Any, ascii_only: bool
) -> None:
    full = message(*({"x": x, **audio(pcm, f"audio/pcm;rate={rate}")} for pcm, rate, x in parts))
    full["extra"] = extra
    data = json.dumps(full, ensure_ascii=ascii_only)
    try:
        encoded = data.encode()
    except UnicodeEncodeError:  # a lone surrogate is no UTF-8
        return
    remainder, found = split_server_message(encoded)
    if not found:
        assert remainder == encoded
        # Only lone surrogates, written as escapes, are left to the full parser.
        assert not parts or "\\ud" in data
        return
    assert found == [(rate, pcm) for pcm, rate, _ in parts]
    for part in full["serverContent"]["modelTurn"]["parts"]:
        part["inlineData"]["data"] = ""
    assert json.loads(remainder) == full


def recordings() -> Path:
    beside = Path(__file__).parents[2].parent / "shared"
    return Path(os.environ.get("ANTIPHON_SHARED", beside)) / "recordings"


def server_messages(log: bytes) -> Iterator[bytes]:
    """The server's messages in a log of ``>length payload`` and ``<length payload``."""
    log = log.lstrip()
    while log:
        head, rest = log.split(b" ", 1)
        length = int(head[1:])
        if head[:1] == b"<":
            yield rest[:length]
        log = rest[length:].lstrip()


@pytest.mark.skipif(not recordings().is_dir(), reason="no recordings of the service here")
def test_real_messages() -> None:
    frames = 0
    for path in recordings().glob("*.websocket.log"):
        for data in server_messages(path.read_bytes()):
            remainder, found = split_server_message(data)
            full = json.loads(data)
            parts = full.get("serverContent", {}).get("modelTurn", {}).get("parts", [])
            expected = [part["inlineData"] for part in parts if "inlineData" in part]
            assert [pcm for _, pcm in found] == [base64.b64decode(it["data"]) for it in expected]
            for part in expected:
                part["data"] = ""
            assert json.loads(remainder) == full
            frames += sum(len(pcm) // 2 for _, pcm in found)
    assert frames > 10_000

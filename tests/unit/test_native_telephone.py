"""G.711, the fused telephone path, and interleaving, as Python sees them."""

from __future__ import annotations

import array
import warnings
from typing import Any

import numpy as np
import pytest

from antiphon._native import (
    G711Decoder,
    G711Encoder,
    Resampler,
    alaw_decode,
    alaw_encode,
    interleave,
    ulaw_decode,
    ulaw_encode,
)
from antiphon.errors import AudioFormatError

EVERY_SAMPLE = np.arange(-32_768, 32_768, dtype=np.int16)
EVERY_CODE = bytes(range(256))
PCM = np.random.default_rng(3).integers(-20_000, 20_000, 24_000).astype(np.int16)
LAWS = {"ulaw": (ulaw_encode, ulaw_decode), "alaw": (alaw_encode, alaw_decode)}


@pytest.fixture(scope="module")
def audioop() -> Any:
    """The standard library's G.711: until Python 3.12."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return pytest.importorskip("audioop")


def test_every_sample_and_every_code_is_as_in_the_standard_library(audioop: Any) -> None:
    raw = EVERY_SAMPLE.tobytes()
    assert ulaw_encode(raw) == audioop.lin2ulaw(raw, 2)
    assert alaw_encode(raw) == audioop.lin2alaw(raw, 2)
    assert ulaw_decode(EVERY_CODE) == audioop.ulaw2lin(EVERY_CODE, 2)
    assert alaw_decode(EVERY_CODE) == audioop.alaw2lin(EVERY_CODE, 2)


@pytest.mark.parametrize("law", LAWS)
def test_each_kind_of_input_comes_back_as_its_kind(law: str) -> None:
    encode, decode = LAWS[law]
    codes = encode(EVERY_SAMPLE)
    assert codes.dtype == np.uint8
    sent = EVERY_SAMPLE.tobytes()
    likes: list[Any] = [sent, bytearray(sent), memoryview(sent)]
    for like in likes:
        assert encode(like) == codes.tobytes()
    pcm = decode(codes)
    assert pcm.dtype == np.int16
    raw = codes.tobytes()
    likes = [raw, bytearray(raw), memoryview(raw), array.array("B", raw)]
    for like in likes:
        assert decode(like) == pcm.tobytes()
    np.testing.assert_array_equal(decode(encode(pcm)), pcm)


@pytest.mark.parametrize("law", LAWS)
def test_another_kind_of_input_is_refused(law: str) -> None:
    encode, decode = LAWS[law]
    refused: list[tuple[Any, Any, str]] = [
        (encode, b"abc", "3 bytes are not a whole number of int16 samples"),
        (encode, np.zeros(3, np.float32), "float32; it must be int16"),
        (encode, np.zeros((3, 1), np.int16), "must have one dimension"),
        (decode, np.zeros(3, np.int8), "int8; it must be uint8"),
        (decode, np.zeros((3, 1), np.uint8), "must have one dimension"),
        (decode, "text", "type str; give bytes or an array of uint8"),
    ]
    for function, x, message in refused:
        with pytest.raises(AudioFormatError, match=message):
            function(x)


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("rate_hz", [16_000, 24_000])
def test_the_fused_path_is_its_stages_in_one_call(law: Any, rate_hz: int) -> None:
    encode, decode = LAWS[law]
    down = Resampler(rate_hz, 8_000, dtype="int16")
    codes = encode(down.process(PCM, last=True))
    encoder = G711Encoder(law, rate_hz)
    blocks = [encoder.process(block) for block in np.split(PCM, 50)]
    made = b"".join(block.tobytes() for block in blocks) + encoder.flush()
    assert made == codes.tobytes()
    assert encoder.process(PCM.tobytes(), last=True) == made

    expected = Resampler(8_000, rate_hz, dtype="int16").process(decode(codes), last=True)
    decoder = G711Decoder(law, rate_hz)
    cut = [decoder.process(codes[k : k + 160]) for k in range(0, len(codes), 160)]
    np.testing.assert_array_equal(np.concatenate([*cut, decoder.flush()]), expected)
    assert decoder.process(made, last=True) == expected.tobytes()


@pytest.mark.parametrize("law", LAWS)
def test_codes_that_do_not_lie_in_one_piece_are_copied(law: Any) -> None:
    _, decode = LAWS[law]
    codes = np.frombuffer(EVERY_CODE * 4, np.uint8)
    for view in (codes[::2], codes[::-1], np.stack([codes, codes], axis=1)[:, 1]):
        np.testing.assert_array_equal(decode(view), decode(view.copy()))
        made = G711Decoder(law).process(view, last=True)
        np.testing.assert_array_equal(made, G711Decoder(law).process(view.copy(), last=True))


@pytest.mark.parametrize("out_hz", [11_025, 22_050, 44_100, 48_000])
def test_blocks_of_any_size_are_decoded(out_hz: int) -> None:
    codes = ulaw_encode(PCM)
    expected = Resampler(8_000, out_hz, dtype="int16").process(ulaw_decode(codes), last=True)
    for size in (511, 512, 513, 1_024, 1_025, 4_801):
        decoder = G711Decoder("ulaw", out_hz)
        cut = [decoder.process(codes[k : k + size]) for k in range(0, len(codes), size)]
        np.testing.assert_array_equal(np.concatenate([*cut, decoder.flush()]), expected)


def test_the_ends_of_a_telephone_say_what_they_are() -> None:
    decoder, encoder = G711Decoder("ulaw"), G711Encoder("alaw", 48_000, "lowlatency")
    assert (decoder.law, decoder.out_hz) == ("ulaw", 16_000)
    assert (encoder.law, encoder.in_hz, encoder.delay_s) == ("alaw", 48_000, 0.0)
    assert 0.004 < decoder.delay_s <= 0.005
    first = decoder.process(EVERY_CODE)
    decoder.reset()
    assert decoder.process(EVERY_CODE) == first
    encoder.process(PCM)
    encoder.reset()
    assert encoder.flush() == b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mulaw",), "law is \"mulaw\"; it must be 'ulaw' or 'alaw'"),
        (("ulaw", 3_000), "is 3000; it must be 4000 to 384000"),
        (("ulaw", 16_000, "best"), "profile is"),
    ],
)
def test_what_is_not_supported_is_refused(arguments: Any, message: str) -> None:
    for kind in (G711Decoder, G711Encoder):
        with pytest.raises(AudioFormatError, match=message):
            kind(*arguments)


class TestInterleave:
    def test_channels_become_frames(self) -> None:
        left, right = PCM[:5], PCM[5:10]
        made = interleave([left, right])
        np.testing.assert_array_equal(made, np.stack([left, right], axis=1))
        floats = tuple(channel.astype(np.float32) for channel in (left, right, left))
        np.testing.assert_array_equal(interleave(iter(floats)), np.stack(floats, axis=1))
        assert interleave([np.zeros(0, np.int16)] * 3).shape == (0, 3)

    @pytest.mark.parametrize(
        ("channels", "message"),
        [
            ([], "there is no channel"),
            ([PCM[:3], PCM[:4]], "channels of 3 and 4 frames"),
            ([PCM[:3], np.zeros(3, np.float32)], "float32; it must be int16"),
            ([np.zeros((3, 2), np.int16)], "must have one dimension"),
        ],
    )
    def test_what_does_not_fit_is_refused(self, channels: Any, message: str) -> None:
        with pytest.raises(AudioFormatError, match=message):
            interleave(channels)

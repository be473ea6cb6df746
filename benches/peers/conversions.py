"""Sample formats and G.711 beside memory copies, numpy, audioop and the g711 package."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
import numpy as np
from numpy.typing import NDArray

from benches.peers.engine import Absent
from benches.peers.engines import audioop
from benches.peers.timing import interleave, median_ns, one_core, repeat, times_as_fast

FRAMES = 480_000  # 10 s at 48 kHz
COPY = "np.copyto int16"

Call = Callable[[], object]


class Conversion(msgspec.Struct, frozen=True):
    """`times_copy` is how many times as long as copying as many int16 it takes."""

    task: str
    name: str
    times_copy: float
    ns_per_sample: float
    times_audioop: float | None  # how many times as fast; of G.711 only


def measure(*, rounds: int) -> tuple[list[Conversion], list[Absent]]:
    """Every conversion whose result is right, and those that are not there or wrong."""
    absent: list[Absent] = []
    tasks: dict[str, dict[str, Call]] = {
        "float32 → int16": _float_to_int16(),
        "int16 → float32": _int16_to_float(),
        "µ-law encode": {},
        "µ-law decode": {},
        "A-law encode": {},
        "A-law decode": {},
    }
    for family in (_g711_antiphon, _g711_audioop, _g711_package):
        try:
            found = family()
        except (ImportError, WrongResult) as error:
            absent.append(Absent(f"G.711: {family.__name__.removeprefix('_g711_')}", str(error)))
            continue
        for task, (name, call) in found.items():
            tasks[task][name] = call
    target = np.empty(FRAMES, np.int16)
    calls: dict[str, Call] = {COPY: lambda: np.copyto(target, SPEECH)}
    for task, candidates in tasks.items():
        calls |= {f"{task}|{name}": call for name, call in candidates.items()}
    with one_core():
        batches = {key: repeat(call) for key, call in calls.items()}
        taken = interleave(batches, rounds=rounds, batch_ms=3.0)
    rows = []
    for key in calls:
        if key == COPY:
            continue
        task, _, name = key.partition("|")
        peer = f"{task}|audioop"
        rows.append(
            Conversion(
                task=task,
                name=name,
                times_copy=times_as_fast(taken, COPY, key),
                ns_per_sample=median_ns(taken, key) / FRAMES,
                times_audioop=times_as_fast(taken, key, peer) if peer in calls else None,
            )
        )
    return rows, absent


class WrongResult(Exception):
    """A conversion gave something else than the standard says; it gets no speed."""


def _must_equal(name: str, got: object, wanted: object) -> None:
    if not np.array_equal(np.asarray(got), np.asarray(wanted)):
        raise WrongResult(f"{name}: the result is wrong, so it is not timed")


# ------------------------------------------------------------------------------ formats


def _float_to_int16() -> dict[str, Call]:
    from antiphon.audio import float_to_int16

    x = (0.4 * np.random.default_rng(3).standard_normal(FRAMES)).astype(np.float32)
    x[:4] = [np.nan, np.inf, -np.inf, 2.5 / 32768]
    out, copied = np.empty(FRAMES, np.int16), np.empty(FRAMES, np.float32)

    def by_numpy() -> object:
        scaled = np.nan_to_num(x * np.float32(32768), nan=0.0)
        return np.clip(np.rint(scaled), -32768, 32767).astype(np.int16)

    _must_equal("float_to_int16", float_to_int16(x, out), by_numpy())
    return {
        "antiphon": lambda: float_to_int16(x, out),
        "numpy (rint, clip, NaN guard)": by_numpy,
        "np.copyto float32, for scale": lambda: np.copyto(copied, x),
    }


def _int16_to_float() -> dict[str, Call]:
    from antiphon.audio import int16_to_float

    x = np.random.default_rng(3).integers(-32768, 32768, FRAMES).astype(np.int16)
    out = np.empty(FRAMES, np.float32)

    def by_numpy() -> object:
        return x.astype(np.float32) / np.float32(32768)

    _must_equal("int16_to_float", int16_to_float(x, out), by_numpy())
    return {"antiphon": lambda: int16_to_float(x, out), "numpy": by_numpy}


# ------------------------------------------------------------------------------ G.711

_RNG = np.random.default_rng(4)
SPEECH = (6000 * _RNG.standard_normal(FRAMES)).clip(-32768, 32767).astype("<i2")
CODES = _RNG.integers(0, 256, FRAMES).astype(np.uint8)


def ulaw_table() -> NDArray[np.int16]:
    """Every µ-law code decoded, by the definition of G.711 with 16-bit amplitudes."""
    code = ~np.arange(256, dtype=np.uint8)
    segment, step = (code >> 4) & 7, code & 15
    magnitude = ((2 * step.astype(np.int32) + 33) << segment) - 33
    return np.where(code & 0x80, -magnitude * 4, magnitude * 4).astype(np.int16)


def alaw_table() -> NDArray[np.int16]:
    """Every A-law code decoded, likewise."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    segment, step = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = np.where(segment, (2 * step + 33) << np.maximum(segment - 1, 0), 2 * step + 1)
    return np.where(code & 0x80, magnitude * 8, -magnitude * 8).astype(np.int16)


def _check_g711(
    encode: Callable[[str, bytes], object], decode: Callable[[str, bytes], object]
) -> None:
    """Every code decodes as the table says, and every sample lies in the step of its code."""
    samples = np.arange(-32768, 32768).astype("<i2")
    every_code = bytes(range(256))
    for law, table, half_steps in (
        ("ulaw", ulaw_table(), 4 << _segments(0xFF)),
        ("alaw", alaw_table(), 8 << np.maximum(_segments(0x55) - 1, 0)),
    ):
        decoded = np.frombuffer(_to_bytes(decode(law, every_code)), "<i2")
        _must_equal(f"{law} decode", decoded, table)
        codes = np.frombuffer(_to_bytes(encode(law, samples.tobytes())), np.uint8)
        loudest = int(table.max()) + int(half_steps.max())  # beyond, codecs clip
        off = np.abs(table[codes].astype(np.int32) - samples.clip(-loudest, loudest))
        # Codecs cut int16 to 14 or 13 bits first, which moves a decision by up to 8.
        wrong = off > half_steps[codes] + 8
        if wrong.any():
            raise WrongResult(f"{law} encode: {int(wrong.sum())} samples have a wrong code")


def _segments(inverted_bits: int) -> NDArray[np.int32]:
    return (((np.arange(256) ^ inverted_bits) >> 4) & 7).astype(np.int32)


def _to_bytes(data: object) -> bytes:
    return data.tobytes() if isinstance(data, np.ndarray) else bytes(data)  # type: ignore[call-overload]


def _g711_antiphon() -> dict[str, tuple[str, Call]]:
    from antiphon.audio import alaw_decode, alaw_encode, ulaw_decode, ulaw_encode

    pcm, codes = SPEECH.tobytes(), CODES.tobytes()
    encoders = {"ulaw": ulaw_encode, "alaw": alaw_encode}
    decoders = {"ulaw": ulaw_decode, "alaw": alaw_decode}
    _check_g711(lambda law, x: encoders[law](x), lambda law, x: decoders[law](x))
    return _four("antiphon", encoders, decoders, pcm, codes)


def _g711_audioop() -> dict[str, tuple[str, Call]]:
    module = audioop.load()
    encoders = {law: _with_width(getattr(module, f"lin2{law}")) for law in ("ulaw", "alaw")}
    decoders = {law: _with_width(getattr(module, f"{law}2lin")) for law in ("ulaw", "alaw")}
    _check_g711(lambda law, x: encoders[law](x), lambda law, x: decoders[law](x))
    return _four("audioop", encoders, decoders, SPEECH.tobytes(), CODES.tobytes())


def _with_width(call: Callable[[bytes, int], bytes]) -> Callable[[bytes], bytes]:
    return lambda x: call(x, 2)


def _g711_package() -> dict[str, tuple[str, Call]]:
    """It works in float32, and rounds in its own way; only its speed is of interest."""
    import g711

    pcm = (SPEECH / 32768).astype(np.float32)
    codes = CODES.tobytes()
    encoders = {"ulaw": g711.encode_ulaw, "alaw": g711.encode_alaw}
    decoders = {"ulaw": g711.decode_ulaw, "alaw": g711.decode_alaw}
    for law, encode in encoders.items():
        back = np.asarray(decoders[law](_to_bytes(encode(pcm))))
        noise_db = 20 * np.log10(np.std(back - pcm) / np.std(pcm))
        if not noise_db < -30:
            raise WrongResult(f"{law}: back and forth leaves noise at {noise_db:.0f} dB")
    return _four("g711 (float32)", encoders, decoders, pcm, codes)


def _four(
    name: str,
    encoders: Mapping[str, Callable[..., object]],
    decoders: Mapping[str, Callable[..., object]],
    pcm: object,
    codes: object,
) -> dict[str, tuple[str, Call]]:
    return {
        "µ-law encode": (name, lambda: encoders["ulaw"](pcm)),
        "µ-law decode": (name, lambda: decoders["ulaw"](codes)),
        "A-law encode": (name, lambda: encoders["alaw"](pcm)),
        "A-law decode": (name, lambda: decoders["alaw"](codes)),
    }

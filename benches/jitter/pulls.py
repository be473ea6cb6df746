"""How long `pull` takes inside Rust, of ours and of the crate's: `compare-pull` measures it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import msgspec

from benches.jitter import driver
from benches.jitter.judge import Judge

TRACES = ("packet_wired_0", "packet_wifi_0")
RATE_HZ = 24_000


class Times(msgspec.Struct, frozen=True):
    """Of one buffer. `dearest` is the largest of the pulls' medians over the rounds."""

    pulls: int
    mean_us: float
    median_us: float
    p999_us: float
    dearest_us: float


class PullTimes(msgspec.Struct, frozen=True):
    """Of both, interleaved in one process."""

    trace: str
    rounds: int
    ours: Times
    neteq: Times


def measure(judge: Judge, *, rounds: int) -> list[PullTimes]:
    """On the judge's audio. Fails if one of the two does not play."""
    program = driver.compare_pull()
    return [_measure(judge, program, trace, rounds) for trace in TRACES]


def _measure(judge: Judge, program: Path, trace: str, rounds: int) -> PullTimes:
    header, arrivals = judge.traces.load(str(judge.folder / "data" / "public" / f"{trace}.jsonl"))
    pcm, _ = judge.score.signal("public", RATE_HZ)
    with tempfile.TemporaryDirectory() as folder:
        audio, times = Path(folder) / "audio.pcm", Path(folder) / "arrivals.txt"
        audio.write_bytes(pcm.astype("<i2").tobytes())
        times.write_text("".join(f"{at_us} {seq}\n" for at_us, seq in arrivals))
        arguments = map(str, (RATE_HZ, header["frame_ms"], rounds, audio, times))
        done = subprocess.run([program, *arguments], check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{program.name} on {trace}: {done.stderr.strip()}")
    return msgspec.convert({"trace": trace, **msgspec.json.decode(done.stdout)}, PullTimes)

"""Make the clips that let the demo speak where no synthesizer is installed.

Run it with espeak-ng (the program or the package espeakng-loader) at hand, after the concierge's
words have changed: ``python tools/make_clips.py``.
"""

from __future__ import annotations

import json
import re
import sys
import wave
from pathlib import Path

import numpy as np

from antiphon.emulator import Concierge, Turn, Voice
from antiphon.emulator.session.brain import Call, ToolResult
from antiphon.emulator.session.jobs import SPEECH_HZ
from antiphon.emulator.session.pacing import split_sentences
from antiphon.emulator.speech.synthesis import installed_synthesizers
from antiphon.wire import FunctionDeclaration

FOLDER = Path(__file__).parents[1] / "python" / "antiphon" / "assets" / "clips"
MAX_BYTES = 1_200_000
# What the demo says to the concierge, and what its function answers; it may be one that does not
# block.
TEXTS = ("ten of clubs", "seven of clubs", "hello", "go forward ten meters")
FUNCTIONS = {"go_forward": FunctionDeclaration(name="go_forward", behavior="NON_BLOCKING")}
RESULT = ToolResult(Call("go_forward", {"distance_meters": 10}), {})
PAUSE_S = 0.15
QUIET = 60


def main() -> int:
    """Write the clips and their index."""
    concierge = Concierge()
    answers = [concierge.respond(Turn(text=text, functions=FUNCTIONS)).text for text in TEXTS]
    answers.append(concierge.respond(Turn(text="", tool_result=RESULT)).text)
    voice = Voice(installed_synthesizers()[:-1])
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.wav"):
        old.unlink()
    index = {}
    for sentence in dict.fromkeys(part for answer in answers for part in split_sentences(answer)):
        name = "-".join(re.findall(r"[a-z]+", sentence.lower())[:6]) + ".wav"
        index[sentence] = name
        with wave.open(str(FOLDER / name), "wb") as writer:
            writer.setnchannels(1)
            writer.setsampwidth(2)
            writer.setframerate(SPEECH_HZ)
            writer.writeframes(trimmed(voice.synthesize(sentence, "Puck").pcm))
    (FOLDER / "index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{len(index)} clips, {total} bytes")
    return 0 if total < MAX_BYTES else 1


def trimmed(pcm: bytes) -> bytes:
    """Cut long silence at both ends, leaving the pause of a breath at the end."""
    samples = np.frombuffer(pcm, "<i2")
    loud = np.flatnonzero(np.abs(samples.astype(int)) > QUIET)
    end = min(len(samples), loud[-1] + int(PAUSE_S * SPEECH_HZ))
    return samples[max(0, loud[0] - 240) : end].tobytes()


if __name__ == "__main__":
    sys.exit(main())

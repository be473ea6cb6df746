"""What hostile clients of the local server have in common."""

import json
import random

from antiphon.emulator.session.jobs import Speech
from antiphon.wire import bytes_to_base64

PATH = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"
TEXT_MODEL = "models/gemini-live-2.5-flash-preview"
MIB = 1024 * 1024
SETUP = {
    "setup": {
        "model": TEXT_MODEL,
        "generationConfig": {"responseModalities": ["TEXT"]},
        "contextWindowCompression": {"slidingWindow": {}},
        "sessionResumption": {},
        "tools": [{"functionDeclarations": [{"name": "go_forward", "behavior": "NON_BLOCKING"}]}],
    }
}


class Tones:
    """A voice that takes no time: 10 ms a character."""

    def synthesize(self, text, voice):
        return Speech(bytes(480 * len(text)))


def typed(text, *, complete=True, role="user", **part):
    turns = [{"role": role, "parts": [{"text": text, **part}]}]
    return {"clientContent": {"turns": turns, "turnComplete": complete}}


def spoken(pcm, mime_type="audio/pcm;rate=16000"):
    return {"realtimeInput": {"audio": {"mimeType": mime_type, "data": bytes_to_base64(pcm)}}}


def result(value, **members):
    response = {"name": "go_forward", "response": {"output": value}, **members}
    return {"toolResponse": {"functionResponses": [response]}}


class Mutator:
    """Frames from a seed: valid ones, ones with a wrong place in them, and noise."""

    def __init__(self, seed):
        self.rng = random.Random(seed)

    def value(self, depth=0):
        rng = self.rng
        kind = rng.randrange(10 if depth < 4 else 8)
        simple = [None, True, -1, 2**70, 1e308, 0.5, "", "\ud7ff\x00\u2028", "models/x", "AUDIO"]
        if kind < 8:
            return rng.choice([*simple, rng.randrange(-5, 5), "a" * rng.randrange(300)])
        members = range(rng.randrange(4))
        if kind == 8:
            return [self.value(depth + 1) for _ in members]
        keys = ["text", "data", "name", "id", "parts", "response", "role", "mimeType", "x_y", ""]
        return {rng.choice(keys): self.value(depth + 1) for _ in members}

    def valid(self):
        rng = self.rng
        noise = rng.randbytes(2 * rng.randrange(2_000))
        return rng.choice(
            [
                SETUP,
                typed("go forward two meters"),
                typed("tell me a story", complete=False),
                typed("", role="model", inlineData={"mimeType": "image/png", "data": "AAAA"}),
                spoken(noise),
                spoken(noise, f"audio/pcm;rate={rng.choice([8_000, 44_100, 384_000])}"),
                {"realtimeInput": {"text": rng.choice(["hello", "call go forward with 3", "9"])}},
                {"realtimeInput": {"activityStart": {}}},
                {"realtimeInput": {"activityEnd": {}}},
                {"realtimeInput": {"audioStreamEnd": True}},
                {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "AAAA"}}},
                result(self.value(), scheduling="INTERRUPT"),
                {"contextUpdate": {"systemInstruction": {"parts": [{"text": "be brief"}]}}},
            ]
        )

    def damaged(self, message):
        """The message with another value somewhere."""
        holder, rng = message, self.rng
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                return message
            key = rng.choice(keys)
            if not isinstance(holder[key], dict | list) or rng.random() < 0.3:
                holder[key] = self.value()
                return message
            holder = holder[key]

    def frame(self):
        rng, message = self.rng, json.loads(json.dumps(self.valid()))
        kind = rng.random()
        if kind < 0.5:
            return json.dumps(message).encode()
        if kind < 0.8:
            return json.dumps(self.damaged(message)).encode()
        data = bytearray(json.dumps(message).encode())
        if kind < 0.9:
            for _ in range(rng.randrange(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
        elif kind < 0.95:
            del data[rng.randrange(len(data)) :]
        else:
            data = bytearray(rng.randbytes(rng.randrange(200)))
        return bytes(data)

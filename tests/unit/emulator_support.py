"""A client's side of the local server's session logic, in simulated time."""

from __future__ import annotations

import json
import wave
from importlib import resources

import numpy as np
from live_schema import validate

from antiphon.emulator import Concierge, Settings, Voice
from antiphon.emulator.service.request import route
from antiphon.emulator.session.core import EmulatedSession
from antiphon.emulator.session.jobs import Recognition, Recognize, Speech
from antiphon.emulator.session.outlet import Close
from antiphon.wire import base64_to_bytes, bytes_to_base64

PATHS = {
    "google": "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
    "vertex": "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent",
    "firebase": "/ws/google.firebase.vertexai.v1beta.GenerativeService/BidiGenerateContent",
    "firebase-vertex": "/ws/google.firebase.vertexai.v1beta.LlmBidiService/BidiGenerateContent"
    "/locations/us-central1",
}
HALF_CASCADE = "models/gemini-live-2.5-flash-preview"


class ToneSynthesizer:
    """Speaks in sines, 60 ms a character: every duration is known beforehand."""

    def synthesize(self, text, voice):
        frames = 1440 * len(text)
        tone = 8000 * np.sin(2 * np.pi * 220 / 24000 * np.arange(frames))
        return Speech(tone.astype("<i2").tobytes())


class Words:
    """Hears the same in everything."""

    def __init__(self, text="Hello, my name is Marcelo."):
        self._text = text

    def recognize(self, pcm, grammar):
        return Recognition(self._text)


class Client:
    """Drives one `EmulatedSession`; ``now`` moves only when told.

    Every message that the server sends is held against the schema.
    """

    def __init__(
        self,
        *,
        family="google",
        path=None,
        headers=None,
        brain=None,
        voice=None,
        recognizer=None,
        shared=None,
        observer=None,
        now=100.0,
        **settings,
    ):
        self.now = now
        request = route(path or PATHS[family], headers or {})
        assert request is not None
        self._vertex = request.is_vertex
        self._settings = Settings(**settings)
        self.session = EmulatedSession(
            self._settings,
            request,
            brain or Concierge(),
            now=self.now,
            shared=shared,
            observer=observer,
        )
        self.voice = voice or Voice([ToneSynthesizer()])
        self.recognizer = recognizer
        self.messages = []  # (time, message)
        self.closed = None

    def setup(self, model="models/gemini-3.8-live", **members):
        self.send({"setup": {"model": model, **members}})
        return self

    def send(self, message):
        data = message if isinstance(message, str | bytes) else json.dumps(message)
        self.session.receive(data, self.now)
        self._settle()

    def say(self, text):
        turn = {"role": "user", "parts": [{"text": text}]}
        self.send({"clientContent": {"turns": [turn], "turnComplete": True}})

    def hear(self, pcm, rate=16000, packet_ms=20):
        """Send PCM in real time."""
        size = 2 * rate * packet_ms // 1000
        for start in range(0, len(pcm), size):
            blob = {
                "mimeType": f"audio/pcm;rate={rate}",
                "data": bytes_to_base64(pcm[start : start + size]),
            }
            self.send({"realtimeInput": {"audio": blob}})
            self.run(packet_ms / 1000)

    def hang_up(self):
        self.session.connection_lost(self.now, 1000, "")

    def run(self, seconds):
        """Let time pass."""
        until = self.now + seconds
        while (due := self.session.next_timeout()) is not None and due <= until:
            self.now = max(self.now, due)
            self.session.handle_timeout(self.now)
            self._settle()
        self.now = until

    def run_to(self, key, limit_s=600.0):
        """Let time pass until a message with this ``serverContent`` key or top-level key."""
        seen = len(self.messages)
        end = self.now + limit_s
        while not any(has(message, key) for _, message in self.messages[seen:]):
            due = self.session.next_timeout()
            assert due is not None, f"no {key} will come; got {self.kinds()}"
            assert due <= end, f"no {key} within {limit_s} s; got {self.kinds()}"
            self.run(max(0.0, due - self.now))
        return next(m for m in self.messages[seen:] if has(m[1], key))

    def kinds(self):
        """One word per message, audio runs as one."""
        words = []
        for _, message in self.messages:
            word = kind(message)
            if not words or words[-1] != word or word != "audio":
                words.append(word)
        return words

    def all(self, key):
        return [message for _, message in self.messages if has(message, key)]

    def audio(self):
        parts = [
            part["inlineData"]["data"]
            for message in self.all("modelTurn")
            for part in message["serverContent"]["modelTurn"]["parts"]
            if "inlineData" in part
        ]
        return b"".join(base64_to_bytes(part) for part in parts)

    def transcript(self):
        return "".join(
            message["serverContent"]["outputTranscription"].get("text", "")
            for message in self.all("outputTranscription")
        )

    @property
    def turns(self):
        return self.session.record.turns

    def _settle(self):
        while True:
            jobs = self.session.jobs()
            for job in jobs:
                self.session.job_done(job.id, self._do(job), self.now)
            items = self.session.outgoing(self.now)
            for item in items:
                if isinstance(item, Close):
                    self.closed = item
                else:
                    assert self.closed is None
                    message = validate(
                        item, vertex=self._vertex, empty_frames=self._settings.empty_frames
                    )
                    self.messages.append((self.now, message))
            if not jobs and not items:
                return

    def _do(self, job):
        if isinstance(job, Recognize):
            if self.recognizer is None:
                return Recognition("", available=False)
            return self.recognizer.recognize(job.pcm, job.grammar)
        return self.voice.synthesize(job.text, job.voice)


def has(message, key):
    return key in message or key in message.get("serverContent", {})


def kind(message):
    """The telling part of a message."""
    content = message.get("serverContent")
    if content is None:
        (word,) = message or ("{}",)
        return word
    for part in content.get("modelTurn", {}).get("parts", []):
        if "thought" in part:
            return "thought"
        return "audio" if "inlineData" in part else next(iter(part))
    order = ("interrupted", "generationComplete", "turnComplete")
    order += ("inputTranscription", "outputTranscription")
    return next((word for word in order if word in content), "empty")


def typed(text):
    """A question, as JSON."""
    turns = [{"role": "user", "parts": [{"text": text}]}]
    return json.dumps({"clientContent": {"turns": turns, "turnComplete": True}})


def recording(name):
    """Human speech of the package: 16 kHz int16 PCM."""
    path = resources.files("antiphon") / "assets" / "speech" / f"{name}.wav"
    with path.open("rb") as file, wave.open(file) as reader:
        assert reader.getframerate() == 16000
        return reader.readframes(reader.getnframes())


def silence(seconds, rate=16000):
    return bytes(2 * int(seconds * rate))

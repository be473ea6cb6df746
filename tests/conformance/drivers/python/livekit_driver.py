"""livekit-plugins-google, unmodified: pointed here by `http_options` and ``SSL_CERT_FILE``.

The model's own session is driven, without a room: what an agent session is built upon.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from driving import Events, main
from google.genai import types
from livekit import rtc
from livekit.agents import llm
from livekit.agents.types import APIConnectOptions
from livekit.plugins.google.realtime import RealtimeModel

_HANDLE_POLL_S = 0.02
_FRAME_MS = 10


class LivekitSession:
    """A session, and the tasks that read its streams."""

    def __init__(self, model: RealtimeModel, events: Events, setup: dict[str, Any]) -> None:
        self.handle: str | None = None
        self._events = events
        self._setup = setup
        self._model = model
        self._session = model.session()
        self._reading: list[asyncio.Task[None]] = []
        self._open_generations = 0
        self._connected = asyncio.Event()

    async def open(self) -> None:
        session = self._session
        session.on("generation_created", self._generation_created)
        session.on("input_speech_started", self._speech_started)
        session.on("input_audio_transcription_completed", self._heard)
        session.on("metrics_collected", self._metrics)
        session.on("error", self._failed)
        if function := self._setup.get("function"):
            await session.update_tools([_tool(function)])
        # What is put into the context before is lost if the session is resumed.
        await self._connected.wait()
        self._reading.append(asyncio.create_task(self._watch_handle()))

    async def say(self, text: str) -> None:
        context = self._session.chat_ctx
        context.add_message(role="user", content=text)
        await self._session.update_chat_ctx(context)
        self._session.generate_reply()

    async def speak(self, pcm: bytes, packet_ms: int) -> None:
        size = 32 * _FRAME_MS
        for at in range(0, len(pcm) - size + 1, size):
            samples = pcm[at : at + size]
            self._session.push_audio(rtc.AudioFrame(samples, 16_000, 1, len(samples) // 2))

    async def activity(self, kind: str) -> None:
        if kind == "start":
            self._session.start_user_activity()
        else:
            self._session.generate_reply()

    async def close(self) -> None:
        await self._session.aclose()
        await self._model.aclose()
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    def _generation_created(self, created: llm.GenerationCreatedEvent) -> None:
        self._open_generations += 1
        self._reading.append(asyncio.create_task(self._read(created)))

    async def _read(self, created: llm.GenerationCreatedEvent) -> None:
        calls = asyncio.create_task(self._read_calls(created))
        async for message in created.message_stream:
            await asyncio.gather(self._read_text(message), self._read_audio(message))
        if not await calls:
            self._events.show("turn_complete")
        self._open_generations -= 1

    async def _read_text(self, message: llm.MessageGeneration) -> None:
        event = "text" if self._setup["modality"] == "TEXT" else "said"
        async for text in message.text_stream:
            if text:
                self._events.show(event, text=text)

    async def _read_audio(self, message: llm.MessageGeneration) -> None:
        async for frame in message.audio_stream:
            self._events.show("audio", bytes=len(bytes(frame.data)))

    async def _read_calls(self, created: llm.GenerationCreatedEvent) -> bool:
        """Answer what is called; returns whether anything was."""
        called = False
        async for call in created.function_stream:
            called = True
            self._events.show("tool_call", name=call.name, args=json.loads(call.arguments))
            context = self._session.chat_ctx
            output = self._setup["function"]["result"]["output"]
            context.insert(
                [
                    call,
                    llm.FunctionCallOutput(
                        call_id=call.call_id, name=call.name, output=output, is_error=False
                    ),
                ]
            )
            await self._session.update_chat_ctx(context)
        return called

    def _speech_started(self, _: llm.InputSpeechStartedEvent) -> None:
        # It also comes before an answer to speech; only in an answer is it an interruption.
        if self._open_generations:
            self._events.show("interrupted")

    def _heard(self, heard: llm.InputTranscriptionCompleted) -> None:
        if heard.is_final:
            self._events.show("heard", text=heard.transcript)

    def _metrics(self, metrics: Any) -> None:
        if not metrics.request_id:  # of a connection, not of an answer
            self._events.show("reconnected" if self._connected.is_set() else "setup_complete")
            self._connected.set()
            return
        self._events.show(
            "usage",
            prompt=metrics.input_tokens,
            response=metrics.output_tokens,
            total=metrics.total_tokens,
        )

    def _failed(self, failed: llm.RealtimeModelError) -> None:
        self._events.show("error", text=str(failed.error))
        self._connected.set()

    async def _watch_handle(self) -> None:
        while True:  # a handle is for what was complete when it came
            given = self._session.session_resumption_handle
            if given != self.handle and not self._open_generations:
                self.handle = given
                self._events.show("handle")
            await asyncio.sleep(_HANDLE_POLL_S)


def _tool(function: dict[str, Any]) -> llm.RawFunctionTool:
    async def never_called(raw_arguments: dict[str, object]) -> None:
        """The session's calls are answered by whoever reads its stream."""

    schema = {
        "name": function["name"],
        "description": function["description"],
        "parameters": {
            "type": "object",
            "properties": {function["parameter"]: {"type": "string"}},
            "required": [function["parameter"]],
        },
    }
    return llm.function_tool(never_called, raw_schema=schema)


async def open_session(
    base_url: str, setup: dict[str, Any], handle: str | None, events: Events
) -> LivekitSession:
    wanted: dict[str, Any] = {}
    if setup.get("voice"):
        wanted["voice"] = setup["voice"]
    if setup.get("manual_activity"):
        wanted["realtime_input_config"] = types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(disabled=True)
        )
    if setup.get("resume") == "last":
        wanted["session_resumption"] = types.SessionResumptionConfig(handle=handle)
    model = RealtimeModel(
        model=setup["model"],
        modalities=[types.Modality(setup["modality"])],
        api_key=setup["api_key"],
        http_options=types.HttpOptions(base_url=base_url),
        conn_options=APIConnectOptions(max_retry=0),
        **wanted,
    )
    session = LivekitSession(model, events, setup)
    await session.open()
    return session


if __name__ == "__main__":
    main(open_session)

"""google-genai, unmodified: pointed here by `HttpOptions.base_url` and ``SSL_CERT_FILE``."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from driving import Events, main, packets
from google import genai
from google.genai import types


class GenaiSession:
    """A session, and a task that receives."""

    def __init__(self, events: Events, setup: dict[str, Any]) -> None:
        self.handle: str | None = None
        self._events = events
        self._setup = setup
        self._stack = contextlib.AsyncExitStack()
        self._receiving: asyncio.Task[None] | None = None

    async def open(self, client: genai.Client, handle: str | None) -> None:
        connecting = client.aio.live.connect(
            model=self._setup["model"], config=config(self._setup, handle)
        )
        self._session = await self._stack.enter_async_context(connecting)
        self._events.show("setup_complete")
        self._receiving = asyncio.create_task(self._receive())

    async def say(self, text: str) -> None:
        turn = types.Content(role="user", parts=[types.Part(text=text)])
        await self._session.send_client_content(turns=turn, turn_complete=True)

    async def speak(self, pcm: bytes, packet_ms: int) -> None:
        for packet in packets(pcm, packet_ms):
            blob = types.Blob(data=packet, mime_type="audio/pcm;rate=16000")
            await self._session.send_realtime_input(audio=blob)

    async def activity(self, kind: str) -> None:
        if kind == "start":
            await self._session.send_realtime_input(activity_start=types.ActivityStart())
        else:
            await self._session.send_realtime_input(activity_end=types.ActivityEnd())

    async def close(self) -> None:
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.gather(self._receiving, return_exceptions=True)
        await self._stack.aclose()

    async def _receive(self) -> None:
        try:
            while True:  # `receive` ends with each turn
                async for message in self._session.receive():
                    await self._take(message)
        except genai.errors.APIError as error:
            code = error.code
            self._events.show("closed", code=code, text=str(error))
        except Exception as error:
            self._events.show("error", text=f"{type(error).__name__}: {error}")

    async def _take(self, message: types.LiveServerMessage) -> None:
        show = self._events.show
        if message.server_content is not None:
            self._take_content(message.server_content)
        if message.tool_call is not None:
            for call in message.tool_call.function_calls or []:
                show("tool_call", name=call.name, args=call.args)
                result = types.FunctionResponse(
                    id=call.id, name=call.name, response=self._setup["function"]["result"]
                )
                await self._session.send_tool_response(function_responses=result)
        if message.usage_metadata is not None:
            usage = message.usage_metadata
            show(
                "usage",
                prompt=usage.prompt_token_count,
                response=usage.response_token_count,
                total=usage.total_token_count,
            )
        if message.session_resumption_update is not None:
            update = message.session_resumption_update
            if update.resumable and update.new_handle:
                self.handle = update.new_handle
                show("handle")
        if message.go_away is not None:
            show("go_away", left_s=float((message.go_away.time_left or "0s").rstrip("s")))

    def _take_content(self, content: types.LiveServerContent) -> None:
        show = self._events.show
        if content.input_transcription is not None:
            show("heard", text=content.input_transcription.text or "")
        if content.output_transcription is not None:
            show("said", text=content.output_transcription.text or "")
        for part in (content.model_turn.parts if content.model_turn else None) or []:
            if part.text:
                show("text", text=part.text)
            if part.inline_data and part.inline_data.data:
                show("audio", bytes=len(part.inline_data.data))
        if content.interrupted:
            show("interrupted")
        if content.generation_complete:
            show("generation_complete")
        if content.turn_complete:
            show("turn_complete")


def config(setup: dict[str, Any], handle: str | None) -> types.LiveConnectConfig:
    """The setup in the client's words."""
    wanted: dict[str, Any] = {"response_modalities": [setup["modality"]]}
    if setup.get("transcribe"):
        wanted["input_audio_transcription"] = types.AudioTranscriptionConfig()
        wanted["output_audio_transcription"] = types.AudioTranscriptionConfig()
    if voice := setup.get("voice"):
        prebuilt = types.PrebuiltVoiceConfig(voice_name=voice)
        wanted["speech_config"] = types.SpeechConfig(
            voice_config=types.VoiceConfig(prebuilt_voice_config=prebuilt)
        )
    if setup.get("manual_activity"):
        wanted["realtime_input_config"] = types.RealtimeInputConfig(
            automatic_activity_detection=types.AutomaticActivityDetection(disabled=True)
        )
    if resume := setup.get("resume"):
        resumed = handle if resume == "last" else None
        wanted["session_resumption"] = types.SessionResumptionConfig(handle=resumed)
    if function := setup.get("function"):
        parameter = types.Schema(type=types.Type.STRING)
        declaration = types.FunctionDeclaration(
            name=function["name"],
            description=function["description"],
            parameters=types.Schema(
                type=types.Type.OBJECT, properties={function["parameter"]: parameter}
            ),
        )
        wanted["tools"] = [types.Tool(function_declarations=[declaration])]
    return types.LiveConnectConfig(**wanted)


async def open_session(
    base_url: str, setup: dict[str, Any], handle: str | None, events: Events
) -> GenaiSession:
    options = types.HttpOptions(base_url=base_url)
    client = genai.Client(api_key=setup["api_key"], http_options=options)
    session = GenaiSession(events, setup)
    await session.open(client, handle)
    return session


if __name__ == "__main__":
    main(open_session)

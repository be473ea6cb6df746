"""pipecat's Gemini Live service, unmodified: pointed here by `http_options` and ``SSL_CERT_FILE``.

The service stands in a pipeline of its own, between two processors that look at its frames.
"""

from __future__ import annotations

import asyncio
from typing import Any

from driving import Events, main, packets
from google.genai import types
from pipecat.adapters.schemas.function_schema import FunctionSchema
from pipecat.adapters.schemas.tools_schema import ToolsSchema
from pipecat.frames.frames import (
    ErrorFrame,
    Frame,
    FunctionCallInProgressFrame,
    InputAudioRawFrame,
    InputTextRawFrame,
    InterruptionFrame,
    LLMContextFrame,
    LLMFullResponseEndFrame,
    LLMTextFrame,
    MetricsFrame,
    TranscriptionFrame,
    TTSAudioRawFrame,
    TTSTextFrame,
    UserStartedSpeakingFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.metrics.metrics import LLMUsageMetricsData
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.google.gemini_live.llm import (
    GeminiLiveLLMService,
    GeminiModalities,
    GeminiVADParams,
)
from pipecat.services.llm_service import FunctionCallParams
from pipecat.workers.runner import WorkerRunner

_POLL_S = 0.02
_SETTLE_S = 0.5


class Watcher(FrameProcessor):
    """Shows the frames that pass in one direction."""

    def __init__(self, events: Events, setup: dict[str, Any], direction: FrameDirection) -> None:
        super().__init__()
        self._shown = events
        self._text_is_written = setup["modality"] == "TEXT"
        self._watched = direction

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        # Frames that go both ways are shown once.
        goes_up = isinstance(frame, TranscriptionFrame | ErrorFrame)
        if direction is self._watched and goes_up == (direction is FrameDirection.UPSTREAM):
            self._show(frame)
        await self.push_frame(frame, direction)

    def _show(self, frame: Frame) -> None:
        show = self._shown.show
        if isinstance(frame, TTSAudioRawFrame):
            show("audio", bytes=len(frame.audio))
        elif isinstance(frame, TTSTextFrame):
            show("said", text=frame.text)
        elif isinstance(frame, LLMTextFrame) and self._text_is_written:
            show("text", text=frame.text)
        elif isinstance(frame, TranscriptionFrame):
            show("heard", text=frame.text)
        elif isinstance(frame, InterruptionFrame):
            show("interrupted")
        elif isinstance(frame, FunctionCallInProgressFrame):
            show("tool_call", name=frame.function_name, args=frame.arguments)
        elif isinstance(frame, LLMFullResponseEndFrame):
            show("turn_complete")
        elif isinstance(frame, MetricsFrame):
            for data in frame.data:
                if isinstance(data, LLMUsageMetricsData):
                    usage = data.value
                    show(
                        "usage",
                        prompt=usage.prompt_tokens,
                        response=usage.completion_tokens,
                        total=usage.total_tokens,
                    )
        elif isinstance(frame, ErrorFrame):
            show("error", text=frame.error)


class PipecatSession:
    """A pipeline that runs."""

    def __init__(self, base_url: str, setup: dict[str, Any], events: Events) -> None:
        self.handle: str | None = None
        self._setup = setup
        self._events = events
        self._service = _service(base_url, setup)
        if function := setup.get("function"):
            self._service.register_function(function["name"], self._answer)
        pipeline = Pipeline(
            [
                Watcher(events, setup, FrameDirection.UPSTREAM),
                self._service,
                Watcher(events, setup, FrameDirection.DOWNSTREAM),
            ]
        )
        params = PipelineParams(enable_metrics=True, enable_usage_metrics=True)
        self._worker = PipelineWorker(pipeline, params=params, cancel_on_idle_timeout=False)
        self._tasks = [asyncio.create_task(self._run())]

    async def _run(self) -> None:
        runner = WorkerRunner(handle_sigint=False)
        await runner.add_workers(self._worker)
        await runner.run()

    async def open(self) -> bool:
        """False: it is not going to be connected, though nothing says so."""
        await self._worker.queue_frame(LLMContextFrame(LLMContext()))
        # Input that comes before it is ready is dropped without a word, and no frame says when
        # that is.
        while not self._service._ready_for_realtime_input:
            connecting = self._service._connection_task
            if connecting is not None and connecting.done():
                # An error frame would be here by now.
                await asyncio.sleep(_SETTLE_S)
                self._events.show("unsettled", call="the service's connection task")
                return False
            await asyncio.sleep(_POLL_S)
        self._events.show("setup_complete")
        self._tasks.append(asyncio.create_task(self._watch()))
        return True

    async def say(self, text: str) -> None:
        await self._worker.queue_frame(InputTextRawFrame(text))

    async def speak(self, pcm: bytes, packet_ms: int) -> None:
        for packet in packets(pcm, packet_ms):
            await self._worker.queue_frame(InputAudioRawFrame(packet, 16_000, 1))

    async def activity(self, kind: str) -> None:
        started = kind == "start"
        frame = UserStartedSpeakingFrame() if started else UserStoppedSpeakingFrame()
        await self._worker.queue_frame(frame)

    async def close(self) -> None:
        await self._worker.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _answer(self, params: FunctionCallParams) -> None:
        await params.result_callback(self._setup["function"]["result"])

    async def _watch(self) -> None:
        """Show what no frame tells: that its connection was made again."""
        connection = self._service._session
        while True:
            now = self._service._session
            if self._service._ready_for_realtime_input and now is not connection:
                connection = now
                self._events.show("reconnected")
            await asyncio.sleep(_POLL_S)


def _service(base_url: str, setup: dict[str, Any]) -> GeminiLiveLLMService:
    wanted: dict[str, Any] = {
        "model": f"models/{setup['model']}",
        "modalities": GeminiModalities(setup["modality"]),
    }
    if setup.get("voice"):
        wanted["voice"] = setup["voice"]
    if setup.get("manual_activity"):
        wanted["vad"] = GeminiVADParams(disabled=True)
    tools = None
    if function := setup.get("function"):
        schema = FunctionSchema(
            name=function["name"],
            description=function["description"],
            properties={function["parameter"]: {"type": "string"}},
            required=[function["parameter"]],
        )
        tools = ToolsSchema(standard_tools=[schema])
    return GeminiLiveLLMService(
        api_key=setup["api_key"],
        settings=GeminiLiveLLMService.Settings(**wanted),
        tools=tools,
        inference_on_context_initialization=False,
        http_options=types.HttpOptions(base_url=base_url),
    )


async def open_session(
    base_url: str, setup: dict[str, Any], _: str | None, events: Events
) -> PipecatSession | None:
    session = PipecatSession(base_url, setup, events)
    if await session.open():
        return session
    await session.close()
    return None


if __name__ == "__main__":
    main(open_session)

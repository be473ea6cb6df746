"""A model with its settings: what a session is made from."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine, Generator, Sequence
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any

from msgspec import to_builtins
from msgspec.structs import replace

from antiphon.channel import Channel, Connector
from antiphon.errors import ConnectError, SetupRejected, UnsupportedSetup
from antiphon.protocol import DEFAULT_CONTINUITY, Continuity, SessionProtocol
from antiphon.session.backends import resolve
from antiphon.session.config import LiveGenerationConfig
from antiphon.session.session import LiveSession, as_instruction
from antiphon.session.tools import Toolbox, ToolInput
from antiphon.wire import (
    AS_OF,
    DEFAULT_MODEL,
    Backend,
    ClientMessage,
    ContentInput,
    GoogleAI,
    SessionResumption,
    Setup,
    VertexAI,
    api_version_of,
    check_setup,
    encode_client_message,
    profile_of,
    service_of,
)
from antiphon.wire.secret import secrets_in
from antiphon.wire.server import EXTRA

if TYPE_CHECKING:
    from antiphon.session.timing import TimingRecorder

logger = logging.getLogger("antiphon.session")

__all__ = ["Connecting", "LiveModel", "connect"]


# A connector keeps to its time itself, and then says more than we could; one that does not, though,
# must not keep a session waiting for ever.
_CONNECTOR_GRACE_S = 1.0


class LiveModel:
    """A Live model on a backend, with its settings. It holds no connection: `connect` does.

    Args:
        name: The model's name, such as ``gemini-3.8-live``, in any form the backend takes.
        backend: `GoogleAI`, `VertexAI` or `FirebaseAI`.
        config: How the model should answer.
        system_instruction: What the model is and should do.
        tools: Python functions (they are called and answered), `tool` values, or declarations
            (the application answers those).
        connector: What makes connections; a `WebSocketConnector` if omitted.
        continuity: How sessions outlive their connections; None: a session ends with its first.
        packet_ms: Duration of the audio messages of ``send_audio_realtime``, 10 to 100.

    Raises:
        ToolError: A function cannot be declared.
        UnsupportedSetup: The service is known to refuse something of this for the model;
            ``strict=False`` in the configuration sends it all the same.
        TypeError, ValueError: A system instruction that is no content, or something that JSON
            cannot say.
    """

    def __init__(
        self,
        name: str = DEFAULT_MODEL,
        *,
        backend: Backend | None = None,
        config: LiveGenerationConfig | None = None,
        system_instruction: ContentInput | None = None,
        tools: Sequence[ToolInput] = (),
        connector: Connector | None = None,
        continuity: Continuity | None = DEFAULT_CONTINUITY,
        packet_ms: int = 20,
    ) -> None:
        if not 10 <= packet_ms <= 100:
            raise ValueError(f"packet_ms is {packet_ms}; it must be 10 to 100 ms.")
        self.name = name
        self.backend: Backend = GoogleAI() if backend is None else backend
        self.config: LiveGenerationConfig = config or LiveGenerationConfig()
        self.packet_ms = packet_ms
        self.continuity = continuity
        self._connector = connector
        self._toolbox = Toolbox(tools, model_behavior=profile_of(name).tool_behavior)
        self._plan = self.config.plan(
            name,
            system_instruction=None
            if system_instruction is None
            else as_instruction(system_instruction),
            tools=self._toolbox.wire_tools(),
        )
        if continuity is not None:
            wish = self._plan.setup.session_resumption or SessionResumption()
            if isinstance(self.backend, VertexAI):
                # It says what it has taken, so that nothing is lost or doubled.
                wish = replace(wish, transparent=True)
            self._plan.setup.session_resumption = wish
        self._doubts = self._checked(self._plan.setup)
        # What JSON cannot say is told now, not to a connection.
        encode_client_message(ClientMessage(setup=self._plan.setup))
        _check_numbers("setup", to_builtins(self._plan.setup))

    @property
    def setup(self) -> Setup:
        """The setup of its sessions, but for the model's name, which is the backend's to say."""
        return self._plan.setup

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed to make the configuration fit the model, and what may not fit it."""
        return self._plan.notes + self._doubts

    def _checked(self, setup: Setup) -> tuple[str, ...]:
        """What the model may not accept, in words.

        Args:
            setup: Its session's at the beginning, or as an update leaves it.

        Raises:
            UnsupportedSetup: The model is known not to accept something, and ``strict`` is on.
        """
        problems = check_setup(
            setup,
            self.name,
            service=service_of(self.backend),
            api_version=api_version_of(self.backend),
            location=getattr(self.backend, "location", None) or "",
        )
        refused = [problem for problem in problems if problem.refused]
        if refused and self.config.strict:
            first = refused[0]
            raise UnsupportedSetup(
                f"{self.name} would refuse this setup, so it is not sent: "
                f"{' '.join(str(problem) for problem in refused)} (As of {AS_OF}, "
                "docs/models.md; LiveGenerationConfig(strict=False) sends it all the same.)",
                rule=first.rule,
                member=first.member,
                value=first.value,
                model=first.model,
                hint=first.fix,
            )
        return tuple(str(problem) for problem in problems)

    def connect(
        self,
        history: ContentInput | None = None,
        *,
        timeout_s: float = 30.0,
        timing_trace: str | PathLike[str] | None = None,
    ) -> Connecting:
        """Open a session: ``async with model.connect() as session`` or ``await model.connect()``.

        Args:
            history: Earlier turns, ``{"role": "user" | "model", "parts": …}``. They are not
                answered; with ``initial_history`` in the configuration they are announced as such.
            timeout_s: For the connection and the acceptance of the setup together.
            timing_trace: A file to write the arrival times of the model's audio to, and nothing
                of what is said; one that exists is replaced. `antiphon.session.timing` describes
                it. It is whole after every turn and when the session is closed.

        Raises:
            AuthError: A credential is missing or was refused.
            ConnectError: No connection, or no acceptance in time.
            RecordingError: The timing trace cannot be written. Should that happen later,
                `LiveSession.timing_error` is set, and the session goes on.
            SetupRejected: The service refused the setup.
        """
        return Connecting(lambda: self._open(history, timeout_s, timing_trace))

    async def _open(
        self,
        history: ContentInput | None,
        timeout_s: float,
        timing_trace: str | PathLike[str] | None,
    ) -> LiveSession:
        if timing_trace is None:
            return await self._open_session(history, timeout_s, None)
        from antiphon.session.timing import TimingRecorder

        # Making a file may take a while, so it is not for the loop.
        start_s = asyncio.get_running_loop().time()
        making = asyncio.ensure_future(
            asyncio.to_thread(TimingRecorder, timing_trace, start_s=start_s, model=self.name)
        )
        try:
            timing = await asyncio.shield(making)
        except asyncio.CancelledError:
            making.add_done_callback(_end_unwanted)  # the thread makes it all the same
            raise
        try:
            return await self._open_session(history, timeout_s, timing)
        except BaseException:
            timing.end()
            raise

    async def _open_session(
        self, history: ContentInput | None, timeout_s: float, timing: TimingRecorder | None
    ) -> LiveSession:
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        model, secrets, channel = await self._connect(timeout_s)
        protocol = SessionProtocol(
            replace(self._plan.setup, model=model),
            setup_timeout_s=max(deadline_s - loop.time(), 0.0),
            speech_as_text=self._plan.speech_as_text,
            continuity=self.continuity,
        )
        protocol.secrets = secrets
        again_s = (self.continuity or DEFAULT_CONTINUITY).connect_timeout_s
        service = service_of(self.backend)
        session = LiveSession(
            protocol,
            channel,
            toolbox=self._toolbox,
            notes=self.notes,
            packet_ms=self.packet_ms,
            connect=lambda: self._connect_again(protocol, again_s),
            check=self._checked,
            timing=timing,
            streams_results=service != "vertex",
            needs_call_ids=self.config.strict and service == "google",
        )
        await session.open(history)
        return session

    async def _connect(self, timeout_s: float) -> tuple[str, tuple[str, ...], Channel]:
        """What the model is called there, what must not show, and a connection.

        All anew for each: credentials expire.
        """
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + timeout_s
        backend = await resolve(self.backend, timeout_s)
        model, url, headers = backend.model_name(self.name), backend.url(), backend.headers()
        if backend is not self.backend:  # something was fetched, which took time
            timeout_s = max(deadline_s - loop.time(), 0.0)
        connecting = self._get_connector().connect(url, headers, timeout_s=timeout_s)
        try:
            async with asyncio.timeout(timeout_s + _CONNECTOR_GRACE_S) as limit:
                channel = await connecting
        except TimeoutError:
            if not limit.expired():
                raise
            raise ConnectError(
                f"Not connected to {self.backend.label}: the connector did not answer within "
                f"{timeout_s:g} s. It must keep to its timeout_s.",
                cause="timeout",
                hint="Check the connector that LiveModel was given.",
            ) from None
        return model, secrets_in(headers), channel

    async def _connect_again(self, protocol: SessionProtocol, timeout_s: float) -> Channel:
        """Another connection. Whatever fails is told to the session, which then decides.

        Raises:
            ConnectError: It did not come about.
        """
        try:
            _, protocol.secrets, channel = await self._connect(timeout_s)
        except ConnectError:
            raise
        except SetupRejected as error:  # of the credentials, or a quota
            raise ConnectError(
                str(error),
                code=error.code,
                reason=error.reason,
                cause=error.cause,
                hint=error.hint,
            ) from error
        except Exception as error:
            logger.exception("The backend or the connector failed")
            raise ConnectError(
                f"Not connected: the backend or the connector failed with {type(error).__name__}.",
                cause="unknown",
                hint="See the log.",
            ) from error
        return channel

    def _get_connector(self) -> Connector:
        if self._connector is None:
            from antiphon.session.websocket import WebSocketConnector

            self._connector = WebSocketConnector()
        return self._connector


def _end_unwanted(making: asyncio.Future[TimingRecorder]) -> None:
    if not making.cancelled() and making.exception() is None:
        making.result().end()


class Connecting:
    """A session to be: ``await`` it, or use it in ``async with``, which closes it at the end."""

    def __init__(self, open_session: Callable[[], Coroutine[Any, Any, LiveSession]]) -> None:
        self._open_session = open_session
        self._session: LiveSession | None = None

    def __await__(self) -> Generator[Any, None, LiveSession]:
        return self._open_session().__await__()

    async def __aenter__(self) -> LiveSession:
        self._session = await self._open_session()
        return self._session

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()


def connect(
    model: str = DEFAULT_MODEL,
    *,
    backend: Backend | None = None,
    system_instruction: ContentInput | None = None,
    tools: Sequence[ToolInput] = (),
    history: ContentInput | None = None,
    timeout_s: float = 30.0,
    timing_trace: str | PathLike[str] | None = None,
    connector: Connector | None = None,
    continuity: Continuity | None = DEFAULT_CONTINUITY,
    **config: Any,
) -> Connecting:
    """The short way to a session: a `LiveModel` and its ``connect`` in one call.

    ``config`` are the fields of `LiveGenerationConfig`, such as ``voice="Puck"``.
    """
    live = LiveModel(
        model,
        backend=backend,
        config=LiveGenerationConfig(**config),
        system_instruction=system_instruction,
        tools=tools,
        connector=connector,
        continuity=continuity,
    )
    return live.connect(history, timeout_s=timeout_s, timing_trace=timing_trace)


def _check_numbers(name: str, value: Any) -> None:
    """Refuse numbers that JSON does not have: they would go out as null."""
    if isinstance(value, dict):
        for member, held in value.items():
            _check_numbers(name if member == EXTRA else f"{name}.{member}", held)
    elif isinstance(value, list):
        for at, held in enumerate(value):
            _check_numbers(f"{name}[{at}]", held)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{name} is {value}; it must be a finite number.")

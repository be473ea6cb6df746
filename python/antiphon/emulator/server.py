"""The local Live server: `EmulatedSession` behind WebSockets, or behind channels in memory."""

from __future__ import annotations

import asyncio
import functools
import http
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeAlias, cast

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request as UpgradeRequest
from websockets.http11 import Response

from antiphon.channel import Channel
from antiphon.emulator.faults import Fault, faults_from
from antiphon.emulator.http.control import Control
from antiphon.emulator.http.door import Door
from antiphon.emulator.http.http_api import NOT_FOUND, HttpApi, error_response
from antiphon.emulator.http.tls import Tls
from antiphon.emulator.http.websocket import Connection, WebSocketChannel
from antiphon.emulator.records.event_log import Event, EventLog
from antiphon.emulator.records.recorder import SessionRecorder, recording_folder
from antiphon.emulator.scenario import Scenario, load_scenario
from antiphon.emulator.service.request import Request, route
from antiphon.emulator.service.shared import Shared
from antiphon.emulator.session.brain import Brain
from antiphon.emulator.session.core import EmulatedSession
from antiphon.emulator.session.jobs import Job, JobFailed, JobResult, Recognize, Synthesize
from antiphon.emulator.session.record import Observer, SessionRecord
from antiphon.emulator.settings import Settings
from antiphon.emulator.speech.lane import Lane
from antiphon.emulator.speech.recognition import Recognizer
from antiphon.emulator.speech.synthesis import SpeechUnavailable, Voice
from antiphon.emulator.world.driver import drive
from antiphon.emulator.world.faulty_session import FaultySession
from antiphon.emulator.world.link import LinkProfile, link_profile
from antiphon.emulator.world.linked_channel import LinkedChannel
from antiphon.emulator.world.memory import MemoryConnector
from antiphon.errors import ConnectError
from antiphon.wire import Backend, FirebaseAI, GoogleAI, VertexAI
from antiphon.wire.secret import quiet_logger

__all__ = ["BackendName", "Emulator"]

_log = logging.getLogger("antiphon.emulator")

BackendName: TypeAlias = Literal["google", "vertex", "firebase", "firebase-vertex"]

_RunJob: TypeAlias = Callable[[Job], Awaitable[JobResult]]

_MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_WRITE_LIMIT_BYTES = 1024 * 1024
_MAX_CONNECTIONS = 2_000
_MAX_SESSION_RECORDS = 1_000
_MAX_RECORD_BYTES = 512 * 1024 * 1024
# Of one client, beyond the message that is being dealt with.
_MAX_QUEUED_FRAMES = 4
_SPEAKING_THREADS = 3
_TLS_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 2.0
_END_TIMEOUT_S = 5.0
_TOO_MANY = (
    f"The local Live server has {_MAX_CONNECTIONS} connections, which is the most it takes. Close "
    "some of them.\n"
)


class Emulator:
    """A Live server on this machine; it needs no key and no network.

    ``async with Emulator() as emulator`` serves on the running loop; ``with Emulator() as
    emulator`` serves on a thread of its own. `connector` connects clients of this process without
    a socket, in virtual time too.

    Args:
        host: Where to listen. Anything but loopback lets others in: choose an ``api_key`` then.
        port: 0: any free one.
        scenario: A whole world: a name of `scenario_library`, a file, or a `Scenario`. What else
            is given goes first; ``faults`` come on top.
        api_key: The only key or token that is accepted; None accepts any.
        brain: What answers; `Concierge` by default.
        seed: Of delays, gaps and ids, and of what varies on the link.
        link: What lies between the clients and the server: a name of `LINKS`, such as ``lte``, or
            a `LinkProfile`; None: nothing.
        faults: What goes wrong: rules of `antiphon.emulator.faults`, or dicts of a scenario file.
        tls: Serve ``wss://`` with a certificate made on the spot; clients trust it by
            `ca_file`. A path: leave the certificate's files there.
        record_dir: Write what happens there: ``session-N.jsonl``, ``session-N/turn-M.wav``.
        inspect: Keep the last events of each session, messages in shape (base64 as a byte count),
            for `events` and the page at `inspect_url`.
        settings: Everything else; ``api_key`` and ``seed`` above go first.
        voice: What speaks; by default what is installed.
        recognizer: What understands speech; by default pocketsphinx, if installed.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        scenario: str | Path | Scenario | None = None,
        api_key: str | None = None,
        brain: Brain | None = None,
        seed: int | None = None,
        link: str | LinkProfile | None = None,
        faults: Sequence[Fault | Mapping[str, Any]] = (),
        tls: bool | str | Path = False,
        record_dir: str | Path | None = None,
        inspect: bool = False,
        settings: Settings | None = None,
        voice: Voice | None = None,
        recognizer: Recognizer | None = None,
    ) -> None:
        if not isinstance(scenario, Scenario):
            scenario = Scenario() if scenario is None else load_scenario(scenario)
        settings = settings or scenario.settings
        if api_key is not None:
            settings = replace(settings, api_key=api_key)
        if seed is not None:
            settings = replace(settings, seed=seed)
        self._settings = settings
        self._link = scenario.link if link is None else link_profile(link)
        self._control = Control(scenario.faults + faults_from(faults))
        self._keeps_messages = inspect
        self._host, self._port = host, port
        self._wants_tls = tls
        self._tls: Tls | None = None
        self._brain: Brain = brain or scenario.brain
        self._record_dir = None if record_dir is None else recording_folder(Path(record_dir))
        self._voice = voice or Voice()
        self._recognizer = recognizer or Recognizer()
        self._shared = Shared(settings)
        api = HttpApi(host, settings.api_key, self._control, self._create_token, self.reset)
        self._door = Door(api.answer, error_response)
        self._connections = 0
        self._inside: set[Connection] = set()
        self._server: Server | None = None
        self._speaking: Lane | None = None
        self._hearing: Lane | None = None
        self._thread: _Thread | None = None
        self.sessions: list[SessionRecord] = []
        """What was said in each connection, oldest first."""

    # -------------------------------------------------------------- where it is

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            ConnectError: It is not running.
        """
        if self._server is None:
            raise ConnectError("The local server is not running; enter it with `async with`.")
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    @property
    def url(self) -> str:
        """``ws://host:port``, or ``wss://``: the ``base_url`` for any backend."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'wss' if self._tls else 'ws'}://{host}:{self.port}"

    @property
    def tls(self) -> Tls:
        """The certificate, and the files by which clients trust it.

        Raises:
            ConnectError: It does not run, or not with TLS.
        """
        if self._tls is None:
            raise ConnectError("The local server does not serve TLS; make it with tls=True.")
        return self._tls

    @property
    def ca_file(self) -> Path:
        """What clients have to trust (PEM); for our own: ``WebSocketConnector(tls=...)``."""
        return self.tls.ca_file

    def backend(self, name: BackendName = "google") -> Backend:
        """A backend of the client that leads here.

        While the server is not running, its URL is one that only `handle` understands.
        """
        base_url = self.url if self._server is not None else "ws://emulator.invalid"
        key = self._settings.api_key or "local"
        if name == "google":
            return GoogleAI(api_key=key, base_url=base_url)
        if name == "vertex":
            return VertexAI(project="local", access_token=key, base_url=base_url)
        if name == "firebase":
            return FirebaseAI(api_key=key, project="local", base_url=base_url)
        if name == "firebase-vertex":
            return FirebaseAI(
                api_key=key, project="local", location="us-central1", base_url=base_url
            )
        raise ValueError(f"No backend {name!r}; use google, vertex, firebase or firebase-vertex.")

    # -------------------------------------------------------------- running

    async def __aenter__(self) -> Self:
        if self._wants_tls:
            folder = None if self._wants_tls is True else Path(self._wants_tls)
            self._tls = await asyncio.to_thread(Tls, self._host, folder)
        self._speaking = Lane(_SPEAKING_THREADS, "antiphon-emulator-voice")
        # There is one recognizer.
        self._hearing = Lane(1, "antiphon-emulator-ear")
        try:
            self._server = await serve(
                self._serve_connection,
                self._host,
                self._port,
                create_connection=cast("type[ServerConnection]", self._door.entrance),
                process_request=self._refuse,
                compression=None,
                max_size=_MAX_MESSAGE_BYTES,
                max_queue=_MAX_QUEUED_FRAMES,
                write_limit=_WRITE_LIMIT_BYTES,
                ping_interval=30,
                ping_timeout=60,
                close_timeout=_CLOSE_TIMEOUT_S,
                server_header=None,
                logger=quiet_logger("antiphon.emulator.websocket"),
                ssl=self._tls.context if self._tls else None,
                ssl_handshake_timeout=_TLS_TIMEOUT_S if self._tls else None,
            )
        except OSError as error:
            self._speaking.end()
            self._hearing.end()
            self._drop_tls()
            raise ConnectError(
                f"The local server cannot listen on {self._host}:{self._port}: "
                f"{error.strerror or error}. Choose another port (0: any free one)."
            ) from error
        # The recognizer loads while the first client is still connecting.
        self._hearing.submit(self._recognizer.preload)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        server, speaking, hearing = self._server, self._speaking, self._hearing
        assert server is not None
        assert speaking is not None
        assert hearing is not None
        server.close()
        self._door.close()
        try:
            async with asyncio.timeout(_END_TIMEOUT_S):
                await server.wait_closed()
        except TimeoutError:  # of clients that do not read
            for connection in self._inside:
                connection.transport.abort()
            await server.wait_closed()
        self._server = self._speaking = self._hearing = None
        self._drop_tls()
        await asyncio.to_thread(self._end_lanes, speaking, hearing)

    def _drop_tls(self) -> None:
        tls, self._tls = self._tls, None
        if tls is not None:
            tls.close()

    def _end_lanes(self, speaking: Lane, hearing: Lane) -> None:
        """End what runs there; blocks."""
        self._recognizer.close()
        speaking.end()
        hearing.end()
        self._recognizer.close()  # a job that was waiting may have started it again

    def __enter__(self) -> Self:
        self._thread = _Thread(self)
        self._thread.begin()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        thread, self._thread = self._thread, None
        assert thread is not None
        thread.end()

    def close(self) -> None:
        """Give back what `connector` used; needed only if the server was never entered."""
        self._recognizer.close()

    # -------------------------------------------------------------- while it runs

    @property
    def http_url(self) -> str:
        """``http://host:port``, or ``https://``: for plain requests, and as base URL of others."""
        return self.url.replace("ws", "http", 1)

    @property
    def inspect_url(self) -> str:
        """A page that shows the sessions as they go, for a browser of this machine."""
        return f"{self.http_url}/antiphon/"

    def session_summaries(self) -> list[dict[str, Any]]:
        """Every session in a few JSON values, oldest first. On any thread, like all of these."""
        return self._control.sessions()

    def session_details(self, session: int) -> dict[str, Any]:
        """The same of one session, with its last turns, faults, and (``inspect``) events.

        Raises:
            LookupError: There is no such session.
        """
        return self._control.session(session)

    def events(self, session: int | None = None) -> list[Event]:
        """The last 500 events of a session, or of each, if they are kept (``inspect``)."""
        return self._control.events(session)

    def reset(self) -> None:
        """Be as at the start: no session, no record, no added fault, no token and no handle.

        Sessions that run are closed with 1001. Connections are counted from 0 again.
        """
        self._control.reset()
        self._connections = 0
        self._shared = Shared(self._settings)
        self.sessions.clear()

    def add_faults(self, *rules: Fault | Mapping[str, Any], session: int | None = None) -> None:
        """Let rules apply from now on in a running session, or by default in sessions to come.

        They count messages and seconds from now. A rule that waits for nothing applies at once.

        Raises:
            ValueError: What is no rule, or a rule of another session.
            LookupError: There is no such session, or it has ended.
        """
        self._control.add_faults(rules, session=session)

    def go_away(self, session: int, time_left_s: float = 5.0) -> None:
        """Send ``goAway``, and close the connection when the time is over.

        Raises:
            ValueError: A time that is none.
            LookupError: There is no such session, or it has ended.
        """
        self._control.go_away(session, time_left_s)

    def close_session(
        self, session: int, code: int = 1011, reason: str = "Internal error occurred."
    ) -> None:
        """Close a connection at once; what waits to be sent is lost.

        Raises:
            ValueError: A code or a reason that no close can have.
            LookupError: There is no such session, or it has ended.
        """
        self._control.close(session, code, reason)

    def interrupt(self, session: int) -> None:
        """Believe that the user spoke: cut the turn, and say ``interrupted``.

        Raises:
            LookupError: There is no such session, or it has ended.
        """
        self._control.interrupt(session)

    # -------------------------------------------------------------- serving

    def connector(
        self, *, max_message_bytes: int = 16 * 1024 * 1024, silence_timeout_s: float = 60.0
    ) -> MemoryConnector:
        """What connects a client of this process without a socket, on the loop that runs.

        In virtual time equal seeds give equal conversations, byte for byte::

            emulator = Emulator(link="lte", seed=7)
            async with emulator.connector() as connector:
                model = LiveModel(backend=emulator.backend(), connector=connector)

        Args:
            max_message_bytes: A client does not take larger messages, and closes with 1009.
            silence_timeout_s: A client gives up a connection that is half open after this time.
        """
        return MemoryConnector(
            self.handle,
            self._link,
            max_message_bytes=max_message_bytes,
            silence_timeout_s=silence_timeout_s,
        )

    async def handle(self, channel: Channel, path: str, headers: Mapping[str, str]) -> None:
        """Serve one channel until it ends, in the running loop and on its clock.

        `connector` does this for each of its clients; the link and the faults apply here.
        Speaking and recognizing run inline: in virtual time they take no time. ``path`` is the
        request target or the URL.
        """
        target = "/" + path.split("://", 1)[-1].partition("/")[2] if "://" in path else path
        request = route(target, headers)
        if request is None:
            await channel.close(1008, "404: not a path of the Live API")
            return
        await self._serve(channel, request, self._run_inline)

    def _refuse(self, connection: ServerConnection, request: UpgradeRequest) -> Response | None:
        if route(request.path, {}) is None:
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"{NOT_FOUND}\n")
        if len(self._inside) >= _MAX_CONNECTIONS:
            return connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, _TOO_MANY)
        return None

    async def _serve_connection(self, connection: ServerConnection) -> None:
        upgrade = connection.request
        assert upgrade is not None
        request = route(upgrade.path, dict(upgrade.headers.raw_items()))
        assert request is not None
        assert isinstance(connection, Connection)
        self._inside.add(connection)
        try:
            await self._serve(WebSocketChannel(connection), request, self._run_in_thread)
        finally:
            self._inside.discard(connection)

    async def _serve(self, channel: Channel, request: Request, run_job: _RunJob) -> None:
        index, self._connections = self._connections, self._connections + 1
        log = EventLog(index) if self._keeps_messages else None
        recorder = None if self._record_dir is None else SessionRecorder(self._record_dir, index)
        now = asyncio.get_running_loop().time()
        plain = EmulatedSession(
            self._settings,
            request,
            self._brain,
            now=now,
            index=index,
            shared=self._shared,
            observer=_observers(log, recorder),
        )
        self.sessions.append(plain.record)
        self._bound_records()
        session = FaultySession(plain, self._control.rules_for(index), now=now)
        woken = self._control.begin(session, log)
        try:
            if self._link is None:
                await drive(session, channel, run_job, woken)
                return
            seed = f"{self._settings.seed}/{index}"
            async with LinkedChannel(channel, self._link, seed) as linked:
                await drive(session, linked, run_job, woken)
        finally:
            self._control.end(session)

    def _bound_records(self) -> None:
        """Of the oldest sessions only the end is kept, and then nothing."""
        del self.sessions[:-_MAX_SESSION_RECORDS]
        size_bytes = sum(record.size_bytes for record in self.sessions)
        for record in self.sessions:
            if size_bytes <= _MAX_RECORD_BYTES:
                break
            if record.close_code is not None:
                size_bytes -= record.size_bytes
                record.forget_turns()

    def _create_token(self, body: dict[str, Any]) -> dict[str, Any]:
        now = asyncio.get_running_loop().time()
        return self._shared.tokens.create(body, now=now, wall_now=time.time())

    async def _run_in_thread(self, job: Job) -> JobResult:
        lane = self._hearing if isinstance(job, Recognize) else self._speaking
        assert lane is not None
        return await lane.run(functools.partial(self._run, job))

    async def _run_inline(self, job: Job) -> JobResult:
        return self._run(job)

    def _run(self, job: Job) -> JobResult:
        """Do a job; blocks."""
        try:
            if isinstance(job, Recognize):
                return self._recognizer.recognize(job.pcm, job.grammar)
            return self._voice.synthesize(job.text, job.voice)
        except SpeechUnavailable as error:
            text = job.text if isinstance(job, Synthesize) else ""
            _log.error("%s The sentence was: %.200r", error, text)
            return JobFailed(str(error))
        except Exception as error:  # of whatever voice or recognizer was given
            _log.exception("A job of the local server failed")
            return JobFailed(f"Internal error: {type(error).__name__}.")


def _observers(*observers: Observer | None) -> Observer | None:
    """All of them as one."""
    present = [observer for observer in observers if observer is not None]

    def tell(event: str, fields: dict[str, Any]) -> None:
        for observer in present:
            observer(event, fields)

    return tell if present else None


class _Thread:
    """A server on a thread with a loop of its own."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._running = threading.Event()
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._main, name="antiphon-emulator", daemon=True)

    def begin(self) -> None:
        """Return when the server listens."""
        self._thread.start()
        self._running.wait()
        if self._error is not None:
            raise self._error

    def end(self) -> None:
        """Stop the server and wait for it."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # it is raised where the server was entered
            self._error = error
        finally:
            self._running.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with self._emulator:
            self._running.set()
            await self._stop.wait()

"""``antiphon emulator``: the local Live server, until Ctrl-C."""

from __future__ import annotations

import argparse
import contextlib
import gc
import logging
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Event

    from antiphon.emulator import Brain, Emulator, Settings

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "emulator"
HELP = "Run the local Live server: no key and no network needed."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    parser.add_argument("--port", type=_port, default=8765, help="0: any free one (%(default)s)")
    parser.add_argument("--api-key", metavar="KEY", help="accept this key only; default: any")
    parser.add_argument("--tls", action="store_true", help="serve wss:// with a new certificate")
    parser.add_argument(
        "--cert-dir", metavar="DIR", help="leave what clients have to trust there (with --tls)"
    )
    parser.add_argument("--record", metavar="DIR", help="write what is said and sent to DIR")
    parser.add_argument(
        "--inspect", action="store_true", help="show the sessions as they go on a page of its own"
    )
    parser.add_argument(
        "--scenario",
        metavar="NAME|FILE",
        help="a whole world; 'list' shows those of the library. The options go before it",
    )
    brain = parser.add_mutually_exclusive_group()
    brain.add_argument("--brain", choices=("concierge", "echo"), help="what answers (concierge)")
    brain.add_argument(
        "--replay", metavar="FILE", nargs="+", help="answer as a recorded session-N.jsonl did"
    )
    parser.add_argument("--seed", type=int, help="of delays and ids (0)")
    parser.add_argument(
        "--as-of",
        choices=("guide", "today"),
        help="today: refuse the models that the service has retired (guide)",
    )
    parser.add_argument(
        "--connection-limit",
        metavar="SECONDS",
        type=float,
        help="warn with goAway, then close (600); 0: never",
    )
    parser.add_argument(
        "--link", metavar="NAME", help="a network between client and server, such as wifi or lte"
    )
    parser.add_argument(
        "--faults", metavar="FILE", type=Path, help="a JSON list of what shall go wrong"
    )
    parser.add_argument(
        "--ready-fd", type=int, metavar="FD", help="write the URL and a newline there when ready"
    )
    parser.add_argument(
        "--until-eof",
        action="store_true",
        help="end when standard input does, so that the server never outlives who started it",
    )
    parser.add_argument("--verbose", action="store_true", help="log more")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGINT or SIGTERM.

    Raises:
        ValueError: No such link or scenario, or a file that cannot be read.
        RecordingError: A recording that cannot be replayed.
    """
    import asyncio

    from antiphon.emulator import Emulator
    from antiphon.emulator.scenario import Scenario, load_scenario

    if args.scenario == "list":
        return _list_scenarios()
    level = logging.DEBUG if args.verbose else logging.WARNING
    logging.basicConfig(level=level, format="%(name)s: %(message)s")
    scenario = Scenario() if args.scenario is None else load_scenario(args.scenario)
    emulator = Emulator(
        args.host,
        args.port,
        scenario=replace(scenario, settings=_settings(scenario.settings, args)),
        api_key=args.api_key,
        brain=_brain(args),
        link=args.link,
        faults=[] if args.faults is None else _read_faults(args.faults),
        record_dir=args.record,
        inspect=args.inspect,
        tls=args.cert_dir or True if args.tls else False,
    )

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()

        def request_stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
            loop.call_soon_threadsafe(stop.set)

        # signal.signal works on every platform; the loop's own handlers do not.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, request_stop)
        if args.until_eof:
            # A thread: pipes on the loop are not the same on every platform.
            Thread(target=_wait_for_eof, args=(loop, stop), daemon=True).start()
        async with emulator:
            # What is there by now stays: looking at it again would only hold up the sessions.
            gc.freeze()
            _announce(emulator, args)
            await stop.wait()

    asyncio.run(serve())
    return 0


def _settings(settings: Settings, args: argparse.Namespace) -> Settings:
    """The settings of a scenario, with what was asked for in their place."""
    if args.seed is not None:
        settings = replace(settings, seed=args.seed)
    if args.as_of is not None:
        settings = replace(settings, as_of=args.as_of)
    if args.connection_limit is not None:
        settings = replace(settings, connection_limit_s=args.connection_limit or None)
    return settings


def _brain(args: argparse.Namespace) -> Brain | None:
    from antiphon.emulator.brains.replay import Replay
    from antiphon.emulator.scenario import BRAINS

    if args.replay is not None:
        return Replay(*args.replay)
    return None if args.brain is None else BRAINS[args.brain]()


def _list_scenarios() -> int:
    from antiphon.emulator import scenario_library

    for name, about in scenario_library().items():
        print(f"{name:30} {about}")
    return 0


def _read_faults(path: Path) -> list[dict[str, Any]]:
    import msgspec

    try:
        return msgspec.json.decode(path.read_bytes(), type=list[dict[str, Any]])
    except OSError as error:
        raise ValueError(f"The faults in {path} cannot be read: {error.strerror}.") from error
    except msgspec.MsgspecError as error:
        raise ValueError(
            f"The faults in {path} are not a JSON list of rules, such as "
            f'[{{"fault": "drop", "at_s": 30}}]: {error}.'
        ) from error


def _wait_for_eof(loop: AbstractEventLoop, stop: Event) -> None:
    while sys.stdin.buffer.read(1):
        pass
    with contextlib.suppress(RuntimeError):  # the loop has ended by itself
        loop.call_soon_threadsafe(stop.set)


def _announce(emulator: Emulator, args: argparse.Namespace) -> None:
    url = emulator.url
    if args.tls:
        _announce_tls(emulator)
    key = "your --api-key" if args.api_key else "any key"
    print(f"Listening on {url}", flush=True)
    print(
        f"  antiphon:     GoogleAI(base_url={url!r}, api_key=…)   ({key})\n"
        f"  JavaScript:   httpOptions: {{ baseUrl: '{url.replace('ws', 'http', 1)}' }}\n"
        f'  Go:           HTTPOptions{{BaseURL: "{url}"}}\n'
        'Say "hello", "ten of clubs", "tell a story" or "go forward ten meters". Ctrl-C stops.',
        flush=True,
    )
    if args.inspect:
        print(f"Inspect: {emulator.inspect_url}", flush=True)
    if args.host not in ("127.0.0.1", "localhost", "::1") and not args.api_key:
        print("Anyone who reaches this address can connect: choose an --api-key.", file=sys.stderr)
    if args.ready_fd is not None:
        with os.fdopen(args.ready_fd, "w") as ready:
            ready.write(f"{url}\n")


def _announce_tls(emulator: Emulator) -> None:
    """What an unmodified application has to find in its environment."""
    tls, url = emulator.tls, emulator.url.replace("wss", "https", 1)
    print(
        "An unmodified Python application reaches it with these two lines:\n"
        f"  export SSL_CERT_FILE={tls.ca_file}\n"
        f"  export GOOGLE_GEMINI_BASE_URL={url}\n"
        f"Node and Firebase:  export NODE_EXTRA_CA_CERTS={tls.ca_file}\n"
        f"Java:               export JAVA_TOOL_OPTIONS='-Djavax.net.ssl.trustStore="
        f"{tls.trust_store} -Djavax.net.ssl.trustStorePassword={tls.trust_store_password}'",
        flush=True,
    )


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"{port} is not a port; use 0 to 65535.")
    return port

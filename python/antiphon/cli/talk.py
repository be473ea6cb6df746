"""``antiphon talk``: speak a recording to a Live model, keep what is answered."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from antiphon.errors import AntiphonError, ConnectError

if TYPE_CHECKING:
    from antiphon.conversation import Conversation, EventSubscription
    from antiphon.session import LiveModel

__all__ = ["HELP", "NAME", "add_arguments", "run"]

NAME = "talk"
HELP = "Speak a WAV file to a Live model and record the conversation."

# A model that says nothing more for this long has answered.
_SETTLED_S = 1.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--in", dest="source", type=Path, required=True, metavar="FILE", help="WAV to speak"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="WAV for both sides, as heard: you on the left, the model on the right",
    )
    parser.add_argument("--transcript", type=Path, metavar="FILE", help="write the words as JSON")
    parser.add_argument("--model", metavar="NAME", help="Live model (the newest one known)")
    parser.add_argument("--voice", metavar="NAME", help="one of the service's voices, like Puck")
    parser.add_argument("--system", metavar="TEXT", help="system instruction")
    parser.add_argument(
        "--text", metavar="TEXT", help="typed, and answered, before the file is spoken"
    )
    parser.add_argument(
        "--url",
        metavar="URL",
        help="another server, like ws://127.0.0.1:8765 of `antiphon emulator`; default: the "
        "Gemini API, with GEMINI_API_KEY",
    )
    parser.add_argument(
        "--wait",
        type=_seconds,
        default=30.0,
        metavar="S",
        help="seconds to wait for an answer (%(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Talk; 0 if there was an answer."""
    import asyncio

    asyncio.run(_talk(args))
    return 0


async def _talk(args: argparse.Namespace) -> None:
    from antiphon.audio.wav import read_wav
    from antiphon.conversation import Conversation
    from antiphon.devices import FileDevice

    if args.out.exists() and args.out.samefile(_existing(args.source)):
        raise AntiphonError(f"--in and --out are the same file, {args.out}; choose another --out.")
    # The file is read first: a wrong one should cost no connection.
    speech, speech_hz = read_wav(_existing(args.source))
    device = FileDevice()
    async with _model(args).connect() as session:
        for note in session.notes:
            print(f"note: {note}")
        async with Conversation(session, device, record_to=args.out) as conversation:
            events = conversation.events()
            if args.text:
                await conversation.send_text(args.text)
                await _until_answered(events, args.wait)
            device.say(speech, rate_hz=speech_hz, after_s=0.3)
            device.end_input()
            await device.wait_input_end()
            await _until_answered(events, args.wait)
        print(conversation.transcript.to_text(), end="")
        print(f"Recorded to {args.out}.")
    if args.transcript:
        _write_transcript(args.transcript, conversation)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds from 0 to 3600.")
    return seconds


def _existing(path: Path) -> Path:
    if not path.is_file():
        raise AntiphonError(f"There is no file {path}; --in takes a WAV file.")
    return path


def _write_transcript(path: Path, conversation: Conversation) -> None:
    try:
        path.write_text(conversation.transcript.to_json() + "\n", "utf-8")
    except OSError as error:
        raise AntiphonError(
            f"The transcript {path} cannot be written: {error.strerror}."
        ) from error


def _model(args: argparse.Namespace) -> LiveModel:
    from antiphon.session import LiveGenerationConfig, LiveModel
    from antiphon.wire import DEFAULT_MODEL, GoogleAI

    backend = GoogleAI()
    if args.url:
        # A local server takes any key; a real one behind a proxy gets the real key.
        backend = GoogleAI(api_key=os.environ.get("GEMINI_API_KEY") or "local", base_url=args.url)
    return LiveModel(
        args.model or DEFAULT_MODEL,
        backend=backend,
        config=LiveGenerationConfig(voice=args.voice),
        system_instruction=args.system,
    )


async def _until_answered(events: EventSubscription, wait_s: float) -> None:
    """What was said last was answered, the answer was heard, and nothing more comes.

    Raises:
        ConnectError: No answer came, or the session ended before it.
    """
    import asyncio

    from antiphon.conversation import Interrupted, TurnHeard, TurnSounded, UserStartedSpeaking

    answered = sounding = False
    try:
        while True:
            settled_s = _SETTLED_S if answered else wait_s
            async with asyncio.timeout(None if sounding else settled_s):
                match await anext(events):
                    case UserStartedSpeaking():
                        answered = False
                    case TurnSounded():
                        sounding = True
                    case Interrupted():
                        sounding = False
                    case TurnHeard():
                        sounding, answered = False, True
    except TimeoutError:
        if not answered:
            raise ConnectError(
                f"No answer came within {wait_s:g} s. What was recorded is kept. Is there "
                "speech in the file? --wait S waits longer."
            ) from None
    except StopAsyncIteration:
        raise ConnectError("The service ended the session before it had answered.") from None

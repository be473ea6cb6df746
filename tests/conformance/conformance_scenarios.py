"""What every client is driven through, and what has to come of it.

A `Scenario` is one or more sessions; a session is how it is set up and a list of steps. The
drivers know nothing else: what was right is decided here, from what the client saw and from what
the server recorded.

Steps: ``{"say": text}`` (a typed turn), ``{"speak": file, "packet_ms": 20}`` (recorded speech and
a second of silence, sent at once), ``{"activity": "start" or "end"}``, and ``{"until": event}``,
which waits for the next event of that name. Called functions are answered by the driver at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance_run import Outcome

HALF_CASCADE = "gemini-live-2.5-flash-preview"
GO_FORWARD = "go-forward-ten-meters.wav"
HEARD = "go forward ten meters"
LONG_ANSWER = "Please give a long answer: count to one hundred"

WEATHER = {"output": "It is sunny in Paris, and 21 degrees."}
GET_WEATHER = {
    "name": "get_weather",
    "description": "Tells the weather in a city.",
    "parameter": "city",
    "result": WEATHER,
}


@dataclass(frozen=True)
class Scenario:
    """One line of the list.

    Attributes:
        name: For ids and the table.
        sessions: For the drivers.
        check: Raises AssertionError.
        needs: Capabilities without which a client cannot be driven through it.
        needs_text: It is about answers in writing.
    """

    name: str
    sessions: list[dict[str, Any]]
    check: Callable[[Outcome], None]
    needs: frozenset[str] = frozenset()
    needs_text: bool = False


def session(*steps: dict[str, Any], **setup: Any) -> dict[str, Any]:
    """One session, in TEXT unless told otherwise."""
    return {"model": HALF_CASCADE, "modality": "TEXT", "steps": list(steps), **setup}


def say(text: str) -> dict[str, Any]:
    return {"say": text}


def speak(packet_ms: int = 20) -> dict[str, Any]:
    return {"speak": GO_FORWARD, "packet_ms": packet_ms}


def until(event: str) -> dict[str, Any]:
    return {"until": event}


# ------------------------------------------------------------------ what has to come of it


def check_text(outcome: Outcome) -> None:
    seen, served = outcome.only
    (turn,) = served.turns
    assert turn.input_text == "hello"
    assert "your concierge" in turn.text
    assert squeezed(seen.text) == squeezed(turn.text)
    assert seen.audio_bytes == 0
    outcome.assert_order(seen, "setup_complete", "text", "generation_complete", "turn_complete")


def check_speech(outcome: Outcome) -> None:
    seen, served = outcome.only
    (turn,) = served.turns
    assert turn.input_text == "thank you"
    assert seen.audio_bytes == len(turn.pcm) > 24_000
    outcome.assert_order(seen, "setup_complete", "audio", "generation_complete", "turn_complete")


def check_audio(outcome: Outcome) -> None:
    seen, served = outcome.only
    (turn,) = served.turns
    assert turn.spoken
    assert served.heard == [turn.input_text] == [HEARD]
    assert seen.audio_bytes == len(turn.pcm) > 48_000
    outcome.assert_order(seen, "setup_complete", "audio", "generation_complete", "turn_complete")
    sent_ms = outcome.client.packet_ms or outcome.scenario.sessions[0]["steps"][0]["packet_ms"]
    packets, total = outcome.audio_received
    # The last packet of a recording may be shorter.
    assert 32 * sent_ms * (packets - 1) < total <= 32 * sent_ms * packets


def check_transcriptions(outcome: Outcome) -> None:
    seen, served = outcome.only
    (turn,) = served.turns
    assert squeezed(seen.heard) == squeezed(turn.input_text) == squeezed(HEARD)
    assert squeezed(seen.said) == squeezed(turn.text)
    outcome.assert_order(seen, "heard", "turn_complete")
    outcome.assert_order(seen, "said", "turn_complete")


def check_tool(outcome: Outcome) -> None:
    seen, served = outcome.only
    (call,) = served.turns[0].tool_calls
    assert (call.name, call.args) == ("get_weather", {"city": "Paris"})
    assert [(one["name"], one["args"]) for one in seen.all("tool_call")] == [(call.name, call.args)]
    assert WEATHER["output"] in str(call.response)
    assert "It is sunny in Paris" in seen.text
    assert squeezed(seen.text) == squeezed("".join(turn.text for turn in served.turns))
    outcome.assert_order(seen, "tool_call", "turn_complete")


def check_barge_in(outcome: Outcome) -> None:
    seen, served = outcome.only
    first, second = served.turns[:2]
    assert first.interrupted
    assert second.input_text == HEARD
    assert 0 < seen.bytes_before("interrupted") <= len(first.pcm)
    outcome.assert_order(seen, "audio", "interrupted", "audio")


def check_manual(outcome: Outcome) -> None:
    seen, served = outcome.only
    (turn,) = served.turns
    assert served.heard == [turn.input_text] == [HEARD]
    assert seen.audio_bytes == len(turn.pcm) > 0
    assert outcome.received(0, "realtimeInput", "activityStart") == 1
    assert outcome.received(0, "realtimeInput", "activityEnd") == 1
    setup = outcome.setup(0)["realtimeInputConfig"]["automaticActivityDetection"]
    assert setup["disabled"] is True


def check_resumption(outcome: Outcome) -> None:
    (_, first), (seen, second) = outcome.pairs
    assert "remember the word blue" in first.turns[0].text
    handles = outcome.handles(0)
    assert outcome.setup(1)["sessionResumption"]["handle"] in handles
    assert second.turns[-1].text == "You asked me to remember the word blue."
    assert squeezed(seen.text) == squeezed(second.turns[-1].text)


def check_go_away(outcome: Outcome) -> None:
    seen, served = outcome.only
    assert (served.close_code, served.close_reason) == (1000, "")
    outcome.assert_order(seen, "turn_complete", "go_away", "closed")
    assert [event["left_s"] for event in seen.all("go_away")] == [3.0]


def refused(code: int, reason: str) -> Callable[[Outcome], None]:
    """A check that the client says why the server refused."""

    def check(outcome: Outcome) -> None:
        assert_refused(outcome, code, reason)
        seen = outcome.seen[0]
        assert seen.error is not None, seen.events
        assert not seen.all("unsettled"), seen.events
        assert reason in seen.error
        # Clients differ in whether the code is in the text or a member of its own.
        assert str(code) in seen.error

    return check


def assert_refused(outcome: Outcome, code: int, reason: str) -> None:
    """The server's side of a refusal."""
    for served in outcome.served:
        assert served.close_code == code, (served.close_code, served.close_reason)
        assert served.close_reason.startswith(reason)
        assert served.turns == []
    assert outcome.served


def check_usage(outcome: Outcome) -> None:
    seen, served = outcome.only
    (sent,) = outcome.sent("usageMetadata")
    (usage,) = seen.all("usage")
    assert usage["prompt"] == sent["promptTokenCount"] > 0
    assert usage["response"] == sent["responseTokenCount"] > 0
    assert usage["total"] == sent["totalTokenCount"] == usage["prompt"] + usage["response"]
    assert len(served.turns) == 1


def squeezed(text: str) -> str:
    """Letters alone: frameworks trim and join as they like."""
    return "".join(letter for letter in text.lower() if letter.isalnum())


BAD_KEY = "API key not valid. Please pass a valid API key."
BAD_MODEL = "models/gemini-none is not found for API version"
BAD_VOICE = "Requested voice api_name 'Nobody' is not available for model"

_THANKS = (say("thank you"), until("turn_complete"))
_HELLO = (say("hello"), until("turn_complete"))

SCENARIOS = [
    Scenario("text to text", [session(*_HELLO)], check_text, needs_text=True),
    Scenario("text to audio", [session(*_THANKS, modality="AUDIO")], check_speech),
    Scenario(
        "audio to audio, 20 ms packets",
        [session(speak(20), until("turn_complete"), modality="AUDIO")],
        check_audio,
    ),
    Scenario(
        "audio to audio, 100 ms packets",
        [session(speak(100), until("turn_complete"), modality="AUDIO")],
        check_audio,
    ),
    Scenario(
        "transcriptions",
        [session(speak(), until("turn_complete"), modality="AUDIO", transcribe=True)],
        check_transcriptions,
    ),
    Scenario(
        "tool round trip",
        [session(say("Call get_weather for Paris"), until("turn_complete"), function=GET_WEATHER)],
        check_tool,
    ),
    Scenario(
        "barge-in",
        [
            session(
                *(say(LONG_ANSWER), until("audio"), speak(), until("interrupted")),
                until("audio"),
                modality="AUDIO",
            )
        ],
        check_barge_in,
    ),
    Scenario(
        "manual activity",
        [
            session(
                *({"activity": "start"}, speak(), {"activity": "end"}, until("turn_complete")),
                modality="AUDIO",
                manual_activity=True,
            )
        ],
        check_manual,
        needs=frozenset({"manual activity"}),
    ),
    Scenario(
        "resumption with context",
        [
            session(
                *(say("Remember the word blue"), until("turn_complete"), until("handle")),
                resume="new",
            ),
            session(
                *(say("What word did I ask you to remember?"), until("turn_complete")),
                resume="last",
            ),
        ],
        check_resumption,
        needs=frozenset({"resumption"}),
    ),
    Scenario(
        "goAway",
        [session(say("goaway"), until("turn_complete"), until("go_away"), until("closed"))],
        check_go_away,
    ),
    Scenario("bad key", [session(*_HELLO, api_key="wrong-key")], refused(1007, BAD_KEY)),
    Scenario("bad model", [session(*_HELLO, model="gemini-none")], refused(1008, BAD_MODEL)),
    Scenario(
        "bad setup",
        [session(*_THANKS, modality="AUDIO", voice="Nobody")],
        refused(1007, BAD_VOICE),
    ),
    Scenario("usage", [session(*_HELLO)], check_usage, needs=frozenset({"usage"})),
]

"""Where a client deviates: by a defect of its own, or because it does things in its own way.

What it does instead is asserted, so an entry fails when the client is mended, and goes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from conformance_run import Outcome, Seen
from conformance_scenarios import (
    BAD_KEY,
    BAD_MODEL,
    BAD_VOICE,
    Scenario,
    assert_refused,
    say,
    session,
    squeezed,
    until,
)


@dataclass(frozen=True)
class Deviation:
    """What a client does instead, in words, and how that is driven and checked."""

    reason: str
    scenario: Scenario


Check = Callable[[Outcome], None]

_REFUSALS = {
    "bad key": (session(say("hello"), api_key="wrong-key"), 1007, BAD_KEY),
    "bad model": (session(say("hello"), model="gemini-none"), 1008, BAD_MODEL),
    "bad setup": (session(say("hello"), modality="AUDIO", voice="Nobody"), 1007, BAD_VOICE),
}


def _refusals(client: str, reason: str, check: Callable[[Seen, int, str], None]) -> dict:
    """The same deviation in each scenario that is about a refusal."""

    def checked(code: int, words: str) -> Check:
        def check_all(outcome: Outcome) -> None:
            assert_refused(outcome, code, words)
            check(outcome.seen[0], code, words)

        return check_all

    return {
        (client, name): Deviation(reason, Scenario(name, [setup], checked(code, words)))
        for name, (setup, code, words) in _REFUSALS.items()
    }


def _never_settles_but_tells(seen: Seen, code: int, words: str) -> None:
    closed = seen.first("closed")
    assert closed is not None
    assert closed["code"] == code
    assert closed["text"].startswith(words)
    assert seen.first("unsettled") is not None, seen.events


def _never_settles_but_logs(seen: Seen, code: int, words: str) -> None:
    logged = seen.first("logged")
    assert logged is not None
    assert f"{code:,} and reason: {words}" in logged["text"]
    assert seen.first("unsettled") is not None, seen.events
    assert seen.first("error") is None


def _never_settles(seen: Seen, code: int, words: str) -> None:
    assert [event["event"] for event in seen.events] == ["unsettled"]


def _generic_error(seen: Seen, code: int, words: str) -> None:
    error = seen.first("error")
    assert error is not None
    assert "handshake failed" in error["text"]
    assert str(code) not in error["text"]
    assert words not in error["text"]


def _no_close(outcome: Outcome) -> None:
    (seen,), (served,) = outcome.seen, outcome.served
    assert (served.close_code, served.close_reason) == (1000, "")
    outcome.assert_order(seen, "turn_complete", "go_away", "timed_out")
    assert seen.first("timed_out")["waiting_for"] == "closed"
    assert seen.first("closed") is None


def _voice_for_text(outcome: Outcome) -> None:
    assert_refused(outcome, 1007, "Cannot extract voices from a non-audio request.")
    setup = outcome.setup(0)["generationConfig"]
    assert setup["responseModalities"] == ["TEXT"]
    assert setup["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"]


def _reconnects(outcome: Outcome) -> None:
    (seen,), (first, second) = outcome.seen, outcome.served
    assert seen.first("reconnected") is not None, seen.events
    assert seen.first("closed") is None
    assert outcome.setup(1)["sessionResumption"]["handle"] == outcome.handles(0)[-1]
    assert [turn.input_text for turn in first.turns] == ["Remember the word blue", "goaway"]
    assert second.turns[0].text == "You asked me to remember the word blue."
    assert squeezed(seen.text).endswith(squeezed(second.turns[0].text))


_RECONNECTION = session(
    *(say("Remember the word blue"), until("turn_complete")),
    *(say("goaway"), until("turn_complete"), until("reconnected")),
    *(say("What word did I ask you to remember?"), until("turn_complete")),
    resume="new",
)
_GO_AWAY = session(say("goaway"), until("turn_complete"), until("go_away"), until("closed"))
_HELLO = session(say("hello"), until("turn_complete"))

#: By the names of client and scenario: the client is at fault.
KNOWN_DEFECTS: dict[tuple[str, str], Deviation] = {
    **_refusals(
        "js-genai",
        "`live.connect()` never settles when the setup is refused; only `onclose` tells why",
        _never_settles_but_tells,
    ),
    **_refusals(
        "firebase",
        'every refusal is "handshake failed": close code and reason are lost',
        _generic_error,
    ),
    **_refusals(
        "java-genai",
        "`live.connect()` never settles when the setup is refused; the reason is only logged",
        _never_settles_but_logs,
    ),
    **_refusals(
        "pipecat",
        "no error frame when the setup is refused; the reason is only in the log",
        _never_settles,
    ),
    ("java-genai", "goAway"): Deviation(
        "the session does not tell that the server closed; it is only logged",
        Scenario("goAway", [_GO_AWAY], _no_close),
    ),
    **{
        (client, "text to text"): Deviation(
            "always asks for a voice, which the service refuses together with TEXT",
            Scenario("text to text", [_HELLO], _voice_for_text, needs_text=True),
        )
        for client in ("livekit", "pipecat")
    },
}

#: By the names of client and scenario: it serves the same end in another way.
OWN_WAYS: dict[tuple[str, str], Deviation] = {
    ("livekit", "goAway"): Deviation(
        "reconnects with its handle by itself at `goAway`, and goes on",
        Scenario("goAway", [_RECONNECTION], _reconnects),
    ),
    ("pipecat", "goAway"): Deviation(
        "does not look at `goAway`; reconnects with its handle by itself after the close",
        Scenario("goAway", [_RECONNECTION], _reconnects),
    ),
    ("pipecat", "resumption with context"): Deviation(
        "takes no handle; resumes by itself when it reconnects",
        Scenario("resumption with context", [_RECONNECTION], _reconnects),
    ),
}

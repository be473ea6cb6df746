"""Faults by rule: what the real session sees of each, in memory and over a socket alike."""

import asyncio
import contextlib

import pytest
import websockets
from emulator_support import kind
from hypothesis import given, settings
from hypothesis import strategies as st
from world_support import (
    SETTINGS,
    in_memory,
    model_of,
    over_sockets,
    shape,
    small_server,
    until,
)

from antiphon import WebSocketConnector
from antiphon.emulator.faults import (
    Close,
    Drop,
    Duplicate,
    EmptyTurn,
    HalfOpen,
    LatePongs,
    Malformed,
    Oversized,
    PhantomInterruption,
    RefusedResume,
    Stall,
    WithheldHandle,
    faults_from,
)
from antiphon.emulator.kinds import kinds_of_client_message, kinds_of_server_message
from antiphon.errors import ConnectError, SessionClosed, SetupRejected
from antiphon.virtual_time import run_in_virtual_time

WORDS = "a sentence of a few seconds, said again"


@pytest.fixture(params=["in memory", "over a socket"])
def connected(request):
    """How client and server are connected; each is an ``async with`` that gives a model."""
    return in_memory if request.param == "in memory" else over_sockets


def run(connected, use, *rules, emulator=None, **config):
    """Run ``use(model)``, and return its result and the records of the server."""

    async def main():
        server = emulator or small_server(faults=rules)
        async with connected(server, **config) as model:
            return await use(model), server.sessions

    return run_in_virtual_time(main())


async def one_turn(model, words=WORDS):
    """What comes of one question: messages, and how the session stands afterwards."""
    async with model.connect() as session:
        messages = session.receive()
        await session.send(words)
        return await until(messages, "turn_complete"), session.closure


def now():
    return asyncio.get_running_loop().time()


def kinds(messages):
    return [kind(message.raw) for message in messages]


# ------------------------------------------------------------------ the ends


def test_a_close_comes_instead_of_the_message(connected):
    rule = Close(kind="audio", number=2, code=1011, reason="The service is currently unavailable.")

    async def use(model):
        messages, closure = await one_turn(model)
        async with model.connect() as session:
            with pytest.raises(SessionClosed, match="currently unavailable") as caught:
                await session.ask(WORDS)
        return kinds(messages), closure, caught.value

    (seen, closure, error), records = run(connected, use, rule)
    assert seen == ["audio", "audio"]
    for end in (closure, error):
        assert (end.code, end.cause) == (1011, "unavailable")
    assert closure.by == "service"
    assert closure.retry
    assert [record.close_code for record in records] == [1011, 1011]
    assert [fault.fault for record in records for fault in record.faults] == ["close", "close"]


def test_a_close_at_a_message_of_the_client(connected):
    reason = "Operation is not implemented, or supported, or enabled."
    rule = Close(direction="client", kind="clientContent", number=1, code=1008, reason=reason)

    async def use(model):
        async with model.connect() as session:
            first = await session.ask("one")
            with pytest.raises(SessionClosed) as caught:
                await session.ask("two")
        return first.text, caught.value

    (text, error), records = run(connected, use, rule)
    assert text == "one"
    assert (error.code, error.reason, error.cause) == (1008, reason, "argument")
    assert len(records[0].turns) == 1


def test_a_dropped_connection_is_1006(connected):
    async def use(model):
        messages, closure = await one_turn(model)
        return kinds(messages), closure

    (seen, closure), records = run(connected, use, Drop(kind="audio", number=3))
    assert seen == ["audio"] * 3
    assert (closure.code, closure.cause, closure.by) == (1006, "lost", "network")
    assert records[0].close_code == 1006


def test_a_drop_before_the_setup_is_accepted(connected):
    async def use(model):
        with pytest.raises(SetupRejected) as caught:
            await model.connect()
        return caught.value.code

    assert run(connected, use, Drop(kind="setupComplete"))[0] == 1006


def test_a_half_open_connection_is_given_up_after_a_minute(connected):
    async def use(model):
        async with model.connect() as session:
            messages = session.receive()
            await session.send(WORDS)
            seen = [*await until(messages, "audio"), *await until(messages, "audio")]
            last_s = now()
            await asyncio.sleep(1)
            await session.send_text_realtime("still there?")
            seen += await until(messages, "turn_complete")
            return kinds(seen), session.closure, now() - last_s

    (seen, closure, waited_s), records = run(connected, use, HalfOpen(kind="audio", number=2))
    assert seen == ["audio"] * 2
    assert (closure.code, closure.cause) == (1006, "lost")
    assert "neither data nor a pong came for 60 s" in closure.reason
    assert 60 <= waited_s < 80
    assert [turn.input_text for turn in records[0].turns] == [WORDS]


# ------------------------------------------------------------------ time


def test_a_stall_holds_everything_back_and_loses_nothing(connected):
    async def use(model):
        async with model.connect() as session:
            messages = session.receive()
            await session.send(WORDS)
            seen, times = [], []
            while not seen or not seen[-1].turn_complete:
                seen += await until(messages, "raw")
                times.append(now())
            return [shape(message) for message in seen], times

    (stalled, times), _ = run(connected, use, Stall(kind="audio", number=2, duration_s=7))
    (undisturbed, before), _ = run(connected, use)
    assert stalled == undisturbed
    assert times[:2] == pytest.approx(before[:2])
    assert times[2:] == pytest.approx([before[2] + 7] * len(times[2:]))


def test_a_stalled_server_still_listens(connected):
    async def use(model):
        async with model.connect() as session:
            messages = session.receive()
            await session.send(WORDS)
            await until(messages, "audio")
            await asyncio.sleep(1)
            await session.send_text_realtime("stop")
            rest = await until(messages, "interrupted")
            return kinds(rest), now()

    (rest, at_s), records = run(connected, use, Stall(kind="audio", number=1, duration_s=7))
    assert rest == ["audio", "interrupted"]
    assert 7 < at_s < 8
    assert records[0].turns[0].frames_sent == 4_800 + 5_760


def test_a_drop_during_a_stall_drops_at_once(connected):
    async def use(model):
        messages, closure = await one_turn(model)
        return kinds(messages), closure.code, now()

    rules = Stall(kind="audio", number=1, duration_s=100), Drop(at_s=5)
    (seen, code, at_s), _ = run(connected, use, *rules)
    assert (seen, code) == (["audio"], 1006)
    assert at_s == pytest.approx(5)


def test_late_pongs_kill_no_session_of_ours():
    async def use(model):
        async with model.connect() as session:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(300):
                    await session.wait_closed()
            return (await session.ask("hello")).text

    text, records = run(over_sockets, use, LatePongs(delay_s=30))
    assert text == "hello"
    assert [fault.fault for fault in records[0].faults] == ["late_pongs"]


@pytest.mark.parametrize(("delay_s", "code"), [(19, None), (21, 1011)])
def test_pongs_are_late_by_what_was_asked_for(delay_s, code):
    """A client that gives up after 20 s, as others do by default, shows it."""

    async def main():
        async with small_server(faults=[LatePongs(delay_s=delay_s)]) as server:
            backend = server.backend()
            async with websockets.connect(backend.url(), ping_interval=20, ping_timeout=20) as one:
                await one.send('{"setup": {"model": "models/gemini-3.8-live"}}')
                with contextlib.suppress(TimeoutError, websockets.ConnectionClosed):
                    async with asyncio.timeout(120):
                        while True:
                            await one.recv()
                return one.protocol.close_sent, now()

    close_sent, at_s = run_in_virtual_time(main())
    assert (close_sent and close_sent.code) == code
    assert at_s == pytest.approx(40 if code else 120, abs=1)


def test_in_memory_nobody_pings():
    async def use(model):
        async with model.connect() as session:
            return (await session.ask("hello")).text

    assert run(in_memory, use, LatePongs(delay_s=70))[0] == "hello"


# ------------------------------------------------------------------ the messages


def test_malformed_json_is_a_notice_and_the_session_goes_on(connected, caplog):
    async def use(model):
        async with model.connect() as session:
            first, second = await session.ask("one two three"), await session.ask("four")
            return first.audio, second.text, session.closure

    (audio, text, closure), records = run(connected, use, Malformed(kind="audio"))
    assert (text, closure) == ("four", None)
    assert len(audio) == records[0].turns[0].frames_sent - 4_800
    warnings = [r.message for r in caplog.records if r.name == "antiphon.session"]
    assert len(warnings) == 1
    assert "cannot be read" in warnings[0]


def test_a_malformed_message_of_the_client_is_refused(connected):
    async def use(model):
        _, closure = await one_turn(model)
        return closure

    closure, _ = run(connected, use, Malformed(direction="client", kind="clientContent"))
    assert (closure.code, closure.by) == (1007, "service")


def test_a_message_that_is_too_large_closes_with_1009(connected):
    async def use(model):
        messages, closure = await one_turn(model)
        return kinds(messages), closure

    (seen, closure), records = run(connected, use, Oversized(kind="audio", number=1))
    assert seen == ["audio"]
    assert (closure.code, closure.cause) == (1009, "argument")
    assert records[0].close_code == 1009


def test_a_large_message_that_is_not_too_large_is_read(connected):
    async def use(model):
        async with model.connect() as session:
            return (await session.ask(WORDS)).audio

    audio, records = run(connected, use, Oversized(kind="audio", size_bytes=2 * 1024 * 1024))
    assert audio.tobytes() == bytes(records[0].turns[0].pcm)


def test_a_message_that_comes_twice(connected):
    async def use(model):
        messages, _ = await one_turn(model)
        return [shape(message) for message in messages]

    twice, _ = run(connected, use, Duplicate(kind="audio", number=1))
    once, _ = run(connected, use)
    assert twice == [once[0], once[1], once[1], *once[2:]]


def test_a_message_of_the_client_that_comes_twice(connected):
    async def use(model):
        async with model.connect() as session:
            await session.ask("one")
            messages = session.receive()
            return len([m for m in [*await until(messages, "turn_complete")] if m.interrupted])

    rule = Duplicate(direction="client", kind="clientContent")
    _, records = run(connected, use, rule)
    assert [turn.input_text for turn in records[0].turns] == ["one", "one"]
    assert [turn.interrupted for turn in records[0].turns] == [True, False]


def test_a_resumption_handle_is_withheld(connected):
    async def use(model):
        async with model.connect() as session:
            await session.ask("one")
            await session.ask("two")
            return session.resumption

    assert run(connected, use, session_resumption=True)[0].new_handle
    assert run(connected, use, WithheldHandle(), session_resumption=True)[0] is None
    only_the_first = WithheldHandle(times=1)
    assert run(connected, use, only_the_first, session_resumption=True)[0].new_handle


def test_a_resumption_is_refused(connected):
    async def main():
        server = small_server(faults=[RefusedResume()])
        async with connected(server, session_resumption=True) as model:
            async with model.connect() as session:
                await session.ask("one")
                handle = session.resumption.new_handle
            again = model_of(server, model._connector, session_resumption=handle)
            with pytest.raises(SetupRejected) as caught:
                await again.connect()
            async with model.connect() as fresh:  # without the handle nothing is refused
                assert (await fresh.ask("two")).text == "two"
            return caught.value.code, caught.value.reason

    assert run_in_virtual_time(main()) == (1008, "BidiGenerateContent session not found")


# ------------------------------------------------------------------ the turns


def test_an_empty_turn_ends_without_content(connected):
    async def use(model):
        async with model.connect() as session:
            messages = session.receive()
            empty, full = await session.ask("one"), await session.ask("two")
            seen = kinds(await until(messages, "turn_complete"))
            return empty, full.text, seen

    (empty, text, seen), _ = run(connected, use, EmptyTurn())
    assert (empty.text, len(empty.audio), empty.turn) == ("", 0, None)
    assert text == "two"
    assert seen[-1] == "turnComplete"
    assert "audio" not in seen


def test_a_phantom_interruption_cuts_a_turn_that_nobody_cut(connected):
    async def use(model):
        messages, _ = await one_turn(model)
        return kinds(messages), [message.interrupted for message in messages]

    rule = PhantomInterruption(kind="audio", number=2)
    (seen, interrupted), records = run(connected, use, rule)
    assert seen == ["audio"] * 3 + ["interrupted", "turnComplete"]
    assert sum(interrupted) == 1
    assert records[0].turns[0].interrupted
    assert records[0].turns[0].frames_sent < len(WORDS) * 1_440 / 2


def test_an_interruption_after_every_message_is_not_interrupted_itself():
    async def use(model):
        messages, _ = await one_turn(model)
        return kinds(messages)

    seen, _ = run(in_memory, use, PhantomInterruption(times=None))
    # After the setup, the handle and the first audio; what opens a turn is empty and not seen.
    assert seen == [*["interrupted"] * 2, "audio", "interrupted", "turnComplete"]


def test_a_phantom_interruption_of_nothing_disturbs_nothing(connected):
    async def use(model):
        async with model.connect() as session:
            messages = session.receive()
            await until(messages, "interrupted")
            return now(), (await session.ask("hello")).text

    (at_s, text), _ = run(connected, use, PhantomInterruption(at_s=4))
    assert at_s == pytest.approx(4)
    assert text == "hello"


# ------------------------------------------------------------------ the rules


def test_a_rule_is_for_the_session_it_names(connected):
    async def use(model):
        return [(await one_turn(model))[1] for _ in range(3)]

    closures, _ = run(connected, use, Drop(session=1, kind="audio"))
    assert [closure and closure.code for closure in closures] == [None, 1006, None]


@pytest.mark.parametrize(
    ("rule", "doubled"),
    [
        (Duplicate(kind="audio", times=None), [0, 1, 2, 3, 4, 5, 6, 7, 8]),
        (Duplicate(kind="audio", number=7), [7]),
        (Duplicate(kind="audio", number=4, times=2), [4, 5]),
        (Duplicate(kind="audio", times=0), []),
        (Duplicate(kind="audio", at_s=1e9), []),
    ],
)
def test_which_messages_a_rule_is_for(rule, doubled):
    async def use(model):
        messages, _ = await one_turn(model, "x" * 35)
        return [message.audio.tobytes() for message in messages if message.audio is not None]

    chunks, _ = run(in_memory, use, rule)
    once, _ = run(in_memory, use)
    assert len(once) == 9
    assert chunks == [chunk for i, chunk in enumerate(once) for _ in range(1 + (i in doubled))]


def test_rules_from_a_scenario_file():
    rules = faults_from(
        [
            {"fault": "close", "session": 0, "kind": "audio", "number": 3, "code": 1008},
            {"fault": "withheld_handle"},
            {"fault": "refused_resume", "reason": "busy"},
            Drop(at_s=3),
        ]
    )
    assert rules == (
        Close(session=0, kind="audio", number=3, code=1008),
        WithheldHandle(times=None),
        RefusedResume(direction="client", kind="resume", reason="busy"),
        Drop(at_s=3),
    )
    assert rules[1].times is None


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"fault": "explode"}, "explode"),
        ({"fault": "drop", "nmber": 1}, "nmber"),
        ({"fault": "drop", "number": -1}, "0 or more"),
        ({"fault": "drop", "kind": "setup"}, "the server does not send"),
        ({"fault": "drop", "direction": "client", "kind": "setupComplete"}, "clientContent"),
        ({"fault": "close", "code": 1006}, "use the fault drop"),
        ({"fault": "close", "reason": "x" * 124}, "123 fit"),
        ({"fault": "stall", "duration_s": 0}, "positive"),
        ({"fault": "late_pongs", "delay_s": -1}, "positive"),
        ({"fault": "oversized", "size_bytes": 2**40}, "256 MiB"),
        ({"fault": "oversized", "direction": "client"}, "direction"),
    ],
)
def test_a_rule_that_is_none_is_refused_with_advice(rule, words):
    with pytest.raises(ValueError, match="Rule 0") as caught:
        faults_from([rule])
    assert words in str(caught.value)


def test_a_message_has_several_kinds():
    bundle = (
        b'{"serverContent": {"modelTurn": {"parts": [{"inlineData": {}}]}, "turnComplete": true},'
        b' "usageMetadata": {}}'
    )
    assert kinds_of_server_message(bundle) == {
        *("serverContent", "modelTurn", "audio", "turnComplete", "usageMetadata")
    }
    assert kinds_of_server_message(b'{"serverContent": {}}') == {"serverContent", "empty"}
    assert kinds_of_client_message('{"realtime_input": {"audio": {}}}') == {
        *("realtimeInput", "audio")
    }
    setup = b'{"setup": {"model": "m", "sessionResumption": {"handle": "h"}}}'
    members = {"setup.model", "setup.sessionResumption"}
    assert kinds_of_client_message(setup) == {"setup", "resume", *members}
    assert kinds_of_client_message(b'{"setup": {"model": "m"}}') == {"setup", "setup.model"}
    assert kinds_of_client_message(b"no json") == frozenset()
    for odd in (b"1", b'{"modelTurn": 1}', b'{"modelTurn": {"parts": 1}}'):
        assert "serverContent" in kinds_of_server_message(b'{"serverContent": %b}' % odd)


# ------------------------------------------------------------------ everything together


SCENARIO = [
    {"fault": "stall", "session": 0, "kind": "audio", "number": 3, "duration_s": 2},
    {"fault": "duplicate", "kind": "audio", "number": 5},
    {"fault": "phantom_interruption", "session": 0, "kind": "audio", "number": 12},
    {
        "fault": "empty_turn",
        "session": 0,
        "direction": "client",
        "kind": "clientContent",
        "number": 2,
    },
    {"fault": "drop", "session": 0, "kind": "audio", "number": 18},
    {"fault": "withheld_handle", "session": 1},
]


def play(connected, link):
    """A scenario in two sessions; what the client saw, and what the server recorded."""

    async def use(model):
        seen = []
        for _ in range(2):
            session = await model.connect()
            messages = session.receive()
            for words in (WORDS, "and once more the same", "nothing", "the last of the words"):
                if session.closed:
                    break
                await session.send(words)
                seen += [shape(message) for message in await until(messages, "turn_complete")]
            seen.append((session.closure and session.closure.code, session.resumption))
            await session.close()
        return seen

    emulator = small_server(faults=SCENARIO, link=link, seed=5, settings=SETTINGS)
    return run(connected, use, emulator=emulator, session_resumption=True)


@pytest.mark.parametrize("link", [None, "wifi", "lte_handover"])
def test_a_scenario_is_the_same_in_memory_and_over_a_socket(link):
    seen, records = play(in_memory, link)
    over, _ = play(over_sockets, link)
    assert over == seen
    assert play(in_memory, link)[0] == seen
    assert [[fault.fault for fault in record.faults] for record in records] == [
        ["stall", "duplicate", "phantom_interruption", "empty_turn", "drop"],
        ["withheld_handle", "duplicate", *["withheld_handle"] * 4],
    ]


def test_a_client_with_less_patience_over_a_socket():
    """The connector's own settings hold: `silence_timeout_s`."""

    async def main():
        server = small_server(faults=[HalfOpen(kind="audio")])
        connector = WebSocketConnector(ping_interval_s=1, silence_timeout_s=3)
        async with over_sockets(server, connector) as model:
            _, closure = await one_turn(model)
            return closure.reason

    assert run_in_virtual_time(main()) == "neither data nor a pong came for 3 s"


MESSAGES = st.sampled_from([None, "audio", "turnComplete", "setupComplete", "serverContent"])
NUMBERS = st.none() | st.integers(0, 12)
TIMES = st.none() | st.floats(0, 12)
RULES = st.one_of(
    *(
        st.builds(rule, kind=MESSAGES, number=NUMBERS, at_s=TIMES, times=st.none() | st.just(1))
        for rule in (Close, Drop, HalfOpen, Malformed, EmptyTurn, PhantomInterruption, LatePongs)
    ),
    st.builds(Stall, kind=MESSAGES, at_s=TIMES, duration_s=st.floats(0.1, 20)),
    st.builds(Duplicate, kind=MESSAGES, number=NUMBERS, times=st.none() | st.just(1)),
    st.builds(Duplicate, direction=st.just("client"), number=NUMBERS),
    st.builds(Malformed, direction=st.just("client"), number=NUMBERS),
    st.builds(WithheldHandle, times=st.none() | st.integers(0, 3)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(RULES, max_size=4), st.sampled_from([None, "wifi_congested", "lte_handover"]))
def test_whatever_goes_wrong_a_session_ends_and_the_same_way_again(rules, link):
    """No rule and no two together may hang client or server, or depend on chance."""

    async def main():
        server = small_server(faults=rules, link=link)
        seen = []
        async with in_memory(server, session_resumption=True) as model:
            with contextlib.suppress(SessionClosed, SetupRejected, ConnectError):
                async with model.connect(timeout_s=20) as session:
                    messages, every = session.receive(), session.receive()
                    for words in ("one two three four", "five six"):
                        await session.send(words)
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(15):
                                await until(messages, "turn_complete")
                    await session.close()
                    seen += [shape(message) async for message in every]
            seen.append(now())
        return seen, server.sessions

    seen, records = run_in_virtual_time(main())
    assert all(record.close_code is not None for record in records)
    again, records_again = run_in_virtual_time(main())
    assert (seen, records) == (again, records_again)

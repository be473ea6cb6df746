"""Sessions that outlive their connections: the real session and the real server together."""

import asyncio
import contextlib

import numpy as np
import pytest
from live_script import ScriptedConnector, Server, model_for, nothing_left_behind
from world_support import SETTINGS, in_memory, over_sockets, small_server

from antiphon import Continuity, LiveModel, ToolResult
from antiphon.channel import ChannelClosed
from antiphon.emulator import Call, CallableBrain, Reply, Settings
from antiphon.emulator.faults import Close, Drop, HalfOpen, RefusedResume, WithheldHandle
from antiphon.errors import AuthError, ConnectError, QuotaError, SessionClosed
from antiphon.protocol import (
    AnswerCut,
    AttemptFailed,
    ConnectionLost,
    GoingAway,
    Moving,
    Resumed,
)
from antiphon.virtual_time import run_in_virtual_time

QUESTION = "tell me again"


class Watched:
    """A session and what was told about its connections."""

    def __init__(self, session):
        self.session = session
        self.events = []
        self._more = asyncio.Event()
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self):
        async for event in self.session.events():
            self.events.append(event)
            self._more.set()

    async def until(self, kind):
        async with asyncio.timeout(10):
            while kind not in map(type, self.events):
                self._more.clear()
                await self._more.wait()

    def kinds(self):
        return [type(event).__name__ for event in self.events]

    def only(self, kind):
        (event,) = [event for event in self.events if isinstance(event, kind)]
        return event


async def use(model, do):
    async with model.connect() as session:
        watched = Watched(session)
        result = await do(watched)
    await watched._watching
    await nothing_left_behind(session)
    return watched, result


def in_world(do, *faults, continuity=None, settings=SETTINGS):
    emulator = small_server(faults=faults, settings=settings, inspect=True)

    async def main():
        async with in_memory(emulator, continuity=continuity or Continuity()) as model:
            return await use(model, do)

    return emulator, *run_in_virtual_time(main())


def content_of(emulator, session):
    """All texts of the turns that a connection was sent."""
    return [
        turn["parts"][0]["text"]
        for event in emulator.events(session)
        for turn in event.message.get("clientContent", {}).get("turns", [])
    ]


async def ask_twice(watched):
    """A question before the break and one in it."""
    first = await watched.session.ask("hello")
    await asyncio.sleep(12.0)
    second = await watched.session.ask(QUESTION)
    return first, second


def test_a_question_in_a_break_is_answered_by_the_next_connection():
    emulator, watched, (first, second) = in_world(
        ask_twice, Drop(session=0, direction="client", kind="clientContent", number=1)
    )
    assert (first.text, second.text) != ("", "")
    assert watched.kinds() == ["ConnectionLost", "Resumed"]
    assert watched.only(Resumed).with_handle
    assert watched.only(Resumed).sent_again == 1
    assert len(emulator.sessions) == 2
    assert QUESTION in second.text


def test_an_answer_that_is_cut_says_so_and_is_given_again():
    async def listen(watched):
        messages = watched.session.receive()
        await watched.session.send_text_realtime(QUESTION)
        seen = []
        async for message in messages:
            seen.append(message)
            if message.turn_complete:
                break
        return seen

    _, watched, seen = in_world(listen, Drop(session=0, kind="audio", number=3))
    cut = watched.only(AnswerCut)
    (at,) = [number for number, message in enumerate(seen) if message.answer_cut is not None]
    assert seen[at].answer_cut == cut
    assert cut.asked_again
    assert cut.received_s == pytest.approx(sum(m.audio_duration_s for m in seen[:at]))
    assert {message.turn for message in seen[at + 1 :] if message.turn} == {cut.turn + 1}
    assert sum(m.audio_duration_s for m in seen[at + 1 :]) > cut.received_s


def test_ask_returns_the_answer_that_was_given_again():
    async def ask(watched):
        return await watched.session.ask(QUESTION)

    _, watched, reply = in_world(ask, Drop(session=0, kind="audio", number=3))
    assert watched.only(AnswerCut).asked_again
    assert not reply.cut
    assert reply.turn == 2
    assert reply.audio_s == pytest.approx(0.06 * len(QUESTION))


def test_ask_returns_what_came_of_an_answer_that_is_not_given_again():
    async def ask(watched):
        return await watched.session.ask(QUESTION)

    at_most_once = Continuity(send_again=False)
    fault = Drop(session=0, kind="audio", number=3)
    _, watched, reply = in_world(ask, fault, continuity=at_most_once)
    assert watched.only(AnswerCut) == AnswerCut(1, 0.68, asked_again=False)
    assert reply.cut
    assert (reply.turn, reply.audio_s) == (1, pytest.approx(0.68))


def test_an_answer_that_is_interrupted_between_two_connections_is_not_given_again():
    async def ask(watched):
        session = watched.session
        messages = session.receive()
        asking = asyncio.create_task(session.ask(QUESTION))
        async for message in messages:
            if message.answer_cut is not None:
                break
        await session.interrupt()
        before = await asking
        await asyncio.sleep(5.0)
        after = await session.ask("And now?")
        came = []
        async for message in messages:
            came.append(message)
            if message.turn_complete and message.turn == after.turn:
                break
        return before, after, came

    _, watched, (before, after, came) = in_world(ask, Drop(session=0, kind="audio", number=3))
    assert watched.kinds() == ["ConnectionLost", "AnswerCut", "Resumed"]
    assert (before.turn, before.interrupted, before.audio_s) == (1, True, 0.0)
    assert (after.turn, after.interrupted) == (2, False)
    assert "And now?" in after.text
    assert QUESTION not in after.text
    assert sum(message.audio_duration_s for message in came) == pytest.approx(after.audio_s)


def test_a_planned_move_at_most_once_does_not_cut_a_file_in_two():
    got = []

    async def script(server):
        got.append(0)
        await server.accept()
        await server.say({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}})
        with contextlib.suppress(ChannelClosed):
            while True:
                message = await server.hear()
                got[-1] += "audio" in message.get("realtimeInput", {})
                if len(got) == 1 and got[0] == 100:
                    await server.say({"goAway": {"timeLeft": "50s"}})

    async def main():
        policy = Continuity(send_again=False)
        async with model_for(script, continuity=policy, max_messages=4).connect() as session:
            await asyncio.sleep(20)
            await session.send_audio_realtime(np.ones(16_000 * 10, np.int16))
            await asyncio.sleep(1)

    run_in_virtual_time(main())
    assert got == [500, 0]


def test_a_refused_handle_leads_to_a_new_session_that_was_told_what_was_said():
    emulator, watched, (first, second) = in_world(
        ask_twice,
        Drop(session=0, direction="client", kind="clientContent", number=1),
        RefusedResume(session=1),
    )
    assert watched.kinds() == ["ConnectionLost", "AttemptFailed", "Resumed"]
    assert not watched.only(Resumed).with_handle
    assert QUESTION in second.text
    told = content_of(emulator, session=2)
    assert told == ["hello", first.text, QUESTION]


def test_without_a_handle_the_session_goes_on_too():
    _, watched, (_, second) = in_world(
        ask_twice,
        Drop(session=0, direction="client", kind="clientContent", number=1),
        WithheldHandle(),
    )
    assert watched.kinds() == ["ConnectionLost", "Resumed"]
    assert not watched.only(Resumed).with_handle
    assert QUESTION in second.text


def test_at_go_away_the_session_moves_before_it_is_cut():
    settings = Settings(connection_limit_s=60.0, go_away_lead_s=20.0)

    async def wait(watched):
        await watched.session.ask("hello")
        await asyncio.sleep(100.0)
        return await watched.session.ask(QUESTION)

    emulator, watched, reply = in_world(wait, settings=settings)
    assert watched.kinds()[:3] == ["GoingAway", "Moving", "Resumed"]
    assert ConnectionLost not in map(type, watched.events)
    assert watched.events[0] == GoingAway(20.0)
    assert all(event.gap_s < 1 for event in watched.events if isinstance(event, Resumed))
    assert Moving() in watched.events
    assert QUESTION in reply.text
    # The old connection was closed before the next one resumed: else the service says 1011.
    assert emulator.sessions[0].close_code in (1000, None)


def test_without_compression_a_session_outlives_its_own_time_too():
    """The service ends it, however often its connections are renewed; the next one is told."""
    settings = Settings(session_limit_s=60.0, connection_limit_s=25.0, go_away_lead_s=10.0)

    async def talk(watched):
        for number in range(20):
            reply = await watched.session.ask(f"question {number}")
            assert f"question {number}" in reply.text
            await asyncio.sleep(9.0)

    _, watched, _ = in_world(talk, settings=settings)
    resumed = [event for event in watched.events if isinstance(event, Resumed)]
    assert [event.with_handle for event in resumed].count(False) >= 2
    assert sum(event.attempts for event in resumed) <= len(resumed) + 4


def test_a_half_open_connection_is_noticed_and_replaced():
    _, watched, (_, second) = in_world(
        ask_twice, HalfOpen(session=0, direction="client", kind="clientContent", number=1)
    )
    assert "Resumed" in watched.kinds()
    assert QUESTION in second.text


def test_a_session_that_cannot_be_mended_says_what_happened_first_and_last():
    async def wait(watched):
        await watched.session.ask("hello")
        with pytest.raises(SessionClosed) as caught:
            async for _ in watched.session.receive():
                pass
        return caught.value

    _, watched, error = in_world(
        wait,
        Drop(session=0, at_s=30.0),
        *(Close(session=number, code=1011) for number in range(1, 5)),
        continuity=Continuity(max_attempts=4),
    )
    assert watched.kinds() == ["ConnectionLost", *["AttemptFailed"] * 3]
    assert [event.number for event in watched.events if isinstance(event, AttemptFailed)] == [
        1,
        2,
        3,
    ]
    assert "without a goodbye" in str(error)
    assert "4 attempts to go on failed" in str(error)
    assert error.code == 1011


class Refusing:
    """Connects once; then every attempt ends in this way."""

    def __init__(self, inner, then):
        self.inner, self.then = inner, then
        self.connected = 0

    async def connect(self, url, headers, *, timeout_s):
        self.connected += 1
        if self.connected > 1:
            await self.then()
        return await self.inner.connect(url, headers, timeout_s=timeout_s)


def with_connector(then, do, *faults, **policy):
    emulator = small_server(faults=faults)

    async def main():
        async with in_memory(emulator, continuity=Continuity(**policy)) as model:
            model._connector = connector = Refusing(model._connector, then)
            watched, result = await use(model, do)
            return watched, result, connector

    return run_in_virtual_time(main())


def test_a_credential_that_is_refused_is_not_tried_again():
    async def refuse():
        raise ConnectError("The token has expired.", code=401, cause="auth", hint="Get a new one.")

    async def wait(watched):
        await watched.session.ask("hello")
        return await watched.session.wait_closed()

    watched, closure, connector = with_connector(refuse, wait, Drop(session=0, at_s=30.0))
    assert connector.connected == 2
    assert closure.cause == "auth"
    assert watched.kinds() == ["ConnectionLost"]


@pytest.mark.parametrize(
    ("error", "cause", "attempts"),
    [
        (AuthError("The vault is closed.", cause="auth"), "auth", 1),
        (QuotaError("No more tokens.", cause="quota"), "quota", 3),
        (RuntimeError("a connector with an error"), "unknown", 3),
    ],
)
def test_whatever_an_attempt_fails_with_the_session_ends_with_it(error, cause, attempts):
    async def fail():
        raise error

    async def wait(watched):
        await watched.session.ask("hello")
        return await watched.session.wait_closed()

    drop = Drop(session=0, at_s=30.0)
    _, closure, connector = with_connector(fail, wait, drop, max_attempts=3)
    assert connector.connected == 1 + attempts
    assert closure.cause == cause


def test_close_does_not_wait_for_a_connection_that_is_being_made():
    async def hang():
        await asyncio.sleep(1_000)

    async def close(watched):
        await watched.session.ask("hello")
        await asyncio.sleep(30.0)
        assert watched.kinds() == ["ConnectionLost"]
        began_s = asyncio.get_running_loop().time()
        await watched.session.close()
        return asyncio.get_running_loop().time() - began_s

    watched, took_s, _ = with_connector(hang, close, Drop(session=0, at_s=20.0))
    assert took_s == 0.0
    assert watched.session.closed


def test_a_connection_that_does_not_close_holds_no_move_up(caplog):
    async def script(server):
        first = connector.servers == [server]
        await server.accept()
        if first:
            await server.say({"goAway": {"timeLeft": "50s"}})
        await server.hear_all()

    async def connect(url, headers, *, timeout_s):
        channel = await ScriptedConnector.connect(connector, url, headers, timeout_s=timeout_s)
        if len(connector.servers) == 1:
            channel.close = lambda _: asyncio.Event().wait()  # its peer says nothing more
        return channel

    model = model_for(script, continuity=Continuity())
    connector = model._connector
    connector.connect = connect

    async def listen(watched):
        await watched.until(Resumed)
        return watched.only(Resumed).gap_s

    async def main():
        _, gap_s = await use(model, listen)
        connector.tasks[0].cancel()
        return gap_s

    assert run_in_virtual_time(main()) == 2.0
    assert "going on without it" in caplog.text


def test_senders_wait_for_room_while_there_is_no_connection():
    """What a sender has handed in is never lost."""

    async def later():
        await asyncio.sleep(20.0)

    async def send(watched):
        await watched.session.ask("hello")
        await asyncio.sleep(15.0)
        took = []
        for number in range(80):
            began_s = asyncio.get_running_loop().time()
            await watched.session.send(f"word {number}", turn_complete=False)
            took.append(asyncio.get_running_loop().time() - began_s)
        await asyncio.sleep(5.0)
        return took

    emulator = small_server(faults=[Drop(session=0, at_s=14.0)], inspect=True)

    async def main():
        continuity = Continuity(connect_timeout_s=30)
        async with in_memory(emulator, continuity=continuity) as model:
            model._connector = Refusing(model._connector, later)
            return await use(model, send)

    _, took = run_in_virtual_time(main())
    assert set(took[:64]) == {0.0}
    assert took[64] > 10
    words = content_of(emulator, session=1)
    assert words == [f"word {number}" for number in range(80)]


# ---------------------------------------------------------------------- real sockets


@pytest.mark.parametrize("fault", [Drop, Close])
def test_over_real_sockets_an_answer_that_is_cut_is_given_again(fault):
    emulator = small_server(faults=[fault(session=0, kind="audio", number=3)])

    async def listen(watched):
        await watched.session.send_text_realtime(QUESTION)
        async for message in watched.session.receive():
            if message.turn_complete:
                return message
        raise AssertionError("the session ended")

    async def main():
        async with over_sockets(emulator, continuity=Continuity()) as model:
            return await use(model, listen)

    watched, _ = asyncio.run(main())
    assert watched.kinds() == ["ConnectionLost", "AnswerCut", "Resumed"]
    assert watched.only(AnswerCut).asked_again
    assert watched.only(AnswerCut).received_s == pytest.approx(0.2 + 2 * 0.24)
    assert len(emulator.sessions) == 2


def test_over_real_sockets_the_session_moves_at_go_away():
    settings = Settings(
        reply_delay_s=(0.0, 0.0), speed=(50, 50), connection_limit_s=1.5, go_away_lead_s=1.4
    )
    emulator = small_server(settings=settings)

    async def wait(watched):
        await watched.until(Resumed)
        return await watched.session.ask("hi")

    async def main():
        async with over_sockets(emulator, continuity=Continuity()) as model:
            return await use(model, wait)

    watched, reply = asyncio.run(main())
    assert watched.kinds()[:3] == ["GoingAway", "Moving", "Resumed"]
    assert "hi" in reply.text


# ---------------------------------------------------------------------- tools


def with_function(function, *faults, meanwhile="", **policy):
    """Ask for something that takes a call; returns the server, what was told, and the answer."""

    def brain(turn):
        if turn.tool_result is not None:
            return Reply(f"It is {turn.tool_result.response['output']}.")
        told = turn.text.startswith("[")
        return Reply("I see.") if told else Reply(meanwhile, Call("f", {"x": 1}))

    emulator = small_server(faults=faults, brain=CallableBrain(brain), inspect=True)

    async def ask(watched):
        async with asyncio.timeout(60):
            reply = await watched.session.ask("what is f")
            await asyncio.sleep(10)
            return reply.text

    async def main():
        async with emulator.connector() as connector:
            model = LiveModel(
                backend=emulator.backend(),
                connector=connector,
                tools=[function],
                continuity=Continuity(**policy),
            )
            watched, reply = await use(model, ask)
        emulator.close()
        return watched, reply

    return emulator, *run_in_virtual_time(main())


@pytest.mark.parametrize("takes_s", [0.0, 1.2, 20.0])
def test_a_function_runs_once_though_the_model_calls_it_again(takes_s):
    """The connection breaks while it runs, or when its result has left; its effects stay one."""
    runs = []

    async def f(x: int) -> int:
        runs.append(x)
        await asyncio.sleep(takes_s)
        return 42

    fault = Drop(session=0, at_s=1.0) if takes_s else Drop(session=0, kind="audio")
    emulator, watched, reply = with_function(f, fault)
    assert runs == [1]
    assert "It is 42" in reply or "It is 42" in emulator.sessions[-1].turns[-1].text
    assert "Resumed" in watched.kinds()
    assert [len(session.turns[0].tool_calls) for session in emulator.sessions] == [1, 1]


def test_at_most_once_the_result_is_told_to_a_session_that_does_not_know_the_call():
    async def f(x: int) -> int:
        await asyncio.sleep(5)
        return 42

    emulator, _, _ = with_function(f, Drop(session=0, at_s=1.0), send_again=False)
    (turn,) = emulator.sessions[1].turns
    assert turn.input_text == '[Result of f: {"output": 42}]'


def test_a_stream_of_results_is_taken_as_it_is_scheduled():
    async def f(x: int) -> int:
        yield ToolResult(x, scheduling="SILENT")
        await asyncio.sleep(1)
        yield ToolResult(x + 1, scheduling="INTERRUPT")
        yield ToolResult(x + 2, scheduling="WHEN_IDLE")

    emulator, _, _ = with_function(f, meanwhile="One moment, I am looking that up for you.")
    (session,) = emulator.sessions
    said = [(turn.text, turn.interrupted) for turn in session.turns]
    assert said == [
        ("One moment, I am looking that up for you.", True),
        ("It is 2.", False),
        ("It is 3.", False),
    ]


def test_a_close_between_two_connections_sends_what_waits_over_the_next_one():
    heard = []

    async def cut(server):
        await server.accept()
        await asyncio.sleep(20)
        await server.channel.close(1006)

    async def listen(server):
        await server.accept()
        heard.append(server)
        await server.hear_all()

    async def main():
        model = model_for(cut, continuity=Continuity())
        async with model.connect() as session:
            model._connector.script = listen
            events = session.events()
            assert isinstance(await anext(events), ConnectionLost)
            await session.send_text_realtime("one")
            await session.send_text_realtime("two")
        await nothing_left_behind(session)
        return session

    session = run_in_virtual_time(main())
    assert session.closure.clean
    (server,) = heard
    texts = [message["realtimeInput"]["text"] for message in server.received[1:]]
    assert texts == ["one", "two"]


def test_what_a_close_between_two_connections_leaves_unsent_is_told(caplog):
    async def cut(server):
        await server.accept()
        await asyncio.sleep(20)
        await server.channel.close(1006)

    async def main():
        model = model_for(cut, continuity=Continuity())
        async with model.connect() as session:
            model._connector.script = Server.hear_all  # another connection is not accepted
            await asyncio.sleep(21)
            await session.send_text_realtime("one")
            await session.send_text_realtime("two")
            assert session.unsent_messages == 2
        await nothing_left_behind(session)
        return session

    session = run_in_virtual_time(main())
    assert session.closure.by == "us"
    assert "2 messages were not sent" in caplog.text

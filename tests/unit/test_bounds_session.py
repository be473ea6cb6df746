"""What a session holds for those who read it, though it may go on for days."""

import asyncio
import threading

import pytest
from live_script import DONE, audio, content, model_for, spoken, written

from antiphon.protocol import Usage
from antiphon.session import feed as feed_module
from antiphon.session import reply as reply_module
from antiphon.session import tool
from antiphon.session import tool_runner as tool_runner_module
from antiphon.session.feed import Feed
from antiphon.session.invocation import Invoker
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import ModalityTokens, UsageMetadata


def answer_to(script, use):
    async def main():
        async with model_for(script).connect() as session:
            return await use(session)

    return run_in_virtual_time(main())


@pytest.mark.parametrize("long", [audio(2_000), written("x" * 4_000), spoken("x" * 4_000)])
def test_a_reply_is_bounded_and_says_so(monkeypatch, long):
    monkeypatch.setattr(reply_module, "MAX_REPLY_BYTES", 50_000)

    async def script(server):
        await server.accept()
        for _ in range(2):
            await server.hear()
            for _ in range(1_000):
                await server.say(long)
                await asyncio.sleep(0.01)
            await server.say(content(interrupted=True), DONE)
            await server.say(written("short"), DONE)
        await server.hear_all()

    async def use(session):
        turns = session.turns()
        asked = await session.ask("one")
        long_one, short = await anext(turns), await anext(turns)
        asked_again = await session.ask("two")
        return asked, long_one, short, asked_again

    asked, long_one, short, asked_again = answer_to(script, use)
    assert asked == long_one
    for reply in (asked, asked_again):
        assert reply.truncated
        assert reply.interrupted  # its end is still seen
        assert 40_000 < len(reply.pcm) + len(reply.text) < 50_000
    assert (short.truncated, short.text) == (False, "short")


def test_a_reply_within_the_bound_is_whole():
    async def script(server):
        await server.accept()
        await server.hear()
        await server.say(*[audio(2_400)] * 600, DONE)
        await server.hear_all()

    reply = answer_to(script, lambda session: session.ask("one"))
    assert not reply.truncated
    assert reply.audio_s == pytest.approx(60)


# ------------------------------------------------------------------ events


def test_events_that_nobody_reads_are_bounded_by_what_they_tell(monkeypatch):
    monkeypatch.setattr(feed_module, "_BYTES_KEPT", 1_000)
    feed = Feed[str](len)

    async def main():
        events = feed.subscribe()
        for number in range(100):
            feed.put(f"{number:100}")
        assert len(events._unread) == 10
        feed.put("x" * 2_000)  # one alone may be larger
        feed.put("y")
        feed.end()
        return [event async for event in events], events._unread_bytes

    assert asyncio.run(main()) == (["y"], 0)


def test_events_that_tell_little_are_bounded_by_their_number():
    feed = Feed[int]()

    async def main():
        events = feed.subscribe()
        for number in range(10_010):
            feed.put(number)
        return await anext(events)

    assert asyncio.run(main()) == 10


def test_a_long_event_is_read_where_it_is_the_only_one(monkeypatch):
    monkeypatch.setattr(feed_module, "_BYTES_KEPT", 1_000)
    feed = Feed[str](len)

    async def main():
        events = feed.subscribe()
        feed.put("x" * 2_000)
        return await anext(events)

    assert len(asyncio.run(main())) == 2_000


# ------------------------------------------------------------------ functions


def test_a_peer_that_calls_and_does_not_read_cannot_make_any_number_of_answers_wait():
    ran = []

    def quick(x: int) -> int:
        """Answer at once."""
        ran.append(x)
        return x

    async def script(server):
        await server.accept()
        for number in range(7_000):
            call = {"id": str(number), "name": "quick", "args": {"x": number}}
            await server.say({"toolCall": {"functionCalls": [call]}})
            await asyncio.sleep(0.01)  # each has run when the next comes
        await asyncio.sleep(1)

    async def main():
        quickly = tool(quick, inline=True, behavior="NON_BLOCKING")
        session = await model_for(script, tools=[quickly], max_messages=8).connect()
        await asyncio.sleep(75)
        waiting = [t for t in asyncio.all_tasks() if t.get_name() == "antiphon-tool-answer"]
        await session.close()
        return len(waiting)

    assert run_in_virtual_time(main()) <= 4_000
    assert 2_000 <= len(ran) < 2_200


def test_what_is_called_with_much_is_refused_while_as_much_is_open(monkeypatch):
    monkeypatch.setattr(tool_runner_module, "_MAX_OPEN_BYTES", 100_000)

    async def wait(text: str, seconds: float) -> int:
        """Wait, and measure the text."""
        await asyncio.sleep(seconds)
        return len(text)

    async def script(server):
        await server.accept()
        for seconds in (5, 1):
            for _ in range(10):
                args = {"text": "x" * 30_000, "seconds": seconds}
                await server.say({"toolCall": {"functionCalls": [{"name": "wait", "args": args}]}})
            await asyncio.sleep(10)
        await server.hear_all()

    async def main():
        tools = [tool(wait, behavior="NON_BLOCKING")]
        model = model_for(script, tools=tools)
        session = await model.connect()
        await asyncio.sleep(25)
        open_bytes = session._tools._open_bytes
        await session.close()
        (server,) = model._connector.servers
        return open_bytes, [m["toolResponse"]["functionResponses"][0] for m in server.received[1:]]

    open_bytes, answers = run_in_virtual_time(main())
    results = [answer["response"].get("output") for answer in answers]
    assert open_bytes == 0
    assert (results.count(30_000), results.count(None)) == (8, 12)
    assert "Too many calls are open at once: 4" in str(answers)


def test_ids_of_any_length_are_not_remembered():
    ran = []

    def note(x: int) -> int:
        """Note it."""
        ran.append(x)
        return x

    async def script(server):
        await server.accept()
        for number in range(20):
            call = {"id": f"{number:1000}", "name": "note", "args": {"x": number}}
            await server.say({"toolCall": {"functionCalls": [call]}})
        answers = [await server.hear() for _ in range(20)]
        ids = [m["toolResponse"]["functionResponses"][0]["id"] for m in answers]
        assert ids == [f"{number:1000}" for number in range(20)]  # and they are answered
        await server.hear_all()

    async def main():
        session = await model_for(script, tools=[tool(note, inline=True)]).connect()
        await asyncio.sleep(1)
        runner, calls = session._tools, session._protocol._calls
        held = [runner._seen, runner._results, runner._running, calls._calls, calls._open]
        await session.close()
        return [len(each) for each in held]

    assert run_in_virtual_time(main()) == [0] * 5
    assert ran == list(range(20))


def test_names_of_modalities_are_bounded():
    details = [ModalityTokens(modality="x" * 10_000, token_count=3)]
    usage = Usage().plus(UsageMetadata(prompt_tokens_details=details))
    assert usage.prompt == {"x" * 64: 3}


def test_calls_do_not_pile_up_behind_functions_that_hang():
    go_on = threading.Event()

    @tool(timeout_s=0.1)
    def stuck() -> str:
        """Hang."""
        go_on.wait(30)
        return "late"

    async def main():
        invoker = Invoker()
        results = await asyncio.gather(
            *[invoker.call(stuck, {}) for _ in range(100)], return_exceptions=True
        )
        waiting = invoker._threads._work.qsize()
        go_on.set()
        stuck.timeout_s = 30.0
        after = await asyncio.gather(*[invoker.call(stuck, {}) for _ in range(20)])
        invoker.shut()
        return results, waiting, after

    results, waiting, after = asyncio.run(main())
    assert all("longer than 0.1 s" in str(error) for error in results)
    assert waiting == 0
    assert [each.output for each in after] == [{"output": "late"}] * 20

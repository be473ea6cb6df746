"""What a session holds for those who read it, though it may go on for days."""

import asyncio

import pytest
from live_script import DONE, audio, content, model_for, spoken, written

from antiphon.session import reply as reply_module
from antiphon.virtual_time import run_in_virtual_time


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

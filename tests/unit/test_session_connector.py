"""A connector that never answers, whoever wrote it, holds no session up."""

import asyncio

import pytest
from live_script import KEY, ScriptedConnector, accept_and_wait

from antiphon.errors import ConnectError, SessionClosed
from antiphon.protocol import AttemptFailed, Continuity
from antiphon.session import LiveModel
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import GoogleAI


class Deaf:
    """Answers ``calls`` times, and then never."""

    def __init__(self, script, calls):
        self.scripted = ScriptedConnector(script)
        self.calls = calls

    async def connect(self, url, headers, *, timeout_s):
        if self.calls == 0:
            await asyncio.Event().wait()
        self.calls -= 1
        return await self.scripted.connect(url, headers, timeout_s=timeout_s)


def model_with(connector, **settings):
    return LiveModel(backend=GoogleAI(api_key=KEY), connector=connector, **settings)


def test_connecting_ends():
    async def main():
        with pytest.raises(ConnectError, match="within 5 s") as caught:
            await model_with(Deaf(accept_and_wait, 0)).connect(timeout_s=5)
        assert caught.value.cause == "timeout"
        assert asyncio.get_running_loop().time() < 10

    run_in_virtual_time(main())


def test_a_session_that_is_lost_gives_up_and_its_senders_go_on():
    async def lost(server):
        await server.accept()
        await asyncio.sleep(20)
        await server.channel.close(1006)

    async def main():
        continuity = Continuity(max_attempts=3, connect_timeout_s=2)
        session = await model_with(Deaf(lost, 1), continuity=continuity).connect()
        events = session.events()
        await asyncio.sleep(21)
        with pytest.raises(SessionClosed) as caught:
            while True:
                await session.send_text_realtime("still there?")
                await asyncio.sleep(0.1)
        assert caught.value.cause == "timeout"
        failed = [event async for event in events if isinstance(event, AttemptFailed)]
        assert len(failed) == 2
        await session.close()

    run_in_virtual_time(main())


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RuntimeError("broken"), "the connector failed with RuntimeError. See the log."),
        (
            ConnectError("Not connected: refused. Is it up?", cause="refused", hint="Is it up?"),
            "Not connected: refused. Is it up?",
        ),
    ],
)
def test_what_kept_a_session_from_going_on_is_told_in_whole_sentences(error, told):
    class Broken(Deaf):
        async def connect(self, url, headers, *, timeout_s):
            if self.calls == 0:
                raise error
            return await super().connect(url, headers, timeout_s=timeout_s)

    async def lost(server):
        await server.accept()
        await server.channel.close(1006)

    async def main():
        continuity = Continuity(max_attempts=1)
        session = await model_with(Broken(lost, 1), continuity=continuity).connect()
        closure = await session.wait_closed()
        assert str(closure.error()).endswith(told)
        assert str(closure.error()).count(".") == told.count(".")
        await session.close()

    run_in_virtual_time(main())

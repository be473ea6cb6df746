"""The driver of the local server's sessions, on channels that do what they like."""

import asyncio
import json

import pytest
from world_support import small_server

from antiphon.channel import ChannelClosed
from antiphon.virtual_time import run_in_virtual_time

SETUP = json.dumps({"setup": {"model": "models/gemini-3.8-live"}}).encode()
TALK = json.dumps({"realtimeInput": {"text": "a few words"}}).encode()


class SlowChannel:
    """A server's end whose every send takes this long; its client says what it is told to."""

    def __init__(self, send_s, says):
        self.send_s = send_s
        self.says = list(says)
        self.sent = []
        self.sending = 0
        self.closed = []

    async def send(self, data):
        self.sending += 1
        assert self.sending == 1, "two sends at a time"
        try:
            await asyncio.sleep(self.send_s)
        finally:
            self.sending -= 1
        self.sent.append(json.loads(data))

    async def receive(self):
        if self.says:
            return self.says.pop(0)
        await asyncio.sleep(500)
        raise ChannelClosed(1000, "bye")

    async def close(self, code=1000, reason=""):
        self.closed.append((code, self.sending))


def serve(channel, **options):
    async def main():
        emulator = small_server(**options)
        await emulator.handle(channel, emulator.backend().url(), {})
        emulator.close()
        return emulator.sessions[0], asyncio.get_running_loop().time()

    return run_in_virtual_time(main())


def test_a_client_that_takes_nothing_for_a_minute_is_given_up():
    channel = SlowChannel(1_000, [SETUP])
    record, ended_s = serve(channel)
    assert ended_s == pytest.approx(60)
    assert record.close_code == 1006
    assert channel.closed == [(1011, 0)]  # not while a send is under way


def test_the_minute_is_that_of_one_message():
    channel = SlowChannel(59, [SETUP, TALK])
    record, ended_s = serve(channel)
    assert ended_s == pytest.approx(500)
    assert record.close_code == 1000
    assert len(channel.sent) == 500 // 59


def test_a_server_that_ends_leaves_no_task_behind():
    async def main():
        emulator = small_server()
        channel = SlowChannel(5, [SETUP, TALK])
        serving = asyncio.create_task(emulator.handle(channel, emulator.backend().url(), {}))
        await asyncio.sleep(12)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        emulator.close()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        return channel.closed[0][0], emulator.sessions[0].close_code, left

    assert run_in_virtual_time(main()) == (1001, 1006, set())


def test_a_job_that_fails_ends_the_session_and_is_not_hidden():
    async def main():
        emulator = small_server()

        async def fail(job):
            raise ZeroDivisionError(job.text)

        emulator._run_inline = fail
        channel = SlowChannel(0, [SETUP, TALK])
        with pytest.raises(ZeroDivisionError, match="a few words"):
            await emulator.handle(channel, emulator.backend().url(), {})
        emulator.close()
        return emulator.sessions[0].close_code

    assert run_in_virtual_time(main()) == 1006

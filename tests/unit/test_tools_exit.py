"""A function that hangs is the application's fault, but no reason for a process that never ends."""

import subprocess
import sys

from world_support import small_server

from antiphon.emulator import Call, CallableBrain, Reply

PROGRAM = """
import asyncio, sys, threading
from antiphon import GoogleAI, LiveModel
from antiphon.session import tool

@tool(timeout_s=0.2)
def hang() -> str:
    threading.Event().wait()

async def main():
    backend = GoogleAI(api_key="none", base_url=sys.argv[1])
    async with LiveModel(backend=backend, tools=[hang]).connect() as session:
        reply = await session.ask("hang")
        print(reply.text)

asyncio.run(main())
"""


def brain(turn):
    if turn.tool_result is not None:
        return Reply(turn.tool_result.response["error"])
    return Reply("", Call("hang", {}))


def test_a_function_that_never_returns_does_not_keep_the_process_from_ending():
    with small_server(brain=CallableBrain(brain)) as emulator:
        ended = subprocess.run(
            [sys.executable, "-c", PROGRAM, emulator.url],
            capture_output=True,
            check=True,
            text=True,
            timeout=50,
        )
    assert "longer than 0.2 s" in ended.stdout
    assert not ended.stderr.count("Traceback")

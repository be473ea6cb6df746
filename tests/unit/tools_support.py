"""Calls of functions, and what a session answers to them."""

import asyncio
import json

from live_script import Server, model_for, nothing_left_behind

from antiphon.protocol import LiveServerMessage
from antiphon.session import tool
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import decode_server_message


def call(name, call_id="1", /, **args):
    return {"name": name, "args": args, "id": call_id}


def calls(*which):
    return {"toolCall": {"functionCalls": list(which)}}


def message_of(**fields):
    return LiveServerMessage(decode_server_message(json.dumps(fields).encode()))


def answers_to(*messages, tools, name="gemini-3.1-flash-live-preview", wait_s=200.0, run=None):
    """What a session answers to the given messages, in order, as function responses."""

    async def script(server: Server):
        await server.accept()
        await server.say(*messages)
        await server.hear_all()

    async def main():
        model = model_for(script, tools=tools, name=name)
        async with model.connect() as session:
            await asyncio.sleep(wait_s)
        await nothing_left_behind(session)
        await model._connector.tasks[0]
        return [
            m["toolResponse"]["functionResponses"] for m in model._connector.servers[0].received[1:]
        ]

    return (run or run_in_virtual_time)(main())


@tool(inline=True)
def add(a: int, b: int) -> int:
    return a + b


async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


async def counts(to: int) -> int:
    for number in range(to):
        await asyncio.sleep(1)
        yield number


def star(*args: int) -> None: ...  # it cannot be declared

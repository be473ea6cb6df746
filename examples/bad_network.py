"""An application on a bad network, tested in virtual time: no socket, no waiting, no chance."""

import asyncio
from typing import Any

import antiphon
from antiphon.emulator import Emulator
from antiphon.emulator.faults import Drop, Stall
from antiphon.virtual_time import run_in_virtual_time

QUESTIONS = ("Hello!", "Ten of clubs", "Seven of clubs")


async def application(**where: Any) -> list[str]:
    """Ask everything; when the connection breaks, the session goes on over another one."""
    async with antiphon.connect(**where) as session:
        told = asyncio.create_task(tell(session))
        answers = [(await session.ask(question)).text for question in QUESTIONS]
    await told
    return answers


async def tell(session: antiphon.LiveSession) -> None:
    async for event in session.events():
        print(f"{asyncio.get_running_loop().time():6.3f} s: {event}")


async def run_on(link: str, *faults: Drop | Stall) -> list[str]:
    emulator = Emulator(link=link, faults=faults, seed=7)
    async with emulator.connector() as connector:
        answers = await application(backend=emulator.backend(), connector=connector)
    emulator.close()
    print(f"{asyncio.get_running_loop().time():6.3f} s: {len(answers)} answers over {link}")
    return answers


async def main() -> None:
    expected = await run_on("wired")
    bad = await run_on(
        "lte_handover",
        Stall(session=0, kind="audio", number=4, duration_s=3),
        Drop(session=0, kind="audio", number=12),  # in the middle of an answer
    )
    assert bad == expected


run_in_virtual_time(main())

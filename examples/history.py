"""A conversation that began earlier."""

import asyncio

import antiphon

EARLIER = [
    {"role": "user", "parts": "Remember the word blue."},
    {"role": "model", "parts": "I will remember it."},
]


async def main() -> None:
    async with antiphon.connect(response_modalities=["TEXT"], history=EARLIER) as session:
        print((await session.ask("What word did I ask you to remember?")).text)


asyncio.run(main())

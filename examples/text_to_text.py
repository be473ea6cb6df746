"""A typed question, a written answer."""

import asyncio

import antiphon


async def main() -> None:
    async with antiphon.connect(response_modalities=["TEXT"]) as session:
        reply = await session.ask("Tell me a short story.")
        print(reply.text)


asyncio.run(main())

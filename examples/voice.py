"""Another voice, another language, an instruction."""

import asyncio

import antiphon


async def main() -> None:
    async with antiphon.connect(
        voice="Kore", language="en-US", system_instruction="Be brief."
    ) as session:
        reply = await session.ask("Hello!")
        print(f"Kore says: {reply.text}")


asyncio.run(main())

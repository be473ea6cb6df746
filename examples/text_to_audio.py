"""A typed question, a spoken answer, saved as a WAV file."""

import asyncio

import antiphon


async def main() -> None:
    async with antiphon.connect() as session:
        reply = await session.ask("Tell me a short story.")
        reply.save("story.wav")
        print(f"{reply.audio_s:.1f} s of speech: {reply.text}")


asyncio.run(main())

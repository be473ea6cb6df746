"""A recording in, the answer's words out, as they come."""

import asyncio

import antiphon
from antiphon.assets import recording
from antiphon.audio.wav import read_wav


async def main() -> None:
    async with antiphon.connect(response_modalities=["TEXT"]) as session:
        pcm, rate_hz = read_wav(recording("cards-001"))
        await session.send_audio_realtime(pcm, rate_hz=rate_hz)
        await session.end_audio_stream()
        async for message in session.receive():
            print(message.text, end="", flush=True)
            if message.turn_complete:
                break
        print()


asyncio.run(main())

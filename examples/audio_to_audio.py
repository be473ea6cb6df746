"""A recording in, the spoken answer out: 24 kHz samples, ready to play."""

import asyncio

import numpy as np

import antiphon
from antiphon.assets import recording
from antiphon.audio.wav import read_wav


async def main() -> None:
    async with antiphon.connect() as session:
        pcm, rate_hz = read_wav(recording("cards-001"))
        await session.send_audio_realtime(pcm, rate_hz=rate_hz)
        await session.end_audio_stream()
        heard = []
        async for message in session.receive():
            if message.audio is not None:
                heard.append(message.audio)
            if message.turn_complete:
                break
        answer = np.concatenate(heard)
        print(f"{len(answer) / 24_000:.1f} s of speech")


asyncio.run(main())

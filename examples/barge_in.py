"""The user interrupts the model; the conversation knows what had been heard."""

import asyncio

from antiphon.assets import speech
from antiphon.conversation import Interrupted
from antiphon.devices import FileDevice

import antiphon


async def main() -> None:
    device = FileDevice(48_000)
    async with (
        antiphon.connect() as session,
        session.start_audio_conversation(device=device) as conversation,
    ):
        device.say(*speech("cards-001"))
        await asyncio.sleep(4.5)  # the answer is being spoken
        device.say(*speech("cards-003"))
        async for event in conversation:
            if isinstance(event, Interrupted):
                print(f"heard for {event.heard_ms:.0f} ms: about {event.heard_text!r}")
                break


asyncio.run(main())

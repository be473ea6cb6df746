"""The user interrupts the model; the conversation knows what had been heard."""

import asyncio

import antiphon
from antiphon.assets import recording
from antiphon.conversation import Interrupted
from antiphon.devices import FileDevice


async def main() -> None:
    device = FileDevice()
    async with (
        antiphon.connect() as session,
        session.start_audio_conversation(device=device) as conversation,
    ):
        device.say(recording("cards-001"))
        await asyncio.sleep(4.5)  # the answer is being spoken
        device.say(recording("cards-003"))
        async for event in conversation:
            if isinstance(event, Interrupted):
                print(f"heard for {event.heard_ms:.0f} ms: about {event.heard_text!r}")
                break


asyncio.run(main())

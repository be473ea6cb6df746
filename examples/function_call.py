"""A plain Python function as a tool: it is declared, run and answered."""

import asyncio

import antiphon


async def get_weather(city: str) -> str:
    """The weather in a city, now.

    Args:
        city: Name of the city.
    """
    print(f"(looking up {city})")
    return f"Sunny and 21 degrees in {city}."


async def main() -> None:
    async with antiphon.connect(tools=[get_weather], response_modalities=["TEXT"]) as session:
        print((await session.ask("Call get_weather for Paris")).text)


asyncio.run(main())

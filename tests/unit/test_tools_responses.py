"""Results that the application gives itself."""

import pytest
from live_script import KEY, model_for

from antiphon.session import LiveGenerationConfig
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import FirebaseAI, FunctionResponse, GoogleAI, VertexAI

RESPONSES = [
    FunctionResponse(id="a", name="f", response={"output": 1}),
    FunctionResponse(name="g", response={"output": 2}),
]
FIREBASE = {"api_key": KEY, "project": "p"}


async def answer(backend, **settings):
    """What of the two responses arrives."""

    async def script(server):
        await server.accept()
        await server.hear_all()

    model = model_for(script, backend=backend, **settings)
    async with model.connect() as session:
        try:
            await session.send_function_responses(RESPONSES)
        finally:
            await session.close()
            received = model._connector.servers[0].received[1:]
    (message,) = received
    return [each.get("id") for each in message["toolResponse"]["functionResponses"]]


@pytest.mark.parametrize("backend", [GoogleAI(api_key=KEY), FirebaseAI(**FIREBASE)])
def test_the_gemini_api_needs_the_id_of_the_call(backend):
    with pytest.raises(ValueError, match=r"response of 'g' has no id.*id=call\.id.*Nothing was"):
        run_in_virtual_time(answer(backend))
    config = LiveGenerationConfig(strict=False)
    assert run_in_virtual_time(answer(backend, config=config)) == ["a", None]


@pytest.mark.parametrize(
    "backend", [VertexAI(api_key=KEY), FirebaseAI(**FIREBASE, location="us-central1")]
)
def test_vertex_may_call_without_an_id(backend):
    assert run_in_virtual_time(answer(backend)) == ["a", None]

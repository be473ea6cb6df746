"""What a model is told of functions, beyond their schema."""

import pytest
from live_script import accept_and_wait, model_for

from antiphon.session import LiveGenerationConfig
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import FunctionDeclaration


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gemini-3.8-live-extended-thinking", ["NON_BLOCKING", "NON_BLOCKING"]),
        ("gemini-3.8-live", ["NON_BLOCKING", "BLOCKING"]),
        ("gemini-3.1-flash-live-preview", [None, "BLOCKING"]),
    ],
)
def test_models_that_do_not_wait_are_told_so_of_each_function(name, said):
    def quick() -> None:
        """It is."""

    tools = [quick, FunctionDeclaration(name="other", behavior=said[1])]

    async def main():
        config = LiveGenerationConfig(thinking_level="low") if "thinking" in name else None
        model = model_for(accept_and_wait, name=name, tools=tools, config=config)
        async with model.connect() as session:
            await session.update_context(tools=tools)
        return model._connector.servers[0].received

    setup, update = run_in_virtual_time(main())
    for told in (setup["setup"]["tools"], update["contextUpdate"]["tools"]["tools"]):
        (group,) = told
        assert [each.get("behavior") for each in group["functionDeclarations"]] == said

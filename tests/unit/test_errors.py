"""Errors say what happened in the same attributes, whole, and what to do."""

import copy
import pickle

import pytest

from antiphon import errors
from antiphon.channel import ChannelClosed
from antiphon.emulator import Emulator
from antiphon.errors import AntiphonError, ConnectError, SetupRejected, UnsupportedSetup
from antiphon.session import LiveModel
from antiphon.virtual_time import run_in_virtual_time
from antiphon.wire import complete_reason, explain_close

VERTEX_MODEL = "projects/ours/locations/us-central1/publishers/google/models/gemini-of-tomorrow"
NOT_FOUND = (
    "models/gemini-of-tomorrow is not found for API version v1beta, or is not supported for "
    "bidiGenerateContent. Call ListModels to see the list of available models and their supported "
    "methods."
)
NO_ACCESS = (
    f"Publisher Model `{VERTEX_MODEL}` was not found or your project does not have access to it. "
    "Please ensure you are using a valid model version."
)
LONG_NAME = "enable_" + "very_" * 8 + "new"
UNKNOWN_NAME = f"Invalid JSON payload received. Unknown name \"{LONG_NAME}\" at 'setup': "


def test_every_error_of_the_tree_has_the_four_attributes():
    kinds = [getattr(errors, name) for name in errors.__all__]
    assert all(issubclass(kind, AntiphonError) for kind in kinds)
    for kind in kinds:
        error = kind("words")
        assert str(error) == "words"
        assert (error.code, error.reason, error.cause, error.hint) == (None, "", "", "")
    told = ConnectError("words", code=1006, reason="r", cause="lost", hint="h")
    assert (told.code, told.reason, told.cause, told.hint) == (1006, "r", "lost", "h")


ERRORS = [
    ConnectError("words", code=1006, reason="r", cause="lost", hint="h"),
    UnsupportedSetup("words", rule="r", member="m", value=["v"], model="x", hint="h"),
    ChannelClosed(1008, "r"),
]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_an_error_is_whole_in_another_process(error, copied):
    other = copied(error)
    assert (type(other), str(other), vars(other)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize(
    ("model", "whole"),
    [
        ("models/gemini-of-tomorrow", NOT_FOUND),
        (VERTEX_MODEL, NO_ACCESS),
        ("models/x", UNKNOWN_NAME + "Cannot find field."),
    ],
)
def test_a_reason_that_was_cut_is_completed(model, whole):
    cut = whole.encode()[:123].decode()
    assert len(cut) < len(whole)
    assert complete_reason(cut, model) == whole


@pytest.mark.parametrize(
    "reason",
    [
        "",
        NOT_FOUND[:100],  # it is shorter than a cut one: whoever said it meant it so
        NOT_FOUND,
        "models/another" + "-" * 109,
        "x" * 123,
        "ü" * 61,
    ],
)
def test_a_reason_that_was_not_cut_or_goes_on_nobody_knows_how_is_left_alone(reason):
    assert complete_reason(reason, "models/gemini-of-tomorrow") == reason


def test_a_reason_that_may_go_on_in_two_ways_is_left_alone():
    version = " is not found for API version v1"
    model = "models/".ljust(123 - len(version), "g")
    assert complete_reason(model + version, model) == model + version
    assert "v1beta, or" in complete_reason(f"{model[:-4]}{version}beta", model[:-4])


@pytest.mark.parametrize("service", ["google", "vertex"])
def test_a_refusal_of_a_server_is_told_whole(service):
    emulator = Emulator(seed=1)

    async def main():
        async with emulator.connector() as connector:
            model = LiveModel(
                "gemini-of-tomorrow-with-a-name-that-is-long-enough-to-be-cut",
                backend=emulator.backend(service),
                connector=connector,
            )
            with pytest.raises(SetupRejected) as caught:
                await model.connect()
        return caught.value

    error = run_in_virtual_time(main())
    emulator.close()
    assert error.code == 1008
    assert error.cause == "model"
    assert len(error.reason) > 123
    assert error.reason.endswith(("supported methods.", "valid model version."))
    assert error.reason in str(error)


@pytest.mark.parametrize(
    ("code", "reason", "hint"),
    [
        (1007, UNKNOWN_NAME + "Cannot find field.", "api_version"),
        (1007, "API key expired. Please renew the API key.", "create_token"),
        (1007, "Cannot extract voices from a non-audio request.", "voice"),
        (
            1007,
            "realtime_input.media_chunks is deprecated. Use audio, video, or text instead.",
            "own methods",
        ),
        (1008, "Requested entity was not found.", "handles"),
        (1008, "PERMISSION_DENIED: aiplatform.endpoints.predict", "enabled"),
        (1009, "frame exceeds limit of 1000 bytes", "smaller images"),
    ],
)
def test_a_published_reason_has_a_hint_of_its_own(code, reason, hint):
    assert hint in explain_close(code, reason).hint

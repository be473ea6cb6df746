"""Ephemeral tokens: how they are created, whom they let in, and what they lock."""

import random
from datetime import UTC, datetime

import pytest
from emulator_support import PATHS, Client

from antiphon.emulator import Settings
from antiphon.emulator.service.setup_check import Refusal
from antiphon.emulator.service.shared import Shared
from antiphon.emulator.service.tokens import Constraint, InvalidToken, TokenStore
from antiphon.emulator.session.outlet import Close

NOW, WALL = 100.0, datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()
MODEL = "models/gemini-2.5-flash-native-audio-latest"
BAD_KEY = "API key not valid. Please pass a valid API key."
EXPIRED = "API key expired. Please renew the API key."


def store(seed=1):
    return TokenStore(random.Random(seed))


def create(tokens, **body):
    return tokens.create(body, now=NOW, wall_now=WALL)["name"]


def constraint(**body):
    tokens = store()
    admitted = tokens.admit(create(tokens, **body), NOW, resuming=False)
    assert isinstance(admitted, Constraint)
    return admitted


# ------------------------------------------------------------------ creation


def test_names_are_long_different_and_those_of_the_seed():
    first, second = store(), store()
    names = [create(first) for _ in range(3)]
    assert names == [create(second) for _ in range(3)]
    assert len(set(names)) == 3
    assert all(len(bytes.fromhex(name.removeprefix("auth_tokens/"))) == 32 for name in names)
    assert create(store(2)) not in names


def test_who_does_not_know_the_key_cannot_guess_the_tokens_of_a_seed():
    with_key, other_key, without = (
        Shared(Settings(seed=3, api_key=key)).tokens for key in ("secret", "other", None)
    )
    names = {create(tokens) for tokens in (with_key, other_key, without)}
    assert len(names) == 3


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"uses": -1}, "uses is -1"),
        ({"uses": 1.5}, "uses is 1.5"),
        ({"uses": True}, "uses is True"),
        ({"uses": 2**31}, "uses is 2147483648"),
        ({"uses": {"a": "b" * 100}}, "…"),
        ({"expireTime": "tomorrow"}, "RFC 3339"),
        ({"expireTime": "2030-01-01"}, "RFC 3339"),
        ({"expireTime": "2030-01-01T13:00:00"}, "RFC 3339"),
        ({"expireTime": 5}, "RFC 3339"),
        ({"expireTime": "2030-13-01T12:00:00Z"}, "is no time"),
        ({"expireTime": "2030-01-01T12:00:00Z"}, "in the future"),
        ({"expireTime": "2030-01-02T08:00:00Z"}, "less than 20 hours"),
        ({"newSessionExpireTime": "2030-01-01T11:59:59Z"}, "newSessionExpireTime"),
        ({"model": MODEL}, 'Unknown name "model"'),
        ({"bidiGenerateContentSetup": []}, "must be the setup"),
        ({"bidiGenerateContentSetup": {"modell": "x"}}, "Unknown name \"modell\" at 'setup'"),
        ({"bidiGenerateContentSetup": {"setup": {"tools": 3}}}, "cannot be used"),
        ({"fieldMask": ["model"]}, "must be paths"),
        ({"fieldMask": "model,"}, "no path"),
        ({"fieldMask": "modell"}, "no path"),
        ({"fieldMask": "generationConfig.heat"}, "no path"),
        ({"fieldMask": ".".join(["labels"] * 5_000)}, "no path"),
        ({"fieldMask": ",".join(["model"] * 300)}, "300 paths"),
    ],
)
def test_what_no_token_can_be_is_refused_with_words(body, words):
    with pytest.raises(InvalidToken) as caught:
        create(store(), **body)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


# ------------------------------------------------------------------ admission


def test_a_token_opens_one_session_and_resumes_it():
    tokens = store()
    name = create(tokens)
    assert isinstance(tokens.admit(name, NOW, resuming=False), Constraint)
    assert tokens.admit(name, NOW, resuming=False) == Refusal(1007, EXPIRED)
    for _ in range(3):
        assert isinstance(tokens.admit(name, NOW + 1_000, resuming=True), Constraint)


@pytest.mark.parametrize(("uses", "sessions"), [(1, 1), (3, 3), ("2", 2), (0, 10), (None, 1)])
def test_uses(uses, sessions):
    tokens = store()
    name = create(tokens, uses=uses)
    admitted = [tokens.admit(name, NOW, resuming=False) for _ in range(10)]
    assert sum(isinstance(answer, Constraint) for answer in admitted) == sessions


def test_new_sessions_for_a_minute_and_messages_for_half_an_hour():
    tokens = store()
    name = create(tokens, uses=0)
    assert isinstance(tokens.admit(name, NOW + 59.9, resuming=False), Constraint)
    assert tokens.admit(name, NOW + 60, resuming=False) == Refusal(1007, EXPIRED)
    assert isinstance(tokens.admit(name, NOW + 1_799, resuming=True), Constraint)
    assert tokens.admit(name, NOW + 1_800, resuming=True) == Refusal(1007, EXPIRED)


def test_times_of_its_own():
    tokens = store()
    name = create(
        tokens,
        uses=0,
        expire_time="2030-01-01T14:30:00.500000001+01:00",
        new_session_expire_time="2030-01-01t12:10:00z",
    )
    assert isinstance(tokens.admit(name, NOW + 599, resuming=False), Constraint)
    assert tokens.admit(name, NOW + 600, resuming=False) == Refusal(1007, EXPIRED)
    assert isinstance(tokens.admit(name, NOW + 5_400, resuming=True), Constraint)
    assert tokens.admit(name, NOW + 5_401, resuming=True) == Refusal(1007, EXPIRED)


def test_a_token_that_was_never_created_is_a_bad_key():
    assert store().admit("auth_tokens/00", NOW, resuming=False) == Refusal(1007, BAD_KEY)


def test_so_many_tokens_that_the_oldest_is_given_up():
    tokens = store()
    first = create(tokens)
    names = [create(tokens) for _ in range(10_000)]
    assert tokens.admit(first, NOW, resuming=False) == Refusal(1007, BAD_KEY)
    assert isinstance(tokens.admit(names[0], NOW, resuming=False), Constraint)


# ------------------------------------------------------------------ what is locked

CLIENT = {
    "model": MODEL,
    "generationConfig": {"temperature": 1.0, "topK": 3, "responseModalities": ["AUDIO"]},
    "systemInstruction": {"parts": [{"text": "I obey nobody."}]},
    "tools": [{"googleSearch": {}}],
}
LOCKED = {"systemInstruction": {"parts": [{"text": "Speak of cards only."}]}}


def test_without_a_setup_the_clients_counts():
    assert constraint().apply(CLIENT) == CLIENT


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_setup_without_a_mask_is_the_whole_setup(wrapped):
    own = {"model": "models/other", "system_instruction": LOCKED["systemInstruction"]}
    limits = constraint(bidiGenerateContentSetup={"setup": own} if wrapped else own)
    assert limits.apply(CLIENT) == {"model": "models/other", **LOCKED}


def test_a_setup_without_a_model_leaves_the_clients():
    assert constraint(bidiGenerateContentSetup=LOCKED).apply(CLIENT) == {"model": MODEL, **LOCKED}


def test_the_handle_of_a_client_always_passes():
    resuming = CLIENT | {"sessionResumption": {"handle": "h", "transparent": True}}
    silent = constraint(bidiGenerateContentSetup=LOCKED)
    assert silent.apply(resuming)["sessionResumption"] == {"handle": "h", "transparent": True}
    says = constraint(bidiGenerateContentSetup=LOCKED | {"sessionResumption": {}})
    assert says.apply(resuming)["sessionResumption"] == {"handle": "h"}
    assert says.apply(CLIENT)["sessionResumption"] == {}


@pytest.mark.parametrize(
    "mask",
    [
        "systemInstruction.parts,generationConfig.temperature",
        "setup.system_instruction,generation_config.temperature",
        "system_instruction, setup.generationConfig.temperature",
        "system_instruction,temperature",
    ],
)
def test_a_mask_locks_its_fields_and_no_other(mask):
    own = LOCKED | {"generationConfig": {"temperature": 0.2, "topK": 9}}
    applied = constraint(bidiGenerateContentSetup=own, fieldMask=mask).apply(CLIENT)
    assert applied == {
        "model": MODEL,
        "generationConfig": {"temperature": 0.2, "topK": 3, "responseModalities": ["AUDIO"]},
        "systemInstruction": LOCKED["systemInstruction"],
        "tools": CLIENT["tools"],
    }


def test_what_is_masked_but_not_set_is_removed():
    limits = constraint(fieldMask="tools,generationConfig.topK,proactivity.proactiveAudio")
    applied = limits.apply(CLIENT)
    assert applied == {
        "model": MODEL,
        "generationConfig": {"temperature": 1.0, "responseModalities": ["AUDIO"]},
        "systemInstruction": CLIENT["systemInstruction"],
    }
    assert "tools" in CLIENT  # the client's message is left as it is


# ------------------------------------------------------------------ in a session


def client(shared, token, path=None, **members):
    path = path or PATHS["google"].replace("v1beta", "v1alpha") + "Constrained"
    return Client(
        path=path, headers={"Authorization": f"Token {token}"}, shared=shared, now=NOW, **members
    )


def test_a_token_stands_for_the_key():
    shared = Shared(Settings(api_key="secret"))
    token = create(shared.tokens)
    assert client(shared, token, api_key="secret").setup().closed is None
    assert client(shared, token, api_key="secret").setup().closed == Close(1007, EXPIRED)
    other = "auth_tokens/secret"
    assert client(shared, other, api_key="secret").setup().closed == Close(1007, BAD_KEY)
    assert client(shared, other).setup().closed == Close(1007, BAD_KEY)


def test_a_token_allows_no_message_before_the_setup():
    shared = Shared(Settings(api_key="secret"))
    speaker = client(shared, create(shared.tokens), api_key="secret")
    speaker.say("hello")
    assert speaker.closed.code == 1007
    assert "setup" in speaker.closed.reason


def test_a_session_has_what_its_token_locks():
    shared = Shared(Settings())
    locked = {"generationConfig": {"responseModalities": ["TEXT"]}}
    token = create(
        shared.tokens,
        bidiGenerateContentSetup=locked,
        fieldMask="generationConfig.responseModalities",
    )
    speaker = client(shared, token, path=PATHS["google"] + f"?access_token={token}")
    speaker.setup("models/gemini-live-2.5-flash-preview")
    speaker.say("hello")
    speaker.run_to("turnComplete")
    assert speaker.session.record.turns[0].text_sent
    assert not speaker.session.record.turns[0].frames_sent


def test_a_session_does_not_outlive_its_token():
    shared = Shared(Settings())
    token = create(shared.tokens, expireTime="2030-01-01T12:05:00Z")
    speaker = client(shared, token).setup()
    speaker.run(299)
    assert speaker.closed is None
    speaker.run(2)
    assert speaker.closed == Close(1007, EXPIRED)


def test_one_use_is_enough_to_resume():
    shared = Shared(Settings())
    token = create(shared.tokens)
    first = client(shared, token).setup(sessionResumption={})
    handle = next(
        message["sessionResumptionUpdate"]["newHandle"]
        for _, message in first.messages
        if "sessionResumptionUpdate" in message
    )
    first.hang_up()
    again = client(shared, token).setup(sessionResumption={"handle": handle})
    assert again.closed is None
    assert "setupComplete" in again.messages[0][1]


def test_a_setup_that_is_too_large_to_be_kept():
    instruction = {"systemInstruction": {"parts": [{"text": "a" * 20_000}]}}
    with pytest.raises(InvalidToken, match="20045 bytes; 16384 fit"):
        TokenStore(random.Random(1)).create(
            {"bidiGenerateContentSetup": instruction}, now=0.0, wall_now=1e9
        )

"""How long sessions last, how much they hold, and how they are taken up again."""

import pytest
from emulator_support import HALF_CASCADE, Client, recording, silence

from antiphon.emulator.service.shared import Shared
from antiphon.emulator.settings import Settings
from antiphon.wire import bytes_to_base64

NATIVE = "models/gemini-2.5-flash-native-audio-latest"
VERTEX = "publishers/google/models/gemini-live-2.5-flash"
IMAGE = {"realtimeInput": {"video": {"mimeType": "image/jpeg", "data": "/9j/4AA="}}}


def text_setup(client, **members):
    return client.setup(HALF_CASCADE, generationConfig={"responseModalities": ["TEXT"]}, **members)


def updates(client):
    return [message["sessionResumptionUpdate"] for message in client.all("sessionResumptionUpdate")]


def handle_of(client):
    return next(update["newHandle"] for update in reversed(updates(client)) if update)


# ------------------------------------------------------------------ time


def test_a_connection_lasts_ten_minutes_and_says_so_a_minute_before():
    client = Client().setup()
    client.run(700)
    away, close = client.messages[-1], client.closed
    assert away == (pytest.approx(100.0 + 540), {"goAway": {"timeLeft": "60s"}})
    assert (close.code, close.reason) == (1000, "")


def test_a_session_lasts_fifteen_minutes_over_all_its_connections():
    shared = Shared(Settings())
    first = Client(shared=shared).setup(sessionResumption={})
    first.run(650)
    second = Client(shared=shared, now=first.now).setup(
        sessionResumption={"handle": handle_of(first)}
    )
    second.run(400)
    assert second.all("goAway") == [{"goAway": {"timeLeft": "60s"}}]
    assert second.now - 100.0 > 900
    assert (second.closed.code, second.closed.reason) == (1008, "The operation was aborted.")


def test_compression_lets_a_session_go_on():
    shared = Shared(Settings())
    asked = {"contextWindowCompression": {"slidingWindow": {}}}
    first = Client(shared=shared).setup(sessionResumption={}, **asked)
    first.run(650)
    second = Client(shared=shared, now=first.now).setup(
        sessionResumption={"handle": handle_of(first)}, **asked
    )
    second.run(500)
    assert second.closed is None


def test_with_video_it_lasts_two_minutes():
    client = Client().setup()
    client.run(30)
    client.send(IMAGE)
    client.run(100)
    assert client.closed.code == 1008
    assert client.all("goAway") == [{"goAway": {"timeLeft": "60s"}}]
    assert client.messages[-1][0] == pytest.approx(100.0 + 60.0)


def test_go_away_on_demand():
    client = Client().setup()
    client.session.go_away(4.0, client.now)
    client.run(3.9)
    assert client.all("goAway") == [{"goAway": {"timeLeft": "4s"}}]
    assert client.closed is None
    client.run(0.2)
    assert client.closed.code == 1000


# ------------------------------------------------------------------ context


def ask(client, text):
    client.say(text)
    client.run_to("turnComplete")
    return client.all("turnComplete")[-1]["usageMetadata"]


def test_the_context_grows_until_it_is_full():
    client = text_setup(Client(context_tokens=400))
    grown = [ask(client, "word " * 40)["promptTokenCount"] for _ in range(3)]
    assert grown == sorted(grown)
    assert grown[0] >= 50
    for _ in range(10):
        if client.closed:
            break
        client.say("word " * 40)
        client.run(10)
    assert client.closed.code == 1007


def test_compression_keeps_the_instruction_and_the_newest_turns():
    client = text_setup(
        Client(context_tokens=1000),
        systemInstruction={"parts": [{"text": "Be brief. " * 20}]},
        contextWindowCompression={"triggerTokens": "400", "slidingWindow": {"targetTokens": 200}},
    )
    prompts = [
        ask(client, f"number {turn} " + "word " * 30)["promptTokenCount"] for turn in range(20)
    ]
    assert max(prompts) <= 400
    assert min(prompts[5:]) >= 50 + 40
    history = client.session._context.history
    assert history[0].role == "user"
    assert "number 19" in history[-2].parts[0].text
    assert client.closed is None


@pytest.mark.parametrize(
    "wanted",
    [
        {"triggerTokens": 400_000},
        {"triggerTokens": 100, "slidingWindow": {"targetTokens": 100}},
        {"triggerTokens": -1},
        {"slidingWindow": {"targetTokens": "-5"}},
    ],
)
def test_a_compression_that_makes_no_sense_is_refused(wanted):
    client = Client().setup(contextWindowCompression=wanted)
    assert client.closed.code == 1007


def test_what_a_turn_includes_of_the_input():
    speech = silence(2.0) + recording("go-forward-ten-meters") + silence(1.5)
    counts = {}
    for coverage in ("TURN_INCLUDES_ONLY_ACTIVITY", "TURN_INCLUDES_ALL_INPUT"):
        client = Client().setup(realtimeInputConfig={"turnCoverage": coverage})
        client.send(IMAGE)
        client.hear(speech)
        client.run_to("turnComplete")
        usage = client.all("turnComplete")[0]["usageMetadata"]
        counts[coverage] = {
            entry["modality"]: entry["tokenCount"] for entry in usage["promptTokensDetails"]
        }
    only, everything = counts.values()
    assert everything["AUDIO"] > only["AUDIO"] + 25
    assert "IMAGE" in everything
    assert "IMAGE" not in only
    assert Client().setup(realtimeInputConfig={"turnCoverage": "SOME"}).closed.code == 1007


# ------------------------------------------------------------------ quotas


def test_more_sessions_than_the_project_may_have():
    shared = Shared(Settings(max_sessions=1))
    first = Client(shared=shared).setup()
    second = Client(shared=shared).setup()
    assert second.closed.code == 1011
    assert second.closed.reason.startswith("You exceeded your current quota")
    assert len(second.closed.reason) == 123
    second.hang_up()
    first.hang_up()
    assert Client(shared=shared).setup().closed is None


def test_more_tokens_than_a_minute_may_have():
    shared = Shared(Settings(tokens_per_minute=100))
    client = text_setup(Client(shared=shared))
    ask(client, "word " * 100)
    client.say("again")
    client.run(1)
    assert client.closed.code == 1011
    later = text_setup(Client(shared=shared, now=client.now + 61))
    ask(later, "again")
    assert later.closed is None


# ------------------------------------------------------------------ resumption


def test_no_handle_while_a_turn_goes_on():
    client = Client().setup(sessionResumption={})
    client.say("tell a story")
    client.run_to("turnComplete")
    client.run(0)
    kinds = [kind for kind in client.kinds() if kind != "empty"]
    assert kinds[:3] == ["setupComplete", "sessionResumptionUpdate", "sessionResumptionUpdate"]
    first, during, after = updates(client)
    assert first["resumable"]
    assert during == {}
    assert after["newHandle"] != first["newHandle"]


def test_the_old_socket_has_to_be_closed_first():
    shared = Shared(Settings())
    first = Client(shared=shared).setup(sessionResumption={})
    wanted = {"handle": handle_of(first)}
    early = Client(shared=shared).setup(sessionResumption=wanted)
    assert early.closed.code == 1011
    early.hang_up()
    first.hang_up()
    second = Client(shared=shared).setup(sessionResumption=wanted)
    assert second.closed is None
    assert Client(shared=shared).setup(sessionResumption=wanted).closed.code == 1011
    second.hang_up()
    assert Client(shared=shared).setup(sessionResumption=wanted).closed is None


def test_a_handle_expires():
    shared = Shared(Settings(handle_lifetime_s=100.0))
    first = Client(shared=shared).setup(sessionResumption={})
    first.hang_up()
    late = Client(shared=shared, now=first.now + 100.0).setup(
        sessionResumption={"handle": handle_of(first)}
    )
    assert late.closed.code == 1008


def transparent(shared=None, handle=None):
    wanted = {"transparent": True} | ({"handle": handle} if handle else {})
    return Client(family="vertex", shared=shared).setup(VERTEX, sessionResumption=wanted)


def audio(pcm):
    return {"realtimeInput": {"audio": {"data": bytes_to_base64(pcm)}}}


def test_transparent_mode_counts_what_it_has_taken():
    client = transparent()
    for _ in range(120):
        client.send(audio(silence(0.02)))
    indices = [update.get("lastConsumedClientMessageIndex") for update in updates(client)]
    assert indices == [None, "50", "100"]


def test_transparent_mode_is_of_vertex():
    client = Client().setup(sessionResumption={"transparent": True})
    assert client.closed.code == 1007
    assert "transparent" in client.closed.reason


@pytest.mark.parametrize("cut_ms", [480, 1_020, 1_100, 1_300, 1_900, 3_000])
def test_what_was_not_acknowledged_is_sent_again_and_nothing_is_heard_twice_or_lost(cut_ms):
    """A cut at any moment of an utterance: the resumed session answers it once, whole."""
    pcm = silence(1.0) + recording("go-forward-ten-meters") + silence(1.5)
    packets = [pcm[at : at + 640] for at in range(0, len(pcm), 640)]
    whole = transparent()
    for packet in packets:
        whole.send(audio(packet))
        whole.run(0.02)
    whole.run_to("turnComplete")

    shared = Shared(Settings())
    first = transparent(shared)
    sent = packets[: cut_ms // 20]
    for packet in sent:
        first.send(audio(packet))
        first.run(0.02)
    first.hang_up()
    last = [update for update in updates(first) if update][-1]
    taken = int(last.get("lastConsumedClientMessageIndex", 0))
    second = transparent(shared, last["newHandle"])
    for packet in packets[taken:]:
        second.send(audio(packet))
        second.run(0.02)
    second.run_to("turnComplete")
    assert len(second.turns) == 1
    assert second.turns[0].input_text == whole.turns[0].input_text
    assert second.turns[0].text == whole.turns[0].text


# ------------------------------------------------------------------ models and strictness


@pytest.mark.parametrize(
    ("model", "family", "served"),
    [
        ("gemini-3.8-live", "google", True),
        ("gemini-3.8-live", "vertex", False),
        ("gemini-live-2.5-flash-preview", "google", False),
        ("gemini-2.0-flash-live-001", "google", False),
        ("gemini-live-2.5-flash", "vertex", True),
        ("gemini-live-2.5-flash", "google", False),
        ("gemini-live-2.5-flash-native-audio", "firebase-vertex", True),
        ("gemini-2.5-flash-native-audio-preview-12-2025", "firebase", True),
    ],
)
def test_the_models_of_today(model, family, served):
    client = Client(family=family, as_of="today").setup(f"models/{model}")
    if served:
        assert client.closed is None
    else:
        assert client.closed.code == 1008
    assert Client(family=family).setup(f"models/{model}").closed is None


def test_names_that_nobody_knows_can_be_let_through():
    assert Client().setup(unknownName=1).closed.code == 1007
    assert Client(strict=False).setup(unknownName=1).closed is None


def test_extended_thinking_says_whether_more_will_come():
    client = Client().setup(
        "models/gemini-3.8-live-extended-thinking",
        generationConfig={"thinkingConfig": {"thinkingLevel": "low"}},
    )
    client.say("hello")
    client.run_to("turnComplete")
    content = client.all("turnComplete")[0]["serverContent"]
    assert content == {"turnComplete": True, "interactionStatus": "IDLE"}


def test_voice_activity_on_demand():
    client = Client(family="vertex").setup(VERTEX, explicitVadSignal=True)
    client.hear(silence(0.5) + recording("go-forward-ten-meters") + silence(1.5))
    types = [message["voiceActivity"]["type"] for message in client.all("voiceActivity")]
    assert types == ["ACTIVITY_START", "ACTIVITY_END"]

"""Each scenario of the library, on the wire: the client reads messages and does nothing else."""

import asyncio
import json
from itertools import pairwise
from pathlib import Path

import pytest
import websockets
from emulator_support import has, kind
from wire_support import BLOCKING, HANDS_OUT_HANDLES, PLAIN, URL, WEATHER, kinds, meet_in, play

from antiphon.cli import main
from antiphon.emulator import Emulator, Recognizer, load_scenario, scenario_library
from antiphon.emulator.world.link import LINKS
from antiphon.wire import base64_to_bytes


async def one_turn(wire):
    await wire.read("setupComplete")
    await wire.say("Good evening to you")
    return await wire.read("turnComplete")


def test_every_scenario_is_tested_here_and_says_what_it_is():
    tested = {name.removeprefix("test_").replace("_", "-") for name in globals()}
    assert set(scenario_library()) <= tested
    for name, about in scenario_library().items():
        assert load_scenario(name).about == about
        assert about.endswith(".")


def test_burst_then_stall():
    wire = play("burst-then-stall", one_turn)
    times = wire.when("modelTurn")
    gaps = [after - before for before, after in pairwise(times)]
    assert len(times) > 8
    assert sum(gaps[:3]) < 0.2
    assert gaps[3] == pytest.approx(6.0, abs=0.1)
    assert max(gaps[4:]) < 0.1


def test_interrupted_with_audio():
    wire = play("interrupted-with-audio", one_turn)
    assert wire.kinds == ["setupComplete", "audio", "turnComplete"]
    interrupted = next(m for m in wire.messages if has(m, "interrupted"))
    (part,) = interrupted["serverContent"]["modelTurn"]["parts"]
    assert len(base64_to_bytes(part["inlineData"]["data"])) == 11_520


def test_interrupted_when_idle():
    async def talk(wire):
        await one_turn(wire)
        await wire.read("interrupted")
        await wire.say("hello")
        await wire.read("turnComplete")

    wire = play("interrupted-when-idle", talk)
    told = wire.when("interrupted")
    assert told == [pytest.approx(wire.when("turnComplete")[0] + 2.0)]
    assert wire.kinds[:5] == [
        "setupComplete",
        "audio",
        "generationComplete",
        "turnComplete",
        "interrupted",
    ]


def test_tool_call_then_silence():
    async def talk(wire):
        await wire.read("setupComplete")
        await wire.say("how is the weather?")
        *_, message = await wire.read("toolCall")
        (call,) = message["toolCall"]["functionCalls"]
        assert (call["name"], call["args"]) == ("get_weather", {"city": "Paris"})
        assert await wire.read(limit_s=300) == []
        await wire.answer(call, {"output": "sunny"})
        assert kinds(await wire.read("turnComplete"))[0] == "audio"

    for model in (BLOCKING, HANDS_OUT_HANDLES):
        play("tool-call-then-silence", talk, model=model, tools=[WEATHER])


def test_tool_call_cancelled():
    async def talk(wire):
        await wire.read("setupComplete")
        await wire.say("call get_weather for Paris")
        await wire.read("turnComplete")

    wire = play("tool-call-cancelled", talk, tools=[WEATHER])
    assert wire.kinds == [
        "setupComplete",
        "toolCall",
        "toolCallCancellation",
        "interrupted",
        "turnComplete",
    ]
    _, called, cancelled, *_ = (m for m in wire.messages if kind(m) != "empty")
    (call,) = called["toolCall"]["functionCalls"]
    assert cancelled["toolCallCancellation"]["ids"] == [call["id"]]


def test_tool_call_twice():
    async def talk(wire):
        await wire.read("setupComplete")
        await wire.say("call get_weather for Paris")
        *_, message = await wire.read("toolCall")
        assert await wire.read("toolCall") == [message]
        (call,) = message["toolCall"]["functionCalls"]
        await wire.answer(call, {"output": "sunny"})
        await wire.answer(call, {"output": "sunny"})  # as a client does that believes it
        await wire.read("turnComplete")
        assert await wire.read(limit_s=60) == []

    wire = play("tool-call-twice", talk, tools=[WEATHER])
    assert wire.closed is None


def test_not_resumable_mid_turn():
    async def talk(wire):
        await one_turn(wire)
        await wire.read("sessionResumptionUpdate")

    wire = play("not-resumable-mid-turn", talk, sessionResumption={})
    first, during, after = (
        (at, message["sessionResumptionUpdate"])
        for at, message in wire.arrived
        if "sessionResumptionUpdate" in message
    )
    assert during[1] == {}  # `resumable: false` and no handle: proto3 leaves out what is empty
    assert first[1]["resumable"]
    assert after[1]["resumable"]
    assert after[1]["newHandle"] != first[1]["newHandle"]
    assert during[0] < wire.when("modelTurn")[0]
    assert after[0] >= wire.when("turnComplete")[0]


def test_handle_withheld():
    async def talk(wire):
        for _ in range(2):
            await wire.say("hello")
            await wire.read("turnComplete")
        await wire.read(limit_s=10)

    wire = play("handle-withheld", talk, model=HANDS_OUT_HANDLES)
    assert len(wire.when("sessionResumptionUpdate")) == 1
    assert wire.when("sessionResumptionUpdate")[0] < wire.when("modelTurn")[0]


def test_resume_while_open():
    async def meet(open_wire):
        old = await open_wire()
        await old.send({"setup": {"model": HANDS_OUT_HANDLES}})
        *_, update = await old.read("sessionResumptionUpdate")
        *_, told = await old.read("goAway")
        assert told["goAway"]["timeLeft"] == "50s"
        handle = update["sessionResumptionUpdate"]["newHandle"]
        again = {"setup": {"model": HANDS_OUT_HANDLES, "sessionResumption": {"handle": handle}}}
        early = await open_wire()
        await early.send(again)
        assert await early.read() == []
        assert early.closed[0] == 1011
        await old.close()
        await asyncio.sleep(1)
        late = await open_wire()
        await late.send(again)
        assert kinds(await late.read("setupComplete")) == ["setupComplete"]
        await late.close()

    meet_in("resume-while-open", meet)


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1011, "Internal error encountered."), (1008, "The operation was aborted.")],
)
def test_go_away_then_a_close(code, reason):
    async def talk(wire):
        await wire.read("setupComplete")
        await wire.read(limit_s=100)

    wire = play(f"go-away-then-{code}", talk)
    assert [m["goAway"]["timeLeft"] for m in wire.messages if has(m, "goAway")] == ["55s"]
    assert wire.closed == (code, reason, pytest.approx(wire.when("goAway")[0] + 53, abs=0.01))


test_go_away_then_1011 = test_go_away_then_1008 = test_go_away_then_a_close


def test_go_away_then_silence():
    async def talk(wire):
        await wire.read("goAway")
        await wire.say("hello")
        assert await wire.read(limit_s=100) == []

    wire = play("go-away-then-silence", talk)
    # What ends the connection is that the client has had no sign of life for a minute.
    code, reason, _ = wire.closed
    assert code == 1006
    assert "60 s" in reason


def prompts(scenario):
    async def talk(wire):
        await wire.read("setupComplete")
        for _ in range(3):
            await wire.say("hello")
            await wire.read("turnComplete")

    wire = play(scenario, talk, model=PLAIN)
    usages = [m["usageMetadata"] for m in wire.messages if has(m, "turnComplete")]
    for usage in usages:
        counted = usage["promptTokenCount"] + usage["responseTokenCount"]
        assert usage["totalTokenCount"] == counted
    return [usage["promptTokenCount"] for usage in usages]


def test_usage_of_the_context():
    first, second, third = prompts("usage-of-the-context")
    assert first < second < third
    assert third - second == second - first


def test_usage_of_the_turn():
    first, second, third = prompts("usage-of-the-turn")
    assert first == second == third > 0


def test_transcript_after_audio():
    wire = play("transcript-after-audio", one_turn, model=PLAIN)
    assert wire.kinds == [
        "setupComplete",
        "audio",
        "outputTranscription",
        "outputTranscription",
        "generationComplete",
        "turnComplete",
    ]


def test_transcript_after_turn():
    async def talk(wire):
        await one_turn(wire)
        await wire.read("outputTranscription")

    wire = play("transcript-after-turn", talk, model=PLAIN)
    assert wire.kinds[-3:] == ["generationComplete", "turnComplete", "outputTranscription"]


def test_empty_turn():
    async def talk(wire):
        assert kinds(await one_turn(wire))[-2:] == ["generationComplete", "turnComplete"]
        await wire.say("hello")
        assert "audio" in kinds(await wire.read("turnComplete"))

    wire = play("empty-turn", talk)
    assert wire.kinds[:3] == ["setupComplete", "generationComplete", "turnComplete"]


def test_setup_unanswered():
    async def talk(wire):
        assert await wire.read(limit_s=3600) == []

    wire = play("setup-unanswered", talk, proactivity={"proactiveAudio": True})
    assert wire.closed is None
    play("setup-unanswered", one_turn)


def test_proactivity_unknown():
    async def talk(wire):
        assert await wire.read(limit_s=60) == []

    wire = play("proactivity-unknown", talk, model=PLAIN, proactivity={"proactiveAudio": True})
    words = "Invalid JSON payload received. Unknown name \"proactivity\" at 'setup'"
    assert wire.closed[:2] == (1007, f"{words}: Cannot find field.")
    play("proactivity-unknown", one_turn, model=PLAIN)


def test_model_not_found():
    async def talk(wire):
        assert await wire.read(limit_s=60) == []

    code, reason, _ = play("model-not-found", talk).closed
    assert code == 1008
    assert reason.startswith(f"{BLOCKING} is not found for API version v1beta")
    assert len(reason) == 123


def test_binary_frames():
    async def main():
        async with Emulator(
            scenario="binary-frames", recognizer=Recognizer(enabled=False)
        ) as emulator:
            url = URL.replace("ws://emulator.invalid", emulator.url)
            async with websockets.connect(url) as socket:
                await socket.send(json.dumps({"setup": {"model": PLAIN}}))
                return await socket.recv()

    assert asyncio.run(main()) == b'{\n  "setupComplete": {}\n}\n'


# ------------------------------------------------------------------ the files


def written(tmp_path, text, name="own.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_file_holds_a_whole_world(tmp_path):
    scenario = load_scenario(
        written(
            tmp_path,
            """
            seed = 7
            link = "lte"
            settings = { speed = [2, 3], models = ["a"] }
            faults = [{ fault = "drop", at_s = 30 }]
            steps = [{ expect = "" }, { say = "Good day." }]
            """,
        )
    )
    assert scenario.settings.seed == 7
    assert scenario.settings.speed == (2, 3)
    assert scenario.settings.models == {"a"}
    assert scenario.link is LINKS["lte"]
    assert [fault.at_s for fault in scenario.faults] == [30]
    table = written(tmp_path, '{"link": {"delay_ms": 50}}', "own.json")
    assert load_scenario(table).link.delay_ms == 50


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sed = 7", "unknown field `sed`"),
        ("seed = ", "Invalid value"),
        ("settings.sped = [1, 2]", "settings has no sped; there are api_key, seed"),
        ("settings.speed = [1]", r"settings: Expected `array` of length 2.*\$\.speed"),
        (
            "settings.speed = [0, 1]",
            r"settings: speed is \(0\.0, 1\.0\); it must be .* a speed of 0",
        ),
        ("settings.reply_delay_s = [2, 1]", r"settings: reply_delay_s is \(2\.0, 1\.0\)"),
        ("link = 'ltd'", "No link 'ltd'; use "),
        ("link.delay = 1", "link has no delay; there are delay_ms"),
        ("link.delay_ms = -1", "delay_ms of a link is -1"),
        (
            "faults = [{fault = 'dorp'}]",
            "Rule 0 of the faults cannot be used: Invalid value 'dorp'",
        ),
        (
            "steps = [{expect = ''}, {sya = 'x'}]",
            r"Step 2 .* no known kind \(sya\); give it one of",
        ),
        ("steps = [{expect = '', say = ''}]", "Step 1 .* has expect and say"),
        ("steps = [{expect = ''}, {say = 3}]", r"Step 2 of the script \(say\): Expected `str`"),
        ("steps = [{expect = ''}, {wait_s = -1}]", "Step 2 .* wait_s is -1"),
        ("steps = [{expect_match = '('}]", "Step 1 .* no regular expression"),
        ("steps = [{expect = ''}, {fail = {fault = 'close', code = 1}}]", "Step 2 .* code is 1"),
        ("steps = [{expect = ''}, {send = {}}]", "Step 2 .* send is empty"),
        ("steps = [{expect = ''}, {send = {data = '<3 bytes>'}}]", "Step 2 .* an even number"),
        ("steps = [{expect = ''}, {send.day = 2026-01-01}]", "Step 2 .* send is no JSON: .*date"),
        ("steps = [{expect = ''}, {call = 'f', args.x = inf}]", "Step 2 .* args is no JSON"),
        ("steps = [{say = 'hello'}]", "Step 1 .* nothing that is expected"),
    ],
)
def test_a_file_that_cannot_be_used_says_where(tmp_path, text, told):
    with pytest.raises(ValueError, match=rf"(?s)The scenario own.toml cannot be used: .*{told}"):
        load_scenario(written(tmp_path, text))


def test_a_scenario_that_is_not_there():
    with pytest.raises(ValueError, match=r"No scenario 'burst'.*there are .*burst-then-stall"):
        load_scenario("burst")
    with pytest.raises(ValueError, match=r"no-such-file\.toml cannot be used: it cannot be read"):
        load_scenario("no-such-file.toml")


# ------------------------------------------------------------------ where they are named


def test_the_library_is_published_and_listed(capsys):
    page = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text(encoding="utf-8")
    assert main(["emulator", "--scenario", "list"]) == 0
    listed = capsys.readouterr().out
    for name, about in scenario_library().items():
        assert f"| `{name}` | {about} |\n" in page
        assert f"{name:30} {about}\n" in listed
    assert len(listed.splitlines()) == len(scenario_library())


def test_the_command_says_what_it_cannot_use(tmp_path, capsys):
    assert main(["emulator", "--scenario", "burst"]) == 1
    assert "No scenario 'burst'" in capsys.readouterr().err
    assert main(["emulator", "--replay", str(tmp_path / "none.jsonl")]) == 1
    assert "cannot be read" in capsys.readouterr().err

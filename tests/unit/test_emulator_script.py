"""The script, and what a reply can do beside talking."""

import asyncio
from itertools import pairwise

import pytest
from emulator_support import Client, ToneSynthesizer, kind
from wire_support import BLOCKING, PLAIN, WEATHER, play

from antiphon.emulator import (
    CallableBrain,
    Concierge,
    Reply,
    Scenario,
    Script,
    Send,
    Settings,
    ToolResult,
    Turn,
    Wait,
)
from antiphon.emulator.brains.script import Expect, Mismatch, Say
from antiphon.emulator.faults import Close, Drop, Stall
from antiphon.emulator.service.shared import Shared
from antiphon.emulator.session.brain import Call

NOTE = {"serverContent": {"inputTranscription": {"text": "by hand"}}}


def asked(brain, *texts, model=PLAIN, **setup):
    client = Client(brain=brain).setup(model, **setup)
    for text in texts:
        client.say(text)
        client.run(60)
    return client


def spoken(client):
    return [turn.text for turn in client.turns]


# ------------------------------------------------------------------ what is expected


@pytest.mark.parametrize(
    ("step", "fits", "fits_not"),
    [
        ({"expect": "get weather"}, "Please GET the get-weather, now!", "get the weather"),
        ({"expect": "hello"}, "Hello.", "Othello"),
        ({"expect": ""}, "anything at all", None),
        ({"expect_match": "^(yes|no)$"}, "YES", "yes please"),
    ],
)
def test_words_and_patterns(step, fits, fits_not):
    steps = [step, {"say": "Well done."}]
    assert Script(steps).respond(Turn(text=fits)).text == "Well done."
    if fits_not is not None:
        script = Script(steps)
        assert script.respond(Turn(text=fits_not)).text == ""
        assert script.mismatches == [Mismatch(1, script.mismatches[0].expected, f'"{fits_not}"')]


def test_results():
    sunny = ToolResult(Call("get_weather", {}), {"output": "sunny"})
    for response, fits in ((None, True), ({"output": "sunny"}, True), ({"output": "rain"}, False)):
        step = {"expect_result": "get_weather"} | ({"response": response} if response else {})
        script = Script([step, {"say": "I see."}])
        assert (script.respond(Turn(text="", tool_result=sunny)).text == "I see.") == fits
        assert bool(script.mismatches) != fits
    script = Script([{"expect": ""}, {"say": "x"}])
    script.respond(Turn(text="", tool_result=sunny))
    assert "result of get_weather" in str(script.mismatches[0])


def test_each_session_has_a_place_of_its_own():
    script = Script([Expect("one"), Say("First."), Expect("two"), Say("Second.")])
    here, there = Client(brain=script).setup(), Client(brain=script).setup()
    for client in (here, there, here, there):
        client.say("one" if not client.turns else "two")
        client.run(30)
    assert spoken(here) == spoken(there) == ["First.", "Second."]
    assert script.mismatches == []


def test_a_resumed_session_goes_on_where_it_was():
    script = Script([Expect("one"), Say("First."), Expect("two"), Say("Second.")])
    shared = Shared(Settings())
    first = Client(brain=script, shared=shared).setup("models/gemini-3.8-live")
    first.say("one")
    first.run(30)
    first.hang_up()
    second = Client(brain=script, shared=shared, now=first.now)
    handle = first.all("sessionResumptionUpdate")[-1]["sessionResumptionUpdate"]["newHandle"]
    second.setup(sessionResumption={"handle": handle})
    second.say("two")
    second.run(30)
    assert spoken(second) == ["Second."]


def test_another_answer_than_expected_is_a_close_with_the_reason_and_is_listed():
    script = Script([{"expect": "yes"}, {"say": "Fine."}])
    client = asked(script, "no, thank you")
    assert client.closed.code == 1011
    assert client.closed.reason == ('Step 1 of the script expects "yes", and got "no, thank you".')
    assert [str(mismatch) for mismatch in script.mismatches] == [client.closed.reason]
    asked(script, "no" * 500)
    assert len(script.mismatches) == 2


def test_after_the_last_step_nobody_is_expected_or_another_brain_answers():
    steps = [{"expect": ""}, {"say": "Only this."}]
    client = asked(Script(steps), "a", "b")
    assert client.closed.reason == 'Step 2 of the script expects to be the last, and got "b".'
    client = asked(Script(steps, afterwards=Concierge()), "a", "thank you")
    assert spoken(client) == ["Only this.", "You are most welcome."]


def test_speech_without_words_is_told_in_seconds():
    script = Script([{"expect": "yes"}])
    script.respond(Turn(text="", spoken=True, duration_s=1.25))
    assert script.mismatches[0].got == "1.2 s of speech without words"


# ------------------------------------------------------------------ what is done


def test_the_steps_of_a_turn_come_in_their_order():
    steps = [
        {"expect": ""},
        {"wait_s": 2},
        {"send": NOTE},
        {"say": "One moment."},
        {"wait_s": 3},
        {"say": "Here it is."},
        {"wait_s": 4},
        {"send": NOTE},
    ]
    client = asked(Script(steps), "hello")
    assert client.kinds() == [
        "setupComplete",
        "inputTranscription",
        "thought",
        "audio",
        "generationComplete",
        "turnComplete",
        "inputTranscription",
    ]
    times = {}
    for at, message in client.messages:
        times.setdefault(kind(message), []).append(at - 100)
    assert 2.25 <= times["inputTranscription"][0] <= 2.45
    gaps = [b - a for a, b in pairwise(times["audio"])]
    assert max(gaps) == pytest.approx(3, abs=0.3)
    assert times["inputTranscription"][1] == pytest.approx(times["turnComplete"][0] + 4)
    assert client.turns[0].text == "One moment. Here it is."
    assert len(client.audio()) == 2880 * len("One moment.Here it is.")


def test_words_then_a_call_then_its_result():
    steps = [
        {"expect": "weather"},
        {"say": "I am looking."},
        {"call": "get_weather", "args": {"city": "Rome"}},
        {"wait_s": 5},
        {"send": NOTE},
        {"expect_result": "get_weather"},
        {"say": "It is warm."},
    ]
    client = Client(brain=Script(steps)).setup(BLOCKING, tools=[WEATHER])
    client.say("the weather")
    _, message = client.run_to("toolCall")
    client.run(20)
    assert client.kinds()[-3:] == ["audio", "toolCall", "inputTranscription"]
    (call,) = message["toolCall"]["functionCalls"]
    answer = {"id": call["id"], "name": call["name"], "response": {"output": "warm"}}
    client.send({"toolResponse": {"functionResponses": [answer]}})
    client.run_to("turnComplete")
    assert spoken(client) == ["I am looking. It is warm."]


def test_text_answers_of_one_turn_are_set_apart():
    steps = [{"expect": ""}, {"say": "One."}, {"wait_s": 1}, {"say": "Two."}]
    client = Client(brain=Script(steps)).setup(
        "models/gemini-live-2.5-flash-preview", generationConfig={"responseModalities": ["TEXT"]}
    )
    client.say("go")
    client.run_to("turnComplete")
    assert client.turns[0].text_sent == "One. Two."


def test_messages_alone_are_all_that_comes():
    client = asked(Script([{"expect": ""}, {"send": NOTE}, {"expect": ""}, {"say": "x"}]), "a", "b")
    assert client.kinds()[:4] == ["setupComplete", "inputTranscription", "thought", "audio"]
    assert client.messages[1][1] == NOTE


def test_what_a_session_does_later_goes_on_while_it_answers():
    brain = CallableBrain(lambda turn: Reply("Yes.", after=(Wait(5), Send(NOTE), Wait(5), Drop())))
    client = Client(brain=brain).setup(PLAIN)
    client.say("a")
    client.run_to("turnComplete")
    since = client.now
    client.run(4)
    client.say("b")
    client.run(60)
    noted = [at - since for at, message in client.messages if message == NOTE]
    assert noted == [5, pytest.approx(9.5, abs=0.2)]
    assert client.closed.code == 1006
    assert len(client.turns) == 2


def test_a_turn_that_is_interrupted_forgets_its_steps_but_not_those_after_it():
    brain = CallableBrain(
        lambda turn: Reply("A", before=(Wait(9), Send(NOTE)), after=(Close(code=1000, reason=""),))
    )
    client = Client(brain=brain).setup(PLAIN)
    client.say("a")
    client.run(3)
    client.say("b")
    client.run(60)
    assert client.kinds() == ["setupComplete", "interrupted", "turnComplete"]
    assert client.closed.code == 1000


def test_speech_that_is_given_is_sent_as_it_is():
    given = ToneSynthesizer().synthesize("abc", "Puck")
    brain = CallableBrain(lambda turn: Reply("one two", speech=given))
    client = asked(brain, "x", outputAudioTranscription={})
    assert client.audio() == given.pcm
    assert client.transcript() == "one two"


def test_a_reply_without_end_on_vertex_and_with_it():
    for completes, kinds in ((True, ["generationComplete", "turnComplete"]), (False, [])):
        brain = CallableBrain(lambda turn, completes=completes: Reply(completes=completes))
        client = Client(brain=brain, family="vertex")
        client.setup("publishers/google/models/gemini-live-2.5-flash")
        client.say("a")
        client.run(30)
        assert client.kinds()[1:] == kinds


# ------------------------------------------------------------------ what goes wrong


def scripted(*rules):
    steps = [{"expect": ""}, *({"fail": rule} for rule in rules), {"say": "A sentence of words."}]
    return Scenario(brain=Script(steps, afterwards=Concierge()))


async def one_question(wire):
    await wire.read("setupComplete")
    await asyncio.sleep(10)
    await wire.say("a")
    await wire.read("turnComplete", limit_s=100)


def test_a_rule_counts_from_its_place_in_the_script():
    rule = {"fault": "duplicate", "kind": "audio", "number": 1}
    wire = play(scripted(rule), one_question, model=PLAIN)
    audio = [m for m in wire.messages if kind(m) == "audio"]
    assert audio[1] == audio[2]
    assert audio[0] != audio[1]


@pytest.mark.parametrize("rule", [{"fault": "half_open"}, {"fault": "drop"}])
def test_a_rule_without_a_condition_applies_at_once(rule):
    wire = play(scripted(rule), one_question, model=PLAIN)
    assert wire.kinds == ["setupComplete"]
    code, _, at = wire.closed
    assert code == 1006
    # Of the one that is half open the client knows only that there was no sign of life.
    assert at == pytest.approx(70.35 if rule["fault"] == "half_open" else 10.35, abs=0.1)


def test_a_stall_at_once_holds_what_follows():
    wire = play(scripted({"fault": "stall", "duration_s": 5}), one_question, model=PLAIN)
    assert wire.when("modelTurn")[0] == pytest.approx(15.35, abs=0.1)


def test_a_rule_with_a_moment_counts_from_its_place_too():
    rule = {"fault": "close", "at_s": 0.2, "code": 1011, "reason": "now"}
    wire = play(scripted(rule), one_question, model=PLAIN)
    assert wire.closed == (1011, "now", pytest.approx(10.55, abs=0.1))
    assert wire.kinds == ["setupComplete", "thought", "audio"]


def test_rules_of_the_brain_are_in_the_record():
    brain = CallableBrain(lambda turn: Reply("Yes.", before=(Stall(duration_s=1),)))
    sessions = []

    async def talk(wire):
        await one_question(wire)

    play(Scenario(brain=brain), talk, model=PLAIN, sessions=sessions)
    assert [fault.fault for fault in sessions[0].faults] == ["stall"]

"""The concierge's phrase table, numbers, and the smaller brains."""

import runpy
from itertools import accumulate, pairwise
from pathlib import Path

import numpy as np
import pytest
from emulator_support import Client, Words, silence

from antiphon.emulator import PHRASES, Call, CallableBrain, Concierge, Echo, ToolResult, Turn
from antiphon.emulator.brains.cards import RANKS, SUITS
from antiphon.emulator.brains.numbers import normalized_words, number_in_words, read_number
from antiphon.emulator.service.shared import Shared
from antiphon.emulator.settings import Settings
from antiphon.wire import FunctionDeclaration


def declaration(name, **parameters):
    properties = {key: {"type": kind} for key, kind in parameters.items()}
    return FunctionDeclaration(name=name, parameters={"type": "OBJECT", "properties": properties})


FUNCTIONS = {
    d.name: d
    for d in (
        declaration("go_forward", note="STRING", distance_meters="NUMBER", speed="NUMBER"),
        declaration("go_backward", meters="integer"),
        declaration("get_weather", city="STRING", days="INTEGER"),
    )
}


def ask(text, memory=None, functions=FUNCTIONS, **members):
    memory = {} if memory is None else memory
    return Concierge().respond(Turn(text=text, functions=functions, memory=memory, **members))


@pytest.mark.parametrize("value", [*range(131), 200, 301, 342, 999])
def test_numbers_are_read_as_they_are_said(value):
    assert read_number(normalized_words(number_in_words(value))) == (
        value,
        len(normalized_words(number_in_words(value))),
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), ("2.5", 2.5), ("forty-two", 42), ("three hundred and five", 305), ("ten two", 10)],
)
def test_numbers(text, value):
    assert read_number(normalized_words(text))[0] == value


def test_no_number():
    assert read_number(["meters"]) is None
    assert read_number([]) is None


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("go forward ten meters", Call("go_forward", {"distance_meters": 10})),
        ("Go forward 2.5 meters, please!", Call("go_forward", {"distance_meters": 2.5})),
        ("go forward", Call("go_forward", {"distance_meters": 1})),
        ("go backward one hundred and twelve meters", Call("go_backward", {"meters": 112})),
        ("call get_weather for Paris", Call("get_weather", {"city": "Paris"})),
        ("Call get weather for New York.", Call("get_weather", {"city": "New York"})),
        ("What is the weather in London?", Call("get_weather", {"city": "London"})),
        ("call go_forward with 7", Call("go_forward", {"distance_meters": 7, "note": "7"})),
    ],
)
def test_calls(text, call):
    reply = ask(text)
    assert reply.call == call
    assert reply.text == ""


@pytest.mark.parametrize(
    "text", ["go forward 3 meters", "call get_weather for Rome", "the weather"]
)
def test_functions_that_were_not_declared_are_named_in_words(text):
    reply = ask(text, functions={})
    assert reply.call is None
    assert "function" in reply.text


@pytest.mark.parametrize(
    ("name", "args", "response", "words"),
    [
        (
            "go_forward",
            {"distance_meters": 10},
            {"output": "ok"},
            "We went forward ten meters. ok.",
        ),
        ("go_forward", {"distance_meters": 10}, {}, "Certainly. We went forward ten meters."),
        ("get_weather", {}, {"output": "It is foggy."}, "It is foggy."),
        (
            "get_weather",
            {},
            {"output": {"sky": "grey", "degrees": 12}},
            "sky: grey, degrees: twelve.",
        ),
        ("get_weather", {}, {"error": "no network"}, "did not work. no network."),
        ("get_weather", {}, {"output": [1, None, True]}, "one, , Yes."),
    ],
)
def test_results_are_said(name, args, response, words):
    turn = Turn(text="", tool_result=ToolResult(Call(name, args), response))
    assert words in Concierge().respond(turn).text


def test_each_card_has_its_own_long_answer():
    answers = {ask(f"{rank} of {suit}").text for rank in RANKS for suit in SUITS}
    assert len(answers) == 52
    # A hurried speaker says some 18 characters a second.
    assert min(len(answer) for answer in answers) > 6 * 18
    assert ask("10 of clubs") == ask("Ten of Clubs.")
    assert ask("four queen of clubs").text.startswith("I heard four, and then the queen of clubs.")


def test_counting():
    text = ask("please give a long answer: count to one hundred").text
    assert normalized_words(text)[:3] == ["one", "two", "three"]
    assert text.endswith("ninety nine, one hundred.")
    assert len(ask("count to 100000").text) < 6000
    assert ask("count to zero").text == "There is nothing to count."


def test_the_word_is_remembered():
    memory = {}
    assert "no" not in ask("Remember the word lighthouse.", memory).text.split()
    assert "lighthouse" in ask("What word did I ask you to remember?", memory).text
    assert "not given" in ask("what word did I ask you to remember").text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("thirty three four or six ninety two", "thirty three, four, six and ninety two"),
        ("seven", "the number seven"),
        ("hello", "welcome"),
        ("Good morning!", "welcome"),
        ("thank you", "most welcome"),
        ("What can you do?", "playing card"),
        ("tell a short story", "lighthouse keeper"),
        ("purple monkey", "You said: purple monkey."),
        ("", "listening"),
    ],
)
def test_talk(text, words):
    assert words in ask(text).text


def test_speech_that_was_not_understood():
    assert "1.3 seconds, but I could not" in ask("", spoken=True, duration_s=1.3).text
    assert "no recognizer" in ask("", spoken=True, duration_s=1.3, recognizable=False).text


def test_every_example_of_the_table_is_answered_by_its_own_line():
    memory = {}
    for phrase in PHRASES:
        for example in phrase.examples:
            turn = Turn(text=example, functions=FUNCTIONS, memory=memory)
            words = normalized_words(example)
            answering = next(line for line in PHRASES if line.answer(words, turn) is not None)
            assert answering is phrase, example


def test_any_text_is_answered_and_the_same_text_the_same_way():
    import random

    rng = random.Random(3)
    vocabulary = [
        *[
            "call",
            "go",
            "forward",
            "of",
            "clubs",
            "ten",
            "remember",
            "what",
            "word",
            "count",
            "to",
            "weather",
            "in",
        ]
    ]
    vocabulary += ["", "\0", "ü", "🂡", "1" * 400, "hundred", "and", "for", "'", "_"]
    for _ in range(2000):
        text = " ".join(rng.choices(vocabulary, k=rng.randrange(8)))
        reply = ask(text)
        assert reply == ask(text)
        assert reply.text or reply.call


# ------------------------------------------------------------------ in a session

PLAIN = "models/gemini-2.5-flash-native-audio-preview-12-2025"
WEATHER = {
    "name": "get_weather",
    "parameters": {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}},
}


def result_for(client, **members):
    (call,) = client.all("toolCall")[-1]["toolCall"]["functionCalls"]
    response = {"id": call["id"], "name": call["name"], "response": {"output": "It is sunny."}}
    return {"toolResponse": {"functionResponses": [response | members]}}


def test_a_function_that_blocks_holds_the_turn_open():
    client = Client().setup(PLAIN, tools=[{"functionDeclarations": [WEATHER]}])
    client.say("Call get_weather for Paris")
    client.run(60)
    assert client.kinds() == ["setupComplete", "thought", "toolCall"]
    client.send(result_for(client))
    client.run_to("turnComplete")
    assert client.kinds()[3:] == ["audio", "generationComplete", "turnComplete"]
    assert [turn.text for turn in client.turns] == ["Here is what I found. It is sunny."]


@pytest.mark.parametrize("declared", [{}, {"behavior": "NON_BLOCKING"}])
def test_while_a_function_does_not_block_it_talks_on(declared):
    # By the default of the model, and by the declaration.
    model = PLAIN if declared else "models/gemini-3.8-live"
    client = Client().setup(model, tools=[{"functionDeclarations": [WEATHER | declared]}])
    client.say("Call get_weather for Paris")
    client.run_to("generationComplete")
    aside = ("empty", "thought", "sessionResumptionUpdate")
    spoken = [kind for kind in client.kinds() if kind not in aside]
    assert spoken == ["setupComplete", "toolCall", "audio", "generationComplete"]
    assert client.turns[0].text == "One moment, I am looking that up."
    seen = len(client.messages)
    client.send(result_for(client, scheduling="INTERRUPT"))
    client.run_to("generationComplete")
    after = [next(iter(m.get("serverContent") or m), "empty") for _, m in client.messages[seen:]]
    told = [kind for kind in after if kind not in ("serverContent", "sessionResumptionUpdate")]
    assert told[:3] == ["interrupted", "turnComplete", "modelTurn"]
    assert client.turns[1].text == "Here is what I found. It is sunny."


def test_a_long_answer_comes_no_faster_than_twice_real_time():
    client = Client(speed=(50, 60)).setup(PLAIN)
    client.say("Please give a long answer: count to one hundred")
    client.run_to("turnComplete")
    chunks = [(at, message) for at, message in client.messages if "audio" in str(message)]
    sizes = [len(str(message)) for _, message in chunks]
    duration_s = len(client.audio()) / 2 / 24_000
    assert duration_s > 3
    began = chunks[0][0]
    for (at, _), part in zip(chunks, accumulate(sizes), strict=True):
        sent_s = duration_s * part / sum(sizes)
        assert sent_s < 3 or sent_s <= 2 * (at - began)
    assert all(earlier[0] < later[0] for earlier, later in pairwise(chunks))


def test_the_word_is_remembered_in_a_resumed_session():
    shared = Shared(Settings())
    first = Client(shared=shared).setup(PLAIN, sessionResumption={})
    first.say("Remember the word blue")
    first.run(30)
    handle = first.all("sessionResumptionUpdate")[-1]["sessionResumptionUpdate"]["newHandle"]
    first.hang_up()
    second = Client(shared=shared, now=first.now).setup(PLAIN, sessionResumption={"handle": handle})
    second.say("What word did I ask you to remember?")
    second.run_to("turnComplete")
    assert second.turns[0].text == "You asked me to remember the word blue."


@pytest.mark.parametrize("text", ["goaway", "Go away!"])
def test_goaway(text):
    client = Client().setup(PLAIN)
    client.say(text)
    _, message = client.run_to("goAway")
    assert message == {"goAway": {"timeLeft": "3s"}}
    assert client.kinds()[-2:] == ["turnComplete", "goAway"]
    client.run(2.9)
    assert client.closed is None
    client.run(1.0)
    assert (client.closed.code, client.closed.reason) == (1000, "")
    assert "You said" in ask("please go away from the door").text


def tone(seconds, level_dbfs=-11.0):
    amplitude = 32768 * np.sqrt(2) * 10 ** (level_dbfs / 20)
    angle = 2 * np.pi * 440 / 16_000 * np.arange(int(16_000 * seconds))
    return (amplitude * np.sin(angle)).astype("<i2").tobytes()


@pytest.mark.parametrize("recognizer", [None, Words("")])
def test_a_tone_is_no_word_but_a_turn_and_gets_an_answer(recognizer):
    client = Client(recognizer=recognizer).setup(PLAIN)
    client.hear(tone(2.0) + silence(1.5))
    client.run_to("turnComplete")
    (turn,) = client.turns
    assert turn.spoken
    assert turn.text.startswith("I heard you speak for")
    assert client.audio()


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        ("remember the word blue", "I shall remember the word blue."),
        ("please give a long answer count to one hundred", "One, two, three"),
        ("tell me a story", "Once upon a time"),
        ("goaway", "Good bye."),
        ("hello", "welcome"),
        ("purple monkey", "You said: purple monkey"),
    ],
)
def test_what_was_recognized_is_answered_as_if_typed(heard, answer):
    client = Client(recognizer=Words(heard)).setup(PLAIN)
    client.hear(tone(1.0) + silence(1.5))
    client.run_to("turnComplete")
    assert answer in client.turns[0].text


def test_the_published_table_is_the_one_that_is_followed():
    root = Path(__file__).parents[2]
    tool = runpy.run_path(str(root / "tools" / "write_phrases.py"))
    published = (root / "docs" / "phrases.md").read_text(encoding="utf-8")
    assert published == tool["page"](), "run: python tools/write_phrases.py"


def test_a_function_that_returns_no_reply_ends_its_session_and_says_so():
    told = []
    brain = CallableBrain(lambda turn: None)
    client = Client(brain=brain, observer=lambda event, fields: told.append((event, fields)))
    client.setup().say("abc")
    assert client.closed.code == 1011
    (failed,) = (fields for event, fields in told if event == "brain_failed")
    assert failed["error"].endswith("returned None; return a Reply or a str")


def test_echo_and_callable():
    for brain, answer in ((Echo(), "abc"), (CallableBrain(lambda turn: turn.text.upper()), "ABC")):
        client = Client(brain=brain).setup()
        client.say("abc")
        client.run_to("turnComplete")
        assert client.turns[0].text == answer

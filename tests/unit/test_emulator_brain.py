"""The concierge's phrase table, numbers, and the smaller brains."""

import pytest
from emulator_support import Client

from antiphon.emulator import PHRASES, Call, CallableBrain, Concierge, Echo, ToolResult, Turn
from antiphon.emulator.cards import RANKS, SUITS
from antiphon.emulator.numbers import normalized_words, number_in_words, read_number
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


def test_echo_and_callable():
    for brain, answer in ((Echo(), "abc"), (CallableBrain(lambda turn: turn.text.upper()), "ABC")):
        client = Client(brain=brain).setup()
        client.say("abc")
        client.run_to("turnComplete")
        assert client.turns[0].text == answer

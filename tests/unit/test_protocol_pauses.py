"""What is no pause: the time between two turns of one interaction, and a user who speaks."""

import json

from continuity_support import Session
from live_script import content

from antiphon.protocol import AnswerCut, Moving

MORE = {"serverContent": {"turnComplete": True, "interactionStatus": "IN_PROGRESS"}}
IDLE = {"serverContent": {"turnComplete": True, "interactionStatus": "IDLE"}}


def test_between_two_turns_of_one_interaction_a_session_does_not_move():
    session = Session()
    session.say("question")
    session.feed(content(outputTranscription={"text": "let me think"}), MORE)
    session.happened()
    session.wait(20)
    session.feed({"goAway": {"timeLeft": "50s"}})
    assert Moving() not in session.happened()
    session.feed(content(outputTranscription={"text": "done"}), IDLE)
    assert Moving() in session.happened()


def test_a_break_between_two_turns_of_one_interaction_is_an_answer_cut():
    session = Session()
    session.say("question")
    session.feed({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}})
    session.feed(content(outputTranscription={"text": "let me think"}), MORE)
    session.wait(20)
    session.lose()
    (cut,) = [event for event in session.happened() if isinstance(event, AnswerCut)]
    assert (cut.turn, cut.asked_again) == (1, True)
    session.wait(5)
    _, sent = session.connect()
    assert "question" in json.dumps(sent)


def test_a_session_does_not_move_while_the_user_is_heard_speaking_if_there_is_time():
    """Without `send_again` the words so far would be lost."""
    session = Session(send_again=False)
    session.wait(20)
    session.feed({"voiceActivity": {"type": "ACTIVITY_START", "audioOffset": "20s"}})
    session.protocol.send_audio_message(b'{"realtimeInput":{"audio":{}}}', live_s=0.02)
    session.sent()
    session.happened()
    session.feed({"goAway": {"timeLeft": "50s"}})
    assert Moving() not in session.happened()
    session.wait(48)  # … but not longer than there is time
    assert Moving() in session.happened()

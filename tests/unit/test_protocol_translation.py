"""A model that translates is continuous: it has no turns to wait for, and none to ask again."""

from continuity_support import Session
from live_script import audio, spoken

from antiphon.protocol import Moving
from antiphon.wire import Setup

TRANSLATOR = Setup(model="models/gemini-3.5-live-translate-preview")
PACKET = b'{"realtimeInput":{"audio":{}}}'


def talk(session, seconds):
    for _ in range(seconds):
        for _ in range(50):
            session.protocol.send_audio_message(PACKET)  # send_audio_realtime: not live
        session.sent()
        session.feed(spoken("Wort "), audio())
        session.wait(1)
    session.happened()


def test_a_translator_moves_before_it_is_cut():
    session = Session(setup=TRANSLATOR)
    talk(session, 30)
    session.feed({"goAway": {"timeLeft": "50s"}})
    session.wait(46)
    assert Moving() not in session.happened()
    session.wait(1)
    assert Moving() in session.happened()


def test_after_a_break_a_translator_is_not_told_minutes_of_speech_again():
    session = Session(setup=TRANSLATOR)
    talk(session, 120)
    session.lose()
    session.wait(5)
    _, sent = session.connect()
    assert sent == []
    session.protocol.send_audio_message(PACKET)
    session.lose()  # it had not left, so it is not lost
    session.wait(5)
    assert len(session.connect()[1]) == 1

"""Resumption handles: whose are good, and for how long."""

from continuity_support import Session

from antiphon.wire import SessionResumption, Setup


def test_a_handle_of_the_configuration_is_used_until_there_is_another():
    session = Session(
        setup=Setup(model="models/m", session_resumption=SessionResumption(handle="mine"))
    )
    session.wait(20)
    session.lose()
    session.happened()
    session.wait(1)
    setup, _ = session.connect()
    assert setup["sessionResumption"].get("handle") == "mine"


def test_a_handle_that_the_service_fails_on_is_given_up_in_the_end():
    """A session that made the service fail may do so whenever it is resumed."""
    session = Session(give_up_after_s=100)
    session.feed({"sessionResumptionUpdate": {"newHandle": "h", "resumable": True}})
    session.wait(20)
    session.lose(1011, "Internal error occurred.")
    handles = []
    for _ in range(6):
        session.happened()
        session.wait(9)
        (setup,) = session.open()
        handles.append(setup["sessionResumption"].get("handle"))
        session.lose(1011, "Internal error occurred.")
    assert None in handles, handles

"""What the service says is shown in part: a secret in it must not show by being cut."""

import json

import pytest
from live_script import KEY

from antiphon.protocol import Notice, Ready, SessionProtocol
from antiphon.wire import Setup
from antiphon.wire.secret import excerpt

SHOWN = 200


def shown_by(message: bytes, *, early: bool) -> str:
    """What a session says of a message that it cannot read, or that came too early."""
    protocol = SessionProtocol(Setup())
    protocol.secrets = (KEY,)
    protocol.start(0.0)
    if not early:
        protocol.receive(b'{"setupComplete": {}}', 0.0)
    protocol.receive(message, 0.0)
    (notice,) = [event for event in protocol.events() if isinstance(event, Notice)]
    return str(notice.error)


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("within", [1, 8, len(KEY) - 1, len(KEY)])
def test_no_part_of_a_key_shows_where_a_message_is_cut(within, early):
    head = b'{"voiceActivity": {}, "said": "' if early else b"not JSON: "
    words = head + b"." * (SHOWN - within - len(head)) + KEY.encode() + b" is no good"
    text = shown_by(words + (b'"}' if early else b""), early=early)
    after = text.rpartition("..")[2].lstrip(".")
    assert after.startswith("*")
    assert KEY[:2] not in after


def test_what_is_shown_is_as_long_as_it_was():
    assert excerpt(b"a" * 300, SHOWN, (KEY,)) == "a" * SHOWN
    assert excerpt(b"short", SHOWN) == "short"
    assert excerpt(f"key {KEY}!".encode(), SHOWN, (KEY,)) == "key ***!"


@pytest.mark.parametrize("early", [True, False])
def test_an_error_of_any_length_is_told_in_part_and_without_a_key(early):
    """A peer that sends 16 MiB of words must not have them all in the log."""
    protocol = SessionProtocol(Setup())
    protocol.secrets = (KEY,)
    protocol.start(0.0)
    if not early:
        protocol.receive(b'{"setupComplete": {}}', 0.0)
    words = "." * 490 + KEY + " is no good" + "." * 100_000
    protocol.receive(json.dumps({"error": {"message": words}}).encode(), 0.0)
    told = str([event for event in protocol.events() if not isinstance(event, Ready)])
    assert "......" in told
    assert len(told) < 2_000
    assert KEY[:4] not in told

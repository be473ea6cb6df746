"""The session without I/O and without a clock: bytes and times in, bytes and events out.

Read in this order: `machine` (the state machine), `turns` (which message belongs to which model
turn), `message` (what an application sees), `closure` (how a session ends), `events`.
"""

from antiphon.protocol.closure import Closure
from antiphon.protocol.events import Closed, Event, MessageReceived, Notice, Ready
from antiphon.protocol.machine import SessionProtocol, State
from antiphon.protocol.message import LiveServerMessage
from antiphon.protocol.turns import TurnMarks, TurnTracker
from antiphon.protocol.usage import Usage

__all__ = [
    "Closed",
    "Closure",
    "Event",
    "LiveServerMessage",
    "MessageReceived",
    "Notice",
    "Ready",
    "SessionProtocol",
    "State",
    "TurnMarks",
    "TurnTracker",
    "Usage",
]

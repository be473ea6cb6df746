"""The session without I/O and without a clock: bytes and times in, bytes and events out.

Read in this order: `machine` (the state machine) and `commands` (what an application sends),
`turns` (which message belongs to which model turn), `message` (what an application sees), `calls`
(of functions) and `held_input` (which waits for them), `closure` (how a session ends), `events`;
then how a session outlives its connections: `reconnecting` (when there is another, and when no
more) by the rules of `continuity`, `carryover` (what it is told) out of `journal` (what is sent,
and what again) and `history` (what was said). `usage` counts tokens.
"""

from antiphon.protocol.calls import known_id
from antiphon.protocol.closure import Closure
from antiphon.protocol.continuity import DEFAULT_CONTINUITY, Continuity
from antiphon.protocol.events import (
    AttemptFailed,
    Closed,
    ConnectionLost,
    Event,
    GoingAway,
    MessageReceived,
    Moving,
    Notice,
    Ready,
    Reconnect,
    Resumed,
    SessionEvent,
    UnreadAudioDropped,
    UserAudioDropped,
)
from antiphon.protocol.machine import SessionProtocol, State
from antiphon.protocol.message import AnswerCut, LiveServerMessage
from antiphon.protocol.turns import TurnMarks, TurnTracker
from antiphon.protocol.usage import Usage

__all__ = [
    "DEFAULT_CONTINUITY",
    "AnswerCut",
    "AttemptFailed",
    "Closed",
    "Closure",
    "ConnectionLost",
    "Continuity",
    "Event",
    "GoingAway",
    "LiveServerMessage",
    "MessageReceived",
    "Moving",
    "Notice",
    "Ready",
    "Reconnect",
    "Resumed",
    "SessionEvent",
    "SessionProtocol",
    "State",
    "TurnMarks",
    "TurnTracker",
    "UnreadAudioDropped",
    "Usage",
    "UserAudioDropped",
    "known_id",
]

"""A faithful Live server on this machine: for trying, for tests, for load.

Read in this order: `server` (the face), `driver`, `core` (the session logic, without I/O),
`generation` and `turn_taking` (its two halves: mouth and ear), `brain` and `concierge` (what it
says), `speech` and `recognition` (how it speaks and hears).
"""

from antiphon.emulator.brain import Brain, Call, CallableBrain, Echo, Reply, ToolResult, Turn
from antiphon.emulator.concierge import PHRASES, Concierge
from antiphon.emulator.jobs import Grammar
from antiphon.emulator.recognition import Recognizer
from antiphon.emulator.record import SessionRecord, ToolCallRecord, TurnRecord
from antiphon.emulator.server import Emulator
from antiphon.emulator.settings import Settings
from antiphon.emulator.speech import Clips, SpeechUnavailable, Voice

__all__ = [
    "PHRASES",
    "Brain",
    "Call",
    "CallableBrain",
    "Clips",
    "Concierge",
    "Echo",
    "Emulator",
    "Grammar",
    "Recognizer",
    "Reply",
    "SessionRecord",
    "Settings",
    "SpeechUnavailable",
    "ToolCallRecord",
    "ToolResult",
    "Turn",
    "TurnRecord",
    "Voice",
]

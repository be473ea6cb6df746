"""A faithful Live server on this machine: for trying, for tests, for load.

Read in this order: `server` (the face), `driver`, `core` (the session logic, without I/O), its
ear `turn_taking` and its mouth `answering` and `generation`, `brain` and `concierge` (what it
says), `speech` and `recognition` (how it speaks and hears). Other brains: `script`, `replay`.

The world around it: `link` (what a network does to time) and `linked_channel`, `faults` (what can
go wrong, as rules) and `faulty_session`, `memory` (clients without a socket), `scenario` (all of
it in one file, and a library of them).

Beside the sessions: `door` (plain HTTP on the same port) and `http_api` (what it answers), `tokens`
(ephemeral ones), `control` (what can be done to sessions while they run), `event_log` (what came
and went), `probe` (the server for tests of clients).
"""

from antiphon.emulator.brain import (
    Brain,
    Call,
    CallableBrain,
    Echo,
    Reply,
    Send,
    ToolResult,
    Turn,
    Wait,
)
from antiphon.emulator.concierge import PHRASES, Concierge
from antiphon.emulator.event_log import Event
from antiphon.emulator.jobs import Grammar
from antiphon.emulator.link import LINKS, LinkProfile
from antiphon.emulator.memory import MemoryConnector
from antiphon.emulator.probe import LiveEmulator
from antiphon.emulator.recognition import Recognizer
from antiphon.emulator.record import FaultRecord, SessionRecord, ToolCallRecord, TurnRecord
from antiphon.emulator.replay import Replay
from antiphon.emulator.scenario import Scenario, load_scenario, scenario_library
from antiphon.emulator.script import Mismatch, Script
from antiphon.emulator.server import Emulator
from antiphon.emulator.settings import Settings
from antiphon.emulator.speech import Clips, SpeechUnavailable, Voice

__all__ = [
    "LINKS",
    "PHRASES",
    "Brain",
    "Call",
    "CallableBrain",
    "Clips",
    "Concierge",
    "Echo",
    "Emulator",
    "Event",
    "FaultRecord",
    "Grammar",
    "LinkProfile",
    "LiveEmulator",
    "MemoryConnector",
    "Mismatch",
    "Recognizer",
    "Replay",
    "Reply",
    "Scenario",
    "Script",
    "Send",
    "SessionRecord",
    "Settings",
    "SpeechUnavailable",
    "ToolCallRecord",
    "ToolResult",
    "Turn",
    "TurnRecord",
    "Voice",
    "Wait",
    "load_scenario",
    "scenario_library",
]

"""A faithful Live server on this machine: for trying, for tests, for load.

On top is what users name: `server` (the face), `settings`, `faults` (what can go wrong, as rules
about `kinds` of messages), `scenario` (all of it in one file, and a library of them) and `probe`
(the server for tests of clients). The rooms, each of which uses only those before it:

* `service`: what the service accepts, and what outlives a connection;
* `session`: the session logic, without I/O;
* `brains` (what it says), `speech` (how it speaks and hears), `records` (what is kept of it);
* `world`: the driver, links and faults, clients without a socket;
* `http`: the port, tokens and control by plain HTTP, the page.

Read in this order: `server`, `world.driver`, `session.core` and what its room names,
`brains.concierge`, `speech.synthesis` and `speech.recognition`.
"""

from antiphon.emulator.brains.concierge import PHRASES, Concierge
from antiphon.emulator.brains.replay import Replay
from antiphon.emulator.brains.script import Mismatch, Script
from antiphon.emulator.probe import LiveEmulator
from antiphon.emulator.records.event_log import Event
from antiphon.emulator.scenario import Scenario, load_scenario, scenario_library
from antiphon.emulator.server import Emulator
from antiphon.emulator.session.brain import (
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
from antiphon.emulator.session.jobs import Grammar
from antiphon.emulator.session.record import FaultRecord, SessionRecord, ToolCallRecord, TurnRecord
from antiphon.emulator.settings import Settings
from antiphon.emulator.speech.recognition import Recognizer
from antiphon.emulator.speech.synthesis import Clips, SpeechUnavailable, Voice
from antiphon.emulator.world.link import LINKS, LinkProfile
from antiphon.emulator.world.memory import MemoryConnector

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

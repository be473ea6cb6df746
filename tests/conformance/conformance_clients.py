"""The clients: what they are, how their drivers are started, and what they do not have."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRIVERS = Path(__file__).parent / "drivers"
#: Where `make test-conformance` installs them.
INSTALLED = ROOT / "target" / "conformance"


@dataclass(frozen=True)
class Client:
    """An official client, or a framework that contains one.

    Attributes:
        name: For ids and folders.
        title: Package and version.
        command: Starts its driver.
        folder: Where.
        hides: Events that its interface does not show.
        lacks: Capabilities that its interface does not have: see `Scenario.needs`.
        packet_ms: Its own packets, where it does not let one choose.
        always_speaks: It is made for speech: it asks for a voice whatever the modality, and the
            text of an answer is its transcript.
    """

    name: str
    title: str
    command: tuple[str, ...]
    folder: Path = DRIVERS
    hides: frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    packet_ms: int | None = None
    always_speaks: bool = False


def _python(environment: str, driver: str) -> tuple[str, ...]:
    python = INSTALLED / environment / "bin" / "python"
    return (str(python), str(DRIVERS / "python" / driver))


#: The one that is tested with everything else: it is among the test packages.
NEWEST = Client(
    "google-genai",
    "Python google-genai 3.4.0",
    (sys.executable, str(DRIVERS / "python" / "genai_driver.py")),
)

# Modules are looked up beside the program, so the programs are copied to where they are installed.
_JAVA = INSTALLED / "java"
_NODE = INSTALLED / "node"

CLIENTS = [
    NEWEST,
    Client(
        "google-genai-2",
        "Python google-genai 2.34.0",
        _python("google-genai-2", "genai_driver.py"),
    ),
    Client("js-genai", "JavaScript @google/genai 2.32.0", ("node", "genai_driver.mjs"), _NODE),
    Client(
        "firebase",
        "JavaScript @firebase/ai 2.16.0",
        (
            *("node", "--experimental-websocket", "--no-warnings"),
            *("--import", "./firebase_preload.mjs", "firebase_driver.mjs"),
        ),
        _NODE,
        hides=frozenset({"setup_complete", "generation_complete"}),
        lacks=frozenset({"manual activity", "usage"}),
    ),
    Client("go-genai", "Go google.golang.org/genai 1.77.0", (str(INSTALLED / "go" / "driver"),)),
    Client(
        "java-genai",
        "Java com.google.genai 1.70.0",
        ("java", "-cp", f"{_JAVA / 'classes'}:{_JAVA / 'dependency'}/*", "Driver"),
    ),
    Client(
        "livekit",
        "livekit-plugins-google 1.8.9",
        _python("livekit", "livekit_driver.py"),
        hides=frozenset({"generation_complete"}),
        packet_ms=50,
        always_speaks=True,
    ),
    Client(
        "pipecat",
        "pipecat-ai 1.14.0",
        _python("pipecat", "pipecat_driver.py"),
        hides=frozenset({"generation_complete"}),
        always_speaks=True,
    ),
]

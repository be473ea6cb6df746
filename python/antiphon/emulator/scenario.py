"""A whole world in one file: who answers, what goes wrong, the link, the settings, the seed.

The package has a library of them, one for each behaviour that clients have met in the wild:
`scenario_library` names them. ``docs/scenarios.md`` describes the format.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec

from antiphon.emulator.brains.concierge import Concierge
from antiphon.emulator.brains.script import Script
from antiphon.emulator.faults import Fault, faults_from
from antiphon.emulator.session.brain import Brain, Echo
from antiphon.emulator.settings import Settings
from antiphon.emulator.world.link import LinkProfile, link_profile

__all__ = ["BRAINS", "Scenario", "load_scenario", "scenario_library"]

#: The brains that a scenario, or the command line, can name.
BRAINS: dict[str, type[Concierge | Echo]] = {"concierge": Concierge, "echo": Echo}

_T = TypeVar("_T", Settings, LinkProfile)

_LIBRARY = Path(__file__).parent / "scenarios"
_MAX_FILE_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """What an `Emulator` needs to be a certain world.

    Attributes:
        about: In one line.
        brain: What answers.
        settings: Choices of the server; the seed is one of them.
        link: What lies between the clients and the server; None: nothing.
        faults: What goes wrong.
    """

    about: str = ""
    brain: Brain = field(default_factory=Concierge)
    settings: Settings = field(default_factory=Settings)
    link: LinkProfile | None = None
    faults: tuple[Fault, ...] = ()


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    about: str = ""
    seed: int | None = None
    brain: Literal["concierge", "echo"] | None = None
    link: str | dict[str, Any] | None = None
    settings: dict[str, Any] = {}
    faults: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []


def load_scenario(name: str | Path) -> Scenario:
    """Read a scenario: one of the library by its name, or a TOML or JSON file.

    Raises:
        ValueError: No such scenario, or a file that is none; the message says where.
    """
    path = Path(name)
    if path.suffix not in (".toml", ".json"):
        path = _LIBRARY / f"{name}.toml"
        if name not in scenario_library():
            known = ", ".join(scenario_library())
            raise ValueError(
                f"No scenario {str(name)!r} in the library; there are {known}. A file of your own "
                "ends in .toml or .json."
            )
    try:
        return _scenario(_read(path))
    except ValueError as error:
        raise ValueError(
            f"The scenario {path.name} cannot be used: {error} docs/scenarios.md describes the "
            "format."
        ) from error


def scenario_library() -> dict[str, str]:
    """The scenarios of the package: what each is about, by its name."""
    return {path.stem: _read(path).about for path in sorted(_LIBRARY.glob("*.toml"))}


def _read(path: Path) -> _File:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror}).") from error
    if len(data) > _MAX_FILE_BYTES:
        raise ValueError(f"it has more than {_MAX_FILE_BYTES} bytes.")
    decode = msgspec.json.decode if path.suffix == ".json" else msgspec.toml.decode
    try:
        return decode(data, type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"{error}.") from error


def _scenario(file: _File) -> Scenario:
    settings = _members(file.settings, Settings, "settings")
    if file.seed is not None:
        settings = replace(settings, seed=file.seed)
    brain: Brain = BRAINS[file.brain or "concierge"]()
    if file.steps:
        brain = Script(file.steps, afterwards=brain if file.brain else None)
    link: LinkProfile | None = None
    if isinstance(file.link, str):
        link = link_profile(file.link)
    elif file.link is not None:
        link = _members(file.link, LinkProfile, "link")
    return Scenario(
        about=file.about,
        brain=brain,
        settings=settings,
        link=link,
        faults=faults_from(file.faults),
    )


def _members(values: Mapping[str, Any], kind: type[_T], name: str) -> _T:
    """Settings, or a link, from a table."""
    known = [member.name for member in fields(kind)]
    if unknown := [member for member in values if member not in known]:
        raise ValueError(f"{name} has no {', '.join(unknown)}; there are {', '.join(known)}.")
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {error}.") from error

"""Everything that one run measured, as it is kept in a file."""

from __future__ import annotations

from pathlib import Path

import msgspec

from benches.circumstances import Circumstances
from benches.jitter.pulls import PullTimes


class Row(msgspec.Struct, frozen=True):
    """One trace, played by one contestant. The values have the judge's own names."""

    trace: str
    regime: str
    cls: str
    player: str
    variant: str
    values: dict[str, float | None]


class Measured(msgspec.Struct, frozen=True):
    """A whole run. Without seeds it was on the public traces."""

    circumstances: Circumstances
    seeds: list[int]
    rows: list[Row]
    pulls: list[PullTimes]
    absent: dict[str, str]


def save(measured: Measured, path: Path) -> None:
    """Write it, a row a line."""
    encode = msgspec.json.encode
    fields = {name: encode(getattr(measured, name)) for name in Measured.__struct_fields__}
    fields["rows"] = b"[\n" + b",\n".join(map(encode, measured.rows)) + b"\n]"
    members = (encode(name) + b": " + value for name, value in fields.items())
    path.write_bytes(b"{\n" + b",\n".join(members) + b"\n}\n")


def load(path: Path) -> Measured:
    """Read what `save` wrote."""
    return msgspec.json.decode(path.read_bytes(), type=Measured)

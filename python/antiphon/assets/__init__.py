"""Sound that ships with the package: recorded human speech, and clips of the local server.

The recordings are test data of CMU PocketSphinx (BSD-2-Clause) and LibriVox readings (public
domain); see ``speech/README.md``.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["recording"]

_SPEECH = Path(__file__).parent / "speech"


def recording(name: str) -> Path:
    """The WAV file of a recording of human speech: 16 kHz mono int16.

    Args:
        name: Such as ``cards-001``.

    Raises:
        FileNotFoundError: There is no such recording; the message names those there are.
    """
    path = _SPEECH / f"{name}.wav"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in _SPEECH.glob("*.wav")))
        raise FileNotFoundError(f"There is no recording {name!r}. There are: {known}.")
    return path

"""For pytest: a local Live server for each test that asks for one.

Every run of pytest loads this module, where antiphon is installed: nothing is imported before a
test needs it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from antiphon.emulator import LiveEmulator

__all__ = ["live_emulator", "live_emulator_tls"]


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker is."""
    config.addinivalue_line(
        "markers",
        "live_emulator(**options): of antiphon.emulator.Emulator, for the fixtures live_emulator "
        "and live_emulator_tls, such as link='lte', faults=[...], brain=... or api_key=...",
    )


@pytest.fixture
def live_emulator(request: pytest.FixtureRequest) -> Iterator[LiveEmulator]:
    """A local Live server, on a thread of its own; the marker ``live_emulator`` has options."""
    with _emulator(request) as emulator:
        yield emulator


@pytest.fixture
def live_emulator_tls(request: pytest.FixtureRequest) -> Iterator[LiveEmulator]:
    """The same behind TLS; clients trust it by its ``ca_file``."""
    reason = "TLS for the local server needs the package trustme: pip install 'antiphon[tls]'"
    pytest.importorskip("trustme", reason=reason)
    with _emulator(request, tls=True) as emulator:
        yield emulator


@contextmanager
def _emulator(request: pytest.FixtureRequest, **forced: Any) -> Iterator[LiveEmulator]:
    from antiphon.emulator import LiveEmulator

    options: dict[str, Any] = {}
    for marker in request.node.iter_markers("live_emulator"):
        if marker.args:
            pytest.fail(
                f"The marker live_emulator got {marker.args!r}; its options have names, such as "
                "live_emulator(link='lte').",
                pytrace=False,
            )
        options = {**marker.kwargs, **options}  # the one next to the test goes first
    try:
        emulator = LiveEmulator(**{**options, **forced})
    except (TypeError, ValueError) as error:
        pytest.fail(
            f"The marker live_emulator has options that antiphon.emulator.Emulator does not take: "
            f"{error}",
            pytrace=False,
        )
    with emulator:
        yield emulator

"""Starts the clients that take part, side by side, and writes the table of all pairs."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance_clients import CLIENTS, INSTALLED, NEWEST, ROOT, Client
from conformance_defects import KNOWN_DEFECTS
from conformance_run import Run, Runs
from conformance_scenarios import SCENARIOS, Scenario

#: Quick pairs that are tested with everything else.
_FAST = {"text to text", "text to audio", "tool round trip", "bad key"}


def pairs():
    """Every client with every scenario that it can be driven through."""
    for client in CLIENTS:
        for scenario in SCENARIOS:
            if scenario.needs & client.lacks:
                continue
            fast = client is NEWEST and scenario.name in _FAST
            marks = [] if fast else [pytest.mark.conformance]
            yield pytest.param(client, scenario, id=f"{client.name}-{scenario.name}", marks=marks)


def pytest_generate_tests(metafunc):
    if "scenario" in metafunc.fixturenames:
        metafunc.parametrize(("client", "scenario"), list(pairs()))


@pytest.fixture(scope="session")
def runs(request):
    """The runs of the clients whose tests were selected: they go on side by side."""
    wanted: dict[Client, list[Scenario]] = {}
    for item in request.session.items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if "scenario" in params:
            wanted.setdefault(params["client"], []).append(params["scenario"])
    return Runs(INSTALLED / "runs").start(wanted)


@pytest.fixture
def outcome(runs, client, scenario):
    """What came of a scenario with a client."""
    run, thread = runs[client]
    thread.join()
    return run.outcome(scenario)

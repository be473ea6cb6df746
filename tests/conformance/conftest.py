"""Starts the clients that take part, side by side, and writes the table of all pairs."""

from __future__ import annotations

import pytest
from conformance_clients import CLIENTS, INSTALLED, NEWEST, Client
from conformance_deviations import KNOWN_DEFECTS, OWN_WAYS
from conformance_run import start
from conformance_scenarios import SCENARIOS, Scenario
from conformance_table import table

#: Quick pairs, which are tested with everything else.
_FAST = {"text to text", "text to audio", "tool round trip", "bad key"}


def pytest_addoption(parser):
    parser.addoption("--conformance-table", metavar="FILE", help="write the table of all pairs")


def _pairs():
    """Every client with every scenario that it can be driven through."""
    for client in CLIENTS:
        for scenario in SCENARIOS:
            if scenario.needs & client.lacks:
                continue
            fast = client is NEWEST and scenario.name in _FAST
            marks = [] if fast else [pytest.mark.conformance]
            pair = (client.name, scenario.name)
            deviation = KNOWN_DEFECTS.get(pair) or OWN_WAYS.get(pair)
            driven = scenario if deviation is None else deviation.scenario
            yield pytest.param(client, driven, id=f"{client.name}-{scenario.name}", marks=marks)


def pytest_generate_tests(metafunc):
    if "scenario" in metafunc.fixturenames:
        metafunc.parametrize(("client", "scenario"), list(_pairs()))


@pytest.fixture(scope="session")
def runs(request):
    """The runs of the clients whose tests were selected: they go on side by side."""
    wanted: dict[Client, list[Scenario]] = {}
    for item in request.session.items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        if "scenario" in params:
            wanted.setdefault(params["client"], []).append(params["scenario"])
    return start(wanted, INSTALLED / "runs")


@pytest.fixture
def outcome(runs, client, scenario):
    """What came of a scenario with a client."""
    run, thread = runs[client]
    thread.join()
    return run.outcome(scenario)


def pytest_terminal_summary(terminalreporter, config):
    """Show how the pairs went, and write it down if that was asked for."""
    went = {
        report.nodeid.partition("[")[2].removesuffix("]"): outcome == "passed"
        for outcome in ("passed", "failed", "error")
        for report in terminalreporter.stats.get(outcome, [])
        if "test_conformance.py" in report.nodeid
    }
    if len(went) <= len(_FAST):
        return
    text = table(went)
    terminalreporter.write_line("\n" + text)
    path = config.getoption("--conformance-table", None)
    if path and all(param.id in went for param in _pairs()):
        (config.rootpath / path).write_text(text, "utf-8")
    elif path:
        terminalreporter.write_line(f"{path} was not written: some pairs were not driven.")

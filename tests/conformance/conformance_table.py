"""The table of all pairs, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from conformance_clients import CLIENTS, Client
from conformance_deviations import KNOWN_DEFECTS, OWN_WAYS, Deviation
from conformance_scenarios import SCENARIOS, Scenario

_INTRODUCTION = """\
# Official clients against the local server

Written by `make test-conformance`, which drives unmodified clients, each pinned, through one list
of scenarios over TLS. A pair passes if the client shows what it should **and** the server recorded
what it should. Nothing here was compared with the real service: that the local server is like it
is shown by recordings of the service, elsewhere.

✓ passes · D passes, with a defect of the client's own, which is asserted and told below · W passes
in the client's own way, told below · – the client's interface does not have it · **✗** fails ·
blank: was not run
"""


def table(went: Mapping[str, bool]) -> str:
    """Render how each pair went, by ``client-scenario``."""
    lines = [
        _INTRODUCTION,
        "| scenario | " + " | ".join(client.title for client in CLIENTS) + " |",
        "|---|" + ":-:|" * len(CLIENTS),
    ]
    for scenario in SCENARIOS:
        cells = [_cell(client, scenario, went) for client in CLIENTS]
        lines.append(f"| {scenario.name} | {' | '.join(cells)} |")
    lines += ["", "## Defects of the clients", "", *_reasons(KNOWN_DEFECTS)]
    lines += ["", "## Ways of their own", "", *_reasons(OWN_WAYS)]
    return "\n".join(lines) + "\n"


def _cell(client: Client, scenario: Scenario, went: Mapping[str, bool]) -> str:
    if scenario.needs & client.lacks:
        return "–"
    passed = went.get(f"{client.name}-{scenario.name}")
    if passed is None:
        return ""
    if not passed:
        return "**✗**"
    pair = (client.name, scenario.name)
    return "D" if pair in KNOWN_DEFECTS else "W" if pair in OWN_WAYS else "✓"


def _reasons(deviations: Mapping[tuple[str, str], Deviation]) -> list[str]:
    scenarios: dict[tuple[str, str], list[str]] = {}
    for (client, scenario), deviation in deviations.items():
        scenarios.setdefault((client, deviation.reason), []).append(scenario)
    titles = {client.name: client.title for client in CLIENTS}
    return [
        f"* {titles[client]}, {', '.join(names)}: {reason}."
        for (client, reason), names in scenarios.items()
    ]
